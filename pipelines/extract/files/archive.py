"""Reading of WARC files and ranges, lossless: every stored byte is in a record, in a row with a rule, or padding.

Framing is our own, because other readers stop silently at a truncated member and drop all that follows a flipped byte. After
damage, reading resumes at the next gzip member or plain record that begins with a version line.
"""

import re
import zlib
from collections.abc import Generator, Iterator
from typing import Any, NamedTuple

from textmill.pipelines.contract.zstd import FRAME
from textmill.pipelines.extract.files.framing import START, Framed, Limits, records
from textmill.pipelines.extract.files.streams import CHUNK, ZSTD_DICTIONARY, Flow, Member, Stored, Zstd

_CANDIDATE = re.compile(rb"\x1f\x8b\x08[\x00-\x1f]|WARC/\d\.\d+[ \t\r]*\n")


class Ends(NamedTuple):
    """Boundaries of a range as read: its first record, and the first record at or after its end.

    Both are the file's size where there is none. `stop` of a range equals `first` of the next one that has a record.
    """

    path: str
    start: int
    end: int
    first: int
    stop: int


def read_records(file: Any, path: str, start: int, end: int, limits: Limits, ends: list[Ends]) -> Iterator[Framed]:
    """The records that begin at stored offsets [start, end) of a WARC file, gzipped by member or whole, zstd or plain.

    Every stored byte of the range is in a record, in a Framed with a rule, or is padding. Adds one Ends to `ends`.
    Only a gzipped file may be entered at a start above 0. Offsets inside one large gzip member or a zstd file count
    inflated bytes from the member's start.
    """
    stored = Stored(file, start)
    if start == 0 and stored.at(0, 4) in (FRAME, ZSTD_DICTIONARY):
        yield from _zstd(stored, limits)
        ends.append(Ends(path, start, end, 0, stored.size))
        return
    position = start if start == 0 else next_record(stored, start)
    first: int | None = None
    while True:
        position = _skip_padding(stored, position)
        if position >= stored.size:
            break
        kind = _candidate(stored, position)
        if kind is None:
            found = next_record(stored, position + 1)
            yield Framed(position, found - position, b"", rule="damaged",
                         detail=f"{found - position} bytes that begin no record were skipped")
            position = found
            continue
        first = position if first is None else first
        if position >= end:
            break
        if kind == "plain":
            position = yield from _plain(stored, position, limits)
        else:
            position = yield from _member(stored, position, limits)
    position = min(position, stored.size)
    ends.append(Ends(path, start, end, position if first is None else first, position))


def next_record(stored: Stored, position: int) -> int:
    """The first offset >= `position` where a gzip member or a plain record begins that starts with `WARC/`; else the size."""
    while position < stored.size:
        window = stored.at(position, CHUNK)
        for match in _CANDIDATE.finditer(window):
            if _candidate(stored, position + match.start()):
                return position + match.start()
        position += max(len(window) - 16, 1)       # a candidate may lie across two windows
    return stored.size


def _candidate(stored: Stored, position: int) -> str | None:
    """"gzip" or "plain" where a record begins at `position`."""
    start = stored.at(position, 16)
    if START.match(start):
        return "plain"
    if not start.startswith(b"\x1f\x8b\x08"):
        return None
    try:
        return "gzip" if zlib.decompressobj(31).decompress(stored.at(position, 4096), 64).startswith(b"WARC/") else None
    except zlib.error:
        return None


def _skip_padding(stored: Stored, position: int) -> int:
    """The next offset that is neither zero bytes nor an empty gzip member, both of which archives are padded with."""
    while position < stored.size:
        start = stored.at(position, 64)
        zeros = len(start) - len(start.lstrip(b"\0"))
        if zeros:
            position += zeros
            continue
        if not start.startswith(b"\x1f\x8b\x08"):
            return position
        empty = zlib.decompressobj(31)
        try:
            if empty.decompress(start, 1) or not empty.eof:
                return position
        except zlib.error:
            return position
        position += len(start) - len(empty.unused_data)
    return position


def _member(stored: Stored, start: int, limits: Limits) -> Generator[Framed, None, int]:
    """The records of the gzip member at `start`; returns the offset after it, or after the damage that ends it."""
    flow = Member(stored, start)
    for framed in records(flow, limits):
        if flow.broken and framed.rule:
            after = next_record(stored, start + 1)
            yield framed._replace(length=after - start, detail=f"{framed.detail}; {after - start} bytes skipped")
        else:
            yield framed
    return next_record(stored, start + 1) if flow.broken else flow.position


def _plain(stored: Stored, start: int, limits: Limits) -> Generator[Framed, None, int]:
    """The plain records from `start` to the next gzip member or the end; returns the offset after them."""
    flow = Flow(stored, start)
    yield from records(flow, limits)
    return start + flow.dropped


def _zstd(stored: Stored, limits: Limits) -> Iterator[Framed]:
    """The records of a zstd file. A record may lie across frames, so what follows a broken one is skipped and counted."""
    flow = Zstd(stored, 0)
    for framed in records(flow, limits):
        if flow.broken and framed.rule:
            lost = stored.size - flow.frame_start
            framed = framed._replace(detail=f"{framed.detail}; {lost} stored bytes from {flow.frame_start} on were skipped")
        yield framed
