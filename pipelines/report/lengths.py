"""Lengths of texts in words: all documents, and those within every bound that are no copy.

Memory: one row group and a count for every length up to CEILING words; longer texts count as that long.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc

from textmill.pipelines.report.dataset import StoredDataset, side_by_side
from textmill.pipelines.report.rules import Axis
from textmill.pipelines.report.tables import Column, Table, table

CEILING = 1 << 20
AXIS = Axis(1, 1e6, 36, logarithmic=True)      # six bins to a power of ten


@dataclass(frozen=True)
class Spread:
    """Some texts: how many, their words, and the length that a tenth, a half and nine tenths of them do not exceed."""

    documents: int
    words: int
    tenth: int
    median: int
    ninetieth: int


@dataclass(frozen=True)
class Lengths:
    """All documents and those kept; of both, how many lie in each bin of AXIS."""

    read: Spread
    kept: Spread
    bins: tuple[int, ...]
    lost_bins: tuple[int, ...]


def lengths(signals: StoredDataset, verdicts: StoredDataset, duplicates: StoredDataset) -> Lengths:
    """Counted from every row of the three datasets."""
    read, kept = np.zeros(CEILING + 1, np.int64), np.zeros(CEILING + 1, np.int64)
    words = [0, 0]
    for signal, verdict, duplicate in side_by_side((signals, ["word_count"]), (verdicts, ["kept"]), (duplicates, ["kind"])):
        found = pc.fill_null(signal["word_count"], 0).to_numpy().astype(np.int64)
        stays = pc.and_(verdict["kept"], pc.is_null(duplicate["kind"])).to_numpy(zero_copy_only=False)
        for number, (counts, some) in enumerate(((read, found), (kept, found[stays]))):
            words[number] += int(some.sum())
            here = np.bincount(np.minimum(some, CEILING))
            counts[:len(here)] += here
    bins = [_binned(counts) for counts in (read, read - kept)]
    return Lengths(_spread(read, words[0]), _spread(kept, words[1]), *bins)


def _spread(counts: np.ndarray, words: int) -> Spread:
    below = np.cumsum(counts)
    total = int(below[-1])
    places = [int(np.searchsorted(below, max(share * total, 1))) if total else 0 for share in (0.1, 0.5, 0.9)]
    return Spread(total, words, *places)


def _binned(counts: np.ndarray) -> tuple[int, ...]:
    there = np.flatnonzero(counts)
    places = np.clip(np.floor(AXIS.places(there.astype(np.float64))), 0, AXIS.bins).astype(np.int64)
    return tuple(np.bincount(places, counts[there], AXIS.bins + 1).astype(np.int64).tolist())


def spread_table(of: Lengths) -> Table:
    """All documents, and those kept."""
    return table("lengths", "Lengths", "all documents, or those within every bound that are no copy", [
        Column("documents", "which"), Column("count", "how many", "count", "how many"),
        Column("words", "of them together", "count"),
        Column("tenth", "words that a tenth of them do not exceed", "count", "a tenth up to"),
        Column("median", "words that half of them do not exceed", "count", "half up to"),
        Column("ninetieth", "words that nine tenths of them do not exceed", "count", "nine tenths up to")],
        ((name, one.documents, one.words, one.tenth, one.median, one.ninetieth) for name, one in (("all", of.read), ("kept",
            of.kept))))


def bin_table(of: Lengths) -> Table:
    """One row for each bin of the histogram."""
    return table("length_bins", "Lengths by bin", "documents of so many words", [
        Column("words_from", "least, as the bins are cut", "number"),
        Column("words_below", "none where the bin has no end", "number"),
        Column("documents", "of all", "count"), Column("kept", "of them, within every bound and no copy", "count")],
        ((*AXIS.edges(n), count, count - lost) for n, (count, lost) in enumerate(zip(of.bins, of.lost_bins, strict=True))))
