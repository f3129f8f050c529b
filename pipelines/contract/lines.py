"""Lines of a plain, gzip or zstd file, by its first bytes, with offsets; a truncated or damaged stream is reported.

Offsets: a line's first byte in the inflated file.
"""

import json
import re
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import zstandard

from textmill.pipelines.contract.deflate import GZIP, Deflate
from textmill.pipelines.contract.zstd import FRAME, STEP, Frame, window_bound

CHUNK = 1 << 20
_COUNTED = 1 << 26          # bytes that are read to say which line it is
_PADDING = re.compile(rb"\0+")


class Line(NamedTuple):
    """A line without its newline, or None and a rule where it cannot be read."""

    offset: int
    data: bytes | None
    rule: str | None = None
    detail: str | None = None


def read_lines(file: Any, start: int, end: int, most: int) -> Iterator[Line]:
    """The lines that begin at [start, end) of a plain file, or all lines of a gzip or zstd file.

    A line of more than `most` bytes is skipped. A truncated or damaged compressed stream yields, after its
    last whole line, one Line with rule truncated or damaged.
    """
    file.seek(0)
    magic = file.read(4)
    compressed = magic.startswith(GZIP) or magic == FRAME
    position = max(start - 1, 0)
    chunks = inflated(file, 0 if compressed else position)
    buffer, offset = bytearray(), 0 if compressed else position
    skipping = not compressed and start > 0     # the line that contains start - 1 is the neighbour's
    too_large: int | None = None                # where a line over the limit began
    stopped: tuple[str, str] | None = None
    for chunk in chunks:
        if isinstance(chunk, tuple):
            stopped = chunk
            break
        searched, begin = len(buffer), 0        # a long line is searched once
        buffer += chunk
        while (newline := buffer.find(b"\n", max(begin, searched))) >= 0:
            at = offset + begin
            if too_large is not None or newline - begin > most:
                yield Line(at if too_large is None else too_large, None, "too_large")
                too_large = None
            elif not skipping:
                if not compressed and at >= end:
                    return
                with memoryview(buffer) as view:
                    line = bytes(view[begin:newline])
                yield Line(at, line)
            skipping = False
            begin = newline + 1
        del buffer[:begin]
        offset += begin
        if not compressed and offset >= end and not skipping and too_large is None:
            return
        if len(buffer) > most:
            too_large = offset if too_large is None and not skipping else too_large
            offset += len(buffer)
            buffer.clear()
    if stopped:
        yield Line(offset, None, *stopped)
    elif too_large is not None:
        yield Line(too_large, None, "too_large")
    elif buffer and not skipping:
        yield Line(offset, bytes(buffer))


def line_number(file: Any, offset: int) -> int | None:
    """The number, from 1, of the line that begins at `offset` of the inflated file; None beyond 64 MiB or the file's end."""
    if offset > _COUNTED:
        return None
    number, at = 1, 0
    for chunk in inflated(file):
        if isinstance(chunk, tuple):
            break
        number += bytes(chunk[:offset - at]).count(b"\n")
        at += len(chunk)
        if at >= offset:
            return number
    return None


def inflated(file: Any, start: int = 0) -> Iterator[bytes | tuple[str, str]]:
    """The bytes of a plain, gzip or zstd file, some MiB at most at a time; plain ones from `start` on.

    For a truncated or damaged stream, last a rule and the problem."""
    file.seek(0)
    magic = file.read(4)
    file.seek(0)
    if magic.startswith(GZIP):
        yield from _gunzipped(file)
    elif magic == FRAME:
        size = file.seek(0, 2)
        file.seek(0)
        yield from _unzstd(file, window_bound(size))
    else:
        file.seek(start)
        yield from iter(lambda: file.read(CHUNK), b"")


def _gunzipped(file: Any) -> Iterator[bytes | tuple[str, str]]:
    """The inflated bytes, 4 MiB at most at a time; for a truncated or damaged stream, last a rule and the problem."""
    member: Deflate | None = None
    while chunk := file.read(CHUNK):
        stored, at = memoryview(chunk), 0
        while at < len(stored):
            if member is None and not stored[at]:
                at = _PADDING.match(stored, at).end()           # type: ignore[union-attr]      # what begins with a zero
                continue
            try:
                member = member or Deflate()
                out, taken = member.feed(stored, at, 4 * CHUNK)
            except zlib.error as error:
                yield "damaged", plain_error(error)
                return
            if out:
                yield out
            at += taken
            if member.eof:
                member = None
    if member is not None:
        yield "truncated", "the compressed stream breaks off; what follows the last whole line is lost"


def _unzstd(file: Any, window: int) -> Iterator[bytes | tuple[str, str]]:
    """As `_gunzipped`, a block of 128 KiB at most at a time."""
    frame: Frame | None = None
    while True:
        try:
            frame = frame or Frame(window)
            taken = file.read(min(frame.wanted, STEP))
            if not taken:
                break
            if out := frame.feed(taken):
                yield out
        except zstandard.ZstdError as error:
            yield "damaged", plain_error(error)
            return
        if frame.eof:
            frame = None
    if frame.begun:
        yield "truncated", "the compressed stream breaks off; what follows the last whole line is lost"


def json_value(line: bytes) -> Any:
    """The value of a line of JSON in UTF-8, with a byte order mark or without. ValueError in words that quote nothing of it."""
    try:
        return json.loads(line.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        raise ValueError(plain_error(error)) from None


def plain_error(error: Exception) -> str:
    """An error in one line without the data or paths it may quote."""
    return f"{type(error).__name__}: {getattr(error, 'msg', None) or str(error).partition(':')[0]}"
