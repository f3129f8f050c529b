"""Duplicates: counts by kind, sizes of clusters, and the members of the largest ones.

Memory: one row group and the members shown.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.display.masking import masked
from textmill.pipelines.report.dataset import StoredDataset, side_by_side
from textmill.pipelines.report.tables import Column, Table, table

SIZES = ((2, 2), (3, 3), (4, 4), (5, 5), (6, 10), (11, 20), (21, 50), (51, 100), (101, 1000), (1001, None))
LARGEST = 8             # clusters shown
HOSTS = 15              # hosts shown
MEMBERS = 10            # removed documents shown of each, and as many kept ones


@dataclass(frozen=True)
class Copy:
    """A document that was removed: what kind of copy it is, and of what; similarity where it was computed."""

    id: str
    url: str
    kind: str
    similarity: float | None
    kept_id: str


@dataclass
class ReportedCluster:
    """A cluster of copies; `kept` is (id, url, title). Only the first members in the datasets' order are listed."""

    id: str
    size: int
    kept: list[tuple[str, str, str]] = field(default_factory=list)
    removed: list[Copy] = field(default_factory=list)
    kept_count: int = 0
    removed_count: int = 0


@dataclass(frozen=True)
class SizeRow:
    """Clusters of `low` to `high` members (None: no end): how many, their documents, and how many of these were removed."""

    low: int
    high: int | None
    clusters: int
    documents: int
    removed: int


@dataclass(frozen=True)
class Clusters:
    """All that the report says of clusters."""

    count: int
    documents: int
    removed: int
    sizes: tuple[SizeRow, ...]
    largest: tuple[ReportedCluster, ...]


@dataclass(frozen=True)
class Hosts:
    """How many hosts there are, and of those with most copies {documents: compared, copies: of them}, by name."""

    count: int
    largest: dict[str, dict[str, int]]


def hosts(documents: StoredDataset, verdicts: StoredDataset, duplicates: StoredDataset, most: int = HOSTS) -> Hosts:
    """Counted from every row. Memory: a number for each host."""
    compared: Counter[str] = Counter()
    copies: Counter[str] = Counter()
    for document, verdict, duplicate in side_by_side((documents, ["host"]), (verdicts, ["kept"]), (duplicates, ["kind"])):
        _count(compared, document["host"].filter(verdict["kept"]).drop_null())
        _count(copies, document["host"].filter(pc.is_valid(duplicate["kind"])).drop_null())
    first = sorted(compared, key=lambda host: (-copies[host], -compared[host], host))[:most]
    return Hosts(len(compared), {host: {"documents": compared[host], "copies": copies[host]} for host in first})


def clusters(duplicates: StoredDataset, documents: StoredDataset) -> Clusters:
    """Counted from every row of `duplicates`; the addresses of the largest clusters come from `documents`."""
    members: Counter[int] = Counter()
    removed: Counter[int] = Counter()
    largest: list[tuple[int, str]] = []                 # (-size, cluster), sorted
    for batch in duplicates.batches(["cluster", "kind", "cluster_size"]):
        batch = batch.filter(pc.is_valid(batch["cluster"]))
        _count(members, batch["cluster_size"])
        _count(removed, batch["cluster_size"].filter(pc.is_valid(batch["kind"])))
        found = set(zip(pc.negate(batch["cluster_size"]).to_pylist(), batch["cluster"].to_pylist(), strict=True))
        largest = sorted(found.union(largest))[:LARGEST]
    rows = []
    for low, high in SIZES:
        sizes = [size for size in members if size >= low and (high is None or size <= high)]
        if sizes:       # each cluster of n members has n rows
            rows.append(SizeRow(low, high, sum(members[size] // size for size in sizes), sum(members[size] for size in sizes),
                                sum(removed[size] for size in sizes)))
    return Clusters(sum(row.clusters for row in rows), members.total(), removed.total(), tuple(rows),
                    _members([ReportedCluster(cluster, -size) for size, cluster in largest], duplicates, documents))


def _count(counter: Counter[Any], sizes: pa.Array) -> None:
    for row in pc.value_counts(sizes).to_pylist():
        counter[row["values"]] += row["counts"]


def _members(found: list[ReportedCluster], duplicates: StoredDataset, documents: StoredDataset) -> tuple[ReportedCluster, ...]:
    by_id = {cluster.id: cluster for cluster in found}
    wanted = pa.array(list(by_id), pa.string())
    columns = ["id", "cluster", "kept_id", "kind", "similarity"]
    for rows, pages in side_by_side((duplicates, columns), (documents, ["url", "host", "title"])):
        mask = pc.is_in(rows["cluster"], value_set=wanted)
        for row, page in zip(rows.filter(mask).to_pylist(), pages.filter(mask).to_pylist(), strict=True):
            cluster, url = by_id[row["cluster"]], page["url"]
            if row["kind"] is None:
                cluster.kept_count += 1
                if len(cluster.kept) < MEMBERS:
                    cluster.kept.append((row["id"], masked(url), masked(page["title"], host=page["host"])))
            else:
                cluster.removed_count += 1
                if len(cluster.removed) < MEMBERS:
                    cluster.removed.append(Copy(row["id"], masked(url), row["kind"], row["similarity"], row["kept_id"]))
    return tuple(found)


def size_table(of: Clusters) -> Table:
    """One row for each range of sizes."""
    return table("cluster_sizes", "Sizes of clusters", "clusters of so many documents", [
        Column("size", "documents in a cluster", label="documents in a cluster"),
        Column("smallest", "size", "count", shown=False),
        Column("largest", "size; none for no end", "count", shown=False), Column("clusters", "of this size", "count"),
        Column("documents", "in them", "count"), Column("removed", "of these", "count"),
        Column("of_removed", "of all removed documents", "share", "of all removed", "lost")],
        ((_span(row), row.low, row.high, row.clusters, row.documents, row.removed, row.removed / (of.removed or 1))
         for row in of.sizes))


def _span(row: SizeRow) -> str:
    if row.low == row.high:
        return f"{row.low:,}"
    return f"{row.low:,} or more" if row.high is None else f"{row.low:,} to {row.high:,}"


def copies_table(what: str, groups: dict[str, dict[str, int]]) -> Table:
    """One row for each source, language or host with copies, those with most first."""
    rows = sorted(((name, group["documents"], group["copies"]) for name, group in groups.items() if group["copies"]),
                  key=lambda row: (-row[2], row[0]))
    return table(f"copies_by_{what}", f"Copies by {what}", f"a {what} with copies", [
        Column(what, "its name", long=True), Column("documents", "that were compared", "count"),
        Column("copies", "removed", "count"),
        Column("of_documents", "copies of documents", "share", "of documents", "lost")],
        ((name or "unknown", documents, copies, copies / (documents or 1)) for name, documents, copies in rows))


def member_table(of: Clusters) -> Table:
    """One row for each member listed of the largest clusters."""
    members = ((cluster.id, cluster.size, *member) for cluster in of.largest for member in (
        *(("kept", None, id_, url, id_, title) for id_, url, title in cluster.kept),
        *((copy.kind, copy.similarity, copy.id, copy.url, copy.kept_id, None) for copy in cluster.removed)))
    return table("clusters", "The largest clusters", "a member, of the first ones of the largest clusters", [
        Column("cluster", "its id", long=True), Column("size", "documents in it", "count"),
        Column("kind", "kept, or the kind of copy"),
        Column("similarity", "exact Jaccard with the kept copy", "number"), Column("id", "of the document", long=True),
        Column("url", "personal data masked", long=True), Column("kept_id", "id of the kept copy", long=True),
        Column("title", "of a kept copy, personal data masked", long=True)], members)
