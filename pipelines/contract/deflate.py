"""Deflate streams (gzip members, zlib, raw) in bounded steps, by position in what is stored.

zlib hands back what lies behind a stream's end, and that is a copy: of the whole rest for each of a hundred thousand empty
members, if the rest were given to it. Steps begin small and double, so that a small member costs a small copy.
"""

import zlib

GZIP = b"\x1f\x8b"          # first bytes of a member
STEP = 1 << 16              # stored bytes of a step at most
_FIRST = 1 << 8


class Deflate:
    """One stream. `window` as zlib's wbits: 31 for gzip, 15 for zlib, -15 for raw deflate."""

    def __init__(self, window: int = 31):
        self._zlib, self._step = zlib.decompressobj(window), _FIRST

    @property
    def eof(self) -> bool:
        """Whether the stream ended, and its checksum held."""
        return self._zlib.eof

    def feed(self, stored: bytes | memoryview, at: int, most: int) -> tuple[bytes, int]:
        """At most `most` inflated bytes of what is stored from `at` on, and how many stored bytes they took."""
        taken = stored[at:at + self._step]
        self._step = min(2 * self._step, STEP)
        out = self._zlib.decompress(taken, most)
        # At its end zlib may report the rest of the input as unconsumed and as unused, both.
        return out, len(taken) - len(self._zlib.unused_data if self._zlib.eof else self._zlib.unconsumed_tail)
