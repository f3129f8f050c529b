"""ARC files, the format before WARC, read with warcio; a truncated file yields its intact records and one damaged row."""

import re
from collections.abc import Iterator
from typing import Any

from warcio.archiveiterator import ArchiveIterator

from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.framing import Framed, Limits
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import Format, whole
from textmill.pipelines.extract.settings import ExtractSettings

_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)$")


def read_arc(file: Any, limits: Limits) -> Iterator[Framed]:
    """The records of an ARC file, plain or gzipped by record, each with WARC headers of the same meaning in `head`.

    Where reading fails, the last row says at which stored byte, and how many were skipped.
    """
    size = file.seek(0, 2)
    file.seek(0)
    # arc2warc would invent a random record id for each record; an ARC record has none.
    records = ArchiveIterator(file, no_record_parse=True)
    offset = after = 0
    while True:
        try:
            record = next(records)
            said = record.length or 0   # 0 where the header gives no number that can be a length
            block = record.raw_stream.read(min(said, limits.record_bytes + 1)) if said else b""
            offset, length = records.get_record_offset(), records.get_record_length()
        except StopIteration:
            return
        except Exception as error:      # warcio passes on whatever its parser, zlib or the file raises
            detail = f"{type(error).__name__}: the ARC file cannot be read on; {size - after} bytes from {after} on skipped"
            yield Framed(after, size - after, b"", rule="damaged", detail=detail)
            return
        length = length if length and length > 0 else None      # of a file gzipped whole, warcio gives a negative one
        after = offset + (length or 0)
        head = _head(record.rec_type, record.rec_headers, said)
        given = record.rec_headers.get_header("length") or ""
        if record.rec_type != "arc_header" and not given.isdecimal():
            yield Framed(offset, length, head, rule="bad_record", detail=f"the length is not a number: {given[:40]!r}")
        elif said > limits.record_bytes:
            yield Framed(offset, length, head, rule="too_large", value=said, bound=limits.record_bytes)
        elif len(block) < said and record.rec_type != "arc_header":     # warcio counts the header's first line as its block
            yield Framed(offset, length, head, rule="truncated", detail=f"{len(block)} bytes of {said}")
        else:
            yield Framed(offset, length, head, block)


def _head(kind: str, headers: Any, length: int) -> bytes:
    """The WARC spelling of an ARC header line; the file's own header is a warcinfo record."""
    date = _DATE.match(headers.get_header("archive-date") or "")
    lines = [f"WARC-Type: {'warcinfo' if kind == 'arc_header' else kind}", f"Content-Length: {length}",
             f"WARC-Target-URI: {headers.get_header('uri') or ''}", f"Content-Type: {headers.get_header('content-type') or ''}"]
    if date:
        lines.append("WARC-Date: {}-{}-{}T{}:{}:{}Z".format(*date.groups()))
    return "\r\n".join(["WARC/1.0", *lines, "", ""]).encode("utf-8", "replace")


def read(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Framed]:
    """The records of the file."""
    return read_arc(file, Limits(settings.max_record_bytes, settings.max_inflation))


ARC = Format("arc", re.compile(r"\.arc(\.gz)?$", re.I), re.compile(rb"filedesc://"), whole, read, inflates=True,
             random_access=True)
