"""The interface of a raw file format: detection, splitting and reading of its files.

A reader yields items in the order of the file; `outcome` turns them into documents and rejected rows:

- `Framed` is a record of a web archive as stored, `Converted` one whose block is already text;
- `Given` (`formats.rows`) is a row with columns, of which one holds the text or the page;
- `WholeFile` is a file that is one document;
- `Member` is any of these from a file within an archive;
- `Rejected` is what could not be read.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.framing import Framed
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.formats.rows import Given, PlainRow, documents_of
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

GZIP, ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"

ANY_SIZE = 1 << 62                              # the end of a range of a file of unknown size

Open = Callable[[str], Any]                     # path of a raw file → seekable binary file
Cut = Callable[[RawFile, Open, int], list[tuple[int, int]]]
Rows = Callable[[Any, Range, ExtractSettings], Iterator[PlainRow | Rejected]]


class Converted(NamedTuple):
    """A record whose block is the text of a page (WET)."""

    framed: Framed


class Member(NamedTuple):
    """An item of a file within an archive, whose path is the archive's and its own."""

    path: str
    item: "Framed | Converted | Given | WholeFile | Rejected | Member"


class WholeFile(NamedTuple):
    """A file that is one document: its first bytes, more than `bound` of them where it is too large, its size if known."""

    stored: bytes
    kind: str           # html, text, or a module of document_formats/
    bound: int
    size: int | None

    @classmethod
    def of(cls, file: Any, part: Range, bound: int, kind: str) -> "WholeFile":
        """The open file."""
        size = part.end - part.start
        return cls(file.read(bound + 1), kind, bound, size if size < ANY_SIZE else None)


Item = Framed | Converted | Given | WholeFile | Rejected | Member
Read = Callable[[Any, Range, ExtractSettings, list[Ends]], Iterator[Item]]


@dataclass(frozen=True)
class Format:
    """A format of raw files. `name` enters the keys of splits' fingerprints."""

    name: str
    file_names: re.Pattern[str] | None
    """Suffixes of its file names, compression included; None: only its first bytes identify it."""
    magic: re.Pattern[bytes] | None
    """First bytes of a file, inflated, where its name does not say; None: only the name identifies it."""
    cut: Cut
    """(file, how to open it, stored bytes of a split) → ranges [start, end) that can each be read on their own."""
    read: Read
    """The items that begin in a range of an open file; a reader of ranges that must be contiguous adds its boundaries."""
    rows: Rows | None = None
    """Of a format of rows: they as they are stored, before it is chosen which columns hold text."""
    inflates: bool = False
    """Whether its reader inflates gzip and zstd by itself."""
    random_access: bool = False
    """Whether its reader goes back and forth in the file, so that a compressed one is first inflated to disk."""


def of_rows(name: str, file_names: str | None, magic: bytes | None, cut: Cut, rows: Rows, inflates: bool = False,
            random_access: bool = False) -> Format:
    """A format of rows, which are documents by their columns."""
    def read(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Item]:
        return documents_of(rows(file, part, settings), part.path, settings)

    return Format(name, None if file_names is None else re.compile(file_names, re.I),
                  None if magic is None else re.compile(magic, re.S), cut, read, rows,
                  inflates, random_access)


def whole(file: RawFile, open_file: Open, split_bytes: int) -> list[tuple[int, int]]:
    """One range: the file cannot be entered midway."""
    return [(0, file.size)]


def by_bytes(may_enter: Callable[[bytes], bool]) -> Cut:
    """Ranges of `split_bytes` stored bytes, where the first four bytes say that the file may be entered anywhere."""
    def cut(file: RawFile, open_file: Open, split_bytes: int) -> list[tuple[int, int]]:
        if file.size <= split_bytes:
            return whole(file, open_file, split_bytes)
        with open_file(file.path) as opened:
            if not may_enter(opened.read(4)):
                return whole(file, open_file, split_bytes)
        return [(start, min(start + split_bytes, file.size)) for start in range(0, file.size, split_bytes)]

    return cut
