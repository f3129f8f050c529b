"""A folder of forty kinds of files: what each becomes, and that nothing goes without a word."""

from collections import defaultdict

import pytest

from tests.command_line import table
from tests.extract import pdf_gold
from tests.extract.folder_of_kinds import MILL, write
from tests.extract.test_mediawiki import TEXT
from textmill.cli import main

pytestmark = pytest.mark.slow

GOLD = {name: made().text for name, made in pdf_gold.DOCUMENTS.items()}


def mill(kind: str) -> str:
    return f"{MILL}says the file of kind {kind}."


# What each file becomes: its documents by their texts, then its rejected records by rule; a name that is ignored, nothing.
BECAME = {
    "page.html": [(MILL + "as the village asks of him. ") * 5 + MILL + "as the village asks of him."], "notes.txt": [mill("txt")], "post.md": [mill("md")],
    "manual.rst": [f"Manual\n======\n\n{mill('rst')}"], "mill.py": [f"# {mill('py')}"], "mill.rs": [f"// {mill('rs')}"], "Makefile": [f"# {mill('make')}"],
    "rows.jsonl": [mill("jsonl"), "bad_json"], "array.json": [mill("json array")], "pretty.json": [mill("pretty json")], "lines.json": [mill("json lines")],
    "table.csv": [mill("csv"), "broken_quotes"], "german.csv": [mill("semicolons")], "table.tsv": [mill("tsv")], "chat.json": ["Who mills?\n\nThe miller."],
    "chat.csv": ["Who weighs?\n\nThe miller does."], "work.ipynb": [f"{mill('notebook')}\n\n```python\nprint(1)\n```"], "no-text.csv": ["missing_text"],
    "README.md": [], "LICENSE": [], "table.csv.sha256": [], "_cache/x.txt": [], "excel.csv": [mill("utf-16")], "rows.jsonl.bz2": [mill("jsonl bz2")],
    "letter.txt.gz": [mill("gz")], "rows.csv.xz": [mill("xz").replace(",", "")], "rows.json.zst": [mill("zst")], "rows.parquet": [mill("parquet")],
    "binary.parquet": [mill("parquet binary")], "shard.arrow": [mill("arrow file")], "saved/train/data-00000-of-00001.arrow": [mill("save_to_disk")],
    "saved/train/state.json": [], "saved/train/dataset_info.json": [], "saved/dataset_dict.json": [],
    "crawl.warc.gz": [((MILL + "as the village asks of him. ") * 5 + MILL + "as the village asks of him.").replace("weighs", "sieves")],
    "enwiki-1-pages-articles.xml.bz2": [TEXT, "namespace", "redirect"],
    "book.epub": ["One\n\nThe miller weighs.\n\na  b\n c\n\nRye\n\nand wheat & oats.\n\nsacks\n\ncarts"], "odd-name": [GOLD["letter"]],
    "report.docx": ["The new mill\t1801\n\nRye\t80\nWheat\t120\n\nAfter.\n\nA note."], "report.odt": ["One\n\nThe mill stands.\n\nRye\t80\n\nA note."],
    "scan.pdf": ["no_text_layer"], "locked.pdf": ["encrypted"], "broken.pdf": ["damaged"],
    **{f"{name}.pdf": [text] for name, text in GOLD.items() if name != "letter"}, "all.zip/a.txt": [mill("zip txt")], "all.zip/../evil.txt": ["unsafe_path"],
    "all.zip/in.zip": ["nested_archive"], "all.zip/clip.mp4": ["unknown_kind"], "all.tar.gz/deep/a.csv": [mill("tar csv").replace(",", "")],
    "all.tar.gz/link": ["archive_link"], "clip.mp4": ["unknown_kind"], "photo.jpg": ["unknown_kind"], "legacy.doc": ["unknown_kind"],
    "crawl.warc.lz4": ["unknown_kind"], "sheet.xlsx": ["unknown_kind"], "twice.txt.gz.gz": ["unknown_kind"], "nothing.csv": ["empty"],
    "wrapped.json": [mill("wrapped json")]}


def test_what_each_of_them_becomes(tmp_path, capsys):
    paths = write(tmp_path / "raw/mine")
    assert len({path.partition("/")[2] or path for path in paths}) > 40
    assert main(["extract", "--data", str(tmp_path), "--workers", "1", "--set", "extract.max_quarantined=0.2"]) == 0
    said = capsys.readouterr().out
    became = defaultdict(list)
    for row in table(tmp_path, "documents").to_pylist():
        became[row["file"].removeprefix("mine/")].append(row["text"])
    rejected = sorted(table(tmp_path, "documents", rejected=True).to_pylist(), key=lambda row: row["rule"])
    assert "lz4 is not read: unpack the file" in next(row["detail"] for row in rejected if row["file"].endswith(".lz4"))
    cures = {row["file"].removeprefix("mine/"): row["detail"] for row in rejected}
    assert cures["sheet.xlsx"] == "a spreadsheet is not read: save its tables as CSV or JSONL" and cures["twice.txt.gz.gz"].startswith("it is compressed twice")
    for row in rejected:
        became[row["file"].removeprefix("mine/")].append(row["rule"])
    for path in {*BECAME, *became}:
        assert became.get(path, []) == BECAME.get(path), path
    seen = {path.split("/")[0] if path.startswith("all.") else path for path in BECAME}
    assert seen == set(paths)
    # What has no row is counted by name.
    assert "1 file is not read, because a name in their path begins with _ or . (raw/mine/_cache 1)" in said
    assert "6 files are not read, because extract.ignore has their names (" in said
    assert "of an unknown kind: raw/mine/" in said
    assert main(["rejected", "--data", str(tmp_path), "--rule", "unknown_kind"]) == 0
    listed = capsys.readouterr().out
    assert all(f"mine/{name}" in listed for name in ("clip.mp4", "photo.jpg", "legacy.doc", "all.zip/clip.mp4"))
