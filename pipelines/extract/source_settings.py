"""Settings of one source, raw/<source>/source.yaml: which columns its tables keep things in, and what holds for all of it."""

import difflib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import date
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

import pyarrow as pa

from textmill.base.columns import at, paths
from textmill.base.strict import SettingsError, parse, read_yaml
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.files.ignored import SOURCE_SETTINGS, is_source_settings
from textmill.pipelines.extract.files.inflated import BrokenFileError
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.files.remote_files import RAW
from textmill.pipelines.extract.formats import format_of, rows_inside
from textmill.pipelines.extract.formats.rows import RECOGNISED, PlainRow
from textmill.pipelines.extract.settings import DialogueColumns, ExtractSettings
from textmill.pipelines.text.dates import read_date

_FILES, _ROWS = 20, 20      # of a source, and of each of these files, in which named columns are looked for


@dataclass(frozen=True)
class SourceColumns:
    """Columns, or paths such as meta.text, of a source's tables; one that is not named is found as `extract` finds it."""

    text: str | None = None
    """The text. Rows of this source are then texts, whatever columns of dialogues they have."""
    html: str | None = None
    """A page of HTML, where there is no text."""
    url: str | None = None
    """The address."""
    date: str | None = None
    """When it was fetched or written."""
    title: str | None = None
    """The title."""
    language: str | None = None
    """The language that the row declares."""
    license: str | None = None
    """The licence, as an address or in words."""
    id: str | None = None
    """What identifies the row in its source."""

    def named(self) -> dict[str, str]:
        """The columns that are named, by what they hold."""
        return {one.name: name for one in fields(self) if (name := getattr(self, one.name))}


@dataclass(frozen=True)
class SourceSettings:
    """What one source says of itself."""

    columns: SourceColumns = field(default_factory=SourceColumns)
    """Where the source's tables keep things."""
    license: str | None = None
    """The licence of everything in the source that names none of its own in a column."""
    language: str | None = None
    """The language of everything in the source, unless a column says it."""
    date: str | None = None
    """The date of everything in the source that has none of its own."""

    def problems(self) -> Iterator[str]:
        for name in ("license", "language"):
            if getattr(self, name) is not None and not getattr(self, name).strip():
                yield f"{name} is empty; give it, or take the key out"
        if self.date is not None and not read_date(self.date):
            yield f"date is {self.date!r}; give one such as 2024-01-31"

    @cached_property
    def recognised(self) -> dict[str, Sequence[str]]:
        """Names of the columns that have a place of their own in `documents`, the named ones alone where they are named."""
        named = self.columns.named() | ({"record_id": self.columns.id} if self.columns.id else {})
        return {ours: (named[ours],) if ours in named else names for ours, names in RECOGNISED.items()}

    def applied_to(self, settings: ExtractSettings) -> ExtractSettings:
        """The settings with which this source's tables are read."""
        text, html = self.columns.text, self.columns.html
        if not text and not html:
            return settings
        texts = DialogueColumns(messages=(), response=(), chosen=(), rejected=())
        return replace(settings, text_columns=(text,) if text else (), html_columns=(html,) if html else (),
                       dialogue_columns=texts)


NOTHING_SAID = SourceSettings()


def read_source(path: str | Path, content: str | None = None) -> SourceSettings:
    """The settings in one file, or in its `content` where it does not lie on this machine; SettingsError with all problems."""
    values = read_yaml(path, content)
    if isinstance(values.get("date"), date):       # as YAML reads one
        values["date"] = values["date"].isoformat()
    return parse(SourceSettings, values, str(path))


def read_sources(data: Folder) -> dict[str, SourceSettings]:
    """The settings of each source that has some; SettingsError with the problems of all."""
    found, problems = {}, []
    raw = data / RAW
    for entry in raw.entries():
        if not is_source_settings(entry.path):
            continue
        where = f"raw/{entry.path}"
        try:
            with raw.open(entry.path) as file:
                content = file.read().decode("utf-8-sig")
            found[entry.path.partition("/")[0]] = read_source(where, content)
        except SettingsError as error:
            problems += error.problems
        except (OSError, UnicodeDecodeError):
            problems.append(f"{where}: cannot be read as text in UTF-8; write it anew")
    if problems:
        raise SettingsError(problems)
    return found


def check_columns(sources: dict[str, SourceSettings], files: Iterable[RawFile], open_file: Callable[[str], Any],
                  settings: ExtractSettings) -> None:
    """SettingsError for a named column that the first rows of the source's first files have nowhere."""
    problems = []
    for source, given in sources.items():
        named = given.columns.named()
        if not named:
            continue
        own = (file for file in files if (file.source or file.path.partition("/")[0]) == source)
        rows = list(_sample(own, open_file, given.applied_to(settings)))
        where = f"raw/{source}/{SOURCE_SETTINGS}"
        if not rows:
            problems.append(f"{where}: names columns, but the source has no table with rows; put one there, or take `columns` "
                            "out")
            continue
        for ours, name in named.items():
            if not any(at(row, path) is not None for row in rows for path in paths(tuple(row), (name,))):
                known = sorted({one for row in rows for one in column_paths(row)})
                near = difflib.get_close_matches(name, known, n=1)
                cure = f"did you mean {near[0]!r}?" if near else f"they have {', '.join(known[:12])}"
                problems.append(f"{where}: columns.{ours}: no row of the source has {name!r}; {cure}")
    if problems:
        raise SettingsError(problems)


def column_paths(row: dict[str, Any]) -> Iterator[str]:
    """The columns of a row, and the paths into those that hold others."""
    for name, value in row.items():
        yield str(name)
        if isinstance(value, dict):
            yield from (f"{name}.{below}" for below in value)


def _sample(files: Iterable[RawFile], open_file: Callable[[str], Any], settings: ExtractSettings) -> Iterator[dict[str, Any]]:
    """The first rows of the first files of a source that have rows."""
    seen = 0
    for file in files:
        if seen == _FILES:
            return
        try:
            if (kind := format_of(file, open_file)) is None:
                continue
            with open_file(file.path) as opened:
                rows = rows_inside(kind, opened, Range(file.path, "", 0, file.size), settings)
                found = [row.columns for row in islice(rows, _ROWS) if isinstance(row, PlainRow)]
        except (OSError, ValueError, pa.ArrowException, BrokenFileError):
            continue                # its rows will say so
        seen += bool(found)
        yield from found
