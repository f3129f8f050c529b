"""Effect of moved bounds, from the table of facts: which documents would change sides, by source, language and rule.

The same judgement as `screen` and `textmill what-if`: rules are judged by `screen`'s own function, and only those that differ,
since a document's other verdicts are stored. So a million documents are answered from the columns of a few measurements.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from textmill.base.strict import SettingsError
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.ledger.what_if.lines import stored_rules
from textmill.pipelines.screen.rules import Bounds, Rule
from textmill.pipelines.screen.verdicts import broken_rules

EXAMPLES = 10
SAMPLE = 20_000         # documents by which sliders are scaled
ROWS = 12               # sources and languages that are listed
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Moved(NamedTuple):
    """Documents and words of a source, a language or all, before and after."""

    name: str
    before: int
    gained: int
    lost: int
    words_before: int
    words_after: int

    @property
    def after(self) -> int:
        return self.before + self.gained - self.lost


@dataclass(frozen=True)
class Effect:
    """What changes where bounds are moved, and the numbers of some documents that would change sides.

    `by_rule` is (rule, gained, lost), a document under every moved rule it breaks."""

    read: int
    all: Moved
    sources: list[Moved]
    languages: list[Moved]
    by_rule: list[tuple[str, int, int]]
    gained: list[int]
    lost: list[int]


def table(indexes: Indexes) -> list[Rule]:
    """The rules that `verdicts` was made by. StageError where there is none."""
    manifest: Manifest | None = indexes.snapshot.manifests.get("verdicts")
    if manifest is None:
        raise StageError(f"there are no verdicts on these documents in {indexes.snapshot.data.uri}; run `textmill screen`")
    return stored_rules(manifest)


def moved(rules: Sequence[Rule], bounds: dict[str, Bounds]) -> list[Rule]:
    """The rules with these bounds for all languages that have no bounds of their own. SettingsError where a bound cannot be."""
    new, problems = [], []
    for rule in rules:
        low, high = bounds.get(rule.name, (rule.low, rule.high))
        if low is not None and high is not None and low > high:
            problems.append(f"{rule.name}: low {low:g} is above high {high:g}; no document could lie between")
        new.append(replace(rule, low=low, high=high))
    if problems:
        raise SettingsError(problems)
    return new


def effect(indexes: Indexes, old: Sequence[Rule], new: Sequence[Rule]) -> Effect:
    """What `new` would change. Dedup comes later: a document that is gained may still be a copy."""
    pairs = [(one, two) for one, two in zip(old, new, strict=True) if one != two and one.action == "exclude"]
    names = [one.name for one, _ in pairs if one.name in indexes.numbers]
    columns = ["number", "language", "source", "coalesce(word_count, 0) AS words", "len(broken) AS broken", "dialogue",
               "form", "page_kind", *(f'"{name}"' for name in names)]
    with indexes.connection.cursor() as cursor:
        facts = cursor.sql(f"SELECT {', '.join(columns)} FROM facts ORDER BY number").to_arrow_table().combine_chunks()
    was, now = (_broken(facts, [pair[side] for pair in pairs if pair[0].name in names]) for side in (0, 1))
    others = facts["broken"].to_numpy() - was.sum(axis=0)
    kept_was, kept_now = facts["broken"].to_numpy() == 0, others + now.sum(axis=0) == 0
    words = facts["words"].to_numpy().astype(np.int64)
    gained, lost = ~kept_was & kept_now, kept_was & ~kept_now
    return Effect(
        len(facts), _all(kept_was, gained, lost, words),
        _by(facts["source"], kept_was, gained, lost, words), _by(facts["language"], kept_was, gained, lost, words),
        [(name, int((was[row] & gained).sum()), int((now[row] & lost).sum())) for row, name in enumerate(names)],
        _some(facts, gained), _some(facts, lost))


def _broken(facts: pa.Table, rules: Sequence[Rule]) -> np.ndarray:
    """[R, D] which rule a document breaks."""
    found = np.zeros((len(rules), len(facts)), bool)
    if rules and len(facts):
        plain = facts.set_column(facts.schema.get_field_index("language"), "language", facts["language"].cast(pa.string()))
        signals = plain.select(["language", "form", *(rule.name for rule in rules)]).to_batches()[0]
        turns, kinds = facts["dialogue"].fill_null(False).to_numpy(), facts["page_kind"].combine_chunks()
        for row, rule in enumerate(rules):
            found[row] = np.diff(broken_rules(signals, [rule], turns, kinds).offsets.to_numpy()) > 0
    return found


def _all(kept: np.ndarray, gained: np.ndarray, lost: np.ndarray, words: np.ndarray) -> Moved:
    return Moved("all", int(kept.sum()), int(gained.sum()), int(lost.sum()), int(words[kept].sum()),
                 int(words[kept & ~lost | gained].sum()))


def _by(column: pa.ChunkedArray, kept: np.ndarray, gained: np.ndarray, lost: np.ndarray, words: np.ndarray) -> list[Moved]:
    """The same by the values of a column, those with most kept documents first."""
    coded = column.combine_chunks().dictionary_encode()
    names = [*coded.dictionary.to_pylist(), "unknown"]
    codes = coded.indices.fill_null(len(names) - 1).to_numpy()

    def counted(chosen: np.ndarray, weights: np.ndarray | None = None) -> list[int]:
        totals = np.bincount(codes[chosen], None if weights is None else weights[chosen], len(names))
        return [int(total) for total in totals]

    rows = map(Moved, names, counted(kept), counted(gained), counted(lost), counted(kept, words),
               counted(kept & ~lost | gained, words))
    return sorted((row for row in rows if row.before or row.gained), key=lambda row: (-row.before, -row.gained, row.name))


def _some(facts: pa.Table, chosen: np.ndarray) -> list[int]:
    """The numbers of ten of the chosen documents, spread over all and the same for everyone."""
    numbers = facts["number"].to_numpy()[chosen]
    order = np.argsort(numbers.astype(np.uint64) * _MIX, kind="stable")[:EXAMPLES]
    return sorted(int(number) for number in numbers[order])


@lru_cache(4)
def scale(indexes: Indexes, names: tuple[str, ...]) -> dict[str, tuple[float, float]]:
    """Of each measurement the range that all but the outermost hundredths of documents are in, by a sample of them."""
    known = [name for name in names if name in indexes.numbers]
    if not known:
        return {}
    asked = ", ".join(f'quantile_cont("{name}", [0.01, 0.99])' for name in known)
    every = max(1, indexes.snapshot.documents // SAMPLE)
    with indexes.connection.cursor() as cursor:
        row: Sequence[Any] = cursor.execute(f"SELECT {asked} FROM facts WHERE number % {every} = 0").fetchone() or ()
    return {name: (ends[0], ends[1]) for name, ends in zip(known, row, strict=True) if ends and None not in ends}
