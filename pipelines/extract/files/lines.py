"""Lines of a plain, gzip or zstd file, with their offsets; a truncated or damaged stream is reported.

Offsets: a line's first byte in the inflated file.
"""

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import zstandard

CHUNK = 1 << 20


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
    compressed = magic[:2] == b"\x1f\x8b" or magic == b"\x28\xb5\x2f\xfd"
    position = max(start - 1, 0)
    file.seek(0 if compressed else position)
    chunks = _inflated(file, magic) if compressed else iter(lambda: file.read(CHUNK), b"")
    buffer, offset = bytearray(), 0 if compressed else position
    skipping = not compressed and start > 0     # the line that contains start - 1 is the neighbour's
    too_large: int | None = None                # where a line over the limit began
    stopped: tuple[str, str] | None = None
    for chunk in chunks:
        if isinstance(chunk, tuple):
            stopped = chunk
            break
        buffer += chunk
        begin = 0
        while (newline := buffer.find(b"\n", begin)) >= 0:
            at = offset + begin
            if too_large is not None or newline - begin > most:
                yield Line(at if too_large is None else too_large, None, "too_large")
                too_large = None
            elif not skipping:
                if not compressed and at >= end:
                    return
                yield Line(at, bytes(buffer[begin:newline]))
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


def _inflated(file: Any, magic: bytes) -> Iterator[bytes | tuple[str, str]]:
    """The inflated bytes in chunks; for a truncated or damaged stream, last a rule and the problem."""
    gzip = magic[:2] == b"\x1f\x8b"
    stream: Any = None
    rest = b""
    while taken := rest or file.read(CHUNK):
        rest = b""
        try:
            if stream is None:
                if gzip and not taken.strip(b"\0"):
                    continue                        # padding after the last member
                stream = zlib.decompressobj(31) if gzip else zstandard.ZstdDecompressor().decompressobj()
            if gzip:
                yield stream.decompress(taken, 4 * CHUNK)
                while stream.unconsumed_tail and not stream.eof:
                    yield stream.decompress(stream.unconsumed_tail, 4 * CHUNK)
            else:
                yield stream.decompress(taken)
        except (zlib.error, zstandard.ZstdError) as error:
            yield "damaged", plain_error(error)
            return
        if stream.eof:
            rest, stream = stream.unused_data, None
    if stream is not None:
        yield "truncated", "the compressed stream breaks off; what follows the last whole line is lost"


def plain_error(error: Exception) -> str:
    """An error in one line without the data or paths it may quote."""
    return f"{type(error).__name__}: {getattr(error, 'msg', None) or str(error).partition(':')[0]}"
