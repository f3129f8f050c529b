"""Raw file formats: those of `kinds.py`, what is wrapped around them, and how a file's is recognised."""

from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.formats.format import Format, Open
from textmill.pipelines.extract.formats.kinds import KINDS, by_name, by_start, first_bytes
from textmill.pipelines.extract.formats.unknown import UNKNOWN, inner_path
from textmill.pipelines.extract.formats.wrapped import ARCHIVES, COMPRESSED, reads_as_is

FORMATS = {format.name: format for format in (*KINDS, *ARCHIVES, COMPRESSED, UNKNOWN)}


def format_of(file: RawFile, open_file: Open) -> Format | None:
    """A file's format by its name, then by its first bytes; None where neither identifies it."""
    if kind := by_name(file.path, (*KINDS, *ARCHIVES)):
        return kind
    inside = inner_path(file.path)
    if inside != file.path and (kind := by_name(inside)):
        return COMPRESSED
    with open_file(file.path) as opened:
        kind = by_start(first_bytes(opened), (*KINDS, *ARCHIVES))
        return COMPRESSED if kind and not reads_as_is(kind, opened) else kind
