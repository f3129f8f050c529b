"""The block elements of a page as columns: their names as numbers, what they hold, and what lies around a block."""

from functools import lru_cache
from hashlib import blake2b
from typing import NamedTuple

import numpy as np

from textmill.pipelines.extract.pages.blocks import Blocks

_DOUBLINGS = 10         # 2^10 elements up: deeper than any page that is read


class Elements(NamedTuple):
    """Columns of elements, and at last one of blocks. The root is its own parent."""

    parent: np.ndarray
    name: np.ndarray            # number in `names` of its tag and words
    names: list[tuple[str, ...]]
    start: np.ndarray           # the blocks inside it: from
    end: np.ndarray             # to, exclusive
    held: np.ndarray            # their number
    node: np.ndarray            # of each block, the element it lies in

    @classmethod
    def of(cls, page: Blocks) -> "Elements":
        numbers: dict[tuple[str, ...], int] = {}
        name = np.array([numbers.setdefault(words, len(numbers)) for words in page.words], dtype=np.int64)
        columns = (page.parent, page.start, page.end, page.node)
        parent, start, end, node = (np.array(column, dtype=np.int64) for column in columns)
        parent[0] = 0
        return cls(parent, name, list(numbers), start, end, end - start, node)

    def sum(self, values: np.ndarray) -> np.ndarray:
        """Of a value of blocks, the sum inside each element."""
        sums = np.concatenate([[0], np.cumsum(values)])
        return sums[self.end] - sums[self.start]

    def along(self, values: np.ndarray) -> np.ndarray:
        """Of a value of elements, whole numbers, the sum over all those around each block: they open and close in turn."""
        change = np.zeros((len(self.node) + 1, *values.shape[1:]), dtype=values.dtype)
        for places, sign in ((self.start, 1), (self.end, -1)):
            order = np.argsort(places, kind="stable")
            at, first = np.unique(places[order], return_index=True)
            change[at] += sign * np.add.reduceat(values[order], first, axis=0)
        return np.cumsum(change[:-1], axis=0)

    def nearest(self, wanted: np.ndarray) -> np.ndarray:
        """The innermost element that is wanted, of each element and those around it; the root where there is none."""
        jump = np.where(wanted, np.arange(len(wanted)), self.parent)
        for _ in range(_DOUBLINGS):
            jump = jump[jump]
        return jump

    def places(self) -> np.ndarray:
        """A number for each block's place, from 0 without gaps: the same for blocks inside elements of the same names."""
        hashes = np.array([_hash(words) for words in self.names], dtype=np.int64)[self.name]
        return np.unique(self.along(hashes), return_inverse=True)[1]


@lru_cache(8192)
def _hash(words: tuple[str, ...]) -> int:
    return int.from_bytes(blake2b("\n".join(words).encode(), digest_size=6).digest(), "big")
