"""`textmill look`: what would be read of a file, told in the width of the terminal."""

import json
from pathlib import Path

import pytest

from tests.command_line import refused
from tests.extract import pdf_gold
from tests.extract.test_wrapped import MEMBERS, zipped
from tests.paths import ROOT
from textmill.cli import main


def said(capsys, *arguments: str) -> str:
    assert main(["look", *arguments]) == 0
    return capsys.readouterr().out


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "posts.csv").write_text('id,body,url\n1,"Words of the mill, many of them.",https://a.example/\n2,,x\n')
    (tmp_path / "paper.pdf").write_bytes(pdf_gold.paper().pdf)
    (tmp_path / "scan.pdf").write_bytes(pdf_gold.scan())
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "x.mp4").write_bytes(b"\0\0\0\x18ftyp")
    (tmp_path / "all.zip").write_bytes(zipped(MEMBERS))
    (tmp_path / "talk.jsonl").write_text(json.dumps({"prompt": "Who mills?", "response": "The miller."}) + "\n")
    return tmp_path


def test_a_table_says_its_columns_and_which_is_the_text(folder, capsys):
    lines = said(capsys, str(folder / "posts.csv")).splitlines()
    assert lines == ["posts.csv: csv, by its name; 73 bytes", "  columns: id, body, url",
                     "  the text is in none of them; name the column as columns.text in source.yaml", "    beside the file, or in extract.text_columns",
                     "  2 records: 0 documents, 2 rejected (missing_text 2)",
                     "  byte 12: quarantined by missing_text: no text in text, content, raw_content,", "    html, raw_html; the row has body, id, url",
                     "  byte 68: quarantined by missing_text: no text in text, content, raw_content,", "    html, raw_html; the row has body, id, url"]
    page = (ROOT / "docs/your-data.md").read_text("utf-8")
    assert "$ textmill look posts.csv\n" + "\n".join(lines[:5]) + "\n```" in page
    (folder / "source.yaml").write_text("columns: {text: body}\nlicense: CC0\n")
    lines = said(capsys, str(folder / "posts.csv")).splitlines()
    assert lines[2:4] == ["  the text is in: body", "  2 records: 1 document, 1 rejected (empty 1)"]
    assert lines[4].endswith(", https://a.example/, CC0") and lines[5] == "    Words of the mill, many of them."


def test_a_folder_is_its_files(folder, capsys):
    out = said(capsys, str(folder))
    for line in ("README.md: not read, its name matches README* of extract.ignore", "paper.pdf: pdf, by its name;", "all.zip: zip, by its name;",
                 "x.mp4: of no known kind: no kind of file ends in .mp4, and its first bytes are", "dialogues are in: prompt, response",
                 "byte 0: rejected by no_text_layer", "d/a.csv, byte 7:", "../../out.txt, byte 0: rejected by unsafe_path"):
        assert line in out, out


def test_as_json_for_programs(folder, capsys):
    told = {one["file"]: one for one in map(json.loads, said(capsys, "--json", "--most", "1", str(folder)).splitlines())}
    assert told["posts.csv"] == {
        "file": "posts.csv", "bytes": 73, "kind": "csv", "not_read": None, "rows_in": None, "columns": ["id", "body", "url"], "text_in": {},
        "records": 1, "more": True, "documents": 0, "rejected": {"missing_text": 1}}
    assert told["talk.jsonl"]["text_in"] == {"prompt, response": "dialogues"} and told["talk.jsonl"]["documents"] == 1
    assert told["README.md"]["not_read"] == "not read, its name matches README* of extract.ignore" and told["x.mp4"]["kind"] is None
    assert len(told) == 7


def test_what_a_table_without_a_text_may_mean(tmp_path, capsys):
    (tmp_path / "a.json").write_text(json.dumps({"type": "x", "items": [{"body": "Words.", "n": 1}]}))
    assert "  items is a list of objects (body, n); they are the rows where columns.text" in said(capsys, str(tmp_path / "a.json"))
    (tmp_path / "b.tsv").write_text(f"1\t{'words ' * 20}\n2\tothers\n")
    assert "put a line of" in said(capsys, str(tmp_path / "b.tsv"))
    (tmp_path / "source.yaml").write_text("columns: {text: body}\n")
    lines = said(capsys, str(tmp_path / "a.json")).splitlines()
    assert lines[1:5] == ["  rows are the objects of its list items", "  columns: body, n", "  the text is in: body", "  1 record: 1 document, 0 rejected"]


def test_a_narrow_terminal(folder, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "40")
    assert max(map(len, said(capsys, str(folder / "paper.pdf")).splitlines())) <= 40


def test_what_cannot_be_looked_at_is_a_sentence(tmp_path, capsys):
    assert refused(capsys, "look", str(tmp_path / "gone")) == f"look: there is no file {tmp_path}/gone; check the path"
    assert "name a file" in refused(capsys, "look", str(tmp_path))
    Path(tmp_path / "t.parquet").write_bytes(b"PAR1 broken")
    assert "cannot be opened" in said(capsys, str(tmp_path / "t.parquet"))
