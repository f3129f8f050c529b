"""Passage fingerprints: 64-bit hashes of 32-byte runs of a text, by which a search proves that the text is gone.

Only passages that occur in no other document serve. All windows of a buffer are hashed at once: a polynomial modulo
2^64, put together by doubling, then scrambled. Two different windows meet with a chance of about 2^-64.
"""

from collections.abc import Iterator

import numpy as np

from textmill.pipelines.dedup.packed import mixed

WINDOW = 32
PER_TEXT = 12                   # spread over the text; a few are left where it shares much with others
_BASE = 0x9E3779B97F4A7C15      # odd
_STEP = 4 << 20                 # bytes hashed at once
_FILTER_BITS = 22


def window_hashes(data: np.ndarray) -> np.ndarray:
    """uint64 hash of each of the n - 31 windows of uint8[n]; none where it is shorter."""
    hashes = data.astype(np.uint64) + np.uint64(1)
    width = 1
    while width < WINDOW:
        factor = np.uint64(pow(_BASE, width, 1 << 64))
        hashes = hashes[:-width] * factor + hashes[width:] if len(hashes) > width else hashes[:0]
        width *= 2
    return mixed(hashes)


def passages_of(text: str) -> list[int]:
    """Hashes of PER_TEXT windows, evenly spread; none of a text shorter than one."""
    data = np.frombuffer(text.encode(), np.uint8)
    if len(data) < WINDOW:
        return []
    starts = np.unique(np.linspace(0, len(data) - WINDOW, PER_TEXT).astype(np.int64))
    return [int(window_hashes(data[start:start + WINDOW])[0]) for start in starts]


class Passages:
    """Hashes to look for in buffers of bytes."""

    def __init__(self, hashes: Iterator[int]):
        self.hashes = np.unique(np.fromiter(hashes, np.uint64))
        self._filter = np.zeros(1 << _FILTER_BITS, bool)        # nearly all windows stop here
        self._filter[self._place(self.hashes)] = True

    def found(self, data: np.ndarray) -> np.ndarray:
        """Those of the hashes that occur in uint8[n], ascending."""
        found = []
        for start in range(0, max(len(data) - WINDOW + 1, 0) if len(self.hashes) else 0, _STEP):
            windows = window_hashes(data[start:start + _STEP + WINDOW - 1])
            windows = windows[self._filter[self._place(windows)]]
            found.append(windows[np.isin(windows, self.hashes)])
        return np.unique(np.concatenate(found)) if found else self.hashes[:0]

    @staticmethod
    def _place(hashes: np.ndarray) -> np.ndarray:
        return hashes >> np.uint64(64 - _FILTER_BITS)
