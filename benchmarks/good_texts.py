"""Texts that a corpus wants: main texts of the development crawl, old novels, prose of today. And the rows measure reads.

Every text is in the half `development` or `test`, by a hash of what it shares a template with: the host of a crawl's page
(see gold.py), the author of a novel, the page of the site in any language, the part of a TICO-19 document. Bounds may be
chosen by looking at the first half only.
"""

import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from benchmarks.gold import half
from textmill.pipelines.extract.rows import DOCUMENTS

SETS = ("crawl", "books", "prose")


class GoodText(NamedTuple):
    """A text with the language it was labelled with, "" where it has no label."""

    set: str
    origin: str
    language: str
    half: str
    name: str
    text: str


def good_texts(data: Path) -> Iterator[GoodText]:
    """All of them, set after set; `data` holds crawl/gold.parquet, books.jsonl.zst and prose.jsonl.zst. Texts that the
    crawl's makers planted (hostile) are left out."""
    for row in pq.read_table(data / "crawl/gold.parquet", columns=["url", "origin", "language", "text"]).to_pylist():
        if row["text"] and not row["origin"].startswith("hostile"):
            yield GoodText("crawl", row["origin"], row["language"] or "", half(row["url"]), row["url"], row["text"])
    for row in json_lines(data / "books.jsonl.zst"):
        where = half(f"https://books.example/book/{row['author']}")
        yield GoodText("books", "books", row["language"], where, row["id"], row["text"])
    for row in json_lines(data / "prose.jsonl.zst"):
        site, _, page = row["id"].partition("/")
        where = half(f"https://{site}.example/book/{page.partition('/')[2].split('/')[0]}")
        yield GoodText("prose", row["source"], row["language"] or "", where, row["id"], row["text"])


def json_lines(path: Path) -> Iterator[dict[str, Any]]:
    """The rows of a .jsonl.zst."""
    with zstandard.open(path, "rb") as file:
        yield from map(json.loads, io.TextIOWrapper(file, "utf-8"))  # type: ignore[arg-type]


def as_documents(texts: Sequence[str], **columns: Sequence[Any]) -> pa.RecordBatch:
    """Rows of `documents` with these texts, as if they had come as text: what only a page has is null."""
    given: dict[str, Sequence[Any]] = {"id": [f"{number:032x}" for number in range(len(texts))], "text": texts, **columns}
    whole = {"source": "texts", "replaced": 0, "payload_bytes": 0, "payload_digest": "", "file": "", "offset": 0}
    arrays = [pa.array(given[field.name], field.type) if field.name in given else
              pa.array([[]] * len(texts), field.type) if field.name == "robots" else
              pa.array([whole.get(field.name)] * len(texts), field.type) for field in DOCUMENTS]
    return pa.record_batch(arrays, schema=DOCUMENTS)
