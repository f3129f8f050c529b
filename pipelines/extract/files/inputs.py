"""JSONL, Parquet, HTML and text files as rows that carry a text or a page, each with its place; what cannot be read is
a `Rejected`.

Offsets: a line's first byte in the inflated file, a row's number in a Parquet file, 0 for a file that is one document.
"""

import base64
import json
import math
import zlib
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from textmill.pipelines.extract.files.splits import Range
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

CHUNK = 1 << 20
_ROWS = 256     # Parquet rows decoded at once: pages may be large
# The columns that have a place of their own in `documents`, and the names they are found by.
RECOGNISED = {
    "record_id": ("id", "record_id", "warc_record_id"),
    "url": ("url", "uri", "target_uri"),
    "date": ("date", "timestamp", "warc_date", "crawl_date"),
    "title": ("title",),
    "language": ("language", "lang"),
}


class Given(NamedTuple):
    """One document as given: exactly one of `text` and `page` (HTML) is set; `columns` holds all its columns."""

    offset: int
    length: int | None
    text: str | None
    page: str | bytes | None
    columns: dict[str, Any]
    column: str | None      # the column that the text or page came from


class Line(NamedTuple):
    """A line without its end, or None and a rule where it cannot be had."""

    offset: int
    data: bytes | None
    rule: str | None = None
    detail: str | None = None


def read_jsonl(file: Any, part: Range, limits: ExtractSettings) -> Iterator[Given | Rejected]:
    """The rows of the lines that begin in the range; blank lines are no rows."""
    for line in read_lines(file, part.start, part.end, limits.max_record_bytes):
        if line.data is None:
            bound = str(limits.max_record_bytes) if line.rule == "too_large" else None
            yield Rejected(part.path, line.offset, line.rule or "damaged", bound=bound, detail=line.detail)
            continue
        if not line.data.strip():
            continue
        try:
            row = json.loads(line.data)
        except (ValueError, RecursionError) as error:
            yield Rejected(part.path, line.offset, "bad_json", length=len(line.data), detail=_plain(error))
            continue
        if not isinstance(row, dict):
            yield Rejected(part.path, line.offset, "bad_json", length=len(line.data),
                           detail=f"the line is a {type(row).__name__}, not an object")
            continue
        yield _given(part.path, line.offset, len(line.data), row, limits)


def read_parquet(file: Any, part: Range, limits: ExtractSettings) -> Iterator[Given | Rejected]:
    """The rows of the range's row groups; a row group that cannot be decoded is one damaged row."""
    opened = pq.ParquetFile(file, page_checksum_verification=True)
    first = sum(opened.metadata.row_group(group).num_rows for group in range(part.start))
    for group in range(part.start, part.end):
        rows = opened.metadata.row_group(group).num_rows
        done = 0
        try:
            for batch in opened.iter_batches(batch_size=_ROWS, row_groups=[group]):
                for row in batch.to_pylist():
                    yield _given(part.path, first + done, None, row, limits)
                    done += 1
        except (OSError, pa.ArrowException) as error:
            yield Rejected(part.path, first + done, "damaged", detail=f"row group {group}, {rows - done} rows lost: "
                                                                      f"{type(error).__name__}")
        first += rows


def read_lines(file: Any, start: int, end: int, most: int) -> Iterator[Line]:
    """The lines that begin at [start, end) of a plain file, or all lines of a gzip or zstd file.

    A line of more than `most` bytes is passed over. A compressed stream that does not end as it should gives, after its
    last whole line, one Line with rule truncated or damaged.
    """
    file.seek(0)
    magic = file.read(4)
    compressed = magic[:2] == b"\x1f\x8b" or magic == b"\x28\xb5\x2f\xfd"
    position = max(start - 1, 0)
    file.seek(0 if compressed else position)
    chunks = _inflated(file, magic) if compressed else iter(lambda: file.read(CHUNK), b"")
    buffer, offset = bytearray(), 0 if compressed else position
    skipping = not compressed and start > 0     # the line that contains start - 1 is the neighbour's
    too_large: int | None = None                # where a line over the limit began
    stopped: tuple[str, str] | None = None
    for chunk in chunks:
        if isinstance(chunk, tuple):
            stopped = chunk
            break
        buffer += chunk
        begin = 0
        while (newline := buffer.find(b"\n", begin)) >= 0:
            at = offset + begin
            if too_large is not None or newline - begin > most:
                yield Line(at if too_large is None else too_large, None, "too_large")
                too_large = None
            elif not skipping:
                if not compressed and at >= end:
                    return
                yield Line(at, bytes(buffer[begin:newline]))
            skipping = False
            begin = newline + 1
        del buffer[:begin]
        offset += begin
        if not compressed and offset >= end and not skipping and too_large is None:
            return
        if len(buffer) > most:
            too_large = offset if too_large is None and not skipping else too_large
            offset += len(buffer)
            buffer.clear()
    if stopped:
        yield Line(offset, None, *stopped)
    elif too_large is not None:
        yield Line(too_large, None, "too_large")
    elif buffer and not skipping:
        yield Line(offset, bytes(buffer))


def extra_columns(given: Given, held: dict[str, str | None]) -> str | None:
    """The columns that no column of `documents` holds as they were given, as canonical JSON; None where there are none.

    `held` maps the names that a column may have to what the document's own column of that name says.
    """
    extra = {name: value for name, value in given.columns.items()
             if name != given.column and not (name in held and held[name] == value)}
    return canonical_json(extra) if extra else None


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces, no escapes that need not be: equal values are equal strings."""
    return json.dumps(_jsonable(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def find_column(columns: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of the names whose value is text."""
    return next((name for name in names if isinstance(columns.get(name), str)), None)


def _given(path: str, offset: int, length: int | None, row: dict[str, Any], limits: ExtractSettings) -> Given | Rejected:
    text, page = find_column(row, limits.text_columns), None
    if text is None:
        page = next((name for name in limits.html_columns if isinstance(row.get(name), str | bytes)), None)
    name = text or page
    if name is None:
        return Rejected(path, offset, "missing_text", length=length,
                        detail=f"no text in {', '.join((*limits.text_columns, *limits.html_columns))}; "
                               f"the row has {', '.join(sorted(row)) or 'no columns'}")
    if len(row[name]) > limits.max_record_bytes:
        return Rejected(path, offset, "too_large", length=length, value=str(len(row[name])), bound=str(limits.max_record_bytes))
    return Given(offset, length, row[name] if text else None, row[name] if page else None, row, name)


def _inflated(file: Any, magic: bytes) -> Iterator[bytes | tuple[str, str]]:
    """The inflated bytes in chunks; last, where the stream does not end as it should, a rule and what was wrong."""
    gzip = magic[:2] == b"\x1f\x8b"
    stream: Any = None
    rest = b""
    while taken := rest or file.read(CHUNK):
        rest = b""
        try:
            if stream is None:
                if gzip and not taken.strip(b"\0"):
                    continue                        # padding after the last member
                stream = zlib.decompressobj(31) if gzip else zstandard.ZstdDecompressor().decompressobj()
            if gzip:
                yield stream.decompress(taken, 4 * CHUNK)
                while stream.unconsumed_tail and not stream.eof:
                    yield stream.decompress(stream.unconsumed_tail, 4 * CHUNK)
            else:
                yield stream.decompress(taken)
        except (zlib.error, zstandard.ZstdError) as error:
            yield "damaged", _plain(error)
            return
        if stream.eof:
            rest, stream = stream.unused_data, None
    if stream is not None:
        yield "truncated", "the compressed stream breaks off; what follows the last whole line is lost"


def _jsonable(value: Any) -> Any:
    """The value in the types that JSON has: dates as ISO text, bytes as base64, NaN and infinities as null."""
    if isinstance(value, dict):
        return {str(key): _jsonable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return value.encode("utf-8", "replace").decode()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int) else str(value)


def _plain(error: Exception) -> str:
    """An error in one line without the data or paths it may quote."""
    return f"{type(error).__name__}: {getattr(error, 'msg', None) or str(error).partition(':')[0]}"
