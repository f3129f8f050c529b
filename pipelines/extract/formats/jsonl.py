"""JSONL: one JSON object per line, plain, gzip or zstd."""

import re
from collections.abc import Iterator
from typing import Any

from textmill.pipelines.contract.lines import json_value, read_lines
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import GZIP, ZSTD, by_bytes, of_rows
from textmill.pipelines.extract.formats.rows import PlainRow
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

_STRING = re.compile(rb'"(?:[^"\\]|\\.)*+"?', re.S)
_BEFORE_VALUES = (b",", b"[", b"{")     # each stands before a value or an empty list or object


def rows(file: Any, part: Range, limits: ExtractSettings) -> Iterator[PlainRow | Rejected]:
    """The rows of the lines that begin in the range; blank lines are no rows."""
    for line in read_lines(file, part.start, part.end, limits.max_record_bytes):
        if line.data is None:
            bound = str(limits.max_record_bytes) if line.rule == "too_large" else None
            yield Rejected(part.path, line.offset, line.rule or "damaged", bound=bound, detail=line.detail)
            continue
        if not line.data.strip():
            continue
        if (count := values(line.data, limits.max_row_values)) > limits.max_row_values:
            yield Rejected(part.path, line.offset, "too_many_values", length=len(line.data), value=str(count),
                           bound=str(limits.max_row_values))
            continue
        try:
            row = json_value(line.data)
        except ValueError as error:
            yield Rejected(part.path, line.offset, "bad_json", length=len(line.data), detail=str(error))
            continue
        if not isinstance(row, dict):
            yield Rejected(part.path, line.offset, "bad_json", length=len(line.data),
                           detail=f"the line is a {type(row).__name__}, not an object")
            continue
        yield PlainRow(line.offset, len(line.data), row)


def values(line: bytes, most: int) -> int:
    """Values in a line of JSON; where no more than `most` are possible, a number of that size."""
    count = sum(line.count(mark) for mark in _BEFORE_VALUES)
    if count <= most:
        return count
    bare = _STRING.sub(b"", line)       # text has commas too
    return sum(bare.count(mark) for mark in _BEFORE_VALUES)


JSONL = of_rows("jsonl", r"\.(jsonl|ndjson)(\.gz|\.zst)?$", rb"\s*\{\s*\"",
                by_bytes(lambda magic: not magic.startswith(GZIP) and magic != ZSTD), rows, inflates=True)
