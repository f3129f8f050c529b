"""What `look` knows of a file, as lines for a terminal and as JSON."""

import json
import textwrap
from collections.abc import Iterable, Iterator
from typing import Any

from textmill.pipelines.display.lines import shown
from textmill.pipelines.display.numbers import many
from textmill.pipelines.extract.rows import Document, Rejected
from textmill.pipelines.extract.source_settings import column_paths
from textmill.pipelines.ledger.look import LookedAt

_DOCUMENTS, _REJECTED = 3, 3        # of a file that are shown
_LONG_NAME = 100                    # characters, as no column's name has
_TEXT = 200                         # characters of a text
_PLACE = {"parquet": "row", "arrow": "row", "json": "row", "mediawiki": "page"}
_IN = {"text": "the text is in", "HTML": "HTML is in", "dialogues": "dialogues are in"}


def as_json(files: Iterable[LookedAt]) -> Iterator[str]:
    """A line of JSON for each file: what is known of it, and how many records became documents or were rejected by rule."""
    for file in files:
        yield json.dumps({
            "file": file.file, "bytes": file.raw.size, "kind": file.kind, "not_read": file.not_read, "rows_in": file.rows_in,
            "columns": file.columns, "text_in": file.text_in, "records": len(file.rows), "more": file.more,
            "documents": len(file.documents), "rejected": file.rules}, ensure_ascii=False)


def lines(files: Iterable[LookedAt], width: int) -> Iterator[str]:
    """Lines about each file, no wider than `width`."""
    for number, file in enumerate(files):
        yield from [""] if number else []
        for indent, line in _file(file):
            yield from textwrap.wrap(line, max(width, 20), initial_indent=" " * indent,
                                     subsequent_indent=" " * (indent + 2)) or [""]


def _file(file: LookedAt) -> Iterator[tuple[int, str]]:
    """(indent, line) of what is told of a file."""
    if file.not_read:
        yield 0, f"{shown(file.file)}: {file.not_read}"
        return
    compressed = ", compressed" if file.stored_as == "compressed" else ""
    yield 0, (f"{shown(file.file)}: {file.kind or 'a file'}{compressed}, by its {'name' if file.by_name else 'first bytes'}; "
              f"{file.raw.size:,} bytes")
    if file.columns:
        yield from ((2, line) for line in _columns(file))
    counts = ", ".join(f"{rule} {count}" for rule, count in file.rules.items())
    yield 2, (f"{'the first ' if file.more else ''}{many(len(file.rows), 'record')}: {many(len(file.documents), 'document')}, "
              f"{len(file.rejected):,} rejected{f' ({counts})' if counts else ''}")
    for document in file.documents[:_DOCUMENTS]:
        known = (document.title, document.url, document.date, document.license)
        yield 2, f"{_place(document, file)}: {', '.join([document.id, *(shown(fact) for fact in known if fact)])}"
        beginning = shown(document.text[:_TEXT])
        yield 4, f"{beginning} …" if len(document.text) > _TEXT else beginning
    for row in file.rejected[:_REJECTED]:
        detail = f": {shown(row.detail)}" if row.detail else ""
        limits = f", value {shown(row.value)}" if row.value is not None and row.bound is not None else ""
        limits += f", bound {shown(row.bound)}" if row.bound is not None else ""
        yield 2, f"{_place(row, file)}: {row.outcome} by {row.rule}{limits}{detail}"


def _columns(file: LookedAt) -> Iterator[str]:
    """The columns of a table, and which of them are the text."""
    if file.rows_in:
        yield f"rows are the objects of its list {shown(file.rows_in)}"
    yield f"columns: {', '.join(map(shown, file.columns))}"
    yield from (f"{_IN[what]}: {names}" for names, what in file.text_in.items())
    if not file.text_in:
        yield ("the text is in none of them; name the column as columns.text in source.yaml beside the file, or in "
               "extract.text_columns")
        yield from _hints(file.first_row)


def _hints(row: dict[str, Any]) -> Iterator[str]:
    """What else the columns of a table without a text may mean."""
    if any(len(name) > _LONG_NAME for name in row):
        yield "the first line is taken for names of columns; where it is data, put a line of names above it"
    lists = {name: value[0] for name, value in row.items() if isinstance(value, list) and value and isinstance(value[0], dict)}
    if len(lists) == 1:
        (name, first), = lists.items()
        yield (f"{shown(name)} is a list of objects ({', '.join(map(shown, column_paths(first)))}); they are the rows where "
               "columns.text names one of these")


def _place(row: Document | Rejected, file: LookedAt) -> str:
    path, raw = row.file, file.raw
    inside = path[len(raw.path) + 1:] if path.startswith(f"{raw.path}/") else ""
    unit = _PLACE.get(file.stored_as or "", "byte")
    where = f"{unit} {row.offset + (unit != 'byte'):,}"
    return f"{shown(inside)}, {where}" if inside else where
