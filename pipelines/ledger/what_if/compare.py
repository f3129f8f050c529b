"""Comparison of two rule tables over the same signals: which documents change sides, and why. Pure functions, no text.

A document is gained where only the new table keeps it, and lost where only the old one does. It counts under
every rule that the rejecting table says it breaks, so the numbers by rule add up to more than the documents. What
takedown.txt removes is kept by no table and counted separately.
"""

import heapq
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.screen.rules import Rule
from textmill.pipelines.screen.verdicts import broken_rules, optional
from textmill.pipelines.takedown.emptying import RULE

SAMPLES = 10


@dataclass(frozen=True)
class ExamplePage:
    """A document that changes sides, with the rules of the table that rejects it: (rule, value, bound)."""

    id: str
    url: str | None
    title: str | None
    language: str
    host: str | None
    source: str
    words: int
    broken: tuple[tuple[str, float, float], ...]

    @property
    def place(self) -> bytes:
        """The sort key of samples: those of smallest hash, so that anyone gets the same ones."""
        return blake2b(self.id.encode(), digest_size=8).digest()


@dataclass
class Moved:
    """Documents gained, or lost: how many, their words, by what, and a sample of them."""

    documents: Counter[tuple[str, str]] = field(default_factory=Counter)    # (language | source | rule, which one)
    words: Counter[tuple[str, str]] = field(default_factory=Counter)
    samples: list[ExamplePage] = field(default_factory=list)

    def add(self, page: ExamplePage) -> None:
        rules = {("rule", name) for name, _, _ in page.broken}
        for key in (("all", ""), ("language", page.language), ("source", page.source), *rules):
            self.documents[key] += 1
            self.words[key] += page.words


@dataclass
class Difference:
    """Effect of another rule table. `before` counts the documents and words that the old table keeps, by the same keys."""

    read: int = 0
    taken: int = 0              # documents taken down
    before: Counter[tuple[str, str]] = field(default_factory=Counter)
    before_words: Counter[tuple[str, str]] = field(default_factory=Counter)
    gained: Moved = field(default_factory=Moved)
    lost: Moved = field(default_factory=Moved)

    def add(self, signals: pa.RecordBatch, documents: pa.RecordBatch, old: Sequence[Rule], new: Sequence[Rule],
            broken: pa.Array | None = None, has_turns: np.ndarray | None = None) -> None:
        """Count a batch of signals; `documents` beside them have url, title, host, source, page_kind, their verdicts `broken`.

        `has_turns`: [D] which are dialogues; None for none."""
        if broken is not None:
            taken = taken_down(broken)
            self.taken += int(taken.sum())
            signals, documents = (batch.filter(pa.array(~taken)) for batch in (signals, documents))
            has_turns = None if has_turns is None else has_turns[~taken]
        rejecting = [[rule for rule in table if rule.action == "exclude"] for table in (old, new)]
        was, now = (broken_rules(signals, rules, has_turns, optional(documents, "page_kind")) for rules in rejecting)
        kept_was, kept_now = (np.diff(broken.offsets.to_numpy()) == 0 for broken in (was, now))
        words = signals["word_count"].fill_null(0).to_numpy().astype(np.int64)
        languages, sources = signals["language"].to_pylist(), documents["source"].to_pylist()
        self.read += len(signals)
        for row in np.flatnonzero(kept_was).tolist():
            for key in (("all", ""), ("language", languages[row]), ("source", sources[row])):
                self.before[key] += 1
                self.before_words[key] += int(words[row])
        for moved, rows, broken in ((self.gained, np.flatnonzero(~kept_was & kept_now), was),
                                    (self.lost, np.flatnonzero(kept_was & ~kept_now), now)):
            pages = [_page(signals, documents, row, broken[row].as_py()) for row in rows.tolist()]
            for page in pages:
                moved.add(page)
            moved.samples = heapq.nsmallest(SAMPLES, [*moved.samples, *pages], key=lambda page: (page.place, page.id))


def taken_down(broken: pa.Array) -> np.ndarray:
    """[D] whether a verdict's first broken rule, which is then its only one, is `takedown`."""
    first = pc.struct_field(pc.list_element(broken.filter(pc.greater(pc.list_value_length(broken), 0)), 0), "rule")
    taken = pc.greater(pc.list_value_length(broken), 0).to_numpy(zero_copy_only=False)
    taken[taken] = pc.equal(first, RULE).to_numpy(zero_copy_only=False)
    return taken


def _page(signals: pa.RecordBatch, documents: pa.RecordBatch, row: int, broken: list[dict[str, float]]) -> ExamplePage:
    url, title, host, source = (documents[name][row].as_py() for name in ("url", "title", "host", "source"))
    return ExamplePage(signals["id"][row].as_py(), url, title, signals["language"][row].as_py(), host, source,
                int(signals["word_count"][row].as_py() or 0),
                tuple((str(entry["rule"]), entry["value"], entry["bound"]) for entry in broken))


def changed_rules(old: Sequence[Rule], new: Sequence[Rule]) -> list[str]:
    """The rules that differ, a line for each, in the tables' order.

    >>> changed_rules([Rule("word_count", low=50)], [Rule("word_count", low=30), Rule("digit_share", high=0.2)])
    ['word_count: low 50 → 30', 'digit_share: new, high 0.2']
    """
    before, after = {rule.name: rule for rule in old}, {rule.name: rule for rule in new}
    said = []
    for name in dict.fromkeys((*before, *after)):
        one, two = before.get(name), after.get(name)
        if one is None or two is None:
            there = one or two
            assert there is not None
            said.append(f"{name}: {'new' if one is None else 'gone'}, {', '.join(_bounds(there)) or 'bounds by language'}")
        elif one != two:
            said.append(f"{name}: {', '.join(_changes(one, two))}")
    return said


def _bounds(rule: Rule) -> list[str]:
    return [f"{key} {bound:g}" for key, bound in (("low", rule.low), ("high", rule.high)) if bound is not None]


def _changes(one: Rule, two: Rule) -> list[str]:
    changes = [f"{key} {_shown(was)} → {_shown(now)}" for key, was, now
               in (("low", one.low, two.low), ("high", one.high, two.high)) if was != now]
    if one.action != two.action:
        changes.append(f"action {one.action} → {two.action}")
    for where, before, after in (("in", one.languages, two.languages), ("for the form", one.forms, two.forms),
                                 ("for the kind", one.kinds, two.kinds)):
        names = [name for name in sorted(before.keys() | after.keys()) if before.get(name) != after.get(name)]
        changes += [f"other bounds {where} {', '.join(names)}"] if names else []
    return [*changes, *(["other bounds for dialogues"] if one.dialogues != two.dialogues else [])]


def _shown(bound: float | None) -> str:
    return "none" if bound is None else f"{bound:g}"
