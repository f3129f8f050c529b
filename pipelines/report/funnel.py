"""The funnel: what each stage read, kept and rejected by which rule; and the records that could not be read."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice

from textmill.pipelines.dedup.kinds import BY_NAME
from textmill.pipelines.display.masking import masked
from textmill.pipelines.report.dataset import Datasets, StoredDataset
from textmill.pipelines.report.meanings import REASONS
from textmill.pipelines.report.tables import Column, Table, table

Reasons = tuple[tuple[str, int], ...]      # (rule, documents), the most frequent first

# Edits of curate that take something out.
CLEANED = {"clean:table": "table rows without a word taken out"}


@dataclass(frozen=True)
class FunnelStep:
    """One stage of the funnel. `what` it reads: records or documents."""

    stage: str
    what: str
    read: int
    kept: int
    rejected: Reasons
    quarantined: Reasons = ()

    @property
    def lost(self) -> int:
        return sum(n for _, n in self.rejected)

    @property
    def unreadable(self) -> int:
        return sum(n for _, n in self.quarantined)

    @property
    def balances(self) -> bool:
        return self.read == self.kept + self.lost + self.unreadable


@dataclass(frozen=True)
class Quarantined:
    """A record that could not be read and where it lies; personal data masked."""

    file: str
    offset: int
    error: str
    detail: str
    url: str


def funnel(datasets: Datasets) -> list[FunnelStep]:
    """A step for each stage that has run, in order: each reads exactly what the one before it kept."""
    steps = []
    if documents := datasets.documents:
        counts = documents.counts
        steps.append(FunnelStep("extract", "records", counts["read"], counts["kept"], by_frequency(counts.get("rejected", {})),
                          by_frequency(counts.get("quarantined", {}))))
    if verdicts := datasets.verdicts:
        counts = verdicts.counts
        steps.append(FunnelStep("screen", "documents", counts["read"], counts["kept"],
                                by_frequency(counts.get("rejected", {}))))
    if duplicates := datasets.duplicates:
        counts = duplicates.counts
        copies = {BY_NAME[kind].label: n for kind, n in counts["rejected"].items() if kind != "screened_out"}
        seen = counts["read"] - counts["rejected"].get("screened_out", 0)
        steps.append(FunnelStep("dedup", "documents", seen, counts["kept"], by_frequency(copies)))
    if (curated := datasets.curated) and datasets.verdicts:
        own = {rule: n for rule, n in curated.counts.get("rejected", {}).items()
               if rule not in datasets.verdicts.counts.get("rejected", {}) and not rule.startswith("duplicate_")}
        earlier = sum(curated.counts.get("rejected", {}).values()) - sum(own.values())
        steps.append(FunnelStep("curate", "documents", curated.counts["read"] - earlier, curated.counts["kept"],
                                by_frequency(own)))
    return steps


def edits(curated: StoredDataset) -> Reasons:
    """What curate changed in the texts it kept, in plain words: edits, and texts that hold an item of an evaluation set."""
    made: Mapping[str, int] = curated.counts.get("edits", {})
    replaced = sum(n for kind, n in made.items() if ":" not in kind)
    tagged = sum(n for kind, n in made.items() if kind.startswith("tag:"))
    cleaned = {CLEANED.get(kind, kind): n for kind, n in made.items() if kind.startswith("clean:")}
    holding = curated.counts.get("with_evaluation_items", 0)
    return by_frequency(cleaned | {"personal data replaced by a placeholder": replaced, "personal data marked and left": tagged,
                                   "texts kept with an item of an evaluation set": holding})


def by_frequency(counts: Mapping[str, int]) -> Reasons:
    """Reasons that occur, the most frequent first, equal ones by name."""
    return tuple(sorted(((name, n) for name, n in counts.items() if n), key=lambda item: (-item[1], item[0])))


def quarantined(documents: StoredDataset, limit: int = 50) -> list[Quarantined]:
    """The first `limit` records that could not be read, in the order of the parts."""
    rows = (row for batch in documents.rejected(["file", "offset", "url", "outcome", "rule", "detail"])
            for row in batch.to_pylist() if row["outcome"] == "quarantined")
    return [Quarantined(row["file"], row["offset"], row["rule"], masked(row["detail"]), masked(row["url"]))
            for row in islice(rows, limit)]


def funnel_table(steps: list[FunnelStep]) -> Table:
    """One row for each stage."""
    return table("funnel", "Funnel", "a stage", [
        Column("stage", "its name"), Column("what", "what it reads: records or documents"), Column("read", "of them", "count"),
        Column("kept", "of them", "count"), Column("rejected", "under a rule", "count"),
        Column("quarantined", "with an error", "count")],
        ((step.stage, step.what, step.read, step.kept, step.lost, step.unreadable) for step in steps))


def reason_table(steps: list[FunnelStep]) -> Table:
    """One row for each reason of each stage."""
    return table("reasons", "Reasons", "a reason of a stage", [
        Column("stage", "its name"), Column("outcome", "rejected or quarantined"),
        Column("reason", "rule, error or kind of copy"),
        Column("meaning", "in words, where it is no measurement"), Column("count", "records or documents", "count")],
        ((step.stage, outcome, name, REASONS.get(name), count) for step in steps
         for outcome, rows in (("rejected", step.rejected), ("quarantined", step.quarantined)) for name, count in rows))


def quarantine_table(rows: list[Quarantined]) -> Table:
    """One row for each record listed."""
    return table("quarantined", "Records that could not be read", "a record, of the first ones", [
        Column("file", "under raw/", label="file under raw/", long=True), Column("offset", "where it begins", "count"),
        Column("error", "its name"), Column("detail", "personal data masked", long=True),
        Column("url", "personal data masked", label="address", long=True)],
        ((row.file, row.offset, row.error, row.detail or None, row.url or None) for row in rows))
