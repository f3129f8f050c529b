"""A folder of files as people have them, forty kinds: downloaded, zipped, exported, scanned, half broken. Made, not stored."""

import bz2
import gzip
import io
import json
import lzma
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.extract import pdf_gold
from tests.extract.test_documents import DOCX, NOTES, ODT, epub, package
from tests.extract.test_mediawiki import PAGES, dump
from tests.extract.test_wrapped import parquet, tarred, zipped

MILL = "The miller weighs the flour twice and writes it into the book, "
TURNS = [{"role": "user", "content": "Who mills?"}, {"role": "assistant", "content": "The miller."}]
HTML = "<html><body><p>" + (MILL + "as the village asks of him. ") * 6 + "</p></body></html>"
WARC_BODY = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + HTML.replace("weighs", "sieves").encode()
WARC = (b"WARC/1.0\r\nWARC-Type: response\r\nWARC-Target-URI: https://a.example/\r\nWARC-Date: 2026-01-12T04:00:00Z\r\nContent-Type: "
        b"application/http\r\nContent-Length: %d\r\n\r\n" % len(WARC_BODY)) + WARC_BODY + b"\r\n\r\n"


def words(kind: str) -> str:
    """A text that only the file of this kind has."""
    return f"{MILL}says the file of kind {kind}."


def arrow(kind: str, form: str) -> bytes:
    out, table = io.BytesIO(), pa.table({"text": pa.array([words(kind)], pa.large_string())})
    with (pa.ipc.new_file if form == "file" else pa.ipc.new_stream)(out, table.schema) as to:
        to.write_table(table)
    return out.getvalue()


def row(kind: str) -> str:
    return json.dumps({"text": words(kind), "url": f"https://a.example/{kind.replace(' ', '-')}"})


def files() -> dict[str, bytes]:
    """Content by path."""
    binary = pa.table({"text": pa.array([words("parquet binary").encode()], pa.binary())})
    stored = io.BytesIO()
    pq.write_table(binary, stored)
    notebook = {"cells": [{"cell_type": "markdown", "source": [words("notebook")]}, {"cell_type": "code", "source": "print(1)", "outputs": [1]}],
                "metadata": {"kernelspec": {"language": "python"}}, "nbformat": 4}
    texts = {
        "page.html": HTML, "notes.txt": words("txt"), "post.md": f"---\ntitle: Post\n---\n{words('md')}", "manual.rst": f"Manual\n======\n\n{words('rst')}",
        "mill.py": f"# {words('py')}\n", "mill.rs": f"// {words('rs')}\n", "Makefile": f"# {words('make')}\n", "rows.jsonl": row("jsonl") + "\n{broken\n",
        "array.json": f"[{row('json array')}]", "pretty.json": json.dumps(json.loads(row("pretty json")), indent=2), "lines.json": row("json lines") + "\n",
        "table.csv": f'id,text\n1,"{words("csv")}"\n2,"open\n', "german.csv": f'id;text\n1;"{words("semicolons")}"\n', "table.tsv": f"id\ttext\n1\t{words('tsv')}\n",
        "chat.json": json.dumps([{"messages": TURNS}]), "chat.csv": "prompt,response\nWho weighs?,The miller does.\n", "work.ipynb": json.dumps(notebook),
        "README.md": "About this folder.", "LICENSE": "Do as you like.", "table.csv.sha256": "0" * 64, "_cache/x.txt": "hidden", "no-text.csv": "a,b\n1,2\n"}
    books = {name: words(name) for name in ("gz", "xz", "zst")}
    return {name: text.encode() for name, text in texts.items()} | {
        "excel.csv": f'text\n"{words("utf-16")}"\n'.encode("utf-16"), "rows.jsonl.bz2": bz2.compress(row("jsonl bz2").encode() + b"\n"),
        "letter.txt.gz": gzip.compress(books["gz"].encode(), mtime=0), "rows.csv.xz": lzma.compress(f"text\n{books['xz']}\n".replace(",", "").encode()),
        "rows.json.zst": zstandard.ZstdCompressor().compress(f"[{row('zst')}]".encode()), "rows.parquet": parquet(words("parquet")),
        "binary.parquet": stored.getvalue(), "shard.arrow": arrow("arrow file", "file"),
        "saved/train/data-00000-of-00001.arrow": arrow("save_to_disk", "stream"), "saved/train/state.json": b'{"_fingerprint": "x"}',
        "saved/train/dataset_info.json": b"{}", "saved/dataset_dict.json": b'{"splits": ["train"]}', "crawl.warc.gz": gzip.compress(WARC, mtime=0),
        "enwiki-1-pages-articles.xml.bz2": bz2.compress(dump(*PAGES)), "book.epub": epub(), "odd-name": b"%PDF" + pdf_gold.letter().pdf[4:],
        "report.docx": package({"word/document.xml": DOCX, "word/footnotes.xml": NOTES}), "report.odt": package({"content.xml": ODT}),
        "scan.pdf": pdf_gold.scan(), "locked.pdf": pdf_gold.locked(), "broken.pdf": pdf_gold.letter().pdf[:400],
        **{f"{name}.pdf": made().pdf for name, made in pdf_gold.DOCUMENTS.items() if name != "letter"},
        "all.zip": zipped({"a.txt": words("zip txt").encode(), "../evil.txt": b"no", "in.zip": b"PK\3\4", "clip.mp4": b"\0"}),
        "all.tar.gz": gzip.compress(tarred({"deep/a.csv": f"text\n{words('tar csv').replace(',', '')}\n".encode()}, "w", ("link",)), mtime=0),
        "clip.mp4": b"\0\0\0\x18ftypmp42", "photo.jpg": b"\xff\xd8\xff\xe0JFIF", "crawl.warc.lz4": b"\x04\x22\x4d\x18" + bytes(40), "legacy.doc": b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1",
        "sheet.xlsx": zipped({"xl/workbook.xml": b"<x/>"}), "twice.txt.gz.gz": gzip.compress(gzip.compress(b"words", mtime=0), mtime=0), "nothing.csv": b"",
        "wrapped.json": json.dumps({"version": 1, "data": [{"text": words("wrapped json")}]}).encode()}


def write(folder: Path) -> list[str]:
    """Put the files there; their paths."""
    made = files()
    for name, content in made.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return sorted(made)
