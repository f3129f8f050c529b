"""Table of raw file formats: a new one is a module here and its name in this table."""

import zlib

from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.formats.arc import ARC
from textmill.pipelines.extract.formats.format import GZIP, Format, Open
from textmill.pipelines.extract.formats.html import HTML
from textmill.pipelines.extract.formats.jsonl import JSONL
from textmill.pipelines.extract.formats.parquet import PARQUET
from textmill.pipelines.extract.formats.text import TEXT
from textmill.pipelines.extract.formats.warc import WARC, WET

# A name is tried in this order: WET before WARC, whose names it may have too.
FORMATS = {format.name: format for format in (WET, WARC, ARC, HTML, TEXT, JSONL, PARQUET)}


def format_of(file: RawFile, open_file: Open) -> Format | None:
    """A file's format by its name, then by its first bytes; None where neither identifies it."""
    for format in FORMATS.values():
        if format.file_names.search(file.path):
            return format
    with open_file(file.path) as opened:
        start = opened.read(512)
    if start.startswith(GZIP):
        try:
            start = zlib.decompressobj(31).decompress(start, 512)
        except zlib.error:
            return None
    return next((format for format in FORMATS.values() if format.magic and format.magic.match(start)), None)
