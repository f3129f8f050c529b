"""Bits per byte with intervals: overall and by entry, length, source and language of the documents.

An interval is of the mean over documents: 95 % of bootstrap samples, in which documents are drawn with replacement, lie in it
(Efron 1979). It says how far the figure may move with other documents of the kind; not what another seed of training gives.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from textmill.model.evaluation.documents import Documents

ROUNDS = 1000           # samples
LENGTHS = {"below 1 kB": 1_000, "1 to 4 kB": 4_000, "4 to 16 kB": 16_000, "16 kB and more": math.inf}


class Figure(NamedTuple):
    """A figure, its interval, and the text behind it."""

    value: float
    low: float
    high: float
    documents: int
    bytes: int


def samples(nats: np.ndarray, sizes: np.ndarray, seed: int = 1) -> np.ndarray:
    """ROUNDS bootstrap samples of the bits per byte of these documents, float64 (ROUNDS,)."""
    random = np.random.default_rng(seed)
    drawn = np.empty(ROUNDS)
    for n in range(ROUNDS):
        weights = np.bincount(random.integers(0, len(nats), len(nats)), minlength=len(nats))
        drawn[n] = (weights @ nats) / (math.log(2) * (weights @ sizes))
    return drawn


def figure(documents: Documents) -> Figure:
    """Of these documents together."""
    value = documents.nats.sum() / (math.log(2) * documents.bytes.sum())
    low, high = np.quantile(samples(documents.nats, documents.bytes), [0.025, 0.975])
    return Figure(float(value), float(low), float(high), len(documents), int(documents.bytes.sum()))


def overall(documents: Documents, shares: Mapping[str, float]) -> Figure:
    """The mean of the entries by the recipe's shares; by bytes where it does not know an entry."""
    by_entry = groups(documents, documents.entries)
    if not shares.keys() >= by_entry.keys():
        return figure(documents)
    weights = np.array([shares[entry] for entry in by_entry]) / sum(shares[entry] for entry in by_entry)
    values = np.array([part.nats.sum() / (math.log(2) * part.bytes.sum()) for part in by_entry.values()])
    drawn = np.array([samples(part.nats, part.bytes, n + 1) for n, part in enumerate(by_entry.values())])
    low, high = np.quantile(weights @ drawn, [0.025, 0.975])
    return Figure(float(weights @ values), float(low), float(high), len(documents), int(documents.bytes.sum()))


def groups(documents: Documents, labels: Sequence[str]) -> dict[str, Documents]:
    """The documents by label, sorted by it."""
    return {label: documents.take(np.array([row for row, each in enumerate(labels) if each == label]))
            for label in sorted(set(labels))}


def lengths(documents: Documents) -> list[str]:
    """The bucket of LENGTHS of each document, by its bytes that were predicted."""
    return [next(name for name, bound in LENGTHS.items() if size < bound) for size in documents.bytes]


def tables(documents: Documents, shares: Mapping[str, float],
           labels: Mapping[str, Sequence[str]]) -> dict[str, dict[str, Figure]]:
    """All figures: overall, and by entry, length and each of `labels` (source, language), by name."""
    found = {"overall": {"": overall(documents, shares)}}
    for name, of_documents in {"entry": documents.entries, "length": lengths(documents), **labels}.items():
        parts = groups(documents, of_documents)
        order = [each for each in LENGTHS if each in parts] if name == "length" else list(parts)
        found[name] = {label: figure(parts[label]) for label in order}
    return found


def lines(found: Mapping[str, Mapping[str, Figure]]) -> Iterator[str]:
    """The tables for a terminal of 80 columns."""
    yield f"{'bits per byte':<32}{'':>8}{'95 % interval':>18}{'documents':>11}{'kB':>10}"
    for name, figures in found.items():
        for label, each in figures.items():
            title = f"{name} {label}".strip()
            interval = f"{each.low:.4f} to {each.high:.4f}"
            yield f"{title[:31]:<32}{each.value:>8.4f}{interval:>18}{each.documents:>11,}{each.bytes / 1000:>10,.1f}"
