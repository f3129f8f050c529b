"""What a data folder has: the state of every stage with the reason where it is stale, and rows as a person reads them."""

import json
import os
import shutil

import pytest

from tests.command_line import SETTINGS, copy_dataset, table
from tests.paths import ROOT
from textmill.cli import main

ARGUMENTS = ["--config", str(SETTINGS), "--mixture", str(ROOT / "tests/mixture.yaml")]
STAGES = ("extract", "measure", "screen", "dedup", "curate", "tokenizer", "tokenize", "pack")


@pytest.fixture
def data(milled, tmp_path):
    """A copy of the finished run, with its raw files' times."""
    return shutil.copytree(milled[0], tmp_path / "data", ignore=shutil.ignore_patterns("checkpoints"))


def status(capsys, data, *more: str) -> tuple[dict[str, str], str]:
    """Stage → state, and all that was printed."""
    assert main(["status", "--data", str(data), *ARGUMENTS, *more]) == 0
    printed = capsys.readouterr().out
    assert max(len(line) for line in printed.splitlines() if str(data) not in line) <= 80
    lines = [line.split("  ") for line in printed.split("\n\n")[0].splitlines()[1:]]
    return {cells[0].strip(): cells[-1].strip() for cells in lines}, printed


def test_a_finished_run_is_up_to_date(capsys, data):
    states, printed = status(capsys, data)
    assert states == dict.fromkeys(STAGES, "up to date") and "next       nothing is stale" in printed
    assert f"{table(data, 'documents').num_rows}" in printed and "\nextract" in printed


def test_as_json_for_programs_and_where_nothing_is(capsys, data, tmp_path):
    os.remove(data / "ledger/curated/manifest.json")
    assert main(["status", "--json", "--data", str(data), *ARGUMENTS]) == 0
    told = json.loads(capsys.readouterr().out)
    stages = {one["stage"]: one for one in told["stages"]}
    assert (told["data"], told["next"], tuple(stages)) == (str(data), "curate", STAGES) and told["bytes"] > 1000
    assert (stages["extract"]["state"], stages["extract"]["rows"], stages["extract"]["reasons"]) == ("up to date", table(data, "documents").num_rows, [])
    assert stages["curate"]["state"] == "begun" and stages["tokenize"]["reasons"] == ["what it reads is not up to date: curate"]
    assert main(["status", "--data", str(tmp_path / "new"), *ARGUMENTS]) == 0
    assert "or see `textmill demo`" in capsys.readouterr().out


def test_a_changed_rule_is_named_and_what_follows_is_stale(capsys, data, tmp_path):
    rules = (ROOT / "rules.yaml").read_text().replace("\n    low: 50\n", "\n    low: 40\n", 1)
    (tmp_path / "rules.yaml").write_text(rules)
    states, printed = status(capsys, data, "--rules", str(tmp_path / "rules.yaml"))
    assert [stage for stage, state in states.items() if state == "up to date"] == ["extract", "measure"]
    assert "screen     setting changed: word_count.low 50.0 → 40.0" in printed and "next       `textmill screen`" in printed
    assert "dedup      what it reads is not up to date: screen" in printed


def test_a_new_raw_file_and_what_is_not_there(capsys, data):
    shutil.copy(next((data / "raw").rglob("*.jsonl")), data / "raw/sample/more.jsonl")
    shutil.rmtree(data / "blocks")
    states, printed = status(capsys, data)
    assert states["extract"] == states["measure"] == "stale" and states["pack"] == "not yet"
    assert "extract    its input is another: files were added, changed or taken away" in printed


def test_an_interrupted_run_and_damage(capsys, data):
    os.remove(data / "ledger/curated/manifest.json")
    (data / "ledger/verdicts/manifest.json").write_text("{}")
    states, printed = status(capsys, data)
    assert states["screen"] == "damaged" and states["curate"] == "begun" and states["dedup"] == "stale"
    assert "is damaged; run its stage again" in printed and "a run was interrupted after" in printed


def test_an_empty_folder(capsys, tmp_path):
    states, printed = status(capsys, tmp_path)
    assert set(states.values()) == {"not yet"} and "or see `textmill demo`" in printed


def inspect(capsys, *arguments: str, status: int = 0) -> str:
    assert main(["inspect", *arguments]) == status
    said = capsys.readouterr()
    return said.err if status else said.out


def test_rows_that_fulfil_a_condition(capsys, milled):
    data = ["--data", str(milled[0])]
    german = [row for row in table(milled[0], "curated").to_pylist() if row["language"] == "de"]
    printed = inspect(capsys, "curated", *data, "--where", "language = 'de' AND piece = 0", "--columns", "id,language", "--most", "2")
    blocks = printed.strip().split("\n\n")
    assert len(blocks) == 3 and f"  id        {german[0]['id']}\n  language  de" in blocks[0]
    assert blocks[-1].endswith(f"of {table(milled[0], 'curated').num_rows} fulfil it, 2 shown")
    skipped = inspect(capsys, "curated", *data, "--where", "language = 'de' AND piece = 0", "--columns", "id", "--most", "1", "--skip", "1")
    assert blocks[1].split("\n")[1].split()[1] in skipped
    assert "documents (rejected): " in inspect(capsys, "documents", *data, "--rejected", "--most", "1")
    assert "2,048 in all" in inspect(capsys, "blocks/mixture/train", *data, "--most", "1")
    assert "tokens/test-1k, row 0" in inspect(capsys, "tokens/test-1k", *data, "--most", "1")


def test_personal_data_is_masked(capsys, milled):
    rows = [row for row in table(milled[0], "documents").to_pylist() if "@" in row["text"]]
    printed = inspect(capsys, "documents", "--data", str(milled[0]), "--where", "text LIKE '%@%'", "--most", "50", "--characters", "100000")
    assert rows and "<EMAIL>" in printed
    for row in table(milled[0], "signals").to_pylist():
        for finding in row["findings"]:
            text = next(r["text"] for r in table(milled[0], "documents").to_pylist() if r["id"] == row["id"])
            assert text[finding["start"]:finding["end"]] not in printed


@pytest.mark.parametrize(("arguments", "said"), [
    (["curted"], "inspect: there is no dataset curted in"),
    (["curated", "--columns", "langage"], "inspect: there is no column langage; it has text, id, "),
    (["signals", "--rejected"], "inspect: signals has no rejected rows: only documents and curated have"),
    (["curated", "--where", "langage = 'de'"], "inspect: --where \"langage = 'de'\" cannot be asked: Binder Error"),
    (["curated", "--where", "text IN (SELECT content FROM read_text('/etc/hostname'))"], "file system operations are disabled"),
    (["curated", "--where", "1 = 1); COPY (SELECT 1) TO 'x.csv'; --"], "cannot be asked")])
def test_what_cannot_be_shown_is_a_sentence(capsys, milled, arguments, said):
    assert said in inspect(capsys, *arguments, "--data", str(milled[0]), status=1)


def test_a_dataset_of_an_earlier_layout_is_shown(capsys, milled, tmp_path):
    copy_dataset(milled[0], "verdicts", tmp_path)
    for entry in (tmp_path / "ledger/verdicts").iterdir():
        shutil.move(entry, tmp_path / "verdicts" / f"_{entry.name}")
    shutil.rmtree(tmp_path / "ledger")
    assert "verdicts, row 0\n" in inspect(capsys, "verdicts", "--data", str(tmp_path), "--most", "1")
