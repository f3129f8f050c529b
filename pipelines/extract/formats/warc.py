"""WARC and WET: web archives, gzipped by record, as one stream, zstd or plain."""

import re
from collections.abc import Iterator
from typing import Any

from textmill.pipelines.extract.files.archive import Ends, read_records
from textmill.pipelines.extract.files.framing import Framed, Limits
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import GZIP, Converted, Format, by_bytes
from textmill.pipelines.extract.settings import ExtractSettings


def read(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Framed]:
    """The records that begin in the range."""
    limits = Limits(settings.max_record_bytes, settings.max_inflation)
    return read_records(file, part.path, part.start, part.end, limits, ends)


def read_converted(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Converted]:
    """The records of an archive whose blocks are already text (WET)."""
    return (Converted(framed) for framed in read(file, part, settings, ends))


BY_MEMBER = by_bytes(lambda magic: magic.startswith(GZIP))
WARC = Format("warc", re.compile(r"\.warc(\.wat)?(\.gz|\.zst)?$", re.I), re.compile(rb"WARC/"), BY_MEMBER, read, inflates=True,
              random_access=True)
WET = Format("wet", re.compile(r"\.wet(\.gz|\.zst)?$|\.warc\.wet(\.gz|\.zst)?$", re.I), None, BY_MEMBER, read_converted,
             inflates=True, random_access=True)
