"""The report: one HTML page with all of it, and the same figures as JSON, Markdown and CSV.

Guarantees the same bytes from the same data, and that nothing in it can act on the page: all text is escaped and without
control characters, and the page forbids itself every outside file and every script but its own, by hash.
"""

from typing import Any

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.report import files, groups, meanings, rules
from textmill.pipelines.report.contents import Contents, gather
from textmill.pipelines.report.funnel import by_frequency, edits
from textmill.pipelines.report.lengths import AXIS
from textmill.pipelines.report.render import render
from textmill.pipelines.report.training import BITS, MOST_RUNS

FOLDER = "report"
PAGE = "index.html"


def build(data: Folder, mixture: Mixture) -> tuple[str, str]:
    """(page, its summary line). StageError where there is nothing to report on, or the datasets do not belong together."""
    contents = gather(data, mixture)
    return page(contents), summary(contents)


def page(contents: Contents) -> str:
    """The page."""
    datasets, near = contents.datasets, contents.near
    context: dict[str, Any] = {name: getattr(contents, name) for name in contents.__dataclass_fields__}
    context |= {
        "missing": datasets.missing() + ([] if contents.own_run else ["train"]),
        "tables": {one.name: one for one in contents.tables()},
        "meanings": meanings.REASONS, "measurement": meanings.measurement, "axis": AXIS, "idle": rules.idle,
        "charsets": by_frequency(datasets.documents.counts.get("charset_from", {})) if datasets.documents else (),
        "edits": edits(datasets.curated) if datasets.curated else (),
        "contained": datasets.duplicates.counts.get("contained") if datasets.duplicates else None,
        "by_group": [(title, key, by, groups.merged(contents.groups, key)) for title, key, by in (
            ("By source", "source", "language"), ("By language", "language", "source"))] if contents.groups else [],
        "near_by_rule": {name: [one for one in near if one.rule == name] for name in {one.rule for one in near}},
        "figures": sorted({run.figure for run in contents.runs if run.training.validation}, key=lambda name: (name != BITS,
            name)),
        "drawn_runs": contents.runs[:MOST_RUNS], "own_run": contents.own_run,
        "curated": datasets.curated, "signals": datasets.signals, "tokenizer": datasets.tokenizer}
    return render("page.html", context)


def summary(contents: Contents) -> str:
    """What the tiles say, on one line."""
    return "; ".join(tile.said.rstrip(".") for tile in contents.tiles)


def publish(data: Folder, mixture: Mixture) -> str:
    """Write DATA/report: the page and the files beside it; what it says in one line, and where it is."""
    folder, contents = data / FOLDER, gather(data, mixture)
    written = files.files(contents.tables(), contents.provenance, contents.tiles)
    for name, text in (written | {PAGE: page(contents)}).items():       # the page last: it links to the others
        folder.write(name, text.encode())
    for entry in folder.entries(files.TABLES):
        if entry.path not in written:                                   # of an earlier report
            folder.delete(entry.path)
    folder.delete_leftovers()
    folder.delete_empty_folders()
    return f"report: {summary(contents)}; {folder.uri}/{PAGE}"
