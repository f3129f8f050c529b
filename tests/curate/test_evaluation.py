"""Evaluation sets: what of an item is found in a text, and what becomes of the documents that hold it. Items are invented."""

import io
import json
import shutil
from dataclasses import replace

import pytest
import yaml

from tests.command_line import MIXTURE, ROOT, SETTINGS, run, table
from tests.curate.test_curate import world
from textmill.base.strict import SettingsError, parse
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.named_files import ContentError
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.curate.evaluation import SETS, index, open_sets, overlaps, read_set
from textmill.pipelines.curate.rows import curate_batch
from textmill.pipelines.curate.settings import CurateSettings
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.ledger.why import why
from textmill.pipelines.screen.policies import EvaluationPolicy, PersonalDataPolicy
from textmill.pipelines.screen.rules import parse_rules
from textmill.pipelines.settings import read_config

MELONS = ("Ines picks 17 melons every morning and packs three of them for her aunt. She sells the rest at the quay for two crowns "
          "each. How many crowns does Ines earn in a day?")
ANSWER = "Ines sells 17 - 3 = <<17-3=14>>14 melons. She earns 14 * 2 = <<14*2=28>>28 crowns a day. #### 28"
FERRY = ("A ferry takes 12 carts over the river at a time and needs half an hour for the way there and back again. How long does it "
         "take until 60 carts are on the other side?")
SHORT = "Which of these birds builds no nest?"             # 7 words: never looked for
NINE = "Which animal carries its own house on its back?"
CHINESE = "小明每天早上摘十七个西瓜,留下三个给姑姑,其余的在码头出售。"
ITEMS = [("math:1", [MELONS, ANSWER]), ("math:2", [FERRY, "#### 150"]), ("quiz:1", [NINE, "a snail"]), ("quiz:2", [SHORT]),
         ("zh:1", [CHINESE])]
TAG, DROP = EvaluationPolicy("tag", 0.5), EvaluationPolicy("drop", 0.5)


def found(text, items=ITEMS, policy=TAG):
    return overlaps([text], index(items, policy))[0]


def test_a_question_is_found_whatever_its_case_punctuation_and_neighbours():
    text = f"Exercises of week nine.\n\n{MELONS.upper().replace('.', ' –').replace(' ', '  ')}\n\nSolve without help."
    ((item, share),) = found(text)
    assert item == "math:1"
    questions, answers = len(MELONS.split()) - 12, len(["Ines", "sells", "17", "3", "17", "3", "14", "14", "melons", "She", "earns", "14", "2", "14", "2", "28", "28", "crowns", "a", "day", "28"]) - 12
    assert share == pytest.approx(questions / (questions + answers))
    assert found(text + ANSWER) == [("math:1", 1.0)]


def test_part_of_a_question_counts_by_its_share_and_a_single_changed_word_breaks_thirteen_runs():
    words = FERRY.split()
    half = " ".join(words[:len(words) // 2 + 6])
    everything = replace(TAG, overlap=1e-9)
    ((_, share),) = found(half, policy=everything)
    assert share == pytest.approx((len(words) // 2 + 6 - 12) / (len(words) - 12))
    assert found(" ".join(words[:12]), policy=everything) == []
    changed = [*words[:15], "barge", *words[16:]]
    ((_, share),) = found(" ".join(changed), policy=everything)
    assert share == pytest.approx((len(words) - 12 - 13) / (len(words) - 12))


def test_a_short_item_counts_whole_and_one_too_short_is_never_found():
    assert found(f"He asked: {NINE} Nobody knew.") == [("quiz:1", 1.0)]
    assert found("He asked which animal carries its own house on its head.") == []
    assert found(f"He asked: {SHORT}") == []


def test_text_without_spaces_is_compared_by_characters():
    assert found(f"练习:{CHINESE}") == [("zh:1", 1.0)]
    assert found("小明每天晚上读书,周末在码头散步。") == []


def test_wording_that_more_than_ten_items_share_counts_for_none():
    template = "Read the following passage with care and then choose the one answer that is best of all: "
    items = [(f"set:{n}", [template + f"Question number {n} asks of " + " ".join(f"w{n}x{i}" for i in range(12))]) for n in range(11)]
    assert found(template + "something else entirely here", items, replace(TAG, overlap=1e-9)) == []
    assert found(items[3][1][0], items) == [("set:3", 1.0)]
    assert found(template + "something else", items[:10], replace(TAG, overlap=1e-9)) != []


def test_the_largest_overlap_comes_first_and_texts_do_not_run_into_each_other():
    words = MELONS.split()
    assert [item for item, _ in found(f"{FERRY} {MELONS}")] == ["math:2", "math:1"]
    split = overlaps([" ".join(words[:20]), " ".join(words[20:])], index(ITEMS, replace(TAG, overlap=1e-9)))
    assert sum(share for items in split for _, share in items) < found(MELONS)[0][1]
    assert overlaps([], index(ITEMS, TAG)) == [] and overlaps([""], index(ITEMS, TAG)) == [[]]


def test_dropped_documents_name_item_overlap_and_bound_and_tagged_ones_stay():
    documents = world((f"Look: {MELONS} {ANSWER}", [], [], None), ("nothing of the kind", [], [], None), (FERRY, [], [], ("exact", "d9")))
    curated, rejected = curate_batch(*documents, CurateSettings(), PersonalDataPolicy(), None, index(ITEMS, DROP))
    assert curated["id"].to_pylist() == ["d1"] and curated["evaluation_items"].to_pylist() == [[]]
    assert [tuple(row[name] for name in ("id", "rule", "value", "bound", "detail")) for row in rejected.to_pylist()] == [
        ("d0", "evaluation", "1.000", "0.5", "math:1 1.000"), ("d2", "duplicate_exact", "d9", None, "cluster c")]
    curated, rejected = curate_batch(*documents, CurateSettings(), PersonalDataPolicy(), None, index(ITEMS, TAG))
    assert curated["id"].to_pylist() == ["d0", "d1"] and rejected["id"].to_pylist() == ["d2"]
    assert curated["evaluation_items"].to_pylist() == [[{"item": "math:1", "overlap": 1.0}], []]


def set_of(*lines):
    return io.BytesIO("\n".join(lines).encode())


def test_a_set_is_read_line_by_line_with_every_string_in_it():
    nested = {"id": 7, "messages": [{"role": "user", "content": NINE}, {"role": "x", "content": FERRY}], "ok": None}
    assert read_set("a.jsonl", set_of(json.dumps({"question": MELONS, "answer": ANSWER}), "", json.dumps(nested))) == [
        ("a.jsonl:1", [MELONS, ANSWER]), ("a.jsonl:3", ["user", NINE, "x", FERRY])]
    for lines, says in (([json.dumps({"q": MELONS}), "{"], "has a line that is not JSON (2)"), ([json.dumps({"q": SHORT})], "has no item with 8 words"),
                        ([], "has no item")):
        with pytest.raises(ContentError) as error:
            read_set("a.jsonl", set_of(*lines))
        assert says in str(error.value)


def test_every_missing_set_is_named_before_work_starts(tmp_path):
    data = Folder(str(tmp_path))
    for ask in (lambda: SETS.digests(["gone.jsonl", "too.jsonl"], data), lambda: open_sets(["gone.jsonl", "too.jsonl"], TAG, data)):
        with pytest.raises(StageError) as error:
            ask()
        assert str(error.value).count("there is no evaluation set") == 2 and "'too.jsonl'" in str(error.value)
    assert open_sets([], TAG, data) is None


def test_settings_that_cannot_be_meant_are_refused():
    with pytest.raises(SettingsError, match="without its path"):
        parse(CurateSettings, {"evaluation_sets": ["../x.jsonl"]}, "settings.yaml: curate")
    with pytest.raises(SettingsError, match="overlap is 0"):
        parse_rules({"rules": {}, "personal_data": {}, "evaluation": {"overlap": 0}}, [], [], "rules.yaml")
    assert parse_rules({"rules": {}, "personal_data": {}}, [], [], "rules.yaml").evaluation == EvaluationPolicy("drop", 0.5)


def test_a_set_named_later_redoes_curate_alone_and_the_ledger_names_the_item(milled, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(milled[0], data)
    before = table(data, "curated")
    page = next(row for row in before.to_pylist() if row["language"] == "en" and not row["edits"] and row["pieces"] == 1)
    (data / "evaluation_sets").mkdir()
    settings = yaml.safe_load(SETTINGS.read_text())
    settings["curate"]["evaluation_sets"] = ["exam.jsonl"]
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    ran = run("curate", data, settings=tmp_path / "settings.yaml")
    assert ran.returncode == 1 and "Traceback" not in ran.stderr
    assert f"there is no evaluation set 'exam.jsonl' in {data}/evaluation_sets; put it there" in ran.stderr
    (data / "evaluation_sets/exam.jsonl").write_text(json.dumps({"passage": " ".join(page["text"].split()[5:45])}) + "\n")
    ran = run("curate", data, settings=tmp_path / "settings.yaml")
    assert ran.returncode == 0, ran.stderr
    after, (row,) = table(data, "curated"), [r for r in table(data, "curated", rejected=True).to_pylist() if r["rule"] == "evaluation"]
    assert (row["id"], row["value"], row["bound"], row["detail"]) == (page["id"], "1.000", "0.5", "exam.jsonl:1 1.000")
    assert after.to_pylist() == [one for one in before.to_pylist() if one["id"] != page["id"]]

    def told(rules: str) -> str:
        config = read_config(str(tmp_path / "settings.yaml"), str(rules), str(MIXTURE), None)
        return " ".join(" ".join(why(RunContext(Folder(str(data)), config, BeamEngine()), page["id"])).split())

    assert "curate rejected by evaluation, value 1.000, bound 0.5; it contains exam.jsonl:1 1.000" in told(ROOT / "rules.yaml")
    rules = tmp_path / "rules.yaml"
    rules.write_text((ROOT / "rules.yaml").read_text("utf-8").replace("action: drop, overlap", "action: tag, overlap"))
    ran = run("curate", data, 1, "--rules", str(rules), settings=tmp_path / "settings.yaml")
    assert ran.returncode == 0, ran.stderr
    assert "curate 1 piece, 0 edits contains items of evaluation sets, with their overlap: exam.jsonl:1 (1)" in told(rules)
