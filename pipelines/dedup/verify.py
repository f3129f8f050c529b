"""Verification of candidates: which pairs of a bucket or a cluster are compared, each once.

Members of a group are compared in rounds: all with the first, those that remain with the first of the rest, and so on. A
bucket of ten thousand members costs at most `rounds` times ten thousand comparisons, all buckets of a task being
worked on side by side; a bucket of no more than `rounds` + 1 members has all its pairs compared at that price.
"""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from textmill.pipelines.dedup.forest import forest
from textmill.pipelines.dedup.jaccard import Jaccards
from textmill.pipelines.dedup.packed import run_starts
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.dedup.shingle_sets import ShingleSets

EDGE = np.dtype([("a", "<u8"), ("b", "<u8"), ("similarity", "<f8")])
HELD = np.dtype([("ref", "<u8"), ("in_high", "<u8"), ("in_low", "<u8"), ("share", "<f8")])
CHUNK_HASHES = 4 << 20      # shingle hashes of the documents whose pairs are looked at together: 32 MB

Compare = Callable[[np.ndarray, np.ndarray], np.ndarray]
Staying = Callable[[np.ndarray, np.ndarray], np.ndarray]


def in_rounds(groups: np.ndarray, members: np.ndarray, compare: Compare,
              stays: Staying) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(first, other, similarity) of every round, until no group has two members left.

    `groups` ascend, and within a group `members` stand in the order in which they become first. `stays(similarity,
    groups)` says which of the others go into the next round.
    """
    while True:
        starts = run_starts(groups)
        sizes = np.diff(starts, append=len(groups))
        other = np.ones(len(groups), bool)
        other[starts] = False
        if not other.any():
            return
        first, second = np.repeat(members[starts], sizes)[other], members[other]
        similarity = compare(first, second)
        yield first, second, similarity
        groups = groups[other]
        left = stays(similarity, groups)
        groups, members = groups[left], second[left]


class Compared(NamedTuple):
    """Verified candidate pairs: near duplicates as EDGE rows, containment as HELD rows.

    EDGE rows are distinct, with a before b by id. HELD rows are pairs below the threshold of which one document, `ref`, has
    at least a given share of its shingles in the other."""

    edges: np.ndarray
    held: np.ndarray


def compared(links: np.ndarray, sets: ShingleSets, settings: DedupSettings) -> Compared:
    """The copies and the contained among the pairs of some buckets that are compared.

    `links` are the LINK rows of some whole buckets, each row once. The first of a bucket is its smallest id, so the
    answer depends on nothing but which documents share which buckets. Buckets that overlap are worked on together.
    """
    refs, local = np.unique(links["ref"], return_inverse=True)
    index = sets.index(refs)
    order = np.lexsort((local, links["bucket"]))
    component = _components(links["bucket"][order], local[order], len(refs))
    by_id = np.lexsort((refs, index["id_low"], index["id_high"], component))
    rank = np.empty(len(refs), np.int64)
    rank[by_id] = np.arange(len(refs))
    index, component = index[by_id], component[by_id]
    members = rank[local]
    order = np.lexsort((members, links["bucket"], component[members]))
    buckets, members = links["bucket"][order], members[order]
    found = [Compared(np.zeros(0, EDGE), np.zeros(0, HELD))]
    for start, end in chunks(component, index["count"]):
        some = slice(*members_of(component[members], component[start], component[end - 1]))
        known = _rounds(buckets[some], members[some] - start, sets, index[start:end], component[start:end], settings)
        found.append(Compared(known.edges(settings.threshold), known.held(settings.threshold, settings.min_containment)))
    return Compared(*map(np.concatenate, zip(*found, strict=True)))


def chunks(groups: np.ndarray, counts: np.ndarray) -> Iterator[tuple[int, int]]:
    """(start, end) of runs of whole groups whose sets have CHUNK_HASHES shingles together at most, or of one group."""
    starts = run_starts(groups)
    before = np.concatenate([[0], np.cumsum(counts, dtype=np.int64)])[[*starts, len(groups)]]
    at = 0
    while at < len(starts):
        end = max(at + 1, int(before.searchsorted(before[at] + CHUNK_HASHES, side="right")) - 1)
        yield int(starts[at]), int(starts[end]) if end < len(starts) else len(groups)
        at = end


def members_of(groups: np.ndarray, first: int, last: int) -> tuple[int, int]:
    """Positions of the groups from `first` to `last` in ascending `groups`."""
    return int(groups.searchsorted(first)), int(groups.searchsorted(last, side="right"))


def _components(buckets: np.ndarray, members: np.ndarray, count: int) -> np.ndarray:
    """For each of `count` documents a number that those share which overlapping buckets connect."""
    starts = run_starts(buckets)
    first = np.repeat(members[starts], np.diff(starts, append=len(members)))
    trees = forest(first.astype(np.uint64), members.astype(np.uint64))
    assert len(trees) == count, "every document is in a bucket"
    return trees["root"].astype(np.int64)


def _rounds(buckets: np.ndarray, members: np.ndarray, sets: ShingleSets, index: np.ndarray, component: np.ndarray,
            settings: DedupSettings) -> "_Known":
    """All comparisons of some whole components; `members` are rows of `index`, sorted by (bucket, id)."""
    groups = np.cumsum(np.concatenate([[0], buckets[1:] != buckets[:-1]]))
    all_pairs = np.bincount(groups) <= settings.max_rounds + 1
    known = _Known(Jaccards(sets, index, component), index)

    def stays(similarity: np.ndarray, at: np.ndarray) -> np.ndarray:
        return (similarity < settings.threshold) | all_pairs[at]

    for _ in zip(range(settings.max_rounds), in_rounds(groups, members, known.similarity, stays), strict=False):
        pass
    return known


class _Known:
    """Pairs of rows of `index` and their common shingles: each compared once, however many buckets it occurs in."""

    def __init__(self, jaccards: Jaccards, index: np.ndarray):
        self._jaccards, self._index = jaccards, index
        self._keys = np.zeros(0, np.int64)          # first << 32 | second, ascending
        self._common = np.zeros(0, np.int64)

    def similarity(self, a: np.ndarray, b: np.ndarray) -> np.ndarray:
        """float64 per pair: exact Jaccard."""
        keys = a << 32 | b
        new = np.setdiff1d(keys, self._keys)        # ascending: equal firsts are adjacent
        if len(new):
            place = self._keys.searchsorted(new)
            self._common = np.insert(self._common, place, self._jaccards.common(new >> 32, new & 0xFFFFFFFF))
            self._keys = np.insert(self._keys, place, new)
        return self._similarities(a, b, self._common[self._keys.searchsorted(keys)])

    def edges(self, threshold: float) -> np.ndarray:
        """EDGE rows of the pairs at or above the threshold."""
        a, b, similarity = self._pairs()
        alike = similarity >= threshold
        edges = np.zeros(int(alike.sum()), EDGE)
        edges["a"], edges["b"], edges["similarity"] = (
            self._index["ref"][a[alike]], self._index["ref"][b[alike]], similarity[alike])
        return edges

    def held(self, threshold: float, containment: float) -> np.ndarray:
        """HELD rows of the pairs below the threshold of which one has `containment` of its shingles in the other."""
        a, b, similarity = self._pairs()
        sizes = self._jaccards.sizes
        short, long = np.where(sizes[a] <= sizes[b], a, b), np.where(sizes[a] <= sizes[b], b, a)
        share = self._common / np.maximum(sizes[short], 1)
        inside = np.flatnonzero((similarity < threshold) & (share >= containment))
        held = np.zeros(len(inside), HELD)
        held["ref"], held["share"] = self._index["ref"][short[inside]], share[inside]
        held["in_high"], held["in_low"] = (self._index[name][long[inside]] for name in ("id_high", "id_low"))
        return held

    def _pairs(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        a, b = self._keys >> 32, self._keys & 0xFFFFFFFF
        return a, b, self._similarities(a, b, self._common)

    def _similarities(self, a: np.ndarray, b: np.ndarray, common: np.ndarray) -> np.ndarray:
        """Two empty sets have nothing in common."""
        return common / np.maximum(self._jaccards.sizes[a] + self._jaccards.sizes[b] - common, 1)


def fullest(held: np.ndarray) -> np.ndarray:
    """For each reference the HELD row with the largest share, of equal ones the smallest id; sorted by reference."""
    held = held[np.lexsort((held["in_low"], held["in_high"], -held["share"], held["ref"]))]
    return held[run_starts(held["ref"])]
