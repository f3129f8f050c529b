"""What dedup found, as text: totals, clusters by size, the largest, and shares of copies by source, language and host."""

from collections.abc import Iterator

from textmill.pipelines.contract.parts import Counts
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display.lines import columns, shown
from textmill.pipelines.report.dataset import StoredDataset, open_aligned
from textmill.pipelines.report.duplicates import Clusters, Hosts, clusters, hosts

MOST = 15               # rows of a table of groups


def lines(data: Folder) -> list[str]:
    """What dedup found in a data folder. StageError where a dataset is missing."""
    found = open_aligned(data)
    documents, verdicts, duplicates = (found[name] for name in ("documents", "verdicts", "duplicates"))
    return tables(duplicates, clusters(duplicates, documents), hosts(documents, verdicts, duplicates))


def tables(duplicates: StoredDataset, found: Clusters, by_host: Hosts) -> list[str]:
    """All tables, for a terminal of 80 columns."""
    counts = duplicates.counts
    copies = {kind: n for kind, n in counts["rejected"].items() if kind != "screened_out"}
    kept, total = counts["kept"], sum(copies.values())
    rows = [["documents compared", f"{kept + total:,}"], ["kept", f"{kept:,}"],
            ["copies", f"{total:,}"], *([f"  {kind}", f"{n:,}"] for kind, n in copies.items()),
            ["contained in a longer page, kept", f"{counts['contained']:,}"], ["clusters", f"{found.count:,}"],
            ["  documents in them", f"{found.documents:,}"]]
    lines = [*columns(rows, (1,), 0), "", "clusters by size"]
    lines += columns([["documents", "clusters", "documents in them", "removed"], *(
        [_size(row.low, row.high), f"{row.clusters:,}", f"{row.documents:,}", f"{row.removed:,}"] for row in found.sizes)],
        (1, 2, 3), 2)
    lines += ["", "largest clusters", *_largest(found)]
    for title, groups in (("source", counts["source"]), ("language", counts["language"])):
        lines += ["", *_groups(title, groups)]
    return [*lines, "", *_groups("host", by_host.largest, by_host.count)]


def _size(low: int, high: int | None) -> str:
    return f"{low:,}" if low == high else f"{low:,} and more" if high is None else f"{low:,} to {high:,}"


def _largest(found: Clusters) -> Iterator[str]:
    for cluster in found.largest:
        yield f"  {cluster.size:,} documents, {cluster.removed_count:,} removed, cluster {cluster.id}"
        for _, url, _title in cluster.kept[:2]:
            yield f"    {'kept':12}{shown(url)}"
        for copy in cluster.removed[:3]:
            likeness = "" if copy.similarity is None else f" {copy.similarity:.3f}"
            yield f"    {copy.kind + likeness:12}{shown(copy.url)}"


def _groups(title: str, groups: Counts, count: int | None = None) -> list[str]:
    """The groups with most copies: documents compared, copies among them, and their share."""
    most = sorted(groups.items(), key=lambda item: (-item[1]["copies"], -item[1]["documents"], item[0]))[:MOST]
    rows = [[shown(name) if name else "unknown", f"{one['documents']:,}", f"{one['copies']:,}",
             f"{one['copies'] / max(1, one['documents']):.1%}"] for name, one in most]
    left = (len(groups) if count is None else count) - len(most)
    return [*columns([[title, "documents", "copies", "share"], *rows], (1, 2, 3), 0),
            *([f"and {left:,} more"] if left > 0 else [])]
