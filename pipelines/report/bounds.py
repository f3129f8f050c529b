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
from textmill.pipelines.screen.rules import Rule

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
    columns = [*(rule.name for rule in rules), "language", *RESERVED]
    for part, group, (document, signal, verdict) in placed_side_by_side(
            (documents, ["id", "turns_from"]), (signals, list(dict.fromkeys(columns))), (verdicts, ["kept", "broken"])):
        shown = _shown(signal, verdict)
        languages, codes = _coded(signal["language"])
        has_turns = pc.is_valid(document["turns_from"]).to_numpy(zero_copy_only=False)
        for rule in rules:
            for broken, distances, values, bounds in _sides(rule, signal, languages, codes, has_turns):
                key = (rule.name, broken)
                worst = nearest[key][-1].distance if len(nearest[key]) == NEAREST else np.inf
                for row in _smallest(distances, shown & (distances <= worst), document["id"]):
                    nearest[key].append(Near(float(distances[row]), document["id"][row].as_py(), float(values[row]),
                                             float(bounds[row]), verdict["kept"][row].as_py(), languages[codes[row]],
                                             Place(part, group, row)))
                nearest[key] = sorted(nearest[key])[:NEAREST]
    places = [near.place for chosen in nearest.values() for near in chosen]
    rows = documents.rows_at(places, ["text", "url", "host", "source"])
    return [_near_bound(rule, broken, near, rows[near.place]) for (rule, broken), chosen in nearest.items() for near in chosen]


def rules_of(verdicts: StoredDataset) -> list[Rule]:
    """The rules that verdicts were made by."""
    def rule(plain: Mapping[str, Any]) -> Rule:
        languages = {language: (low, high) for language, (low, high) in plain["languages"].items()}
        low, high = plain.get("dialogues") or (None, None)
        return Rule(plain["name"], plain["low"], plain["high"], languages, plain["action"],
                    (low, high) if plain.get("dialogues") else None)

    return [rule(plain) for plain in verdicts.manifest.made_from["settings"]]


def _shown(signal: pa.RecordBatch, verdict: pa.RecordBatch) -> np.ndarray:
    """The documents whose text may be shown, bool[D]."""
    shown = np.ones(len(signal), bool)
    for name in RESERVED:
        shown &= ~(_numbers(signal[name]) > 0)
    broken = verdict["broken"]
    taken = pc.list_parent_indices(broken).filter(pc.equal(pc.struct_field(pc.list_flatten(broken), "rule"), "takedown"))
    shown[taken.to_numpy(zero_copy_only=False)] = False
    return shown


def _sides(rule: Rule, signal: pa.RecordBatch, languages: Sequence[str], codes: np.ndarray,
           has_turns: np.ndarray) -> Iterator[tuple[bool, np.ndarray, np.ndarray, np.ndarray]]:
    """(broken, distance to the bound, value, bound) of the documents within and of those beyond; NaN for the others."""
    values = _numbers(signal[rule.name])
    limits = np.array([rule.bounds(language, turns) for turns in (False, True) for language in languages],
                      np.float64).reshape(-1, 2)
    own = limits[np.where(has_turns, len(languages) + codes, codes)]
    low, high = own[:, 0], own[:, 1]
    beyond = (values < low) | (values > high)
    to_low, to_high = np.abs(values - low), np.abs(values - high)
    is_low = np.isnan(to_high) | (to_low <= to_high)
    distance, bound = np.where(is_low, to_low, to_high), np.where(is_low, low, high)
    for broken in (False, True):
        yield broken, np.where(beyond == broken, distance, np.nan), values, bound


def _smallest(distances: np.ndarray, candidates: np.ndarray, ids: pa.Array) -> list[int]:
    """Rows of the NEAREST smallest distances among the candidates, equal ones by id."""
    rows = np.flatnonzero(candidates & ~np.isnan(distances))
    if not len(rows):
        return []
    if len(rows) > NEAREST:
        limit = np.partition(distances[rows], NEAREST - 1)[NEAREST - 1]
        rows = rows[distances[rows] <= limit]
    near = pa.table({"distance": distances[rows], "id": ids.take(pa.array(rows)), "row": rows})
    chosen = pc.select_k_unstable(near, min(NEAREST, len(rows)), [("distance", "ascending"), ("id", "ascending")])
    return near["row"].take(chosen).to_pylist()


def _near_bound(rule: str, broken: bool, near: Near, row: Mapping[str, Any]) -> NearBound:
    return NearBound(rule, broken, near.value, near.bound, near.kept, near.language, row["source"],
                     excerpt(row["url"]), excerpt(row["text"], near.language, row["host"]), near.id)


def _coded(languages: pa.Array) -> tuple[list[str], np.ndarray]:
    coded = languages.dictionary_encode()
    return coded.dictionary.to_pylist(), coded.indices.to_numpy()


def _numbers(column: pa.Array) -> np.ndarray:
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)     # null becomes NaN


def bounds_table(near: Sequence[NearBound]) -> Table:
    """One row for each document near a bound."""
    columns = [Column("rule", "whose bound it is near"), Column("broken", "whether it lies beyond", "flag"),
               Column("value", "measured", "number"), Column("bound", "for its language", "number"),
               Column("kept", "whether no rule rejects it", "flag"), Column("language", "as measured"),
               Column("source", "folder under raw/"),
               Column("url", "its address, personal data masked", long=True), Column("id", "of the document", long=True),
               Column("text", "its beginning on one line, personal data masked", long=True)]
    return table("near_bounds", "Documents near a bound", "a document near the bound of a rule", columns, (
        (one.rule, one.broken, one.value, one.bound, one.kept, one.language, one.source, one.url, one.id,
         one.text) for one in near))
