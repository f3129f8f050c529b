"""Rows of JSONL and Parquet: choice of the column with the text or the page, and metadata from the others."""

import base64
import json
import math
from collections.abc import Iterator
from datetime import date, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from textmill.pipelines.extract.pages.text import encodable
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

# The columns that have a place of their own in `documents`, and the names they are found by.
RECOGNISED = {
    "record_id": ("id", "record_id", "warc_record_id"),
    "url": ("url", "uri", "target_uri"),
    "date": ("date", "timestamp", "warc_date", "crawl_date"),
    "title": ("title",),
    "language": ("language", "lang"),
}


UNREADABLE = "_unreadable"      # key of `extra`: the names of columns whose value could not be kept


_LEVELS = 100                   # of lists and objects within each other


class Given(NamedTuple):
    """One document as given: exactly one of `text` and `page` (HTML) is set; `columns` has all its columns."""

    offset: int
    length: int | None
    text: str | bytes | None
    page: str | bytes | None
    columns: dict[str, Any]
    column: str | None      # the column that the text or page came from


def extra_columns(given: Given, held: dict[str, str | None]) -> str | None:
    """The columns not stored unchanged in a column of `documents`, as canonical JSON; None where there are none.

    `held` maps the names that a column may have to the value of the document's own column of that name. A column nested
    too deep for JSON is null, and named under UNREADABLE: it costs no row.
    """
    extra = {name: value for name, value in given.columns.items()
             if name != given.column and not (name in held and held[name] == value)}
    if not extra:
        return None
    try:
        return canonical_json(extra)
    except RecursionError:
        deep = [name for name, value in extra.items() if _too_deep(value)]
        return canonical_json(extra | dict.fromkeys(deep) | {UNREADABLE: deep})


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and no unnecessary escapes: equal values are equal strings."""
    return json.dumps(_jsonable(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def find_column(columns: dict[str, Any], names: tuple[str, ...]) -> str | None:
    """The first of the names whose value is text, which Parquet may store as bytes."""
    return next((name for name in names if isinstance(columns.get(name), str | bytes)), None)


def broken_off(rows: Iterator[Given | Rejected], path: str) -> Iterator[Given | Rejected]:
    """The rows of a file; where reading fails, last one damaged row that says so."""
    try:
        yield from rows
    except (OSError, pa.ArrowException) as error:
        yield Rejected(path, 0, "damaged", detail=f"{type(error).__name__}: the file cannot be read on")


def given_row(path: str, offset: int, length: int | None, row: dict[str, Any], limits: ExtractSettings) -> Given | Rejected:
    """A row of a file as a document to extract, or its rejection."""
    text = find_column(row, limits.text_columns)
    page = None if text else find_column(row, limits.html_columns)
    name = text or page
    if name is None:
        return Rejected(path, offset, "missing_text", length=length,
                        detail=f"no text in {', '.join((*limits.text_columns, *limits.html_columns))}; "
                               f"the row has {', '.join(sorted(row)) or 'no columns'}")
    if len(row[name]) > limits.max_record_bytes:
        return Rejected(path, offset, "too_large", length=length, value=str(len(row[name])), bound=str(limits.max_record_bytes))
    return Given(offset, length, row[name] if text else None, row[name] if page else None, row, name)


def _too_deep(value: Any) -> bool:
    try:
        canonical_json(value)
    except RecursionError:
        return True
    return False


def _jsonable(value: Any, levels: int = _LEVELS) -> Any:
    """The value in the types that JSON has: dates as ISO text, bytes as base64, NaN and infinities as null.

    RecursionError below so many levels, whatever is on the stack.
    """
    if not levels:
        raise RecursionError
    if isinstance(value, dict):
        return {encodable(str(key)): _jsonable(item, levels - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item, levels - 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int) else str(value)
