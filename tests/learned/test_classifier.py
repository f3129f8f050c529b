"""The classifier: an honest split, a calibrated score, figures that can be counted by hand, the same bytes again."""

import json
import random

import numpy as np
import pytest

from tests.command_line import ROOT, refused
from tests.command_line import run as run_stage
from tests.measure.test_measurements import PROSE, documents
from tests.screen.test_rules import SHIPPED
from textmill.base.strict import SettingsError
from textmill.cli import main
from textmill.cli.begin import demo_steps
from textmill.cli.options import RUN_NAMES
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.texts import parse_texts
from textmill.pipelines.learned.scores import calibration, calibration_error, precision_at_recall, roc_auc
from textmill.pipelines.learned.split import groups, label
from textmill.pipelines.measure.classifier import lines, read_classifier
from textmill.pipelines.measure.named_inputs import changed_since
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import measure_batch, open_tools
from textmill.pipelines.text.words import read_words

pytestmark = pytest.mark.slow

GOOD = ["river", "mill", "water", "wheel", "meadow", "morning", "boat", "rope", "village", "bread", "garden", "winter", "stone", "bridge", "letter"]
BAD = ["casino", "bonus", "pills", "cheap", "online", "spins", "loan", "credit", "offer", "buy", "now", "win", "jackpot", "discount", "free"]


def texts(words: list[str], number: int, seed: int) -> list[str]:
    source = random.Random(seed)
    return [" ".join(source.choices(words, k=30)) for _ in range(number)]


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    folder = tmp_path_factory.mktemp("classifier")
    rows = [{"text": text, "kind": kind} for kind, words in (("ham", GOOD), ("spam", BAD)) for text in texts(words, 60, len(kind))]
    for name, order in (("rows", rows), ("again", random.Random(2).sample(rows, len(rows)))):
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in order))
    return folder


def command(data, name: str, rows: str) -> list[str]:
    return ["classifier", "--name", name, "--good", f"{data / rows}:kind=ham", "--bad", f"{data / rows}:kind=spam", "--data",
            str(data), "--held-out", "0.4"]


def test_the_same_texts_in_any_order_give_the_same_bytes_and_the_score_tells_them_apart(data, capsys):
    assert main(command(data, "one", "rows.jsonl")) == main(command(data, "two", "again.jsonl")) == 0
    said = capsys.readouterr().out
    assert "ROC-AUC 1.0000, precision 1.0000 at 95 % recall of good" in said
    one, two = (data / "classifiers" / name for name in ("one", "two"))
    assert (one / "model.bin").read_bytes() == (two / "model.bin").read_bytes()
    facts, again = (json.loads((folder / "classifier.json").read_text()) for folder in (one, two))
    named = ("good", "bad", "made_from", "checksum")
    assert {k: v for k, v in facts.items() if k not in named} == {k: v for k, v in again.items() if k not in named}
    assert facts["held_out_texts"][0] + facts["trained"][0] == 60 and facts["calibration"]["slope"] > 0
    classifier = read_classifier(Folder(str(data)), "one")
    good, bad = (classifier.score(lines(read_words(texts(words, 20, 99)))) for words in (GOOD, BAD))
    assert good.min() > 0.5 > bad.max() and ((good > 0) & (good < 1)).all()


def test_measure_scores_with_the_classifier_that_settings_name(data):
    assert main(command(data, "named", "rows.jsonl")) == 0
    tools = open_tools(MeasureSettings(classifier="named"), Folder(str(data)))
    rows = measure_batch(documents(" ".join(GOOD), " ".join(BAD), ""), tools).to_pylist()
    assert rows[0]["classifier_score"] > 0.5 > rows[1]["classifier_score"] and rows[2]["classifier_score"] is None


def test_no_text_and_no_near_copy_on_both_sides():
    good = texts(GOOD, 40, 1)
    near = [text + f" {number}" for text in good for number in range(3)]       # Jaccard about 0.96
    labelled = label([good, near], [texts(BAD, 40, 2), good[:1], ["", "!!"]])
    assert labelled.left_out == 2 + 2                       # the text that is good and bad, twice; two without words
    assert len(labelled.lines) == 39 + 120 + 40
    sides: dict[str, set[bool]] = {}
    for line, draw in zip(labelled.lines, labelled.draw.tolist(), strict=True):
        sides.setdefault(" ".join(line.split()[:30]), set()).add(draw < 0.5)
    assert {len(side) for side in sides.values()} == {1} and {True} in sides.values() and {False} in sides.values()


def test_groups_follow_chains_and_are_named_by_their_first():
    signatures = np.arange(5 * 120, dtype=np.uint32).reshape(5, 120)
    signatures[3, :6] = signatures[1, :6]
    signatures[4, 6:12] = signatures[3, 6:12]
    assert groups(signatures).tolist() == [0, 1, 2, 1, 1]
    assert groups(np.zeros((0, 120), np.uint32)).tolist() == []


def test_auc_and_precision_by_hand():
    scores, good = np.array([0.9, 0.8, 0.7, 0.7, 0.1]), np.array([True, False, True, False, False])
    assert roc_auc(scores, good) == pytest.approx((3 + 1.5) / 6)
    assert precision_at_recall(scores, good, 0.5) == 1 and precision_at_recall(scores, good, 0.95) == 2 / 4
    assert calibration_error(np.array([0.05, 0.05, 0.95, 0.95]), np.array([False, True, True, True])) == pytest.approx((0.9 + 0.1) / 4)


def test_calibration_finds_the_curve_that_the_texts_were_drawn_from():
    source = np.random.default_rng(1)
    odds = source.normal(0, 3, 20_000)
    good = source.random(20_000) < 1 / (1 + np.exp(-(0.5 * odds - 1)))
    slope, offset = calibration(odds, good)
    assert slope == pytest.approx(0.5, abs=0.03) and offset == pytest.approx(-1, abs=0.06)
    slope, offset = calibration(np.array([-5.0, -4, 4, 5]), np.array([False, False, True, True]))      # perfectly apart
    assert 0 < slope < 2 and np.isfinite(offset)


def test_lines_are_the_first_words_in_lower_case():
    assert lines(read_words(["The  Mill,\nTHE 水車!", "", "a " * 2000])) == ["the mill the 水 車", "", " ".join("a" * 1000)]


def test_texts_that_teach_nothing_are_an_error(tmp_path, capsys):
    for name, seed in (("good", 1), ("bad", 2)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in texts(GOOD, 30, seed)))
    said = refused(capsys, "classifier", "--name", "x", "--good", str(tmp_path / "good.jsonl"), "--bad", str(tmp_path / "bad.jsonl"),
                   "--data", str(tmp_path))
    assert said.endswith("tells other texts apart no better than chance; give more texts") and not (tmp_path / "classifiers").exists()


def test_the_demo_trains_on_half_of_the_labelled_pages_and_reports_on_the_other(milled, tmp_path, capsys):
    """By the demo's own arguments, so that it does what is tested here."""
    milled, _ = milled
    (given,) = [step for step in demo_steps("", dict.fromkeys(RUN_NAMES) | {"data": str(tmp_path), "config": str(ROOT / "settings.yaml")})
                if step[0] == "classifier"]
    for name in ("documents", "ledger"):
        (tmp_path / name).symlink_to(milled / name)
    assert main(given) == 0
    said = capsys.readouterr().out
    facts = json.loads((tmp_path / "classifiers/sample/classifier.json").read_text())
    assert facts["held_out"] == 0.5 and [sum(side) for side in zip(facts["trained"], facts["held_out_texts"], strict=True)] == [95, 14]
    assert facts["roc_auc"] > 0.8 and f"may move ROC-AUC by 1/{facts['held_out_texts'][1]}" in said and said.count("\n") == 1
    assert "classifier_score" not in {rule.name for rule in SHIPPED.rules}


def test_labels_of_a_file_choose_documents(milled, tmp_path, capsys):
    folder, labels = Folder(str(milled[0])), tmp_path / "labels.jsonl"
    labels.write_text((ROOT / "sample/labels.jsonl").read_text("utf-8"))
    read = {given: [text for batch in parse_texts(given, ["text"], str(labels)).read(folder) for text in batch]
            for given in ("documents:what=spam_links", "documents:what=spam*", "documents:what=spam_l*|thin:parked?domain|thin:log*")}
    assert [len(texts) for texts in read.values()] == [1, 9, 2]
    before = parse_texts("documents:what=x", ["text"], str(labels)).fingerprint(folder)
    assert before != parse_texts("documents:what=x", ["text"]).fingerprint(folder)
    labels.write_text('{"file": "none", "offset": 0, "what": "good"}\n')
    assert before != parse_texts("documents:what=x", ["text"], str(labels)).fingerprint(folder)
    with pytest.raises(StageError, match=r"labels\.jsonl names no row of documents by `file` and `offset`"):
        list(parse_texts("documents:what=good", ["text"], str(labels)).read(folder))
    assert refused(capsys, "classifier", "--name", "x", "--good", "a:b=c", "--bad", "b", "--labels", str(tmp_path / "none")) == (
        f"classifier: --labels: there is no file {tmp_path}/none; check the path")


def test_errors_are_sentences(data, tmp_path, capsys):
    folder = Folder(str(data))
    assert refused(capsys, *command(data, "x", "none.jsonl")).startswith(f"classifier: {data}/none.jsonl:kind=ham: there is neither a dataset")
    assert "left to learn from (copies count once, near copies stay together)" in refused(
        capsys, "classifier", "--name", "x", "--good", f"{data}/rows.jsonl:kind=ham", "--bad", f"{data}/rows.jsonl:kind=nothing", "--data",
        str(data))
    assert refused(capsys, "classifier", "--name", "x", "--good", "a", "--bad", "b", "--held-out", "1") == (
        "classifier: --held-out: must lie between 0 and 1, is 1.0")
    with pytest.raises(SettingsError, match=r"there is no .*classifiers/none; make it with `textmill classifier --name none"):
        open_tools(MeasureSettings(classifier="none"), folder)
    main(command(data, "torn", "rows.jsonl"))
    (data / "classifiers/torn/model.bin").write_bytes(b"another")
    with pytest.raises(SettingsError, match=r"torn is not a classifier \(model.bin is not the one"):
        read_classifier(folder, "torn")
    with pytest.raises(StageError, match="a row has no column 'sort'"):
        list(parse_texts(f"{data}/rows.jsonl:sort=ham", ["text"]).read(folder))
    (tmp_path / "bad.jsonl").write_text('{"text": "a"}\n[1]\n')
    with pytest.raises(StageError, match=r"bad.jsonl cannot be read \(line 2 is not an object\)"):
        list(parse_texts(str(tmp_path), ["text"]).read(folder))


def test_a_run_says_when_the_texts_of_a_table_or_classifier_have_changed_since(data, tmp_path):
    rows = tmp_path / "rows.jsonl"
    rows.write_bytes((data / "rows.jsonl").read_bytes())
    (tmp_path / "prose.jsonl").write_text("".join(json.dumps({"text": PROSE * 3 + str(n)}) + "\n" for n in range(60)))
    assert main(["classifier", "--name", "x", "--good", f"{rows}:kind=ham", "--bad", f"{rows}:kind=spam", "--data", str(tmp_path)]) == 0
    assert main(["background", "--name", "y", "--texts", str(tmp_path / "prose.jsonl"), "--data", str(tmp_path)]) == 0
    folder, settings = Folder(str(tmp_path)), MeasureSettings(background="y", classifier="x")
    assert changed_since(settings, ["text"], folder) == changed_since(MeasureSettings(), ["text"], folder) == []
    rows.write_bytes(rows.read_bytes() + b'{"text": "one more", "kind": "ham"}\n')
    (tmp_path / "prose.jsonl").unlink()
    said = ["the texts of the background table y no longer exist", "the texts of the classifier x have changed since it was made"]
    assert changed_since(settings, ["text"], folder) == said
    (tmp_path / "settings.yaml").write_text((ROOT / "settings.yaml").read_text("utf-8").replace("classifier: null", "classifier: x"))
    (tmp_path / "raw/letters").mkdir(parents=True)
    (tmp_path / "raw/letters/a.txt").write_text(PROSE)
    for stage in ("extract", "measure"):
        ran = run_stage(stage, tmp_path, settings=tmp_path / "settings.yaml")
        assert ran.returncode == 0, ran.stderr
        assert (said[1] in ran.stdout) == (stage == "measure"), ran.stdout


def test_where_texts_lie_and_which_of_them():
    chosen = {given: parse_texts(given, ["text"]) for given in (
        "s3://bucket/a:label=ham", "documents:what=thin:login|spam*", "a=b.jsonl", "c:/d.jsonl", "x:y=")}
    assert [(one.where, one.column, one.value) for one in chosen.values()] == [
        ("s3://bucket/a", "label", "ham"), ("documents", "what", "thin:login|spam*"), ("a=b.jsonl", None, None),
        ("c:/d.jsonl", None, None), ("x", "y", "")]


def test_texts_come_from_text_files_and_parquet_too(tmp_path):
    import pyarrow as pa
    import pyarrow.parquet as pq
    (tmp_path / "a.txt").write_text(PROSE)
    pq.write_table(pa.table({"content": ["one", "two"], "ok": [True, False]}), tmp_path / "b.parquet")
    folder = Folder(str(tmp_path))
    assert list(parse_texts(str(tmp_path), ["text", "content"]).read(folder)) == [[PROSE, "one", "two"]]
    assert list(parse_texts(f"{tmp_path}/b.parquet:ok=true", ["content"]).read(folder)) == [["one"]]
