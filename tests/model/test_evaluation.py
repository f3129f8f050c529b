"""Evaluation: loss per document, intervals, multiple choice, and the comparison of mixtures with its statistics."""

import json
import math
import random
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from tests.command_line import refused
from tests.model.test_blocks import LENGTH, LETTER_A, write_mixture
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.architecture.attention import by_document
from textmill.model.data.blocks import PackedMixture
from textmill.model.device import precision_of
from textmill.model.evaluation.compare import (
    common_texts,
    difference,
    differences,
    ids_in,
    readings,
    seeds_for,
    train_all,
    verdict,
)
from textmill.model.evaluation.compare import lines as comparison_lines
from textmill.model.evaluation.documents import Documents, documents_of, open_for
from textmill.model.evaluation.figures import LENGTHS, figure, lengths, lines, overall, samples, tables
from textmill.model.evaluation.statistics import holm, quantile, within
from textmill.model.evaluation.tasks import Item, log_probability, parts, read_items, score, size
from textmill.model.generation.language_model import LanguageModel
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings
from textmill.model.training.validate import bits_per_byte

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
torch.set_num_threads(1)
SETTINGS = TrainSettings(steps=60, batch=2, warmup=2, validation_every=30, save_every=30, optimizer="adamw", lr=0.01)


def counting(folder, step: int, held_out=range(100, 140), blocks: int = 24):
    """Blocks of two documents that count by `step` in letters, each with an id of its own; `held_out` count up by one."""
    draw = random.Random(step)

    def block(n: int, by: int):
        first, cut = draw.randrange(26), draw.randrange(8, LENGTH - 8)
        tokens = [299, *(LETTER_A + (first + by * i) % 26 for i in range(cut - 1)), 299]
        tokens += [LETTER_A + (first + 3 + by * i) % 26 for i in range(LENGTH - len(tokens))]
        return tokens, "up" if n % 2 else "down", [(0, cut, f"{n}-a"), (cut, LENGTH, f"{n}-b")]

    train = [block(n + 1000 * step, step) for n in range(blocks)]
    draw.seed(99)                           # the same held-out texts whatever the step
    return write_mixture(folder, [train], [[block(n, 1) for n in held_out]])


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("evaluated")
    pretrain(counting(folder / "blocks", 1), folder / "run", SETTINGS, CPU)
    return folder


def test_documents_add_up_to_the_blocks(trained):
    mixture = PackedMixture(trained / "blocks")
    model, sizes = open_for(trained / "run", mixture, CPU)
    documents = documents_of(model, mixture.validation, sizes, batch=3)
    assert documents.ids[:4] == ["100-a", "100-b", "101-a", "101-b"] and documents.entries[:3] == ["down", "down", "up"]
    assert len(documents) == 80 and documents.bytes.sum() == 40 * (LENGTH - 2)         # two ends of text a block are not predicted
    blocks = bits_per_byte(model, mixture.validation.in_order(3), by_document, sizes, CPU, precision_of(CPU))
    found = tables(documents, mixture.validation.shares, {})
    assert found["overall"][""].value == pytest.approx(blocks.value, rel=1e-6)
    assert {entry: each.value for entry, each in found["entry"].items()} == pytest.approx(blocks.entries, rel=1e-6)
    one = documents_of(model, mixture.validation, sizes, wanted={"107-b"})
    assert one.ids == ["107-b"] and one.nats[0] == pytest.approx(documents.nats[documents.ids.index("107-b")], rel=0.02)
    assert documents_of(model, mixture.validation, sizes, limit=2).ids == ["100-a", "100-b", "101-a", "101-b"]


def test_intervals_hold_the_figure_and_shrink_with_documents():
    draw = np.random.default_rng(5)
    sizes = draw.integers(100, 5000, 400)
    nats = sizes * draw.normal(1.4, 0.2, 400)
    documents = Documents([str(n) for n in range(400)], ["a"] * 300 + ["b"] * 100, nats, sizes)
    whole, few = figure(documents), figure(documents.take(np.arange(40)))
    assert whole.low < whole.value < whole.high and whole.high - whole.low < 0.6 * (few.high - few.low)
    assert (whole.documents, whole.bytes) == (400, sizes.sum()) and samples(nats, sizes).tolist() == samples(nats, sizes).tolist()
    # by the linear approximation of a ratio's error
    error = np.sqrt(((nats - nats.sum() / sizes.sum() * sizes) ** 2).sum()) / sizes.sum() / math.log(2)
    assert whole.high - whole.low == pytest.approx(2 * 1.96 * error, rel=0.15)
    shared = overall(documents, {"a": 0.1, "b": 0.9})
    by_entry = [figure(documents.take(rows)).value for rows in (np.arange(300), np.arange(300, 400))]
    assert shared.value == pytest.approx(0.1 * by_entry[0] + 0.9 * by_entry[1]) and shared.low < shared.value < shared.high
    assert overall(documents, {"a": 1.0}).value == whole.value
    assert set(lengths(documents)) == {"below 1 kB", "1 to 4 kB", "4 to 16 kB"} <= LENGTHS.keys()
    found = tables(documents, {}, {"language": ["en"] * 200 + ["de"] * 200})
    assert list(found["language"]) == ["de", "en"] and all(len(line) <= 80 for line in lines(found))


def test_evaluate_and_worst_on_the_command_line(trained, tmp_path, capsys):
    arguments = ["--run", str(trained / "run"), "--blocks", str(trained / "blocks"), "--data", str(tmp_path), "--device", "cpu"]
    assert main(["evaluate", *arguments]) == 0
    said = capsys.readouterr().out.splitlines()
    assert [line.split("  ")[0] for line in said[1:]] == ["overall", "entry down", "entry up", "length below 1 kB"]
    assert main(["worst", *arguments, "--count", "3", "--least-bytes", "10"]) == 0
    said = capsys.readouterr().out.splitlines()
    figures = [float(line.split()[0]) for line in said]
    assert len(said) == 3 and figures == sorted(figures, reverse=True)
    assert main(["worst", *arguments]) == 0
    assert capsys.readouterr().out == "no held-out document has 200 bytes to predict; give a smaller --least-bytes\n"
    shutil.copytree(trained / "run", tmp_path / "run")
    (tmp_path / "run/tokenizer.json").write_text("{}")
    assert "was trained with another tokenizer than" in refused(capsys, "evaluate", "--run", str(tmp_path / "run"), *arguments[2:])


def test_choices_are_scored_by_log_probability_over_their_bytes(trained, tmp_path, capsys):
    model = LanguageModel.load(trained / "run", CPU)
    masking = model.decoder.masking(torch.float32, LENGTH)
    ids = [299, *model.tokenizer.encode("ABCDEFG", add_special_tokens=False).ids]
    with torch.no_grad():
        logits = model.decoder.logits(torch.tensor([ids]), model.decoder.cache(1, len(ids))).log_softmax(-1)[0]
    expected = sum(float(logits[n - 1, ids[n]]) for n in (5, 6, 7))
    assert log_probability(model, masking, "ABCD", "EFG") == pytest.approx(expected, rel=0.02)
    assert log_probability(model, masking, "", "AB") < 0
    assert log_probability(model, masking, "ABCDEFGHIJKLMNOPQRSTUVWXYZ" * 3, "A") == pytest.approx(
        log_probability(model, masking, "", ""), abs=30)
    assert parts(Item("Who?", ["I", "you"], 0), "I") == ("Who?", " I") and parts(Item("Who? ", ["I"], 0), "I") == ("Who? ", "I")
    assert parts(Item("A ____ runs.", ["hare", "road"], 0), "hare") == ("A ", "hare runs.")
    assert size(Item("Who?", ["I"], 0), "I") == 1 and size(Item("A ____ runs.", ["hare"], 0), "hare") == len("hare runs.")
    path = tmp_path / "items.jsonl"
    rows = [{"question": f"{chr(65 + n)}___{chr(67 + n)}{chr(68 + n)}", "choices": ["Z", chr(66 + n), "?!"], "answer": chr(66 + n)} for n in range(20)]
    path.write_text("".join(json.dumps(row) + "\n\n" for row in rows))
    found = score(model, read_items(path))
    assert found.accuracy > 0.8 and found.chance == pytest.approx(1 / 3) and found.items == 20 and found.low <= found.accuracy <= found.high
    assert main(["evaluate", "--run", str(trained / "run"), "--tasks", str(path), "--device", "cpu"]) == 0
    assert capsys.readouterr().out.startswith(f"{path}: ")
    for row, problem in [('{"question": "a", "choices": ["b"], "answer": 0}', "fewer than two"), ("{", "line 1"),
                         ('{"question": "a", "choices": ["b", "c"], "answer": "d"}', "answer is 'd'"), ('{"choices": []}', "'question'"),
                         ('{"question": 1, "choices": ["b", ""], "answer": true}', "must be text"), ("[]", "line 1"), ("", "no questions")]:
        path.write_text(row)
        with pytest.raises(ModelError, match=problem):
            read_items(path)


@pytest.mark.parametrize(("degrees", "share", "t"), [(1, 0.95, 12.706), (2, 0.95, 4.303), (3, 0.95, 3.182), (4, 0.95, 2.776),
                                                     (9, 0.95, 2.262), (30, 0.95, 2.042), (29, 0.99, 2.756), (5, 0.6, 0.920)])
def test_students_t_is_that_of_the_tables(degrees, share, t):
    assert quantile(share, degrees) == pytest.approx(t, abs=6e-4) and within(t, degrees) == pytest.approx(share, abs=1e-3)


def test_holms_correction_is_that_of_his_example():
    assert holm({"a": 0.01, "b": 0.04, "c": 0.03, "d": 0.005}) == pytest.approx({"a": 0.03, "b": 0.06, "c": 0.06, "d": 0.02})
    assert holm({}) == {} and holm({"a": 0.9, "b": 0.8}) == {"a": 1.0, "b": 1.0}


def simulated(shift: float, seeds: int, noise: float, draw, documents: int = 300) -> list[Documents]:
    """Models of a mixture: texts of unequal difficulty, `shift` bits per byte worse, each model off by its own noise."""
    base = np.random.default_rng(1)
    sizes = base.integers(500, 4000, documents)
    difficulty = base.normal(1.5, 0.3, documents)
    return [Documents([str(n) for n in range(documents)], ["a", "b"] * (documents // 2),
                      math.log(2) * sizes * (difficulty + shift + draw.normal(0, noise) + draw.normal(0, 0.01, documents)), sizes)
            for _ in range(seeds)]


def test_a_null_comparison_says_no_difference_as_often_as_it_should():
    """Of 200 comparisons without a difference about 5 % are called one; documents alone would call nearly all."""
    draw = np.random.default_rng(3)
    found = [difference(simulated(0, 3, 0.01, draw, 60), simulated(0, 3, 0.01, draw, 60)) for _ in range(60)]
    assert sum(each.p < 0.05 for each in found) <= 8 and sum(each.p < 0.5 for each in found) >= 15


def test_a_difference_is_found_with_its_size_and_side():
    draw = np.random.default_rng(4)
    worse = difference(simulated(0, 3, 0.002, draw), simulated(0.05, 3, 0.002, draw))
    assert worse.low < 0.05 < worse.high and worse.value == pytest.approx(0.05, abs=0.01) and worse.p < 0.05
    assert verdict("raw", "curated", worse, 3).startswith("raw is better than curated by 0.0")
    assert verdict("raw", "curated", worse._replace(value=-worse.value), 3).startswith("curated is better than raw by 0.0")
    one = difference(simulated(0, 1, 0.002, draw), simulated(0.05, 1, 0.002, draw))
    assert math.isnan(one.p) and "with one seed each, which says nothing of chance; give --seeds 3" in verdict("a", "b", one, 1)
    parts = differences(simulated(0, 3, 0.002, draw), simulated(0.05, 3, 0.002, draw), {"entry": ["a", "b"] * 150})
    assert list(parts) == ["entry a", "entry b"] and all(each.p < 0.1 and each.documents == 150 for each in parts.values())


def test_how_many_seeds_it_takes():
    assert seeds_for(0.01, 0.01**2, 0) == 10 and seeds_for(0.1, 0.01**2, 0) == 2        # tables of power: 10 for an effect of one sd
    assert seeds_for(0.01, 0.01**2, 0.01**2) is None and seeds_for(0.0, 1e-4, 0) is None
    found = difference([Documents(["a", "b"], ["x", "x"], np.array([1.0, 2.0]), np.array([9, 9]))] * 2,
                       [Documents(["a", "b"], ["x", "x"], np.array([1.0, 2.0]), np.array([9, 9]))] * 2)
    assert (found.value, found.p) == (0.0, 1.0)
    many = found._replace(documents=100)
    assert "could not be shown with any number of seeds, only on more held-out text" in verdict("a", "b", many, 2)


def test_of_a_few_documents_nothing_is_said():
    """Their bootstrap knows nothing of other documents: one document has no variance at all."""
    draw = np.random.default_rng(4)
    models = simulated(0, 3, 0.002, draw, 60), simulated(0.5, 3, 0.002, draw, 60)
    parts = differences(*models, {"language": ["en"] * 50 + ["de"] * 9 + ["fr"]})
    assert parts["language en"].p < 0.05 and all(math.isnan(parts[f"language {name}"].p) for name in ("de", "fr"))
    assert parts["language en"].p == difference(*([each.take(np.arange(50)) for each in side] for side in models)).p    # Holm of one
    listed = list(comparison_lines("a", "b", models, {"language": ["en"] * 50 + ["de"] * 9 + ["fr"]}))
    assert [line.split()[3:5] for line in listed if "fr " in line] == [["-", "-"]] and "of fewer than 10 documents nothing is said" in listed[-2]
    few = difference(*([each.take(np.arange(9)) for each in side] for side in models))
    assert verdict("a", "b", few, 3) == ("b less a: +" f"{few.value:.4f} bits per byte on 9 documents, too few to say more of; "
                                         "raise `validation` or `tokens` of the mixtures and pack again")


def test_the_texts_are_those_that_all_hold_out(tmp_path):
    first = PackedMixture(counting(tmp_path / "a", 1))
    second = PackedMixture(counting(tmp_path / "b", 2, held_out=range(120, 160)))
    assert common_texts([first, second]) == {f"{n}-{part}" for n in range(120, 140) for part in "ab"}
    with pytest.raises(ModelError, match="no document is held out in all of these mixtures"):
        common_texts([first, PackedMixture(counting(tmp_path / "c", 2, held_out=range(200, 220)))])
    leaking = write_mixture(tmp_path / "d", [[([299] + [40] * 31, "up", [(0, LENGTH, "121-a")])]], [[([299] + [40] * 31, "up", [(0, LENGTH, "121-a")])]])
    with pytest.raises(ModelError, match="no document is held out"):
        common_texts([first, PackedMixture(leaking)])
    # 121-a is like a document that the second trains on; 122-b is like one that nobody does.
    copied = next(iter(ids_in(second.train)))
    alike = {"121-a": "g", copied: "g", "122-b": "h", "nowhere": "h"}
    assert common_texts([first, second]) - common_texts([first, second], alike) == {"121-a"}


def test_epochs_are_those_of_the_first_so_that_all_read_as_many_tokens(tmp_path):
    folders = [counting(tmp_path / "a", 1, blocks=24), counting(tmp_path / "b", 2, blocks=12)]
    settings = replace(SETTINGS, steps=None, epochs=0.5, validation_every=2, save_every=2)
    _, packed = train_all(folders, tmp_path / "runs", settings, 1, CPU)
    assert readings(packed, ["a", "b"], settings) == "each model reads 384 tokens, passes: 0.50 over a, 1.00 over b"
    assert [sorted(path.name for path in (tmp_path / f"runs/{name}-seed-1").glob("step-*"))[-1] for name in "ab"] == ["step-00000006"] * 2


def test_the_better_mixture_wins_and_one_against_itself_does_not(tmp_path, capsys):
    """Held-out texts count by one; a mixture that does so beats one that counts by five. Against itself: other seeds, no verdict."""
    good, bad = counting(tmp_path / "good", 1), counting(tmp_path / "bad", 5)
    settings = tmp_path / "settings.json"
    settings.write_text(json.dumps({"train": {"steps": 30, "batch": 2, "warmup": 2, "optimizer": "adamw", "lr": 0.01}}))
    arguments = ["--config", str(settings), "--to", str(tmp_path / "runs"), "--data", str(tmp_path), "--device", "cpu"]
    assert main(["compare", str(bad), str(good), *arguments]) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-1].startswith("good is better than bad by ") and "3 seeds)" in said[-1]
    assert {line.split("  ")[0] for line in said[2:-1]} >= {"overall", "entry down", "entry up"}
    assert max(map(len, said[:-1])) <= 80
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == [f"{name}-seed-{n}" for name in ("bad", "good") for n in (1, 2, 3)]
    assert main(["compare", str(good), str(good), *arguments]) == 0
    ran = capsys.readouterr()
    assert ran.out.splitlines()[-1].startswith("no difference between good (1) and good (2): ")
    assert "good-seed-6: validation" in ran.err and "good-seed-1: up to date" in ran.err
    assert main(["compare", str(good)]) == 2
    assert "compare needs two mixtures or more" in capsys.readouterr().err


def test_runs_are_kept_and_settings_are_the_same_for_all(tmp_path):
    folders = [counting(tmp_path / name, step) for name, step in (("a", 1), ("b", 2))]
    short = replace(SETTINGS, steps=2, seed=7)
    costs, _ = train_all(folders, tmp_path / "runs", short, 2, CPU)
    again, _ = train_all(folders, tmp_path / "runs", short, 2, CPU)
    assert [each.nats.tolist() for models in costs for each in models] == [each.nats.tolist() for models in again for each in models]
    assert len({tuple(each.ids) for models in costs for each in models}) == 1
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["a-seed-7", "a-seed-8", "b-seed-7", "b-seed-8"]
