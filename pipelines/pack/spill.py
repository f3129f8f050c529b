"""Rows that may be more than memory holds: in memory while they are few, else in local files.

What is read is what was written, in order, whatever lies where.
"""

import itertools
from collections.abc import Iterator
from pathlib import Path

import numpy as np

MOST = 1 << 20      # rows held at once


class Sequence:
    """Rows of one dtype in the order in which they came; a file in `folder` holds them where they are more than MOST."""

    def __init__(self, dtype: np.dtype, folder: Path | None):
        self.dtype, self.rows = dtype, 0
        self._path = folder / f"{next(_NAMES)}.rows" if folder else None
        self._held: list[np.ndarray] = []
        self._held_rows = 0

    def append(self, rows: np.ndarray) -> None:
        """Add rows at the end."""
        self._held.append(rows)
        self._held_rows += len(rows)
        self.rows += len(rows)
        if self._path and self._held_rows > MOST:
            self._flush()

    def read(self, start: int = 0, end: int | None = None) -> Iterator[np.ndarray]:
        """Rows `start` to `end`, at most MOST at once where they are in a file."""
        end = self.rows if end is None else end
        if self._path and self.rows > self._held_rows:
            self._flush()
            for first in range(start, end, MOST):
                yield np.fromfile(self._path, self.dtype, min(MOST, end - first), offset=first * self.dtype.itemsize)
        elif self._held:
            self._held = [np.concatenate(self._held)]
            yield self._held[0][start:end]

    def delete(self) -> None:
        """Forget the rows."""
        self._held, self._held_rows = [], 0
        if self._path:
            self._path.unlink(missing_ok=True)

    def _flush(self) -> None:
        assert self._path is not None
        with self._path.open("ab") as file:
            for rows in self._held:
                file.write(rows.data if rows.flags.c_contiguous else rows.tobytes())
        self._held, self._held_rows = [], 0


class Buckets:
    """Rows of one dtype divided into numbered buckets, each in the order in which its rows came.

    They lie in files of `folder`, in so many buckets that one of them has about MOST of the `rows` that are expected; without
    a folder in memory, in one bucket."""

    def __init__(self, dtype: np.dtype, rows: int, folder: Path | None):
        self.dtype, self.count = dtype, max(1, -(-rows // MOST)) if folder else 1
        self.folder = folder
        self._name = next(_NAMES)
        self._held: list[np.ndarray] = []

    def add(self, rows: np.ndarray, numbers: np.ndarray) -> None:
        """Add rows to the buckets of these numbers."""
        if not self.folder:
            self._held.append(rows)
            return
        order = np.argsort(numbers, kind="stable")
        rows, ends = rows[order], np.cumsum(np.bincount(numbers, minlength=self.count)).tolist()
        for number, (start, end) in enumerate(itertools.pairwise([0, *ends])):
            if end > start:
                with self._path(number).open("ab") as file:
                    file.write(rows[start:end].data)

    def __iter__(self) -> Iterator[np.ndarray]:
        """The buckets by number."""
        if not self.folder:
            self._held = [np.concatenate([np.zeros(0, self.dtype), *self._held])]
            yield self._held[0]
            return
        for number in range(self.count):
            path = self._path(number)
            yield np.fromfile(path, self.dtype) if path.exists() else np.zeros(0, self.dtype)

    def delete(self) -> None:
        """Forget the rows."""
        self._held = []
        for number in range(self.count if self.folder else 0):
            self._path(number).unlink(missing_ok=True)

    def _path(self, number: int) -> Path:
        assert self.folder is not None
        return self.folder / f"{self._name}-{number}.rows"


_NAMES = itertools.count()      # of files, which are of one process


def by_hash(keys: np.ndarray, count: int) -> np.ndarray:
    """The bucket of each 64-bit key, of `count` in the order of the keys."""
    return ((keys >> np.uint64(32)) * np.uint64(count) >> np.uint64(32)).astype(np.int64)
