"""Verdicts: measurements judged by the rule table, every broken rule with its value and bound."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from textmill.pipelines.screen.rules import Rule

BROKEN = pa.list_(pa.struct([("rule", pa.string()), ("value", pa.float64()), ("bound", pa.float64())]))
VERDICTS = pa.schema([
    pa.field("id", pa.string(), nullable=False),
    pa.field("kept", pa.bool_(), nullable=False),
    pa.field("broken", BROKEN, nullable=False),
    pa.field("tags", pa.list_(pa.string()), nullable=False),
])

@dataclass(frozen=True)
class RuleCount:
    """Counts of a rule: documents it applied to, documents that broke it, documents it did not apply to.

    It does not apply where the measurement is null, or where language, form, kind of page or dialogues have no bound."""

    applied: int = 0
    broken: int = 0
    unmeasured: int = 0
    unbounded: int = 0

    def __add__(self, other: "RuleCount") -> "RuleCount":
        return RuleCount(self.applied + other.applied, self.broken + other.broken,
                         self.unmeasured + other.unmeasured, self.unbounded + other.unbounded)


class Sorts(NamedTuple):
    """The sorts of document in a batch by which bounds differ, (language, has turns, form, kind), and which one each is of."""

    keys: list[tuple[str, bool, str | None, str | None]]
    codes: np.ndarray       # [D]

    def limits(self, rule: Rule) -> np.ndarray:
        """[D, 2] the low and the high bound of each document; NaN is none."""
        return np.array([rule.bounds(*key) for key in self.keys], np.float64).reshape(-1, 2)[self.codes]


def sorts(signals: pa.RecordBatch, has_turns: np.ndarray | None = None, page_kinds: pa.Array | None = None) -> Sorts:
    """The sorts of the documents. `has_turns`: [D] which are dialogues; `page_kinds`: [D], null for no page; None is none."""
    size = len(signals)
    forms, none = optional(signals, "form"), pa.nulls(size, pa.string())
    columns = [signals["language"], pa.array(np.zeros(size, bool) if has_turns is None else has_turns),
               none if forms is None else forms, none if page_kinds is None else page_kinds]
    codes, values = np.zeros(size, np.int64), []
    for column in columns:
        coded = column.dictionary_encode(null_encoding="encode")
        values.append(coded.dictionary.to_pylist())
        codes = codes * len(coded.dictionary) + coded.indices.to_numpy()
    distinct, places = np.unique(codes, return_inverse=True)
    keys = []
    for code in distinct.tolist():
        parts = []
        for several in reversed(values):
            code, place = divmod(code, len(several))
            parts.append(several[place])
        keys.append(tuple(reversed(parts)))
    return Sorts(keys, places)


def optional(batch: pa.RecordBatch, column: str) -> pa.Array | None:
    """A column that datasets of older versions lack: their report is still made, with the bounds that they were judged by."""
    return batch[column] if column in batch.schema.names else None


def broken_rules(signals: pa.RecordBatch, rules: Sequence[Rule], has_turns: np.ndarray | None = None,
                 page_kinds: pa.Array | None = None) -> pa.Array:
    """Per document, every rule whose bound it breaks: list<struct<rule, value, bound>>, in the table's order.

    A value equal to a bound keeps it; a null measurement breaks nothing. `has_turns`: [D] which are dialogues; None for none.
    `page_kinds`: [D] the kind of page, as extract saw it; None for no pages.
    """
    return _broken(_judge(signals, rules, sorts(signals, has_turns, page_kinds)), rules)


def verdicts_batch(signals: pa.RecordBatch, rules: Sequence[Rule], has_turns: np.ndarray | None = None,
                   page_kinds: pa.Array | None = None) -> tuple[pa.RecordBatch, dict[str, RuleCount]]:
    """The VERDICTS row of each row of `signals`, and the count of each rule, in the table's order.

    `broken` has the excluding rules a document breaks, and it is kept where there is none; `tags` names the tagging
    rules it breaks. Counts of several batches add up with `+`; a rule with `applied` 0 over all applied to no document.
    """
    excluding = [rule for rule in rules if rule.action == "exclude"]
    tagging = [rule for rule in rules if rule.action == "tag"]
    of = sorts(signals, has_turns, page_kinds)
    judged, tagged = _judge(signals, excluding, of), _judge(signals, tagging, of)
    broken, tags = _broken(judged, excluding), _broken(tagged, tagging)
    batch = pa.RecordBatch.from_arrays([
        signals["id"],
        pa.array(~judged.broken.any(axis=0)),
        broken,
        pa.ListArray.from_arrays(tags.offsets, tags.values.field("rule")),
    ], schema=VERDICTS)
    counts = _counts(judged, excluding) | _counts(tagged, tagging)
    return batch, {rule.name: counts[rule.name] for rule in rules}


@dataclass(frozen=True)
class _Judged:
    """R rules on D documents, all [R, D]; `bound` is the bound that is broken, and is meaningless elsewhere."""

    values: np.ndarray      # NaN where null
    bound: np.ndarray
    bounded: np.ndarray
    broken: np.ndarray


def _judge(signals: pa.RecordBatch, rules: Sequence[Rule], of: Sorts) -> _Judged:
    shape = (len(rules), len(signals))
    values, bound = np.full(shape, np.nan), np.full(shape, np.nan)
    bounded, broken = np.zeros(shape, bool), np.zeros(shape, bool)
    for row, rule in enumerate(rules):
        values[row] = signals[rule.name].cast(pa.float64()).to_numpy(zero_copy_only=False)
        limits = of.limits(rule)
        low, high = limits[:, 0], limits[:, 1]
        bounded[row] = ~(np.isnan(low) & np.isnan(high))
        below, above = values[row] < low, values[row] > high
        broken[row] = below | above
        bound[row] = np.where(below, low, high)
    return _Judged(values, bound, bounded, broken)


def _broken(judged: _Judged, rules: Sequence[Rule]) -> pa.Array:
    documents, numbers = np.nonzero(judged.broken.T)                        # by document, then in the table's order
    offsets = np.concatenate([[0], np.cumsum(judged.broken.sum(axis=0))]).astype(np.int32)
    names = pa.DictionaryArray.from_arrays(numbers.astype(np.int32), pa.array([rule.name for rule in rules], pa.string()))
    entries = pa.StructArray.from_arrays(
        [names.dictionary_decode(), pa.array(judged.values[numbers, documents]), pa.array(judged.bound[numbers, documents])],
        fields=list(BROKEN.value_type))
    return pa.ListArray.from_arrays(pa.array(offsets, pa.int32()), entries)


def _counts(judged: _Judged, rules: Sequence[Rule]) -> dict[str, RuleCount]:
    measured = ~np.isnan(judged.values)
    return {rule.name: RuleCount(applied=int((measured[row] & judged.bounded[row]).sum()),
                                 broken=int(judged.broken[row].sum()),
                                 unmeasured=int((~measured[row] & judged.bounded[row]).sum()),
                                 unbounded=int((~judged.bounded[row]).sum()))
            for row, rule in enumerate(rules)}
