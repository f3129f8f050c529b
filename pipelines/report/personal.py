"""Personal data in the report: how much was found and replaced, and none of it in anything shown."""

from dataclasses import dataclass

from textmill.pipelines.report.dataset import Datasets
from textmill.pipelines.report.tables import Column, Table, table

CLEANED = "clean:"      # begins the kinds of edits that take out what is no personal data


@dataclass(frozen=True)
class PersonalKind:
    """One kind: findings in all documents, and the edits in the texts that were kept (None: not curated yet)."""

    name: str
    found: int
    replaced: int | None
    tagged: int | None


def kinds(datasets: Datasets) -> list[PersonalKind]:
    """Every kind found or edited, the most frequent first."""
    found = datasets.signals.counts.get("personal_data", {}) if datasets.signals else {}
    edits = datasets.curated.counts.get("edits", {}) if datasets.curated else None
    names = found.keys() | {name.removeprefix("tag:") for name in edits or () if not name.startswith(CLEANED)}
    rows = [PersonalKind(name, found.get(name, 0),
                         *(None if edits is None else edits.get(key, 0) for key in (name, f"tag:{name}"))) for name in names]
    return sorted(rows, key=lambda row: (-row.found, row.name))


def kind_table(rows: list[PersonalKind]) -> Table:
    """One row for each kind."""
    return table("personal_data", "Personal data", "a kind of personal data", [
        Column("kind", "its name"), Column("found", "in all documents", "count", bar="plain"),
        Column("replaced", "by a placeholder, in texts that were kept", "count"),
        Column("tagged", "and left, in texts that were kept", "count")],
        ((row.name, row.found, row.replaced, row.tagged) for row in rows))
