"""The index of a file of rows: what dedup needs of each, as parts of `documents`, `signals` and `verdicts`.

A part holds place, address, date and text of the rows that have one, their content hashes and MinHash signatures. Nothing else
is measured. An index is used again as long as the file has its size and time, and the columns are the same.
"""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from textmill.pipelines.contract.filesystems import open_filesystem
from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.parts import Part
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task, fingerprint
from textmill.pipelines.standalone.dedup_rows.columns import Columns
from textmill.pipelines.standalone.dedup_rows.files import Table, read_rows
from textmill.pipelines.text.shingles import PERMUTATIONS, content_hashes, minhash, shingle_hashes
from textmill.pipelines.text.words import read_words

VERSION = 2                 # of an index
BATCH_ROWS, BATCH_CHARACTERS = 2_000, 1 << 20
GIVEN, AGAINST = "given", "against"         # sources
DOCUMENTS = pa.schema([("id", pa.string()), ("url", pa.string()), ("date", pa.string()), ("source", pa.string()),
                       ("text", pa.string()), ("place", pa.int64()), ("pair", pa.string()), ("preferred", pa.bool_())])
SIGNALS = pa.schema([("content_hash", pa.binary(16)), ("word_count", pa.float64()), ("shingles", pa.int32()),
                     ("minhash", pa.list_(pa.uint32(), PERMUTATIONS))])
VERDICTS = pa.schema([("kept", pa.bool_())])
NO_TEXT = "have no text"


@dataclass(frozen=True)
class Index:
    """The index of one file: its parts, the rows read, those not compared by reason, and the columns of the first row."""

    table: Table
    parts: dict[str, Part]
    rows: int
    not_compared: dict[str, int]
    columns: tuple[str, ...] = field(default=())

    def task(self, data: Folder, home: Folder) -> Task:
        """The parts, which lie in the local folder `home`, as a search over the local folder `data` reads them."""
        inputs = tuple((name, replace(part, path=os.path.relpath(f"{home.uri}/{name}/{part.path}", f"{data.uri}/{name}")))
                       for name, part in self.parts.items())
        return Task(key_of(self.table), fingerprint(self.parts["documents"].sha256), inputs)


def index_table(table: Table, names: Sequence[str], source: str, home: Folder) -> Index:
    """The index of a file, read from `home` where it is there, else made and written there. StageError of the file."""
    wanted = fingerprint(VERSION, _state(table), list(names), source, PERMUTATIONS)
    key = key_of(table)
    if home.exists(f"{key}.json"):
        stored = json.loads(home.read(f"{key}.json"))
        if stored.pop("made_from") == wanted:
            parts = {name: Part(**part) for name, part in stored["parts"].items()}
            return Index(table, parts, stored["rows"], stored["not_compared"], tuple(stored["columns"]))
    columns, not_compared, seen, rows = Columns(names), Counter[str](), list[str](), 0
    schemas = {"documents": DOCUMENTS, "signals": SIGNALS, "verdicts": VERDICTS}
    writers = {name: PartWriter(home / name, key, f"{key}.parquet", schema) for name, schema in schemas.items()}

    def texts() -> Iterator[tuple[int, str, str | None, str | None]]:
        nonlocal rows
        for row in read_rows(table, columns.top_level):
            rows += 1
            text, url, date = columns.of(row.columns) if row.columns else (None, None, None)
            if not seen and row.columns:
                seen.extend(row.columns)
            if text:
                yield row.place, text if text.isascii() else text.encode("utf-8", "replace").decode(), url, date
            else:
                not_compared[row.reason or NO_TEXT] += 1

    with writers["documents"] as documents, writers["signals"] as signals, writers["verdicts"] as verdicts:
        for batch in _batches(texts()):
            places, batch_texts, urls, dates = (list(column) for column in zip(*batch, strict=True))
            ids = [f"{key}{place:016x}" for place in places]
            none = [None] * len(ids)        # a row is one text here
            documents.write(pa.record_batch([ids, urls, dates, [source] * len(ids), batch_texts, places, none, none],
                                            schema=DOCUMENTS))
            words = read_words(batch_texts)
            offsets, hashes = shingle_hashes(words)
            signatures = pa.FixedSizeListArray.from_arrays(pa.array(minhash(offsets, hashes).reshape(-1)), PERMUTATIONS)
            signals.write(pa.record_batch([pa.array(content_hashes(batch_texts), pa.binary(16)),
                                           words.word_count.astype(np.float64), np.diff(offsets).astype(np.int32), signatures],
                                          schema=SIGNALS))
            verdicts.write(pa.record_batch([pa.array([True] * len(ids))], schema=VERDICTS))
    parts = {name: writer.part for name, writer in writers.items() if writer.part}
    index = Index(table, parts, rows, dict(not_compared), tuple(seen))
    home.write(f"{key}.json", json.dumps({"made_from": wanted, "parts": {name: asdict(part) for name, part in parts.items()},
                                          "rows": rows, "not_compared": index.not_compared, "columns": index.columns},
                                         indent=1).encode())
    return index


def _batches(rows: Iterator[tuple[int, str, str | None, str | None]]) -> Iterator[list[tuple[Any, ...]]]:
    batch: list[tuple[Any, ...]] = []
    characters = 0
    for row in rows:
        batch.append(row)
        characters += len(row[1])
        if len(batch) == BATCH_ROWS or characters >= BATCH_CHARACTERS:
            yield batch
            batch, characters = [], 0
    if batch:
        yield batch


def _state(table: Table) -> list[Any]:
    """What changes when the file does."""
    filesystem, path = open_filesystem(table.path)
    info = filesystem.get_file_info(path)
    return [table.path, table.kind, info.size, info.mtime_ns]


def key_of(table: Table) -> str:
    """16 hex digits by a file's path: the first half of its rows' ids."""
    return hashlib.blake2b(table.path.encode("utf-8", "surrogateescape"), digest_size=8).hexdigest()
