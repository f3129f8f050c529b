"""Documents nearest to each rule's bound, on both sides, so that one can judge where it lies.

No text is shown of a page that was taken down or whose owner reserves its use. Memory: one row group, and the documents
chosen. Equal distances are ordered by id, which is a hash, so the same documents are shown whatever their order.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.report.dataset import Place, StoredDataset, placed_side_by_side
from textmill.pipelines.report.samples import excerpt
from textmill.pipelines.report.tables import Column, Table, table
from textmill.pipelines.screen.rules import Rule, stored_rule
from textmill.pipelines.screen.verdicts import Sorts, optional, sorts

NEAREST = 2             # documents on each side
RESERVED = ("noai", "tdm_reservation", "paywalled")     # measurements above 0: the text is not shown


@dataclass(frozen=True)
class NearBound:
    """A document near a bound: on which side, its value and bound, and its beginning with personal data masked."""

    rule: str
    broken: bool
    value: float
    bound: float
    kept: bool
    language: str
    source: str
    url: str
    text: str
    id: str


class Near(NamedTuple):
    """A document that may be shown; sorted by distance, then id."""

    distance: float
    id: str
    value: float
    bound: float
    kept: bool
    language: str
    place: Place


def near_bounds(documents: StoredDataset, signals: StoredDataset, verdicts: StoredDataset) -> list[NearBound]:
    """The nearest documents within and beyond the bounds of every rule that measures more than yes or no."""
    rules = [rule for rule in rules_of(verdicts) if rule.high != 0]
    nearest: dict[tuple[str, bool], list[Near]] = {(rule.name, broken): [] for rule in rules for broken in (False, True)}
    columns = ["id", *(rule.name for rule in rules), "language", "form", *RESERVED]
    for part, group, (document, signal, verdict) in placed_side_by_side(
            (documents, ["id", "turns_from", "page_kind"]), (signals, list(dict.fromkeys(columns))),
            (verdicts, ["kept", "broken"])):
        shown = _shown(signal, verdict)
        of = sorts(signal, pc.is_valid(document["turns_from"]).to_numpy(zero_copy_only=False),
                   optional(document, "page_kind"))
        for rule in rules:
            for broken, near in _nearest(rule, signal, of, shown, nearest):
                nearest[rule.name, broken] = sorted(nearest[rule.name, broken] + [
                    Near(distance, document["id"][row].as_py(), value, bound, verdict["kept"][row].as_py(),
                         of.keys[of.codes[row]][0], Place(part, group, row)) for distance, value, bound, row in near])[:NEAREST]
    places = [near.place for chosen in nearest.values() for near in chosen]
    rows = documents.rows_at(places, ["text", "url", "host", "source"])
    return [_near_bound(rule, broken, near, rows[near.place]) for (rule, broken), chosen in nearest.items() for near in chosen]


def rules_of(verdicts: StoredDataset) -> list[Rule]:
    """The rules that verdicts were made by."""
    return [stored_rule(settings) for settings in verdicts.manifest.made_from["settings"]]


def _shown(signal: pa.RecordBatch, verdict: pa.RecordBatch) -> np.ndarray:
    """The documents whose text may be shown, bool[D]."""
    shown = np.ones(len(signal), bool)
    for name in RESERVED:
        shown &= ~(_numbers(signal[name]) > 0)
    broken = verdict["broken"]
    taken = pc.list_parent_indices(broken).filter(pc.equal(pc.struct_field(pc.list_flatten(broken), "rule"), "takedown"))
    shown[taken.to_numpy(zero_copy_only=False)] = False
    return shown


def _nearest(rule: Rule, signal: pa.RecordBatch, of: Sorts, shown: np.ndarray,
             nearest: Mapping[tuple[str, bool], list[Near]]) -> Iterator[tuple[bool, list[tuple[float, float, float, int]]]]:
    """For those within and those beyond: (distance, value, bound, row) of documents nearer than the farthest chosen so far."""
    values = _numbers(signal[rule.name])
    low, high = of.limits(rule).T
    to_low, to_high = np.abs(values - low), np.abs(values - high)
    distance = np.fmin(to_low, to_high)                     # of two bounds the nearer; NaN where there is none, or no value
    beyond = (values < low) | (values > high)
    for broken in (False, True):
        chosen = nearest[rule.name, broken]
        farthest = chosen[-1].distance if len(chosen) == NEAREST else np.inf
        rows = np.flatnonzero((distance <= farthest) & (beyond == broken) & shown)
        if not len(rows):
            continue
        rows = _smallest(rows, distance, signal["id"])
        is_low = to_low[rows] == distance[rows]
        bounds = np.where(is_low, low[rows], high[rows])
        yield broken, list(zip(distance[rows].tolist(), values[rows].tolist(), bounds.tolist(), rows.tolist(), strict=True))


def _smallest(rows: np.ndarray, distance: np.ndarray, ids: pa.Array) -> np.ndarray:
    """The NEAREST of the rows by distance, equal ones by id."""
    if len(rows) > NEAREST:
        rows = rows[distance[rows] <= np.partition(distance[rows], NEAREST - 1)[NEAREST - 1]]
    if len(rows) <= NEAREST:
        return rows
    near = pa.table({"distance": distance[rows], "id": ids.take(pa.array(rows))})
    return rows[pc.select_k_unstable(near, NEAREST, [("distance", "ascending"), ("id", "ascending")]).to_numpy()]


def _near_bound(rule: str, broken: bool, near: Near, row: Mapping[str, Any]) -> NearBound:
    return NearBound(rule, broken, near.value, near.bound, near.kept, near.language, row["source"],
                     excerpt(row["url"]), excerpt(row["text"], near.language, row["host"]), near.id)


def _numbers(column: pa.Array) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)     # null becomes NaN


def bounds_table(near: Sequence[NearBound]) -> Table:
    """One row for each document near a bound."""
    columns = [Column("rule", "whose bound it is near"), Column("broken", "whether it lies beyond", "flag"),
               Column("value", "measured", "number"), Column("bound", "for its language, form and kind", "number"),
               Column("kept", "whether no rule rejects it", "flag"), Column("language", "as measured"),
               Column("source", "folder under raw/"),
               Column("url", "its address, personal data masked", long=True), Column("id", "of the document", long=True),
               Column("text", "its beginning on one line, personal data masked", long=True)]
    return table("near_bounds", "Documents near a bound", "a document near the bound of a rule", columns, (
        (one.rule, one.broken, one.value, one.bound, one.kept, one.language, one.source, one.url, one.id,
         one.text) for one in near))
