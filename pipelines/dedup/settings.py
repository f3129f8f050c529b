"""Settings of dedup, and the LSH banding chosen by them."""

import math
import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar, Literal

SIGNATURE = 120        # permutations in a stored signature
COMMON_ROWS = 100       # documents that a shingle may stand in, whatever share they are

Standing = Literal["source", "longest", "oldest", "newest", "first"]
KindName = Literal["record", "url", "exact", "near"]


@dataclass(frozen=True)
class DedupSettings:
    """Settings of dedup. A smaller `id` decides where the whole `order` ties."""

    threshold: float = 0.8
    """Exact Jaccard of shingle sets at or above which two documents are duplicates."""
    kinds: tuple[KindName, ...] = ("record", "url", "exact", "near")
    """What counts as a copy."""
    same_address: Literal["similar", "newest"] = "similar"
    """Older captures of an address go where their text is like a newer one's; or, with newest, whatever their text."""
    min_shingles: int = 6
    """Texts of fewer distinct shingles (ten terms have six) are copies of equal texts only."""
    common: float | None = None
    """A shingle in more than this share of the documents, and in more than COMMON_ROWS, is part of a template: it does not
    count when texts are compared. null: every shingle counts."""
    recall: float = 0.99
    """Share of pairs at the threshold that must become candidates: chooses bands and rows."""
    bands: int | None = None
    """With `rows`, an explicit banding, such as FineWeb's 14 × 8; both or neither."""
    rows: int | None = None
    """Hashes in a band."""
    min_containment: float = 0.9
    """Least share of a text's shingles in another for it to be reported as contained in it."""
    max_rounds: int = 8
    """A bucket's members are compared with at most so many of them."""
    max_all_pairs_cluster: int = 1000
    """In clusters up to this size a removed copy names the most similar kept one: all pairs are compared."""
    order: tuple[Standing, ...] = ("source", "longest", "oldest")
    """Which copy is kept: the first in this order."""
    source_priority: tuple[str, ...] = ()
    """Best first; sources not named rank equally after these."""
    max_memory_gb: float | None = None
    """Memory of one grouping; null is a quarter of the machine's."""
    passes: int | None = None
    """Over the keys; null: as many as the memory asks for."""

    renamed: ClassVar = {"containment": "min_containment", "rounds": "max_rounds", "all_pairs": "max_all_pairs_cluster",
                         "memory_gb": "max_memory_gb"}

    def problems(self) -> Iterator[str]:
        """Invalid settings, one sentence each."""
        if self.bands is None or self.rows is None:
            if self.bands is not self.rows:
                yield "of bands and rows one is given; give both, or neither to have them chosen by recall"
        elif self.bands < 1 or self.rows < 1:
            yield f"bands ({self.bands}) and rows ({self.rows}) must be at least 1"
        elif self.bands * self.rows > SIGNATURE:
            yield f"{self.bands} bands of {self.rows} rows need {self.bands * self.rows} permutations, " \
                  f"and a signature has {SIGNATURE}; make their product {SIGNATURE} or less"
        if not 0 < self.threshold <= 1:
            yield f"threshold: {self.threshold} must be above 0 and at most 1"
        elif not 0 < self.recall < 1:
            yield f"recall: {self.recall} must be above 0 and below 1"
        elif chosen_banding(self.threshold, self.recall) is None:
            yield f"recall: {self.recall} of the pairs at threshold {self.threshold} cannot be found with {SIGNATURE} " \
                  f"permutations; ask for {probability_found(self.threshold, SIGNATURE, 1):.4f} or less"
        if not 0 < self.min_containment <= 1:
            yield f"min_containment: {self.min_containment} must be above 0 and at most 1"
        if self.max_rounds < 1:
            yield f"max_rounds: {self.max_rounds} must be at least 1"
        if self.max_all_pairs_cluster < 2:
            yield f"max_all_pairs_cluster: {self.max_all_pairs_cluster} must be at least 2"
        if len(set(self.kinds)) < len(self.kinds):
            yield f"kinds: {', '.join(self.kinds)} names one twice; name each at most once"
        if self.same_address == "newest" and "url" not in self.kinds:
            yield "same_address: newest needs the kind url; add it to kinds"
        if self.min_shingles < 1:
            yield f"min_shingles: {self.min_shingles} must be at least 1"
        if self.common is not None and not 0 < self.common < 1:
            yield f"common: {self.common} is a share of the documents, above 0 and below 1"
        if len(set(self.order)) < len(self.order):
            yield f"order: {', '.join(self.order)} names one twice; name each at most once"
        if {"oldest", "newest"} <= set(self.order):
            yield "order: oldest and newest contradict each other; name one of them"
        if self.source_priority and "source" not in self.order:
            yield "source_priority is given but order does not name source; add it to order"
        if len(set(self.source_priority)) < len(self.source_priority):
            yield "source_priority names a source twice; name each at most once"
        if self.max_memory_gb is not None and self.max_memory_gb <= 0:
            yield f"max_memory_gb: {self.max_memory_gb} must be above 0"
        if self.passes is not None and self.passes < 1:
            yield f"passes: {self.passes} must be at least 1"

    def banding(self) -> tuple[int, int]:
        """(bands, rows): the given ones, else those that `recall` chooses."""
        if self.bands and self.rows:
            return self.bands, self.rows
        chosen = chosen_banding(self.threshold, self.recall)
        assert chosen, "problems() says so"
        return chosen


def chosen_banding(threshold: float, recall: float) -> tuple[int, int] | None:
    """The (bands, rows) that reach a recall at the threshold with the most rows, hence the fewest false candidates.

    None where not even bands of one row reach it.

    >>> chosen_banding(0.8, 0.99), chosen_banding(0.7, 0.99), chosen_banding(0.8, 0.9)
    ((20, 6), (30, 4), (15, 8))
    """
    bandings = ((SIGNATURE // rows, rows) for rows in range(SIGNATURE, 0, -1))
    return next((banding for banding in bandings if probability_found(threshold, *banding) >= recall), None)


def memory_for(settings: DedupSettings, spills: bool = False) -> float:
    """Bytes that may be grouped at one time: as set, else a quarter of the machine's, or any number where the engine spills."""
    if settings.max_memory_gb:
        return settings.max_memory_gb * 1e9
    return math.inf if spills else memory_of_machine() / 4


def memory_of_machine() -> int:
    """Bytes of main memory."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def probability_found(similarity: float, bands: int, rows: int) -> float:
    """The chance that two documents of this Jaccard similarity share at least one bucket.

    1 - (1 - s^r)^b: a band of r rows agrees with probability s^r (Leskovec, Rajaraman, Ullman: Mining of Massive
    Datasets, 3.4.2).
    """
    return 1 - (1 - similarity ** rows) ** bands


def recall_line(bands: int, rows: int) -> str:
    """The banding and its S-curve in one line.

    >>> recall_line(20, 6)
    'with 20 bands × 6 rows, 91.8 % of pairs at Jaccard 0.7 become candidates, 99.8 % at 0.8, 100.0 % at 0.9'
    """
    low, middle, high = (f"{probability_found(s, bands, rows):.1%}".replace("%", " %") for s in (0.7, 0.8, 0.9))
    return (f"with {bands} bands × {rows} rows, {low} of pairs at Jaccard 0.7 become candidates, "
            f"{middle} at 0.8, {high} at 0.9")
