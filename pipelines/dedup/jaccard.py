"""Exact Jaccard similarity of stored shingle sets: every near duplicate is verified by it.

In a group of documents that will be compared many times over, the shingles that at least two of them share are numbered
and each set becomes a row of bits: a pair then costs some words of `and` and bit counts (measured on 400 shingles:
0.04 µs) instead of looking up each shingle of one in the other (7 µs). Either way the counts are exact.
"""

import numpy as np
import pyarrow as pa

from textmill.pipelines.dedup.packed import run_starts, runs
from textmill.pipelines.dedup.shingle_sets import ShingleSets

BATCH_HASHES = 4 << 20      # shingle hashes held at a time where pairs are looked up: 32 MB
GROUP_HASHES = 8 << 20      # a group of more is looked up pair by pair, from the files
BIT_ROWS = 8                # documents from which on numbering a group's shingles costs less than it saves
SPREAD = 2                  # words of bits for each shingle above which bits would cost as much as looking up
FLAG_BYTES = 64 << 20       # flags unpacked at a time, and bits compared at a time


class Jaccards:
    """The similarities of some documents: rows of `index`, compared within `groups` (ascending)."""

    def __init__(self, sets: ShingleSets, index: np.ndarray, groups: np.ndarray):
        self._sets, self._index = sets, index
        self.sizes = index["count"].astype(np.int64)
        self._group = np.full(len(index), -1)               # whose bits a row is in; -1 where there are none
        self._bits: list[tuple[int, np.ndarray]] = []       # of each group its first row and its bits
        for start, end in runs(groups):
            total = int(self.sizes[start:end].sum())
            if end - start >= BIT_ROWS and total <= GROUP_HASHES:
                bits = shared_bits(sets.hashes(index[start:end]), self.sizes[start:end])
                if bits.size <= SPREAD * total:
                    self._group[start:end] = len(self._bits)
                    self._bits.append((start, bits))

    def similarity(self, a: np.ndarray, b: np.ndarray, threshold: float) -> np.ndarray:
        """Exact Jaccard similarity per pair of rows of one group, `a` ascending: float64.

        0 where the sizes of the two sets alone rule the threshold out."""
        small, large = np.minimum(self.sizes[a], self.sizes[b]), np.maximum(self.sizes[a], self.sizes[b])
        similarity = np.zeros(len(a))
        near = np.flatnonzero((small >= threshold * large * (1 - 1e-12)) & (small > 0))
        common = self.common(a[near], b[near])
        similarity[near] = common / (small[near] + large[near] - common)
        return similarity

    def common(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """int64 per pair of rows of one group, `a` ascending: how many shingles both have."""
        common = np.zeros(len(a), np.int64)
        some = np.flatnonzero((self.sizes[a] > 0) & (self.sizes[b] > 0))
        a, b = a[some], b[some]
        for start, end in runs(self._group[a]):
            counted = self._in_bits if self._group[a[start]] >= 0 else self._looked_up
            common[some[start:end]] = counted(a[start:end], b[start:end])
        return common

    def _in_bits(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        first, bits = self._bits[self._group[a[0]]]
        step = max(1, FLAG_BYTES // (8 * max(1, bits.shape[1])))
        counts = [np.bitwise_count(bits[a[at:at + step] - first] & bits[b[at:at + step] - first]).sum(axis=1, dtype=np.int64)
                  for at in range(0, len(a), step)]
        return np.concatenate(counts)

    def _looked_up(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        weights = np.cumsum(self.sizes[b])
        counts, start = [], 0
        while start < len(a):
            end = max(start + 1, int(weights.searchsorted(weights[start] + BATCH_HASHES, side="right")))
            counts.append(self._batch(a[start:end], b[start:end]))
            start = end
        return np.concatenate(counts)

    def _batch(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """Shingles in common, every set read once for each run of equal `a`."""
        common = np.zeros(len(a), np.int64)
        starts = run_starts(a)
        second = self._sets.hashes(self._index[b])
        offsets = np.concatenate([[0], np.cumsum(self.sizes[b])])
        first = self._sets.hashes(self._index[a[starts]])
        first_offsets = np.concatenate([[0], np.cumsum(self.sizes[a[starts]])]).tolist()
        for n, (start, end) in enumerate(runs(a)):
            pivot = first[first_offsets[n]:first_offsets[n + 1]]
            others = second[offsets[start]:offsets[end]]
            found = pivot.take(pivot.searchsorted(others), mode="clip") == others
            if end - start == 1:
                common[start] = np.count_nonzero(found)
            else:
                common[start:end] = np.add.reduceat(found, offsets[start:end] - offsets[start], dtype=np.int64)
        return common


def shared_bits(hashes: np.ndarray, sizes: np.ndarray) -> np.ndarray:
    """uint64[sets, words]: of each set the shingles that at least two of these sets have, a bit each.

    `hashes` are the sets one after the other, each without repeats. The numbers of bits in common are the numbers of
    shingles in common; what only one set has can be in no intersection.
    """
    codes = pa.array(hashes).dictionary_encode().indices.to_numpy()
    shared = np.bincount(codes) > 1
    words = -(-int(shared.sum()) // 64)
    number = np.cumsum(shared) - 1
    chosen = shared[codes]
    rows, columns = np.repeat(np.arange(len(sizes)), sizes)[chosen], number[codes[chosen]]
    bits = np.zeros((len(sizes), words), np.uint64)
    if not words:
        return bits
    step = max(1, FLAG_BYTES // (64 * words))
    for start in range(0, len(sizes), step):
        some = slice(*rows.searchsorted([start, start + step]))
        flags = np.zeros((min(step, len(sizes) - start), 64 * words), bool)
        flags[rows[some] - start, columns[some]] = True
        bits[start:start + step] = np.packbits(flags, axis=1).view(np.uint64)
    return bits
