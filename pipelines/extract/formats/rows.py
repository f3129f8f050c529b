"""Rows of tables and JSON: choice of the columns with the text, page or dialogue, and metadata from the others."""

import functools
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import pyarrow as pa

from textmill.base.columns import DATES, URLS, Path, at, paths, without
from textmill.pipelines.extract.formats.canonical import canonical_json
from textmill.pipelines.extract.formats.dialogues import Dialogue, blank_dialogue, read_dialogues
from textmill.pipelines.extract.refusal import Refusal
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


class PlainRow(NamedTuple):
    """A row of a file as stored: its place, its stored bytes where they are known, its columns."""

    offset: int
    length: int | None
    columns: dict[str, Any]


class Given(NamedTuple):
    """One document as given: exactly one of `text`, `page` and `dialogue` is set; `columns` has all its columns."""

    offset: int
    length: int | None
    text: str | bytes | None
    page: str | bytes | None
    columns: dict[str, Any]
    paths: tuple[Path, ...]         # where the text, page or dialogue came from
    dialogue: Dialogue | None = None
    kind: str = "html"              # of the page: html, or a module of document_formats/


def extra_columns(given: Given, held: dict[str, str | None]) -> str | None:
    """The columns not stored unchanged in a column of `documents`, as canonical JSON; None where there are none.

    `held` maps the names that a column may have to the value of the document's own column of that name. A column nested
    too deep for JSON is null, and named under UNREADABLE: it costs no row.
    """
    extra = {name: value for name, value in functools.reduce(without, given.paths, given.columns).items()
             if not (name in held and held[name] == value)}
    if not extra:
        return None
    try:
        return canonical_json(extra)
    except RecursionError:
        deep = [name for name, value in extra.items() if _too_deep(value)]
        return canonical_json(extra | dict.fromkeys(deep) | {UNREADABLE: deep})


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


def documents_of(rows: Iterable[PlainRow | Rejected], path: str, settings: ExtractSettings) -> Iterator[Given | Rejected]:
    """What each row of a file holds; where reading fails, last one damaged row that says so."""
    return broken_off((item for row in rows for item in (
        (row,) if isinstance(row, Rejected) else given_rows(path, row.offset, row.length, row.columns, settings))), path)


def given_rows(file: str, offset: int, length: int | None, row: dict[str, Any],
               limits: ExtractSettings) -> Iterator[Given | Rejected]:
    """A row of a file as a document to extract, or its rejection; as two documents where it is a compared pair."""
    dialogues = read_dialogues(row, limits.dialogue_columns)
    if isinstance(dialogues, Refusal):
        yield _refused(file, offset, length, dialogues)
    elif dialogues:
        sizes = [len(dialogue.text) for dialogue in dialogues]
        if max(sizes) > limits.max_record_bytes:
            yield _too_large(file, offset, length, max(sizes), limits)
        else:
            yield from (Given(offset, length, None, None, row, dialogue.paths, dialogue) for dialogue in dialogues)
    else:
        yield _given_text(file, offset, length, row, limits)


def _given_text(file: str, offset: int, length: int | None, row: dict[str, Any], limits: ExtractSettings) -> Given | Rejected:
    """A row with a text or a page, or its rejection."""
    text, page = find_text(row, limits.text_columns), None
    if text is None or is_blank(at(row, text)):
        page = find_text(row, limits.html_columns)
        page = page if text is None or (page and not is_blank(at(row, page))) else None
    path = page or text
    if path is None:
        if blank := blank_dialogue(row, limits.dialogue_columns):
            return _refused(file, offset, length, blank)
        return Rejected(file, offset, "missing_text", length=length,
                        detail=f"no text in {', '.join((*limits.text_columns, *limits.html_columns))}; "
                               f"the row has {', '.join(map(_described, sorted(row.items()))) or 'no columns'}")
    value = at(row, path)
    if len(value) > limits.max_record_bytes:
        return _too_large(file, offset, length, len(value), limits)
    return Given(offset, length, None if page else value, value if page else None, row, (path,))


def _described(column: tuple[str, Any]) -> str:
    name, value = column
    return f"{name} (a list)" if isinstance(value, list) else name


def _refused(file: str, offset: int, length: int | None, refusal: Refusal) -> Rejected:
    return Rejected(file, offset, refusal.rule, length=length, value=refusal.value, detail=refusal.detail)


def _too_large(file: str, offset: int, length: int | None, size: int, limits: ExtractSettings) -> Rejected:
    return Rejected(file, offset, "too_large", length=length, value=str(size), bound=str(limits.max_record_bytes))


def _too_deep(value: Any) -> bool:
    try:
        canonical_json(value)
    except RecursionError:
        return True
    return False
