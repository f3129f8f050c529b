"""Clusters: connected components over verified edges, by spanning forests that merge in any order to the same bytes.

A forest is a pair of uint64 arrays (reference, smallest reference of its component), sorted by reference. It is the
same for the same edges however they were dealt out, because it says nothing about how the components came about.
"""

from collections.abc import Iterable

import apache_beam as beam
import numpy as np

from pipelines.dedup.rows import joined

TREE = np.dtype([("ref", "<u8"), ("root", "<u8")])
COMPACT_BYTES = 16 << 20        # edges gathered before they are merged into the forest


def forest(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """TREE rows of every reference in the edges a-b.

    Each root hooks under a smaller one that an edge leads to, then every path is halved away; the number of rounds
    grows with the logarithm of the longest path (after Shiloach and Vishkin 1982, array by array).
    """
    refs, places = np.unique(np.concatenate([a, b]), return_inverse=True)
    one, two = places[:len(a)], places[len(a):]
    parent = np.arange(len(refs))
    while True:
        low, high = np.minimum(parent[one], parent[two]), np.maximum(parent[one], parent[two])
        apart = low != high
        if not apart.any():
            break
        one, two = low[apart], high[apart]
        parent[two] = one           # any smaller neighbour will do: the smallest of all can never hook
        while True:
            above = parent[parent]
            if np.array_equal(above, parent):
                break
            parent = above
    trees = np.zeros(len(refs), TREE)
    trees["ref"], trees["root"] = refs, refs[parent]
    return trees


def root_of(trees: np.ndarray, refs: np.ndarray) -> np.ndarray:
    """The component of each reference, all of which must be in the forest."""
    return trees["root"][trees["ref"].searchsorted(refs)]


class SpanningForest(beam.CombineFn):
    """Packed edges (TREE rows: any two references that belong together) → the packed forest.

    Associative and commutative; an accumulator never holds more than its forest and COMPACT_BYTES of edges.
    """

    def create_accumulator(self) -> list[bytes]:
        return []

    def add_input(self, accumulator: list[bytes], edges: bytes) -> list[bytes]:
        return self._compacted([*accumulator, edges])

    def merge_accumulators(self, accumulators: Iterable[list[bytes]]) -> list[bytes]:
        merged: list[bytes] = []
        for accumulator in accumulators:
            merged = self._compacted(merged + accumulator)
        return merged

    def extract_output(self, accumulator: list[bytes]) -> bytes:
        return _merged(accumulator)

    def compact(self, accumulator: list[bytes]) -> list[bytes]:
        return [_merged(accumulator)]

    def _compacted(self, pieces: list[bytes]) -> list[bytes]:
        """The first piece may be a forest; it is merged anew only when as much again has gathered."""
        gathered = sum(map(len, pieces[1:]))
        return [_merged(pieces)] if gathered > max(COMPACT_BYTES, len(pieces[0]) if pieces else 0) else pieces


def _merged(pieces: list[bytes]) -> bytes:
    edges = joined(pieces, TREE)
    return forest(edges["ref"], edges["root"]).tobytes()
