"""Zstandard frames in bounded steps: none gives more than one block, 128 KiB (RFC 8878, 3.1.1.2.4).

Blocks of 4 bytes may each stand for 128 KiB of one letter, so a step that took a fixed number of stored bytes could give
thirty thousand times as many.
"""

from collections.abc import Callable
from typing import Any

import zstandard

FRAME, SKIPPABLE = b"\x28\xb5\x2f\xfd", b"\x2a\x4d\x18"     # a frame's first bytes; the last three of a skippable one's
STEP = 1 << 16              # stored bytes of a step whose size is not told by a block
_WINDOW = 1 << 27           # zstd's own bound for a decoder that was not told more


def window_bound(stored: int) -> int:
    """The largest window accepted in a file of so many stored bytes: 128 MiB, and up to 2 GiB (`--long=31`) in large files.

    A window is memory: a small file that asks for a large one is a bomb, or was compressed with `--long` for nothing.
    """
    return max(_WINDOW, min(64 * stored, 1 << 31))


class Frame:
    """Decompression of one frame. Feed it `wanted` bytes at most; `eof` after its last ones. ZstdError where it is damaged."""

    def __init__(self, window: int = _WINDOW, dictionary: Any = None):
        given = {"dict_data": dictionary} if dictionary else {}
        self._frame = zstandard.ZstdDecompressor(max_window_size=window, **given).decompressobj()
        self._window = window
        self._start, self._has_sum = b"", False     # what has been fed of the piece that says how long the next one is
        self._next: Callable[[bytes], None] = self._after_magic
        self._skip, self.wanted, self.begun = 0, 5, False

    @property
    def eof(self) -> bool:
        return bool(self._frame.eof)

    def feed(self, stored: bytes) -> bytes:
        self.begun = True
        try:
            out: bytes = self._frame.decompress(stored)
        except zstandard.ZstdError as error:
            if "too much memory" not in str(error):
                raise
            raise zstandard.ZstdError(f"a window of more than {self._window >> 20} MiB, too much for what is stored here; "
                                      "pack it again without --long") from None
        self._start += stored[self._skip:]
        self._skip = max(0, self._skip - len(stored))
        self.wanted -= len(stored)
        if not self.wanted and not self.eof:
            start, self._start = self._start, b""
            self._next(start)
        return out

    def _after_magic(self, start: bytes) -> None:
        """The rest of the header, and the first block's header; or the size of a skippable frame."""
        if start[1:4] == SKIPPABLE:
            self._start, self._next, self.wanted = start, self._after_size, 3
            return
        descriptor = start[4]
        single, self._has_sum = bool(descriptor & 0x20), bool(descriptor & 4)
        content = (1 if single else 0, 2, 4, 8)[descriptor >> 6]
        rest = (0 if single else 1) + (0, 1, 2, 4)[descriptor & 3] + content
        self._to_block(rest, False)

    def _after_size(self, start: bytes) -> None:
        self._skippable(int.from_bytes(start[4:8], "little"))

    def _skippable(self, left: int) -> None:
        self._skip = self.wanted = min(left, STEP)
        self._next = lambda _: self._skippable(left - min(left, STEP))

    def _after_block_header(self, start: bytes) -> None:
        header = int.from_bytes(start, "little")
        size = 1 if header >> 1 & 3 == 1 else header >> 3       # a block of type 1 is a byte to repeat
        self._to_block(size, bool(header & 1))

    def _to_block(self, size: int, last: bool) -> None:
        """So many bytes, and what follows them: the next block's header, or a sum."""
        self._skip, self._next = size, self._after_block_header
        self.wanted = max(1, size + (3 if not last else 4 if self._has_sum else 0))
