"""Rows of JSONL and Parquet: choice of the column with the text or the page, and metadata from the others."""

import base64
import functools
import json
import math
from collections.abc import Iterator, Sequence
from datetime import date, datetime
from typing import Any, NamedTuple

import pyarrow as pa

from textmill.base.columns import DATES, URLS, Path, at, paths, without
from textmill.pipelines.extract.pages.text import encodable
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

# The columns that have a place of their own in `documents`, and the names or paths they are found by, in any case.
RECOGNISED = {
    "record_id": ("id", "record_id", "warc_record_id", "warc_headers.WARC-Record-ID"),
    "url": URLS,
    "date": DATES,
    "title": ("title", "meta.title", "metadata.title"),
    "language": ("language", "lang", "meta.language", "metadata.language", "meta.lang", "metadata.lang"),
}


UNREADABLE = "_unreadable"      # key of `extra`: the names of columns whose value could not be kept


_paths = functools.lru_cache(1024)(paths)       # rows of a file mostly have the same columns
_LEVELS = 100                   # of lists and objects within each other


class Given(NamedTuple):
    """One document as given: exactly one of `text` and `page` (HTML) is set; `columns` has all its columns."""

    offset: int
    length: int | None
    text: str | bytes | None
    page: str | bytes | None
    columns: dict[str, Any]
    path: Path              # where the text or page came from


def extra_columns(given: Given, held: dict[str, str | None]) -> str | None:
    """The columns not stored unchanged in a column of `documents`, as canonical JSON; None where there are none.

    `held` maps the names that a column may have to the value of the document's own column of that name. A column nested
    too deep for JSON is null, and named under UNREADABLE: it costs no row.
    """
    extra = {name: value for name, value in without(given.columns, given.path).items()
             if not (name in held and held[name] == value)}
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


def find_text(row: dict[str, Any], names: Sequence[str]) -> Path | None:
    """The first of the paths that leads to text, which Parquet may store as bytes; to white space only where no other does."""
    texts = [path for path in _paths(tuple(row), tuple(names)) if isinstance(at(row, path), str | bytes)]
    return next((path for path in texts if not is_blank(at(row, path))), texts[0] if texts else None)


def is_blank(text: str | bytes) -> bool:
    """Whether a text is empty or white space; a long one is not copied to see it."""
    return not text or text.isspace()


def broken_off(rows: Iterator[Given | Rejected], path: str) -> Iterator[Given | Rejected]:
    """The rows of a file; where reading fails, last one damaged row that says so."""
    try:
        yield from rows
    except (OSError, pa.ArrowException) as error:
        yield Rejected(path, 0, "damaged", detail=f"{type(error).__name__}: the file cannot be read on")


def given_row(file: str, offset: int, length: int | None, row: dict[str, Any], limits: ExtractSettings) -> Given | Rejected:
    """A row of a file as a document to extract, or its rejection."""
    text, page = find_text(row, limits.text_columns), None
    if text is None or is_blank(at(row, text)):
        page = find_text(row, limits.html_columns)
        page = page if text is None or (page and not is_blank(at(row, page))) else None
    path = page or text
    if path is None:
        return Rejected(file, offset, "missing_text", length=length,
                        detail=f"no text in {', '.join((*limits.text_columns, *limits.html_columns))}; "
                               f"the row has {', '.join(sorted(row)) or 'no columns'}")
    value = at(row, path)
    if len(value) > limits.max_record_bytes:
        return Rejected(file, offset, "too_large", length=length, value=str(len(value)), bound=str(limits.max_record_bytes))
    return Given(offset, length, None if page else value, value if page else None, row, path)


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
