"""What the stored datasets say of one document, as data: measurements beside bounds, pieces, rejection.

`why` puts it into lines, the browser on a page.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import DocumentRow, row_groups, rows_of
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.display.lines import number
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.screen.rules import Rule

Row = dict[str, Any]


class Measured(NamedTuple):
    """A measurement of a document, its bounds, who they are for (`Rule.origin`, or `-`), and its outcome."""

    name: str
    value: float | None
    low: float | None
    high: float | None
    origin: str
    outcome: str        # "" where it lies within its bounds; broken | tag | not measured | no bound for …

    @property
    def is_broken(self) -> bool:
        return self.outcome.startswith("broken")


def measurements(signals: Row, broken: dict[str, Row], tags: Sequence[str], rules: Sequence[Rule],
                 has_turns: bool = False, kind: str | None = None) -> list[Measured]:
    """Every measurement of a document.

    `broken` and `tags` are the stored verdict, which decides. The bounds are those of `rules`, which may have
    changed since; then the one that it broke is named beside them. One that the stored signals lack is not measured.
    """
    by_name, of = {rule.name: rule for rule in rules}, (signals["language"], has_turns, signals.get("form"), kind)
    found = []
    for name in RULE_MEASUREMENTS:
        value, rule = signals.get(name), by_name.get(name)
        low, high = rule.bounds(*of) if rule else (None, None)
        origin = rule.origin(*of) if rule else "-"
        outcome = ""
        if name in broken:
            bound = broken[name]["bound"]
            outcome = "broken" if bound in (low, high) else f"broken at {number(bound)}"      # the rules have changed since
        elif name in tags:
            outcome = "tag"
        elif value is None:
            outcome = "not measured"
        elif rule and low is None and high is None:
            outcome = f"no bound for {signals['language'] if origin == 'all' else origin}"
        found.append(Measured(name, value, low, high, origin, outcome))
    return found


def rows_with_id(context: RunContext, dataset: str, document: DocumentRow, wanted: list[str]) -> list[Row]:
    """Rows of curated or tokens with the document's id, in its part: parts have the same keys as those of documents."""
    manifest = Manifest.read(context.data / dataset)
    found: list[Row] = []
    for part in (part for part in (manifest.parts if manifest else ()) if part.key == document.part):
        for _, read in row_groups(context.data / dataset, part, {"id": document.id}):
            rows = pc.indices_nonzero(pc.equal(read(["id"])["id"], document.id))
            found += read(wanted).take(rows).to_pylist() if len(rows) else []
    return found


def rejection(context: RunContext, document: DocumentRow) -> Row | None:
    """The rejected row of curate of this document: of its own place in a raw file, since an id may be stored twice."""
    (row,) = rows_of(context.data, "documents", [document], ["file", "offset"])
    manifest = Manifest.read(context.data / "curated")
    for part in (part for part in (manifest.rejected if manifest else ()) if part.key == document.part):
        for _, read in row_groups(context.data / "curated", part, {"id": document.id}):
            batch = read([])
            for found in batch.filter(pc.equal(batch["id"], pa.scalar(document.id))).to_pylist():
                if row and (found["file"], found["offset"]) == (row["file"], row["offset"]):
                    return dict(found)
    return None

