"""`look`: what extract would read of a file, before anything is run: its kind, columns, documents, rejections."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from textmill.base.errors import TextmillError
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

_SAMPLE = 20        # rows of a table that say its columns


class LookError(TextmillError):
    """A path that cannot be looked at."""


@dataclass
class LookedAt:
    """What is known of a file: `not_read` says why nothing of it would be, all else is empty then.

    `kind` is that of what is inside where the file is compressed. `rows_in` is the key whose list holds the rows of a file of
    JSON; `columns` has paths, those of `text_in` with what is there: `text`, `HTML` or `dialogues`. `rows` are the records that
    were looked at, and `more` whether others follow.
    """

    file: str
    raw: RawFile
    not_read: str | None = None
    kind: str | None = None
    stored_as: str | None = None
    by_name: bool = False
    rows_in: str | None = None
    columns: list[str] = field(default_factory=list)
    first_row: dict[str, Any] = field(default_factory=dict)
    text_in: dict[str, str] = field(default_factory=dict)
    rows: list[Document | Rejected] = field(default_factory=list)
    more: bool = False

    @property
    def documents(self) -> list[Document]:
        return [row for row in self.rows if isinstance(row, Document)]

    @property
    def rejected(self) -> list[Rejected]:
        return [row for row in self.rows if isinstance(row, Rejected)]

    @property
    def rules(self) -> dict[str, int]:
        """Rejected records by rule, the most frequent first."""
        return dict(Counter(row.rule for row in self.rejected).most_common())


def look(paths: Sequence[Path], settings: ExtractSettings, most: int) -> Iterator[LookedAt]:
    """What is known of each file, of at most `most` records. A folder is its files."""
    files = [file for path in paths for file in _files(path)]
    if not files:
        raise LookError(f"there is no file in {', '.join(map(str, paths))}; name a file, or a folder with files")
    with Reader(settings, settings.max_page_seconds, settings.max_page_memory_mb) as reader:
        for root, file in files:
            yield _file(file, root, settings, reader, most)


def _files(path: Path) -> Iterator[tuple[Path, Path]]:
    """(the folder that its name is relative to, the file) for each file."""
    if path.is_dir():
        yield from ((path, file) for file in sorted(path.rglob("*")) if file.is_file())
    elif path.is_file():
        yield path.parent, path
    else:
        raise LookError(f"there is no file {path}; check the path")


def _file(file: Path, root: Path, settings: ExtractSettings, reader: Reader, most: int) -> LookedAt:
    raw = RawFile(f"{file.parent.name or 'mine'}/{file.name}", file.stat().st_size, "")
    found = LookedAt(file.relative_to(root).as_posix(), raw)
    if by := ignored_by(found.file, settings.ignore):
        return replace(found, not_read=f"not read, its name matches {by} of extract.ignore")
    if file.name == SOURCE_SETTINGS:
        return replace(found, not_read="settings of its source, not data")
    given = _source_settings(file)
    try:
        kind = format_of(raw, lambda _: file.open("rb"))
        splits = plan_splits([raw], lambda _: file.open("rb"), replace(settings, unknown="count"))
    except RawFilesError as error:
        return replace(found, not_read=error.problems[0])
    if kind is None:
        return replace(found, not_read=f"of no known kind: {unknown(found.file, raw.size).detail}; it would be counted")
    found.kind, found.stored_as, found.by_name = _inside(kind, file, raw), kind.name, bool(named(raw.path))
    _add_columns(found, kind, file, given.applied_to(settings))
    rows = (row for split in splits for row in extract_split(split, lambda _: file.open("rb"), settings, reader, source=given))
    looked = list(islice(rows, most + 1))
    return replace(found, rows=looked[:most], more=len(looked) > most)


def _source_settings(file: Path) -> SourceSettings:
    """Those of the source that a file lies in: the nearest source.yaml above it."""
    for folder in file.absolute().parents:
        path = folder / SOURCE_SETTINGS
        if path.is_file():
            return read_source(path)
    return NOTHING_SAID


def _inside(kind: Format, file: Path, raw: RawFile) -> str | None:
    """The name of the kind of what is in a file; None where it is compressed, and of no known kind."""
    if kind is not COMPRESSED:
        return kind.name
    with file.open("rb") as opened:
        inside = kind_inside(opened, raw.path)
    return inside.name if inside else None


def _add_columns(found: LookedAt, kind: Format, file: Path, settings: ExtractSettings) -> None:
    """Of a table its columns, and which of them are the text."""
    part = Range(found.raw.path, "", 0, found.raw.size)
    try:
        with file.open("rb") as opened:
            found.rows_in = wrapper(opened, part, settings) if kind is JSON else None
            rows = [row for row in islice(rows_inside(kind, opened, part, settings), _SAMPLE) if isinstance(row, PlainRow)]
    except (OSError, ValueError, pa.ArrowException, BrokenFileError):
        return
    if rows:
        found.first_row = rows[0].columns
    found.columns = list(dict.fromkeys(name for row in rows for name in column_paths(row.columns)))
    for row in rows:
        for item in given_rows(part.path, row.offset, row.length, row.columns, settings):
            if isinstance(item, Given):
                names = ", ".join(".".join(filter(None, path)) for path in item.paths)
                found.text_in[names] = "dialogues" if item.dialogue is not None else "HTML" if item.text is None else "text"
