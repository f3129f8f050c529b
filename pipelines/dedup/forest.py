"""Connected components as forests: pairs of uint64 (reference, smallest reference of its component), sorted by reference.

The same edges give the same forest however they were distributed, because it does not record how the components came
about.
"""

from collections.abc import Iterable

import numpy as np

from textmill.pipelines.dedup.packed import joined

TREE = np.dtype([("ref", "<u8"), ("root", "<u8")])


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


def merged(pieces: Iterable[bytes]) -> bytes:
    """The packed forest over packed edges or forests (TREE rows)."""
    edges = joined(pieces, TREE)
    return forest(edges["ref"], edges["root"]).tobytes()
