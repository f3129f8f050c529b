"""Stored and inflated bytes of an archive, through a window that moves forward and never holds the whole file.

A gzip member is complete only where zlib has verified its checksum and length; any other end is recorded.
Stored bytes are read in chunks of 1 MiB, so a range of a remote object costs few requests.
"""

import contextlib
import zlib
from typing import Any

import zstandard

from textmill.pipelines.contract.deflate import Deflate
from textmill.pipelines.contract.zstd import FRAME, STEP, Frame, window_bound

CHUNK = 1 << 20
ZSTD_DICTIONARY = b"\x5d\x2a\x4d\x18"      # first bytes of the frame that holds a dictionary
_DICTIONARY_BYTES = 64 << 20
_SALVAGED = 1 << 16         # bytes of a damaged member that are looked at again


class Stored:
    """A seekable file as a window of bytes that moves forward; positions are offsets in the file."""

    def __init__(self, file: Any, start: int):
        file.seek(0, 2)
        self.size = file.tell()
        self.file, self.base, self.window = file, start, b""
        file.seek(start)

    def at(self, position: int, count: int) -> bytes:
        """Up to `count` bytes from `position`; fewer only at the end of the file."""
        if position < self.base or position > self.base + len(self.window) + CHUNK:
            self.file.seek(position)
            self.base, self.window = position, b""
        while self.base + len(self.window) < min(position + count, self.size):
            more = self.file.read(CHUNK)
            if not more:
                self.size = self.base + len(self.window)    # the file is shorter than its size
                break
            keep = max(0, position - self.base)
            self.window, self.base = self.window[keep:] + more, self.base + min(keep, len(self.window))
        return self.window[position - self.base:position - self.base + count]


class Flow:
    """Bytes that records are cut from; `fill` and `drop` move forward. `broken` says why, if the bytes ended early."""

    def __init__(self, stored: Stored, start: int):
        self.stored, self.start, self.position = stored, start, start     # position: next stored byte to take
        self.buffer, self.dropped, self.ended = bytearray(), 0, False
        self.broken: tuple[str, str] | None = None

    def more(self, wanted: int) -> None:
        """Plain bytes: as they are stored."""
        taken = self.stored.at(self.position, min(max(wanted, 1), CHUNK))
        self.position += len(taken)
        self.buffer += taken
        self.ended = not taken

    def fill(self, count: int) -> None:
        while len(self.buffer) < count and not self.ended:
            self.more(count - len(self.buffer))

    def drop(self, count: int) -> None:
        """Discard the next `count` bytes, without buffering them all."""
        while count:
            self.fill(min(count, CHUNK))
            gone = min(count, len(self.buffer))
            if not gone:
                return
            del self.buffer[:gone]
            self.dropped += gone
            count -= gone


class Member(Flow):
    """The inflated bytes of one gzip member; complete only where zlib has verified its checksum and length."""

    def __init__(self, stored: Stored, start: int):
        super().__init__(stored, start)
        self.member = Deflate()
        self.produced = 0

    def more(self, wanted: int) -> None:
        stored = self.stored.at(self.position, STEP)
        if not stored:
            self.ended, self.broken = True, ("truncated", "the file ends inside a gzip member")
            return
        try:
            out, taken = self.member.feed(stored, 0, max(wanted, STEP))
        except zlib.error as error:
            self.ended, self.broken = True, ("damaged", f"gzip: {error}")
            if self.produced < _SALVAGED and not self.dropped:
                self.buffer[:] = _salvaged(self.stored.at(self.start, self.position - self.start + len(stored)))
            return
        self.position += taken
        self.buffer += out
        self.produced += len(out)
        self.ended = self.member.eof


def _salvaged(stored: bytes) -> bytes:
    """What can be inflated of a damaged member before the damage: enough to name the damaged record."""
    out, inflate = bytearray(), zlib.decompressobj(31)
    with contextlib.suppress(zlib.error):
        for start in range(0, len(stored), 64):
            out += inflate.decompress(stored[start:start + 64], _SALVAGED)
            if len(out) >= _SALVAGED:
                break
    return bytes(out)


class Zstd(Flow):
    """The inflated bytes of a zstd file of any number of frames, with the dictionary that it may begin with.

    The dictionary lies in a skippable frame of its own, itself compressed or not (IIPC, "Zstandard WARC format", 1.0).
    """

    def __init__(self, stored: Stored, start: int):
        super().__init__(stored, start)
        self.produced = 0
        self.frame: Frame | None = None
        self.frame_start = start        # where the frame being read begins, for the row that reports its damage
        self.dictionary: Any = None
        if stored.at(start, 4) == ZSTD_DICTIONARY:
            self._read_dictionary()

    def more(self, wanted: int) -> None:
        try:
            if self.frame is None:
                self.frame, self.frame_start = Frame(window_bound(self.stored.size), self.dictionary), self.position
            taken = self.stored.at(self.position, min(self.frame.wanted, STEP))
            if not taken:
                self.ended = True
                if self.frame.begun:
                    self.broken = ("truncated", "the file ends inside a zstd frame")
                return
            out = self.frame.feed(taken)
        except zstandard.ZstdError as error:
            self._fail(str(error))
            return
        self.buffer += out
        self.produced += len(out)
        self.position += len(taken)
        if self.frame.eof:
            self.frame = None

    def _read_dictionary(self) -> None:
        size = int.from_bytes(self.stored.at(self.start + 4, 4), "little")
        if size > _DICTIONARY_BYTES:
            return self._fail(f"the dictionary of {size} bytes is larger than {_DICTIONARY_BYTES}")
        frame = self.stored.at(self.start + 8, size)
        if len(frame) < size:
            return self._fail("the file ends inside its dictionary")
        try:
            if frame.startswith(FRAME):
                frame = zstandard.ZstdDecompressor().stream_reader(frame).read(_DICTIONARY_BYTES)
            self.dictionary = zstandard.ZstdCompressionDict(frame)
            Frame(dictionary=self.dictionary)           # raised here for an invalid dictionary
        except zstandard.ZstdError as error:
            return self._fail(f"the dictionary cannot be used: {error}")
        self.position = self.start + 8 + size
        return None

    def _fail(self, reason: str) -> None:
        self.ended, self.broken = True, ("damaged", f"zstd: {reason}")
