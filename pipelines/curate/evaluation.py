"""Decontamination: documents that contain items of evaluation sets are found by n-gram overlap.

A set is a JSONL file (plain, gzip or zstd) in `evaluation_sets/` of the data folder; an item is a line, and every string in
it counts, however deep, each for itself. Items are compared by runs of 13 words as words.py splits them, without case or
punctuation (Brown et al. 2020, appendix C); an item without a string of 13 words by its strings of 8 to 12, whole. A run that
more than 10 items share is prompt boilerplate ("Choose the best answer …") and counts for none.

The overlap of an item and a document is the share of the item's distinct runs that the document contains.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from textmill.pipelines.contract.lines import read_lines
from textmill.pipelines.contract.named_files import ContentError, Named
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.screen.policies import EvaluationPolicy
from textmill.pipelines.text.words import Words, chained, read_words

SETS = Named("evaluation set", "evaluation_sets", "curate.evaluation_sets")
RUN = 13                # words
SHORTEST = 8            # words of an item that is compared whole: shorter sentences coincide by chance
SHARED = 10             # items
_LONGEST = 1 << 26      # bytes of a line


@dataclass(frozen=True)
class Evaluation:
    """Inverted index of the evaluation sets' n-grams.

    For each n-gram length (words): the distinct hashes, ascending, and the items that contain each, from `offsets[i]` to
    `offsets[i + 1]` of `owners`. `items` are named "file:line"; `runs` counts their n-grams."""

    policy: EvaluationPolicy
    items: list[str]
    runs: np.ndarray
    lengths: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]]


def open_sets(names: Sequence[str], policy: EvaluationPolicy, data: Folder) -> Evaluation | None:
    """The sets of these names in one index, or None where there are none. StageError with all problems."""
    items = [item for listed in SETS.read(names, data, read_set) for item in listed]
    return index(items, policy) if items else None


def read_set(name: str, file: Any) -> list[tuple[str, list[str]]]:
    """("file:line", its strings) of every item; ContentError where a line is not JSON, or no item is long enough to match."""
    items = []
    for number, line in enumerate(read_lines(file, 0, 1 << 62, _LONGEST), start=1):
        if line.data is None:
            raise ContentError(f"cannot be read at line {number} ({line.detail or line.rule}); get it again")
        if not line.data.strip():
            continue
        try:
            items.append((f"{name}:{number}", list(_strings(json.loads(line.data)))))
        except (ValueError, RecursionError):
            raise ContentError(f"has a line that is not JSON ({number}); give one item a line") from None
    if not items or not index(items, EvaluationPolicy()).runs.any():
        raise ContentError(f"has no item with {SHORTEST} words of its own, so nothing could be found; take it out of "
                              "curate.evaluation_sets")
    return items


def index(items: Sequence[tuple[str, list[str]]], policy: EvaluationPolicy) -> Evaluation:
    """The index of (name, strings) items, in this order."""
    texts = [string for _, strings in items for string in strings]
    owners = np.repeat(np.arange(len(items)), [len(strings) for _, strings in items])
    words = read_words(texts)
    count = words.word_count
    has_run = np.zeros(len(items), bool)
    np.logical_or.at(has_run, owners, count >= RUN)
    found: dict[int, tuple[np.ndarray, np.ndarray]] = {}
    for length in range(SHORTEST, RUN + 1):
        places, hashes = _runs(words, length)
        of = words.word_texts[places]
        taken = count[of] >= RUN if length == RUN else (count[of] == length) & ~has_run[owners[of]]
        pairs = np.unique(np.stack((hashes[taken], owners[of][taken].astype(np.uint64))), axis=1)
        if pairs.shape[1]:
            found[length] = (pairs[0], pairs[1].astype(np.int64))
    runs = np.zeros(len(items), np.int64)
    lengths = {}
    for length, (hashes, of) in found.items():
        distinct, first, counts = np.unique(hashes, return_index=True, return_counts=True)
        kept = counts <= SHARED
        owned = of[np.repeat(kept, counts)]
        np.add.at(runs, owned, 1)
        lengths[length] = (distinct[kept], np.concatenate(([0], np.cumsum(counts[kept]))), owned)
        assert (np.diff(first) == counts[:-1]).all()
    return Evaluation(policy, [name for name, _ in items], runs, lengths)


def overlaps(texts: Sequence[str], evaluation: Evaluation) -> list[list[tuple[str, float]]]:
    """Per text the items whose overlap is the policy's or more, as (item, overlap): the largest first."""
    words = read_words(texts)
    held: list[dict[int, int]] = [{} for _ in texts]
    for length, (hashes, offsets, owners) in evaluation.lengths.items():
        places, runs = _runs(words, length)
        at = np.minimum(np.searchsorted(hashes, runs), len(hashes) - 1)
        hits = np.flatnonzero(hashes[at] == runs)
        pairs = sorted(set(zip(words.word_texts[places[hits]].tolist(), at[hits].tolist(), strict=True)))
        for text, number in pairs:
            for item in owners[offsets[number]:offsets[number + 1]].tolist():
                held[text][item] = held[text].get(item, 0) + 1
    shares = ([(item, runs / int(evaluation.runs[item])) for item, runs in counts.items()] for counts in held)
    return [[(evaluation.items[item], share) for item, share in sorted(each, key=lambda pair: (-pair[1], pair[0]))
             if share >= evaluation.policy.overlap] for each in shares]


def _runs(words: Words, length: int) -> tuple[np.ndarray, np.ndarray]:
    """Where a run of `length` words begins that ends in the same text, and its hash."""
    left = words.word_offsets[1:][words.word_texts] - np.arange(len(words.word_hashes))
    places = np.flatnonzero(left >= length)
    hashes = words.word_hashes[places]
    for step in range(1, length):
        hashes = chained(hashes, words.word_hashes[places + step])
    return places, hashes


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value.encode("utf-8", "replace").decode()     # JSON may contain half of a surrogate pair
    elif isinstance(value, (list, dict)):
        for one in value.values() if isinstance(value, dict) else value:
            yield from _strings(one)
