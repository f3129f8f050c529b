"""Framing of WARC records in a byte stream: each ends at its Content-Length, at a proven end, or is rejected by a rule.

A wrong Content-Length is repaired where the next record's version line or the end of a valid gzip member proves the true end.
"""

import re
from collections.abc import Iterator
from typing import NamedTuple

from textmill.pipelines.extract.files.streams import CHUNK, Flow, Member, Zstd

BOMB_FROM = 16 << 20    # inflated bytes before the ratio counts: blank pages compress a thousandfold and harm nobody
START = re.compile(rb"WARC/\d\.\d+[ \t\r]*\n")
_NEXT_START = re.compile(rb"\nWARC/\d\.\d+[ \t\r]*\n")
_HEADER_BYTES = 1 << 16          # as many as are read of them (records.HEAD_BYTES)
_LENGTH = re.compile(rb"\ncontent-length:[ \t]*(\d+)[ \t\r]*\n", re.I)
_BLANK_LINE = re.compile(rb"\n\r*+\n")


class Framed(NamedTuple):
    """A record as stored in the file, or a stretch of bytes without a record (`rule` set, `head` what could be read)."""

    offset: int
    length: int | None          # stored bytes; None where the record shares one compressed stream with others
    head: bytes                 # version line and headers, up to the empty line
    block: bytes = b""
    rule: str | None = None     # damaged | truncated | bad_record | too_large | bomb
    value: int | None = None
    bound: int | None = None
    detail: str | None = None


class Limits(NamedTuple):
    """Bytes of one record's block, and how many times larger than its stored form it may be."""

    record_bytes: int
    ratio: int


def records(flow: Flow, limits: Limits) -> Iterator[Framed]:
    """The records of one flow, the last of them with a rule where the flow broke.

    A wrong Content-Length is repaired where the record's true end is certain: the next record's version line, or the end
    of a gzip member whose checksum holds.
    """
    member = isinstance(flow, Member)
    number = 0
    while True:
        _drop_blank(flow)
        offset = flow.start + flow.dropped
        flow.fill(1 << 12)
        if not flow.buffer:
            if flow.broken:
                yield Framed(offset, None, b"", rule=flow.broken[0], detail=flow.broken[1])
            return
        if not START.match(flow.buffer):
            if not member and flow.buffer.startswith(b"\x1f\x8b\x08"):
                return                              # a gzip member after a plain record: the walk goes on there
            skipped = _drop_to_start(flow)
            yield Framed(offset, skipped, b"", rule="damaged", detail=f"{skipped} bytes that begin no record were skipped")
            continue
        number += 1
        framed, size = _cut(flow, offset, limits)
        flow.drop(size)
        _drop_blank(flow)
        if member:
            alone = number == 1 and flow.ended and not flow.buffer
            framed = framed._replace(length=flow.position - flow.start if alone else None)
        elif not isinstance(flow, Zstd):
            framed = framed._replace(length=size)
        yield framed
        if framed.rule in ("bomb", "truncated", "damaged"):
            return


def _cut(flow: Flow, offset: int, limits: Limits) -> tuple[Framed, int]:
    """The record at the head of the flow's buffer, and how many bytes of the flow it takes."""
    head_end = _head_end(flow)
    if head_end is None:
        head = bytes(flow.buffer[:1 << 12])
        if flow.broken:
            return Framed(offset, None, head, rule=flow.broken[0], detail=flow.broken[1]), len(flow.buffer)
        after = _next_start(flow, 5, limits.record_bytes)
        rule, detail = ("bad_record", "the record's headers have no end") if after or isinstance(flow, Member) else (
            "truncated", "the file ends inside a record's headers")
        return Framed(offset, None, head, rule=rule, detail=detail), after or len(flow.buffer)
    head = bytes(flow.buffer[:head_end])
    found = _LENGTH.search(head)
    said = int(found[1]) if found and len(found[1]) < 16 else None
    if said is not None and said > limits.record_bytes:
        return _too_large(flow, offset, head, said, limits)
    if said is not None:
        flow.fill(head_end + said + (1 << 12))
        sound = _ends_well(flow, head_end + said)
        if not (sound and isinstance(flow, Zstd)) and (bomb := _bomb(flow, offset, head, limits)):
            return bomb, len(flow.buffer)           # in a zstd file a valid record may precede the frame that inflates
        if sound:
            return Framed(offset, None, head, bytes(flow.buffer[head_end:head_end + said])), head_end + said
    return _mend(flow, offset, head, said, limits)


def _mend(flow: Flow, offset: int, head: bytes, said: int | None, limits: Limits) -> tuple[Framed, int]:
    """The record whose Content-Length is missing or wrong, cut where the next one begins or its gzip member ends."""
    after = _next_start(flow, len(head), len(head) + limits.record_bytes)
    if bomb := _bomb(flow, offset, head, limits):
        return bomb, len(flow.buffer)
    if after is None and flow.broken:
        return Framed(offset, None, head, rule=flow.broken[0], detail=flow.broken[1]), len(flow.buffer)
    if after is None and not flow.ended:
        return Framed(offset, None, head, rule="bad_record", detail="the record's end was not found"), len(flow.buffer)
    if after is None and not isinstance(flow, Member):
        if said is None or len(flow.buffer) < len(head) + said:
            detail = f"the file ends inside a record: {len(flow.buffer) - len(head)} bytes of {said}"
            return Framed(offset, None, head, rule="truncated", detail=detail), len(flow.buffer)
        after = len(head) + said                    # what follows a valid record is junk, and is reported as such
    end = len(flow.buffer) if after is None else after
    block = bytes(flow.buffer[len(head):end])
    block = block[:-4] if block.endswith(b"\r\n\r\n") else block
    return Framed(offset, None, head, block), end


def _too_large(flow: Flow, offset: int, head: bytes, said: int, limits: Limits) -> tuple[Framed, int]:
    """A record over the cap: its bytes are skipped without being buffered, unless they are a bomb's."""
    flow.drop(len(head))
    left = said
    while left and not (flow.ended and not flow.buffer):
        flow.fill(1)
        if bomb := _bomb(flow, offset, head, limits):
            return bomb, 0
        gone = min(left, len(flow.buffer))
        flow.drop(gone)
        left -= gone
    if flow.broken or left:
        rule, detail = flow.broken or ("truncated", f"the file ends {left} bytes before the record does")
        return Framed(offset, None, head, rule=rule, detail=detail), 0
    return Framed(offset, None, head, rule="too_large", value=said, bound=limits.record_bytes), 0


def _bomb(flow: Flow, offset: int, head: bytes, limits: Limits) -> Framed | None:
    """A record with rule bomb, and the flow broken off, where a gzip member or a zstd file inflates beyond the limits."""
    if not isinstance(flow, Member | Zstd) or flow.produced < BOMB_FROM:
        return None
    ratio = flow.produced // max(flow.position - flow.start, 1)
    if ratio <= limits.ratio:
        return None
    flow.ended, flow.broken = True, ("bomb", "not inflated further")
    return Framed(offset, None, head, rule="bomb", value=ratio, bound=limits.ratio, detail=flow.broken[1])


def _head_end(flow: Flow) -> int | None:
    """Where the headers end, the empty line included; None where there is no empty line."""
    for wanted in (1 << 12, _HEADER_BYTES):
        flow.fill(wanted)
        if found := _BLANK_LINE.search(flow.buffer, 0, wanted):
            return found.end()
    return None


def _ends_well(flow: Flow, end: int) -> bool:
    """Whether a block that ends at `end` is followed by blank lines and then a record or a clean end."""
    rest = bytes(flow.buffer[end:end + 64])
    if len(flow.buffer) < end:
        return False
    following = rest.lstrip(b"\r\n")
    if following:
        return len(following) < len(rest) and (following.startswith((b"WARC/", b"\x1f\x8b\x08")))
    return flow.broken is None or (isinstance(flow, Zstd) and rest == b"\r\n\r\n")     # broken in the next frame


def _next_start(flow: Flow, begin: int, most: int) -> int | None:
    """Where in the flow, after `begin` and within `most` bytes, the next record's version line stands on a line of its own."""
    searched = begin
    while True:
        if found := _NEXT_START.search(flow.buffer, max(searched - 16, begin - 1, 0)):
            return found.start() + 1
        searched = len(flow.buffer)
        if flow.ended or searched > most:
            return None
        flow.fill(searched + CHUNK)


def _drop_blank(flow: Flow) -> None:
    """Skip the blank lines that end a record."""
    while True:
        flow.fill(64)
        start = bytes(flow.buffer[:64])
        blank = len(start) - len(start.lstrip(b"\r\n"))
        if not blank:
            return
        flow.drop(blank)


def _drop_to_start(flow: Flow) -> int:
    """Skip bytes up to the next version line or the end; returns how many."""
    before = flow.dropped
    while not (found := _next_start(flow, 1, 0)) and not flow.ended:
        flow.drop(max(len(flow.buffer) - 16, 1))
    flow.drop(found or len(flow.buffer))
    return flow.dropped - before
