"""`look`: what extract would read of a file, before anything is run: its kind, columns, first documents, first rejections."""

import textwrap
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from textmill.base.errors import TextmillError
from textmill.pipelines.display.lines import shown
from textmill.pipelines.extract.files.ignored import SOURCE_SETTINGS, ignored_by
from textmill.pipelines.extract.files.inflated import BrokenFileError
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.formats import COMPRESSED, format_of, kind_inside, named, rows_inside
from textmill.pipelines.extract.formats.format import Format
from textmill.pipelines.extract.formats.json import JSON, wrapper
from textmill.pipelines.extract.formats.rows import Given, PlainRow, given_rows
from textmill.pipelines.extract.formats.unknown import unknown
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.rows import Document, Rejected
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.source_settings import NOTHING_SAID, SourceSettings, column_paths, read_source
from textmill.pipelines.extract.splits import RawFilesError, plan_splits

_DOCUMENTS, _REJECTED = 3, 3        # of a file that are shown
_LONG_NAME = 100                    # characters, as no column's name has
_TEXT = 200                         # characters of a text
_PLACE = {"parquet": "row", "arrow": "row", "json": "row", "mediawiki": "page"}


class LookError(TextmillError):
    """A path that cannot be looked at."""


def look(paths: Sequence[Path], settings: ExtractSettings, most: int, width: int) -> Iterator[str]:
    """Lines about each file, no wider than `width`: of at most `most` records each. A folder is its files."""
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise LookError(f"there is no file in {', '.join(map(str, paths))}; name a file, or a folder with files")
    with Reader(settings, settings.max_page_seconds, settings.max_page_memory_mb) as reader:
        for number, (root, file) in enumerate(files):
            yield from [""] if number else []
            for indent, line in _file(file, root, settings, reader, most):
                yield from _folded(line, indent, width)


def _files(path: Path) -> Iterator[tuple[Path, Path]]:
    """(the folder that its name is relative to, the file) for each file."""
    if path.is_dir():
        yield from ((path, file) for file in sorted(path.rglob("*")) if file.is_file())
    elif path.is_file():
        yield path.parent, path
    else:
        raise LookError(f"there is no file {path}; check the path")


def _folded(line: str, indent: int, width: int) -> list[str]:
    return textwrap.wrap(line, max(width, 20), initial_indent=" " * indent, subsequent_indent=" " * (indent + 2)) or [""]


def _file(file: Path, root: Path, settings: ExtractSettings, reader: Reader, most: int) -> Iterator[tuple[int, str]]:
    """(indent, line) of what is told of a file."""
    name = file.relative_to(root).as_posix()
    if by := ignored_by(name, settings.ignore):
        yield 0, f"{shown(name)}: not read, its name matches {by} of extract.ignore"
        return
    if file.name == SOURCE_SETTINGS:
        yield 0, f"{shown(name)}: settings of its source, not data"
        return
    given = _source_settings(file)
    raw = RawFile(f"{file.parent.name or 'mine'}/{file.name}", file.stat().st_size, "")
    try:
        kind = format_of(raw, lambda _: file.open("rb"))
        splits = plan_splits([raw], lambda _: file.open("rb"), replace(settings, unknown="count"))
    except RawFilesError as error:
        yield 0, f"{shown(name)}: {error.problems[0]}"
        return
    if kind is None:
        yield 0, f"{shown(name)}: of no known kind: {unknown(name, raw.size).detail}; it would be counted"
        return
    yield 0, f"{shown(name)}: {_recognised(kind, file, raw)}; {raw.size:,} bytes"
    yield from _table(kind, file, raw, given.applied_to(settings))
    rows = (row for split in splits for row in extract_split(split, lambda _: file.open("rb"), settings, reader, source=given))
    yield from _records(list(islice(rows, most + 1)), kind, raw, most)


def _source_settings(file: Path) -> SourceSettings:
    """Those of the source that a file lies in: the nearest source.yaml above it."""
    for folder in file.absolute().parents:
        path = folder / SOURCE_SETTINGS
        if path.is_file():
            return read_source(path)
    return NOTHING_SAID


def _recognised(kind: Format, file: Path, raw: RawFile) -> str:
    how = "by its name" if named(raw.path) else "by its first bytes"
    if kind is not COMPRESSED:
        return f"{kind.name}, {how}"
    with file.open("rb") as opened:
        inside = kind_inside(opened, raw.path)
    return f"{inside.name if inside else 'a file'}, compressed, {how}"


def _table(kind: Format, file: Path, raw: RawFile, settings: ExtractSettings) -> Iterator[tuple[int, str]]:
    """The columns of a table, and which of them are the text."""
    try:
        with file.open("rb") as opened:
            rows = [row for row in islice(rows_inside(kind, opened, Range(raw.path, "", 0, raw.size), settings), 20)
                    if isinstance(row, PlainRow)]
    except (OSError, ValueError, pa.ArrowException, BrokenFileError):
        return
    if not rows:
        return
    if key := _wrapper(kind, file, raw, settings):
        yield 2, f"rows are the objects of its list {shown(key)}"
    names = dict.fromkeys(name for row in rows for name in column_paths(row.columns))
    yield 2, f"columns: {', '.join(map(shown, names))}"
    items = (item for row in rows for item in given_rows(raw.path, row.offset, row.length, row.columns, settings))
    texts = dict.fromkeys(_spelled(item) for item in items if isinstance(item, Given))
    for said in texts:
        yield 2, said
    if not texts:
        yield 2, ("the text is in none of them; name the column as columns.text in source.yaml beside the file, or in "
                  "extract.text_columns")
        yield from ((2, hint) for hint in _hints(rows[0].columns))


def _hints(row: dict[str, Any]) -> Iterator[str]:
    """What else the columns of a table without a text may mean."""
    if any(len(name) > _LONG_NAME for name in row):
        yield "the first line is taken for names of columns; where it is data, put a line of names above it"
    lists = {name: value[0] for name, value in row.items() if isinstance(value, list) and value and isinstance(value[0], dict)}
    if len(lists) == 1:
        (name, first), = lists.items()
        yield (f"{shown(name)} is a list of objects ({', '.join(map(shown, column_paths(first)))}); they are the rows where "
               "columns.text names one of these")


def _wrapper(kind: Format, file: Path, raw: RawFile, settings: ExtractSettings) -> str | None:
    """The key whose list holds the rows of a file of JSON."""
    if kind is not JSON:
        return None
    with file.open("rb") as opened:
        return wrapper(opened, Range(raw.path, "", 0, raw.size), settings)


def _spelled(item: Given) -> str:
    names = ", ".join(".".join(filter(None, path)) for path in item.paths)
    if item.dialogue is not None:
        return f"dialogues are in: {names}"
    return f"the text is in: {names}" if item.text is not None else f"HTML is in: {names}"


def _records(rows: list[Document | Rejected], kind: Format, raw: RawFile, most: int) -> Iterator[tuple[int, str]]:
    """Counts of the records looked at, the first documents and the first rejections."""
    more = len(rows) > most
    rows = rows[:most]
    documents = [row for row in rows if isinstance(row, Document)]
    rejected = [row for row in rows if isinstance(row, Rejected)]
    counts = ", ".join(f"{rule} {count}" for rule, count in Counter(row.rule for row in rejected).most_common())
    first = "the first " if more else ""
    yield 2, (f"{first}{len(rows):,} record{'s' * (len(rows) != 1)}: {len(documents):,} document{'s' * (len(documents) != 1)}, "
              f"{len(rejected):,} rejected{f' ({counts})' if counts else ''}")
    for document in documents[:_DOCUMENTS]:
        known = (document.title, document.url, document.date, document.license)
        facts = [document.id, *(shown(fact) for fact in known if fact)]
        yield 2, f"{_place(document.file, document.offset, kind, raw)}: {', '.join(facts)}"
        beginning = shown(document.text[:_TEXT])
        yield 4, f"{beginning} …" if len(document.text) > _TEXT else beginning
    for row in rejected[:_REJECTED]:
        detail = f": {shown(row.detail)}" if row.detail else ""
        limits = f", value {shown(row.value)}" if row.value is not None and row.bound is not None else ""
        limits += f", bound {shown(row.bound)}" if row.bound is not None else ""
        yield 2, f"{_place(row.file, row.offset, kind, raw)}: {row.outcome} by {row.rule}{limits}{detail}"


def _place(path: str, offset: int, kind: Format, raw: RawFile) -> str:
    inside = path[len(raw.path) + 1:] if path.startswith(f"{raw.path}/") else ""
    unit = _PLACE.get(kind.name, "byte")
    where = f"{unit} {offset + (unit != 'byte'):,}"
    return f"{shown(inside)}, {where}" if inside else where
