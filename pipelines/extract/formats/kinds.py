"""The kinds of raw files: one table, and how a file's kind is recognised.

A new kind is a module here with its `Format`, and its name in this table.
"""

from collections.abc import Iterable
from typing import Any

from textmill.pipelines.extract.files.inflated import BrokenFileError, open_inflated
from textmill.pipelines.extract.formats.arc import ARC
from textmill.pipelines.extract.formats.arrow import ARROW
from textmill.pipelines.extract.formats.csv import CSV
from textmill.pipelines.extract.formats.document import DOCUMENTS
from textmill.pipelines.extract.formats.format import Format
from textmill.pipelines.extract.formats.html import HTML
from textmill.pipelines.extract.formats.json import JSON
from textmill.pipelines.extract.formats.jsonl import JSONL
from textmill.pipelines.extract.formats.mediawiki import MEDIAWIKI
from textmill.pipelines.extract.formats.parquet import PARQUET
from textmill.pipelines.extract.formats.text import TEXT
from textmill.pipelines.extract.formats.warc import WARC, WET

# A name, and then first bytes, are tried in this order: WET before WARC, whose names it may have too.
KINDS: tuple[Format, ...] = (WET, WARC, ARC, MEDIAWIKI, HTML, *DOCUMENTS, TEXT, JSON, JSONL, PARQUET, ARROW, CSV)
_START, _OBJECT = 512, 1 << 18      # bytes by which a file is recognised; of JSON, whether a second line follows the first
_RATIO = 1 << 20    # of what is inflated to look at it


def kind_of(path: str, file: Any, kinds: Iterable[Format] = KINDS) -> Format | None:
    """The kind of an open file by its name, then by its first bytes, inflated; None where neither says it."""
    kinds = tuple(kinds)
    return by_name(path, kinds) or by_start(first_bytes(file), kinds)


def by_name(path: str, kinds: Iterable[Format] = KINDS) -> Format | None:
    """The kind that a file's name says; None where it says none."""
    return next((kind for kind in kinds if kind.file_names and kind.file_names.search(path)), None)


def by_start(start: bytes, kinds: Iterable[Format] = KINDS) -> Format | None:
    """The kind that first bytes say."""
    return next((kind for kind in kinds if kind.magic and kind.magic.match(start)), None)


def first_bytes(file: Any) -> bytes:
    """A file's first bytes, inflated; b"" where they cannot be."""
    try:
        opened = open_inflated(file, _RATIO)
        opened.seek(0)
        start: bytes = opened.read(_START)
        if start.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
            start += opened.read(_OBJECT)
        file.seek(0)
    except BrokenFileError:
        return b""
    return start
