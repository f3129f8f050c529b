"""Training of the spam model (pipelines/measure/spam_model.py) on texts that are spam or not.

    python -m benchmarks.spam_corpus --shared ../shared/data --to learn.jsonl
    python -m textmill.pipelines.learned.spam learn.jsonl

Each line has `text`, `language`, `spam`, `weight`, and `fold`, 0 to 4: texts of one fold share a language, host, author or
passage. The calibration (Platt 1999) is fitted on scores of models that learned without the text's fold. Logistic regression
with a ridge, in the space of the texts (a kernel), one thread: the same bytes from the same lines and NumPy.
"""

import argparse
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from textmill.pipelines.learned.folds import FOLDS
from textmill.pipelines.learned.scores import calibration
from textmill.pipelines.measure.spam_model import BITS, FILE, SIGNS, buckets, excerpts, long_enough, sha256, signs, standardised
from textmill.pipelines.text.words import read_words

RIDGE = 1 / 30          # of the mean text's own similarity
STEPS = 8               # of Newton's method; the weights of texts no longer move after five or six
RARE = 3e-6             # added to the share of an n-gram, so that one seen once does not outweigh all others
STRIP = 1 << 13         # buckets whose counts are held as a full matrix at once
MOST = 127              # of int8


@dataclass(frozen=True)
class Examples:
    """N texts: which n-grams they have as triples, their signs, labels and weights."""

    rows: np.ndarray            # [E] text of an entry
    columns: np.ndarray         # [E] its bucket
    shares: np.ndarray          # [E] of the text's characters
    signs: np.ndarray           # [N, SIGNS]
    spam: np.ndarray            # [N] bool
    weights: np.ndarray         # [N]

    @property
    def common(self) -> np.ndarray:
        """[2**BITS] the factor of each bucket, small for common n-grams."""
        mean = np.bincount(self.columns, self.shares, 1 << BITS) / len(self.spam)
        return 1 / np.sqrt(mean + RARE)


def examples(lines: Sequence[dict[str, Any]]) -> Examples:
    """What is learned from texts that are long enough for a score."""
    rows, columns, shares, seen = [], [], [], []
    for number, line in enumerate(lines):
        words = read_words([line["text"]])
        read = excerpts(words)
        of_text = np.concatenate([of_length[read.inside[:len(of_length)]] for of_length in buckets(read)])
        own, counts = np.unique(of_text, return_counts=True)
        rows.append(np.full(len(own), number))
        columns.append(own.astype(np.int64))
        shares.append(counts / read.sizes[0])
        seen.append(signs(words)[0])
    return Examples(np.concatenate(rows), np.concatenate(columns), np.concatenate(shares), np.array(seen),
                    np.array([line["spam"] for line in lines]), np.array([line["weight"] for line in lines], float))


def standards(given: Examples) -> tuple[np.ndarray, np.ndarray]:
    """Weighted means and standard deviations of the signs."""
    means = np.average(given.signs, axis=0, weights=given.weights)
    return means, np.sqrt(np.average((given.signs - means) ** 2, axis=0, weights=given.weights)) + 1e-3


def similarities(given: Examples) -> tuple[np.ndarray, float]:
    """[N, N] similarity of texts by n-grams, 1 with itself in the mean, plus by signs; and the factor of the n-grams."""
    size, values = len(given.spam), given.shares * given.common[given.columns]
    by_ngrams = np.zeros((size, size))
    for start in range(0, 1 << BITS, STRIP):
        inside = (given.columns >= start) & (given.columns < start + STRIP)
        strip = np.zeros((size, STRIP), np.float32)
        strip[given.rows[inside], given.columns[inside] - start] = values[inside]
        by_ngrams += strip @ strip.T
    factor = size / np.trace(by_ngrams)
    distances = standardised(given.signs, *standards(given))
    return by_ngrams * factor + distances @ distances.T / len(SIGNS), factor


def fit(similar: np.ndarray, spam: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """(weight of each text, bias) of a ridge logistic regression, by iteratively reweighted least squares."""
    of_texts, bias = np.zeros(len(spam)), 0.0
    for _ in range(STEPS):
        odds = similar @ of_texts + bias
        chance = 1 / (1 + np.exp(-odds))
        curve = np.maximum(weights * chance * (1 - chance), 1e-9)
        target = odds - weights * (chance - spam) / curve
        solved = np.linalg.solve(similar + np.diag(RIDGE / curve), np.column_stack([target, np.ones(len(spam))]))
        bias = float(solved[:, 0].sum() / solved[:, 1].sum())
        of_texts = solved[:, 0] - bias * solved[:, 1]
    return of_texts, bias


def without(similar: np.ndarray, given: Examples, held_out: Sequence[np.ndarray]) -> np.ndarray:
    """[N] log-odds of the texts of each mask in `held_out` by a model that did not learn from them; NaN for the rest."""
    odds = np.full(len(given.spam), np.nan)
    for mask in held_out:
        rest, mine = np.flatnonzero(~mask), np.flatnonzero(mask)
        of_texts, bias = fit(similar[np.ix_(rest, rest)], given.spam[rest], given.weights[rest])
        odds[mine] = similar[np.ix_(mine, rest)] @ of_texts + bias
    return odds


def learned(given: Examples, similar: np.ndarray, factor: float, odds: np.ndarray, languages: Sequence[str]) -> bytes:
    """The model's file; `odds` are out-of-fold log-odds, for the calibration."""
    of_texts, bias = fit(similar, given.spam, given.weights)
    entries = given.shares * given.common[given.columns] ** 2 * of_texts[given.rows] * factor
    weights = np.bincount(given.columns, entries, 1 << BITS)
    scale = float(np.quantile(np.abs(weights), 0.999) / MOST)
    means, deviations = standards(given)
    distances = standardised(given.signs, means, deviations)
    slope, offset = calibration(odds, given.spam)
    facts = {"scale": scale, "bias": bias, "slope": slope, "offset": offset, "signs": list(of_texts @ distances / len(SIGNS)),
             "means": list(means), "deviations": list(deviations), "languages": sorted(languages)}
    file = io.BytesIO()
    np.savez_compressed(file, weights=np.clip(np.round(weights / scale), -MOST, MOST).astype(np.int8),
                        facts=np.frombuffer(json.dumps(facts, sort_keys=True).encode(), np.uint8))
    return file.getvalue()


def train() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("lines", type=Path, help="texts with labels, as JSON lines")
    parser.add_argument("--to", type=Path, default=FILE, help="the model's file (default: that of the package)")
    options = parser.parse_args()
    lines = [json.loads(line) for line in options.lines.read_text("utf-8").split("\n") if line]
    lines = [line for line in lines if long_enough(read_words([line["text"]]))[0]]
    given, fold = examples(lines), np.array([line["fold"] for line in lines])
    similar, factor = similarities(given)
    odds = without(similar, given, [fold == number for number in range(FOLDS)])
    languages = {line["language"] for line in lines if line["spam"]}
    options.to.write_bytes(learned(given, similar, factor, odds, sorted(languages)))
    print(f"{given.spam.sum():,} spam and {(~given.spam).sum():,} good texts; {options.to} {sha256(options.to)}")


if __name__ == "__main__":
    train()
