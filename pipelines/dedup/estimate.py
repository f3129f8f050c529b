"""Estimate of the memory, disk and time of a dedup run, from constants that benchmarks/dedup_scale.py measured."""

from typing import NamedTuple

from textmill.pipelines.dedup.bands import BAND
from textmill.pipelines.dedup.buckets import LINK
from textmill.pipelines.dedup.exact import KEYED, KEYS
from textmill.pipelines.dedup.packed import GROWTH, passes_for
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.dedup.shingle_sets import INDEX

CANDIDATES = 0.2            # share of documents that are candidates: a guess that the line states
START = 1.7                 # seconds of processor that a worker takes to start, for each of at least seven pipelines
PIPELINES = 7
EACH = 50e-6                # seconds of processor for each document: keys, bands, buckets, decisions
EACH_CANDIDATE = 0.6e-3     # for each candidate: shingled again, stored, compared
PROCESS = 0.45e9            # bytes of an idle process
LARGE = 100_000             # documents from which on a run is worth an estimate


class Estimate(NamedTuple):
    """Passes over the bands, bytes of the largest process, bytes of work files, seconds of wall clock."""

    passes: int
    memory: float
    disk: float
    seconds: float


def estimate(documents: int, words: float, settings: DedupSettings, memory: float, workers: int) -> Estimate:
    """For so many documents of so many words on average, where `memory` bytes may be grouped at one time."""
    grouped = max(settings.banding()[0] * BAND.itemsize, len(KEYS) * KEYED.itemsize) * documents
    passes = settings.passes or passes_for(grouped, memory)
    candidates = CANDIDATES * documents
    disk = candidates * (8 * words + INDEX.itemsize + 2 * settings.banding()[0] * LINK.itemsize)
    pipelines = PIPELINES + 2 * (passes - 1)
    processor = pipelines * workers * START + documents * EACH + candidates * EACH_CANDIDATE
    return Estimate(passes, PROCESS + GROWTH * grouped / passes, disk, processor / workers)


def estimate_line(documents: int, words: float, settings: DedupSettings, memory: float, workers: int) -> str:
    """The estimate as a sentence.

    >>> estimate_line(1_000_000, 400, DedupSettings(), 1e9, 2)
    '1,000,000 documents: 2 passes, about 1.4 GB in the largest process, 0.8 GB of work files and 2 minutes with 2 workers, \
if one in 5 is a candidate'
    """
    found = estimate(documents, words, settings, memory, workers)
    return (f"{documents:,} documents: {_many(found.passes, 'pass', 'es')}, about {found.memory / 1e9:.1f} GB in the largest "
            f"process, {found.disk / 1e9:.1f} GB of work files and {_many(max(1, round(found.seconds / 60)), 'minute')} with "
            f"{_many(workers, 'worker')}, if one in {1 / CANDIDATES:.0f} is a candidate")


def _many(count: int, one: str, more: str = "s") -> str:
    return f"{count:,} {one}{more if count > 1 else ''}"
