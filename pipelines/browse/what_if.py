"""Effect of moved bounds, from the table of facts: which documents would change sides, by source, language and rule.

The same judgement as `screen` and `textmill what-if`: bounds are those of `screen` for a document's sort, and only rules that
differ are judged, since a document's other verdicts are stored. So a million documents are answered from the columns of a few
measurements.

Tokens are stored of documents that are curated. What gained documents will have is told by the words they have, at the tokens
a word of their language's documents.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from textmill.base.strict import SettingsError
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.ledger.what_if.lines import stored_rules
from textmill.pipelines.screen.rules import Bounds, Rule
from textmill.pipelines.screen.verdicts import Sorts

EXAMPLES = 10
ROWS = 12               # sources and languages that are listed
_MIX = np.uint64(0x9E3779B97F4A7C15)


class Moved(NamedTuple):
    """Documents, words and tokens of a source, a language or all, before and after; of tokens those gained are an estimate."""

    name: str
    before: int
    gained: int
    lost: int
    words_before: int
    words_after: int
    tokens_before: int = 0
    tokens_gained: int = 0
    tokens_lost: int = 0

    @property
    def after(self) -> int:
        return self.before + self.gained - self.lost

    @property
    def tokens_moved(self) -> int:
        return self.tokens_gained - self.tokens_lost


@dataclass(frozen=True)
class Effect:
    """What changes where bounds are moved, and the numbers of some documents that would change sides.

    `by_rule` is (rule, gained, lost), a document under every moved rule it breaks. `tokenizer` is the one whose tokens are
    counted; None where there are none."""

    read: int
    all: Moved
    sources: list[Moved]
    languages: list[Moved]
    by_rule: list[tuple[str, int, int]]
    gained: list[int]
    lost: list[int]
    tokenizer: str | None = None


class _Sides(NamedTuple):
    """[D] each: whether a document is kept now, is gained, is lost; its words, its tokens, and those it is thought to have."""

    kept: np.ndarray
    gained: np.ndarray
    lost: np.ndarray
    words: np.ndarray
    tokens: np.ndarray
    expected: np.ndarray


def table(indexes: Indexes) -> list[Rule]:
    """The rules that `verdicts` was made by. StageError where there is none."""
    manifest: Manifest | None = indexes.snapshot.manifests.get("verdicts")
    if manifest is None or "signals" not in indexes.snapshot.manifests:
        raise StageError(f"there are no verdicts on these documents in {indexes.snapshot.data.uri}; run `textmill screen`")
    return stored_rules(manifest)


def moved(rules: Sequence[Rule], bounds: dict[str, Bounds]) -> list[Rule]:
    """The rules with these bounds, as rules.yaml would then say: a language that has one of them moves with it.

    One that has none stays so. SettingsError where a bound cannot be."""
    new, problems = [], []
    for rule in rules:
        low, high = bounds.get(rule.name, (rule.low, rule.high))
        languages = {language: ends if ends == (None, None) else (
            low if ends[0] == rule.low else ends[0], high if ends[1] == rule.high else ends[1])
            for language, ends in rule.languages.items()}
        others = {name: (ends.get("low", low), ends.get("high", high))
                  for name, ends in (*rule.kinds.items(), *rule.forms.items())}
        for who, (least, most) in (("", (low, high)), *languages.items(), *others.items()):
            if least is not None and most is not None and least > most:
                problems.append(f"{rule.name}: low {least:g} is above high {most:g}{f' for {who}' if who else ''}; no document "
                                "could lie between")
                break
        new.append(replace(rule, low=low, high=high, languages=languages))
    if problems:
        raise SettingsError(problems)
    return new


def effect(indexes: Indexes, old: Sequence[Rule], new: Sequence[Rule], tokenizer: str | None = None) -> Effect:
    """What `new` would change, with the tokens of a tokenizer. Dedup comes later: a gained document may still be a copy."""
    pairs = [(one, two) for one, two in zip(old, new, strict=True) if one != two and one.action == "exclude"]
    names = [one.name for one, _ in pairs if one.name in indexes.numbers]
    tokens = f"tokens/{tokenizer}" if f"tokens/{tokenizer}" in indexes.numbers else None
    columns = ["sort", "language", "source", "coalesce(word_count, 0)::INTEGER AS words", "rules_broken",
               *([f'coalesce("{tokens}", 0)::INTEGER AS tokens'] if tokens else []), *(f'"{name}"' for name in names)]
    with indexes.connection.cursor() as cursor:
        facts = cursor.sql(f"SELECT {', '.join(columns)} FROM facts").to_arrow_table().combine_chunks()    # in their order
    sorts = Sorts(_sort_keys(indexes), facts["sort"].fill_null(0).to_numpy())
    was, now = (_broken(facts, sorts, [pair[side] for pair in pairs if pair[0].name in names]) for side in (0, 1))
    broken = facts["rules_broken"].fill_null(0).to_numpy()
    kept_was, kept_now = broken == 0, broken - was.sum(axis=0) + now.sum(axis=0) == 0
    gained, lost = ~kept_was & kept_now, kept_was & ~kept_now
    languages, words = _coded(facts["language"]), facts["words"].to_numpy()
    counted = facts["tokens"].to_numpy() if tokens else np.zeros(len(facts), np.int32)
    sides = _Sides(kept_was, gained, lost, words, counted, _expected(languages[1], words, counted))
    (everything,) = _by((["all"], np.zeros(len(facts), np.int64)), sides) or [Moved("all", 0, 0, 0, 0, 0)]
    return Effect(
        len(facts), everything, _by(_coded(facts["source"]), sides), _by(languages, sides),
        [(name, int((was[row] & gained).sum()), int((now[row] & lost).sum())) for row, name in enumerate(names)],
        _some(gained), _some(lost), tokenizer if tokens else None)


@lru_cache(4)
def _sort_keys(indexes: Indexes) -> list[tuple[str, bool, str | None, str | None]]:
    with indexes.connection.cursor() as cursor:
        return cursor.execute("SELECT * FROM sorts ORDER BY rowid").fetchall()


def _broken(facts: pa.Table, sorts: Sorts, rules: Sequence[Rule]) -> np.ndarray:
    """[R, D] which rule a document breaks: its value lies beyond a bound of its sort; one that is not measured breaks none."""
    found = np.zeros((len(rules), len(facts)), bool)
    for row, rule in enumerate(rules):
        values, limits = facts[rule.name].to_numpy(), sorts.limits(rule)
        found[row] = (values < limits[:, 0]) | (values > limits[:, 1])
    return found


def _coded(column: pa.ChunkedArray) -> tuple[list[str], np.ndarray]:
    """The values of a column, and [D] the number of each document's value."""
    coded = column.combine_chunks().dictionary_encode()
    names = [*coded.dictionary.to_pylist(), "unknown"]
    return names, coded.indices.fill_null(len(names) - 1).to_numpy()


def _expected(languages: np.ndarray, words: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """[D] the tokens that documents are thought to have: by their words, at the rate of their language's, or of all."""
    has = tokens > 0
    if not has.any():
        return np.zeros(len(tokens), np.int64)
    sums = [np.bincount(languages[has], each[has], languages.max() + 1) for each in (tokens, words)]
    rates = np.where(sums[1] > 0, sums[0] / np.maximum(sums[1], 1), tokens[has].sum() / max(1, words[has].sum()))
    return (words * rates[languages]).astype(np.int64)


def _by(coded: tuple[list[str], np.ndarray], of: _Sides) -> list[Moved]:
    """What changes by the values of a column, those with most kept documents first."""
    names, codes = coded

    def totals(chosen: np.ndarray, weights: np.ndarray | None = None) -> list[int]:
        sums = np.bincount(codes[chosen], None if weights is None else weights[chosen], len(names))
        return [int(total) for total in sums]

    rows = map(Moved, names, totals(of.kept), totals(of.gained), totals(of.lost), totals(of.kept, of.words),
               totals(of.kept & ~of.lost | of.gained, of.words), totals(of.kept, of.tokens), totals(of.gained, of.expected),
               totals(of.lost, of.tokens))
    return sorted((row for row in rows if row.before or row.gained), key=lambda row: (-row.before, -row.gained, row.name))


def _some(chosen: np.ndarray) -> list[int]:
    """The numbers of ten of the chosen documents, spread over all and the same for everyone."""
    numbers = np.flatnonzero(chosen)
    order = np.argsort(numbers.astype(np.uint64) * _MIX, kind="stable")[:EXAMPLES]
    return sorted(int(number) for number in numbers[order])
