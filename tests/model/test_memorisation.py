"""Memorisation: canaries that are read often are known, runs are those that decoding gives, removed values are counted unseen."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.command_line import refused, table
from tests.model.test_blocks import small_mixture
from tests.model.test_evaluation import SETTINGS, counting
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.data.blocks import PackedMixture
from textmill.model.evaluation.canaries import Canary, draw, insert, read
from textmill.model.evaluation.compare import ids_in
from textmill.model.evaluation.memorisation import (
    Value,
    exposure,
    given_back,
    likeliest,
    log_probabilities,
    longest_run,
    recall_lines,
    recalls,
)
from textmill.model.evaluation.tasks import log_probability
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.training.pretrain import pretrain
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.ledger.removed import removed

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
torch.set_num_threads(1)


@pytest.fixture(scope="module")
def learned(tmp_path_factory):
    """Blocks of 128 tokens with canaries in 1 and in 12 blocks, and some in none, and a model that has read them several times."""
    folder = tmp_path_factory.mktemp("memorised")
    source = small_mixture(folder / "plain", 40, 128)
    insert(PackedMixture(source), folder / "copy", draw(2, [0, 1, 12], 3), 3)
    settings = replace(SETTINGS, steps=150, batch=4, lr=0.01, optimizer="muon", validation_every=150, save_every=150)
    pretrain(folder / "copy", folder / "run", settings, CPU)
    return folder


def test_a_copy_differs_in_the_canaries_alone(learned):
    plain, copy = PackedMixture(learned / "plain"), PackedMixture(learned / "copy")
    canaries = read(learned / "copy")
    assert canaries == read(learned / "copy/canaries.json") and [each.times for each in canaries] == [0, 0, 1, 1, 12, 12]
    before, after = (mixture.train.read(range(len(mixture.train))) for mixture in (plain, copy))
    changed = (before.tokens != after.tokens).any(1).sum()
    texts = "".join(LanguageModel.load(learned / "run", CPU).tokenizer.decode(row.tolist()) for row in after.tokens)
    assert 24 <= changed <= 26 and [texts.count(each.text) for each in canaries] == [0, 0, 1, 1, 12, 12]
    assert before.lengths == after.lengths and copy.validation.parts[0]["sha256"] != ""
    assert (copy.validation.read([0, 1]).tokens == plain.validation.read([0, 1]).tokens).all()
    assert len({each.secret for each in canaries}) == 6 and draw(2, [1], 3) == draw(2, [1], 3) != draw(2, [1], 4)


def test_what_cannot_be_put_in(learned, tmp_path):
    plain = PackedMixture(learned / "plain")
    with pytest.raises(ModelError, match="is not empty"):
        insert(plain, learned / "copy", draw(1, [1], 1), 1)
    with pytest.raises(ModelError, match="has room for 3"):
        insert(plain, tmp_path / "a", draw(1, [4], 1), 1, blocks=3)
    with pytest.raises(ModelError, match="has room for 0"):
        insert(PackedMixture(counting(tmp_path / "short", 1)), tmp_path / "b", draw(1, [1], 1), 1)      # blocks of 32 tokens
    with pytest.raises(ModelError, match="has no canaries"):
        read(learned / "plain")


def test_a_number_that_is_read_often_is_known_and_one_that_was_never_is_not(learned, capsys):
    assert main(["memorised", "--run", str(learned / "run"), "--canaries", str(learned / "copy"), "--candidates", "64", "--data",
                 str(learned), "--prefix", "8", "--suffix", "20", "--documents", "10", "--device", "cpu"]) == 0
    said = capsys.readouterr().out.splitlines()
    rows = {line.split()[0]: line.split() for line in said[2:5]}
    assert said[0].startswith("canaries: exposure is at most 6.0, among 64 numbers") and float(rows["12"][2]) == 6.0
    assert rows["12"][4] == "2" and float(rows["0"][2]) < 6.0 and rows["0"][4] == "0"
    sides = {line[:12].strip(): line.split() for line in said[7:9]}
    assert sides.keys() == {"trained on", "held out"} and int(sides["trained on"][4]) > 8
    never = Canary("The number that opens the vault of nobody is ", "1 2 3 4 5 6 7 8 9", 0)
    assert not given_back(LanguageModel.load(learned / "run", CPU), Value("", "\n" + never.before, never.secret))


def test_log_probabilities_side_by_side_are_those_one_by_one(learned):
    model = LanguageModel.load(learned / "run", CPU)
    masking = model.decoder.masking(torch.float32, 128)
    values = ["E", "EFGHIJK", "no such thing", "E F"]
    assert log_probabilities(model, "ABCD", values) == pytest.approx(
        [log_probability(model, masking, "ABCD", value) for value in values], rel=0.02, abs=0.001)
    assert len(log_probabilities(model, "ABCDEFGH" * 100, ["ABC", "D"])) == 2        # longer than the context


def test_a_run_is_what_greedy_decoding_gives(learned):
    model = LanguageModel.load(learned / "run", CPU)
    ids = PackedMixture(learned / "copy").train.read([2]).tokens[0][:60].tolist()
    right = likeliest(model, ids)
    greedy = SamplingSettings(temperature=0)
    for prefix in (4, 12, 30):
        (answer,) = Engine(model).run([Request(tuple(ids[:prefix]), greedy, 10)])
        said = answer.tokens
        same = next((n for n, (a, b) in enumerate(zip(said, ids[prefix:], strict=False)) if a != b), len(said))
        expected = next((n for n, each in enumerate(right[prefix - 1:]) if not each), len(right))
        assert same == min(expected, len(said))
    assert longest_run(np.array([1, 1, 0, 1, 1, 1, 0], bool), 1) == 3 == longest_run(np.array([1, 1, 0, 1, 1, 1, 0], bool), 4)
    assert longest_run(np.array([1, 1, 0, 1, 1, 1, 0], bool), 6) == 1 and longest_run(np.zeros(0, bool), 1) == 0


def test_exposure_is_by_rank():
    assert exposure(-1.0, [-2.0, -3.0, -4.0]) == 2.0 and exposure(-5.0, [-2.0, -3.0, -4.0]) == 0.0
    assert exposure(-2.0, [-2.0, -9.0]) == pytest.approx(math.log2(3 / 2)) and exposure(-1, []) == 0.0


def test_values_by_kind_against_others_of_their_kind(learned):
    """A value that training repeated is given back; others of its kind are its candidates."""
    model, canary = LanguageModel.load(learned / "run", CPU), read(learned / "copy")[-1]
    values = [Value("ID", "\n" + canary.before, canary.secret), Value("ID", "\nABC ", "9 9 9 1 1 1 2 2 2"), Value("PHONE", "ABC", "DEF")]
    ids, phone = recalls(model, values, 50)
    assert (ids.kind, ids.values, ids.given_back, ids.candidates) == ("ID", 2, 1, 2) and ids.first >= 1 and ids.chance == 0.5
    assert (phone.values, phone.candidates) == (1, 0) and math.isnan(phone.exposure)
    shown = "\n".join(recall_lines([ids, phone]))
    assert canary.secret not in shown and max(map(len, shown.splitlines())) <= 80 + 3


def test_every_value_that_curation_took_out_is_found_with_the_text_before_it(milled):
    rows = table(milled[0], "curated").to_pylist()
    documents = {row["id"]: row["text"] for row in table(milled[0], "documents").to_pylist()}
    edits = {(row["id"], edit["kind"], edit["start"], edit["end"]) for row in rows for edit in row["edits"] if edit["kind"].isupper()}
    found = list(removed(Folder(str(milled[0])), {row["id"] for row in rows}))
    assert len(found) == len(edits) > 5
    assert sorted((each.kind, each.value) for each in found) == sorted((kind, documents[id_][a:b]) for id_, kind, a, b in edits)
    later = [each for each in found if any(f"<{kind}>" in each.before for kind in ("EMAIL", "PHONE"))]
    assert later and all(each.value not in each.before for each in later)
    assert list(removed(Folder(str(milled[0])), set())) == []


def test_a_trained_model_is_asked_for_what_was_removed(milled, tmp_path, capsys):
    blocks = milled[0] / "blocks/mixture"
    pretrain(blocks, tmp_path / "run", replace(SETTINGS, steps=1, validation_blocks=1), CPU)
    capsys.readouterr()
    assert main(["memorised", "--run", str(tmp_path / "run"), "--blocks", str(blocks), "--data", str(milled[0]), "--documents", "2",
                 "--values", "6", "--device", "cpu"]) == 0
    ran = capsys.readouterr()
    values = {each.value for each in removed(Folder(str(milled[0])), ids_in(PackedMixture(blocks).train))}
    assert "personal data that curation took out" in ran.out and values and not any(value in ran.out + ran.err for value in values)


def test_canaries_on_the_command_line(learned, tmp_path, capsys):
    arguments = ["canaries", "--blocks", str(learned / "plain"), "--to", str(tmp_path / "c")]
    assert main([*arguments, "--count", "1", "--times", "1,2", "--among", "10"]) == 0
    assert capsys.readouterr().out == f"canaries: 2 of them, in 3 blocks of {tmp_path / 'c'}\n"
    assert json.loads((tmp_path / "c/canaries.json").read_text())["seed"] == 1
    plain, copy = (PackedMixture(folder).train.read(range(10, 20)).tokens for folder in (learned / "plain", tmp_path / "c"))
    assert (plain == copy).all()
    assert "is not empty" in refused(capsys, *arguments) and main([*arguments, "--times", "x"]) == 2
