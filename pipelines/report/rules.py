"""Rules: how many documents each applied to and rejected, and the histogram of its measurement.

Bins are fixed by the bound alone, so one reading of the columns is enough and memory does not grow with the corpus.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.display.numbers import many, number, short
from textmill.pipelines.report.dataset import StoredDataset
from textmill.pipelines.report.meanings import measurement
from textmill.pipelines.report.tables import Column, Table, table

BINS = 40
LOGARITHMIC = 100       # bounds from here on are sizes, which spread over powers of ten


@dataclass(frozen=True)
class Axis:
    """Bins 0 … `bins` - 1 from `start` to `end`, in equal steps or equal ratios; bin `bins` holds all that lies above.

    What lies below `start` is in bin 0, and `end` itself in bin `bins` - 1. With `flag`, bin 0 holds 0, and bin 1 the rest.
    """

    start: float
    end: float
    bins: int
    logarithmic: bool = False
    flag: bool = False

    def places(self, values: np.ndarray) -> np.ndarray:
        """Positions in bins, as float64; NaN where NaN."""
        if self.flag:
            return np.where(np.isnan(values), np.nan, np.where(values > 0, 1.0, 0.0))
        if self.logarithmic:
            values, start, end = np.log(np.maximum(values, self.start)), math.log(self.start), math.log(self.end)
        else:
            start, end = self.start, self.end
        return (values - start) / (end - start) * self.bins

    def place(self, value: float) -> float:
        """Position of one value, in bins."""
        return float(self.places(np.array([value], np.float64))[0])

    def edges(self, number: int) -> tuple[float, float | None]:
        """Where a bin begins and ends; the last one has no end."""
        return self.value(number), None if number == self.bins else self.value(number + 1)

    def value(self, place: float) -> float:
        """The value at a position in bins.

        >>> Axis(0.0, 0.4, 40).value(10), Axis(1, 1000, 3, logarithmic=True).value(2)
        (0.1, 100.0)
        """
        if self.logarithmic:
            return float(f"{self.start * (self.end / self.start) ** (place / self.bins):.12g}")
        return float(f"{self.start + (self.end - self.start) * place / self.bins:.12g}")

    def count(self, values: np.ndarray) -> np.ndarray:
        """How many values lie in each bin, int64[bins + 1]; NaN lies nowhere."""
        places = self.places(values)
        inside = places[~np.isnan(places)]
        bins = np.where((inside == self.bins) & (not self.flag), self.bins - 1, np.floor(inside))
        return np.bincount(np.clip(bins, 0, self.bins).astype(np.int64), minlength=self.bins + 1)


@dataclass(frozen=True)
class RuleRow:
    """A rule with its counts and histogram.

    `values` and `broken` are documents per bin of `axis`; `broken` is None for a rule that only tags. `languages`, `forms`
    of text and `kinds` of page have bounds of their own, and `dialogues` too where that is set."""

    name: str
    tags: bool
    low: float | None
    high: float | None
    languages: tuple[str, ...]
    forms: tuple[str, ...]
    kinds: tuple[str, ...]
    dialogues: bool
    applied: int
    breaks: int
    unmeasured: int
    unbounded: int
    axis: Axis
    values: tuple[int, ...]
    broken: tuple[int, ...] | None

    @property
    def bound(self) -> str:
        """The bound of documents without one of their own, in words."""
        if self.low is None and self.high is None:
            return "bounds by language only"
        if self.low is None:
            return f"at most {number(self.high)}"
        return f"at least {number(self.low)}" if self.high is None else f"{number(self.low)} to {number(self.high)}"

    @property
    def others(self) -> str:
        """Who has bounds of their own, counted."""
        named = [many(len(names), one, more) for names, one, more in (
            (self.languages, "language", ""), (self.forms, "form of text", "forms of text"),
            (self.kinds, "kind of page", "kinds of page")) if names]
        return ", ".join([*named, *(["dialogues"] if self.dialogues else [])])

    @property
    def marks(self) -> list[tuple[float, str]]:
        """Where the bounds lie on the axis, in bins, and what they are."""
        if self.axis.flag:
            return [(1.0, "bound 0")]
        bounds = [bound for bound in (self.low, self.high) if bound is not None]
        return [(self.axis.place(bound), number(bound)) for bound in bounds]

    @property
    def ends(self) -> tuple[str, str]:
        """What stands at the left and at the right of the axis."""
        if self.axis.flag:
            return "0", "above 0"
        return short(self.axis.start), f"above {short(self.axis.end)}"


def axis_for(low: float | None, high: float | None) -> Axis:
    """An axis on which the bound stands well inside.

    >>> axis_for(None, 0.2), axis_for(50, 1_000_000).logarithmic
    (Axis(start=0.0, end=0.4, bins=40, logarithmic=False, flag=False), True)
    """
    if high == 0:
        return Axis(0, 1, 1, flag=True)
    if max(low or 0, high or 0) >= LOGARITHMIC:
        return Axis(1, 10 * (high or low or 1), BINS, logarithmic=True)
    end = 2 * high if high is not None else (10 * low if low is not None and low > 1 else 1.0)
    return Axis(0.0, end, int(end) if end == int(end) and 4 <= end <= BINS else BINS)


def rule_rows(signals: StoredDataset, verdicts: StoredDataset) -> list[RuleRow]:
    """The rules that the verdicts were made by, those that most documents break first."""
    rules: Sequence[Mapping[str, Any]] = verdicts.manifest.made_from["settings"]
    axes = {rule["name"]: axis_for(rule["low"], rule["high"]) for rule in rules}
    values = {name: np.zeros(axis.bins + 1, np.int64) for name, axis in axes.items()}
    broken = {name: np.zeros(axis.bins + 1, np.int64) for name, axis in axes.items()}
    for batch in signals.batches(list(axes)):
        for name, axis in axes.items():
            values[name] += axis.count(_numbers(batch[name]))
    for batch in verdicts.batches(["broken"]):
        entries = pc.list_flatten(batch["broken"])
        names, measured = pc.struct_field(entries, "rule"), pc.struct_field(entries, "value")
        for name in pc.unique(names).to_pylist():
            if name not in axes:                # takedown is a rule that measures nothing
                continue
            broken[name] += axes[name].count(_numbers(measured.filter(pc.equal(names, name))))
    rows = []
    for rule in rules:
        name, counts = rule["name"], verdicts.counts["rules"][rule["name"]]
        tags = rule["action"] == "tag"
        languages, forms, kinds = (tuple(sorted(rule.get(of, ()))) for of in ("languages", "forms", "kinds"))
        dialogues = any(end is not None for end in rule.get("dialogues") or ())
        rows.append(RuleRow(name, tags, rule["low"], rule["high"], languages, forms, kinds, dialogues,
                            counts["applied"], counts["broken"], counts["unmeasured"], counts["unbounded"], axes[name],
                            tuple(values[name].tolist()), None if tags else tuple(broken[name].tolist())))
    return sorted(rows, key=lambda row: (-row.breaks, row.name))


def idle(rows: Sequence[RuleRow]) -> list[str]:
    """The rules that applied to no document here."""
    return sorted(row.name for row in rows if not row.applied)


def _numbers(column: pa.Array) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)     # null becomes NaN


def rule_table(rows: Sequence[RuleRow]) -> Table:
    """One row for each rule."""
    return table("rules", "Rules", "a rule", [
        Column("rule", "its measurement"), Column("meaning", "of the measurement", long=True),
        Column("low", "least value kept", "number"),
        Column("high", "largest value kept", "number"), Column("languages", "with bounds of their own", shown=False),
        Column("forms", "of text with bounds of their own"), Column("kinds", "of page with bounds of their own"),
        Column("tags", "only tags what breaks it", "flag"), Column("applied", "documents it applied to", "count"),
        Column("broken", "documents that broke it, whatever else they broke", "count", bar="lost"),
        Column("unmeasured", "documents without the measurement", "count"),
        Column("unbounded", "documents without a bound for their language, form or kind, or for dialogues", "count")],
        ((row.name, measurement(row.name), row.low, row.high, *map(", ".join, (row.languages, row.forms, row.kinds)), row.tags,
          row.applied, row.breaks, row.unmeasured, row.unbounded) for row in rows))


def bin_table(rows: Sequence[RuleRow]) -> Table:
    """One row for each bin of each rule's histogram that holds a document."""
    return table("rule_bins", "Measurements by bin", "documents of a range of one measurement", [
        Column("rule", "its measurement"), Column("value_from", "where the bin begins", "number"),
        Column("value_below", "where it ends; none for the last one", "number"), Column("documents", "in it", "count"),
        Column("broken", "of them, that broke the rule; none for a rule that only tags", "count")],
        ((row.name, *row.axis.edges(n), count, row.broken[n] if row.broken is not None else None)
         for row in rows for n, count in enumerate(row.values) if count))
