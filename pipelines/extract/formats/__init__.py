"""Raw file formats: those of `kinds.py`, what is wrapped around them, and how a file's is recognised."""

from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.formats.format import Format, Open
from textmill.pipelines.extract.formats.kinds import KINDS, by_name
from textmill.pipelines.extract.formats.unknown import UNKNOWN, inner_path
from textmill.pipelines.extract.formats.wrapped import (
    ARCHIVES,
    COMPRESSED,
    kind_by_start,
    kind_inside,
    reads_as_is,
    rows_inside,
)

__all__ = ["ARCHIVES", "COMPRESSED", "FORMATS", "KINDS", "UNKNOWN", "format_of", "kind_inside", "named",
           "rows_inside"]

FORMATS = {format.name: format for format in (*KINDS, *ARCHIVES, COMPRESSED, UNKNOWN)}


def named(path: str) -> Format | None:
    """The format that a file's name says, compressed or not; None where it says none."""
    kind = by_name(path, (*KINDS, *ARCHIVES))
    return kind or (COMPRESSED if inner_path(path) != path and by_name(inner_path(path)) else None)


def format_of(file: RawFile, open_file: Open) -> Format | None:
    """A file's format by its name, then by its first bytes; None where neither identifies it."""
    if kind := named(file.path):
        return kind
    with open_file(file.path) as opened:
        kind = kind_by_start(file.path, opened)
        return COMPRESSED if kind and not reads_as_is(kind, opened) else kind
