"""The figures at the top: records read, text kept, tokens packed and model trained, each with a sentence."""

from dataclasses import dataclass

from textmill.pipelines.display import numbers
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.report.dataset import Datasets
from textmill.pipelines.report.funnel import FunnelStep
from textmill.pipelines.report.packing import Packing
from textmill.pipelines.report.training import Training


@dataclass(frozen=True)
class Tile:
    """One of the figures at the top, with a sentence on its meaning."""

    title: str
    figure: str
    said: str


def headline(datasets: Datasets, steps: list[FunnelStep], packed: Packing | None, trained: Training | None,
             mixture: Mixture) -> list[Tile]:
    """The tiles, each where its stage has run."""
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
