"""The page itself: everything gathered, four figures and a sentence for each at the top, one HTML file without scripts.

Guarantees the same bytes from the same datasets, and that nothing in them can act on the page: all text is escaped and
without control characters, and the page forbids itself every script and every outside file.
"""

from dataclasses import dataclass
from typing import Any

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display import numbers
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.report import domains, duplicates, lengths, meanings, rules, samples, shares
from textmill.pipelines.report.dataset import Datasets, open_datasets
from textmill.pipelines.report.funnel import FunnelStep, by_frequency, edits, funnel, quarantined
from textmill.pipelines.report.personal import kinds
from textmill.pipelines.report.render import render
from textmill.pipelines.report.training import Packing, Training, packing, training

QUARANTINE_ROWS = 50


@dataclass(frozen=True)
class Tile:
    """One of the figures at the top, with a sentence on its meaning."""

    title: str
    figure: str
    said: str


def build(data: Folder, mixture: Mixture) -> tuple[str, str]:
    """(page, its summary line). StageError where there is nothing to report on, or the datasets do not belong together."""
    datasets = open_datasets(data, mixture)
    steps = funnel(datasets)
    packed = packing(datasets.blocks) if datasets.blocks else None
    trained = training(datasets.run)
    tiles = headline(datasets, steps, packed, trained, mixture)
    documents, signals, verdicts, found = datasets.documents, datasets.signals, datasets.verdicts, datasets.duplicates
    languages = shares.languages(datasets)
    context: dict[str, Any] = {
        "mixture": mixture, "missing": datasets.missing() + ([] if trained else ["train"]), "tiles": tiles, "steps": steps,
        "meanings": meanings.REASONS, "measurement": meanings.measurement,
        "charsets": by_frequency(documents.counts.get("charset_from", {})) if documents else (),
        "quarantined": quarantined(documents, QUARANTINE_ROWS) if documents else [],
        "edits": edits(datasets.curated) if datasets.curated else (),
        "languages": languages, "beside": shares.beside_the_web(languages), "sources": shares.sources(datasets),
        "domains": (domains.domains(documents, signals, verdicts, found)
                    if documents and signals and verdicts and found else None),
        "lengths": lengths.lengths(signals, verdicts, found) if signals and verdicts and found else None, "axis": lengths.AXIS,
        "rules": rules.rule_rows(signals, verdicts) if signals and verdicts else None, "idle": rules.idle,
        "clusters": duplicates.clusters(found, documents) if documents and found else None,
        "copies": copies(datasets), "contained": found.counts.get("contained") if found else None,
        "kinds": kinds(datasets), "curated": datasets.curated, "signals": signals,
        "tokenizer": datasets.tokenizer, "packing": packed, "training": trained,
        "texts": samples.texts(datasets.curated) if datasets.curated else None,
        "rejected_pages": samples.rejected_pages(documents, verdicts, signals) if documents and verdicts and signals else None}
    return render("page.html", context), "; ".join(tile.said.rstrip(".") for tile in tiles)


def copies(datasets: Datasets) -> dict[str, dict[str, dict[str, int]]] | None:
    """Of each source, language and the hosts with most copies: documents compared and copies among them."""
    documents, verdicts, found = datasets.documents, datasets.verdicts, datasets.duplicates
    if not (documents and verdicts and found):
        return None
    return {"source": found.counts.get("source", {}), "language": found.counts.get("language", {}),
            "host": duplicates.hosts(documents, verdicts, found).largest}


def headline(datasets: Datasets, steps: list[FunnelStep], packed: Packing | None, trained: Training | None,
             mixture: Mixture) -> list[Tile]:
    """The tiles: records read, text kept, tokens packed and model trained, each where its stage has run."""
    tiles = []
    if datasets.documents:
        counts = datasets.documents.counts
        unread = sum(counts.get("quarantined", {}).values())
        read = f"{numbers.many(counts['read'], 'record')} from {numbers.many(len(counts.get('source', {})), 'source')}"
        tiles.append(Tile("Records in", numbers.count(counts["read"]),
                          f"{read} gave {numbers.many(counts['kept'], 'document')} with text; {unread:,} could not be read."))
    if datasets.curated:
        counts = datasets.curated.counts
        gone = {step.stage: step.lost for step in steps}
        copies, broke = numbers.many(gone.get("dedup", 0), "is a copy", "are copies"), gone.get("screen", 0)
        tiles.append(Tile("Documents kept", numbers.count(counts["kept"]),
                          f"{numbers.percent(counts['kept'] / max(1, counts['read']))} of the documents are kept, as "
                          f"{numbers.many(counts['pieces'], 'text')} of {numbers.size(counts['bytes'])}: {broke:,} broke a "
                          f"rule, {copies}."))
    if datasets.tokens:
        counts = datasets.tokens.counts
        bytes_ = sum(language["bytes"] for language in counts.get("language", {}).values())
        blocks = f"; {numbers.many(packed.blocks, 'block')} of {packed.block:,} to train on" if packed else ""
        tiles.append(Tile("Tokens", numbers.count(counts["tokens"]),
                          f"{numbers.many(counts['tokens'], 'token')} of {mixture.tokenizer}, "
                          f"{bytes_ / max(1, counts['tokens']):.2f} bytes each{blocks}."))
    if trained and trained.validation:
        (first, before), (last, after) = trained.validation[0], trained.validation[-1]
        went = f"went from {before:.3f} to {after:.3f} bits per byte in {numbers.many(int(last - first), 'step')}"
        tiles.append(Tile("Bits per byte", f"{before:.2f} → {after:.2f}" if last > first else f"{before:.2f}",
                          f"On held-out text the model {went if last > first else f'is at {before:.3f} bits per byte'}."))
    return tiles


def publish(data: Folder, mixture: Mixture) -> str:
    """Write DATA/report/index.html; what it says in one line, and where it is."""
    folder = data / "report"
    page, line = build(data, mixture)
    folder.write("index.html", page.encode())
    folder.delete_leftovers()
    folder.delete_empty_folders()
    return f"report: {line}; {folder.uri}/index.html"
