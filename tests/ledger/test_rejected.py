"""Records that gave no document: the run that fails names the first, `rejected` lists them all."""

import gzip
import io
import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from textmill.cli import main
from textmill.pipelines.contract.lines import line_number

pytestmark = pytest.mark.slow

LINES = ['{"text": "a good one"}', '{"body": "x"}', "", "{bad", "{worse", '{"text": " "}', '{"text": "another"}']


def rejected(capsys, data, *options: str, exit_status: int = 0) -> str:
    assert main(["rejected", "--data", str(data), *options]) == exit_status
    said = capsys.readouterr()
    return said.err if exit_status else said.out


@pytest.fixture
def data(tmp_path, capsys):
    raw = tmp_path / "raw/s"
    raw.mkdir(parents=True)
    (raw / "a.jsonl.gz").write_bytes(gzip.compress("\n".join(LINES).encode()))
    pq.write_table(pa.table({"text": ["one", None]}), raw / "b.parquet")
    assert main(["extract", "--data", str(tmp_path), "--workers", "1"]) == 1
    said = capsys.readouterr().err
    assert ("4 of 8 records could not be read, more than max_quarantined (1.0%): 2 by bad_json, the first in raw/s/a.jsonl.gz, line 4 "
            "(JSONDecodeError: Expecting property name enclosed in double quotes); repair the line, or raise extract.max_quarantined; "
            f"`textmill rejected --data {tmp_path}` lists all") in said
    return tmp_path


def test_each_is_listed_with_file_line_and_reason(data, capsys):
    said = rejected(capsys, data).splitlines()
    assert said[:3] == ["quarantined  bad_json      2  repair the line",
                        "quarantined  missing_text  2  name the column, or a path such as meta.text, in extract.text_columns or extract.html_columns, "
                        "or as columns.text in raw/<source>/source.yaml",
                        "rejected     empty         1"]
    places = [line for line in said if line.startswith("s/")]
    assert places == [*(f"s/a.jsonl.gz, line {n}" for n in (2, 4, 5)), "s/b.parquet, row 2", "s/a.jsonl.gz, line 6"]
    assert "  rejected by empty: the text is empty" in said


def test_some_of_one_rule(data, capsys):
    said = rejected(capsys, data, "--rule", "bad_json", "--most", "1")
    assert [line for line in said.splitlines() if line.startswith("s/")] == ["s/a.jsonl.gz, line 4"]
    assert said.splitlines()[-1] == "and 1 more; --most 2 lists them"
    assert rejected(capsys, data, "--rule", "bomb", exit_status=1) == (
        "rejected: no record was rejected by bomb; the rules here are bad_json, empty, missing_text\n")


def test_none_and_nothing_yet(tmp_path, capsys):
    assert "there is nothing in" in rejected(capsys, tmp_path, exit_status=1)
    (tmp_path / "raw/s").mkdir(parents=True)
    (tmp_path / "raw/s/a.jsonl").write_text(json.dumps({"text": "a text"}))
    assert main(["extract", "--data", str(tmp_path), "--workers", "1"]) == 0
    capsys.readouterr()
    assert rejected(capsys, tmp_path) == "no record was rejected\n"


def test_a_line_deep_in_a_file_is_not_counted():
    file = io.BytesIO(b"a\nb\n\nc\n")
    assert [line_number(file, offset) for offset in (0, 2, 4, 5, 7, 8, 1 << 27)] == [1, 2, 3, 4, 5, None, None]
