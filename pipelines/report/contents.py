"""Contents of a report: everything gathered once from the datasets, and all of it as tables.

The page draws from these objects, and the files beside it are their tables: no figure is computed twice.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.report import (
    bounds,
    domains,
    duplicates,
    examples,
    funnel,
    groups,
    lengths,
    packing,
    personal,
    provenance,
    rules,
    samples,
    shares,
    training,
)
from textmill.pipelines.report.dataset import Datasets, open_datasets
from textmill.pipelines.report.headline import Tile, headline
from textmill.pipelines.report.tables import Table

QUARANTINE_ROWS = 50


@dataclass(frozen=True)
class Contents:
    """All that a report says; None where a stage has not run."""

    datasets: Datasets
    mixture: Mixture
    tiles: list[Tile]
    provenance: provenance.Provenance
    steps: list[funnel.FunnelStep]
    quarantined: list[funnel.Quarantined]
    groups: list[groups.GroupFunnel] | None
    languages: list[shares.Group]
    beside: list[shares.Beside]
    sources: list[shares.Group]
    domains: domains.Domains | None
    lengths: lengths.Lengths | None
    rules: list[rules.RuleRow] | None
    near: list[bounds.NearBound]
    clusters: duplicates.Clusters | None
    copies: dict[str, dict[str, dict[str, int]]] | None
    kinds: list[personal.PersonalKind]
    redactions: list[examples.Redaction]
    extractions: list[examples.Extraction]
    packing: packing.Packing | None
    runs: list[training.Run]
    lives: list[str]
    texts: list[samples.SampleText] | None
    rejected_pages: list[samples.RejectedPage] | None

    @property
    def own_run(self) -> training.Training | None:
        """The run of the mixture."""
        return next((run.training for run in self.runs if run.name == self.mixture.name), None)

    def tables(self) -> Iterator[Table]:
        """Every table, in the page's order."""
        yield from provenance.tables(self.provenance)
        yield funnel.funnel_table(self.steps)
        yield funnel.reason_table(self.steps)
        yield funnel.quarantine_table(self.quarantined)
        if self.groups is not None:
            yield from (groups.funnel_table(self.groups), groups.reason_table(self.groups))
        yield shares.group_table("languages", "Languages", self.languages)
        yield shares.beside_table(self.beside)
        yield shares.group_table("sources", "Sources", self.sources)
        if self.domains is not None:
            yield domains.domain_table("domains", "The largest, by documents or by words", self.domains)
            yield domains.domain_table("suffixes", "Public suffixes", self.domains)
        if self.lengths is not None:
            yield from (lengths.spread_table(self.lengths), lengths.bin_table(self.lengths))
        if self.rules is not None:
            yield from (rules.rule_table(self.rules), rules.bin_table(self.rules), bounds.bounds_table(self.near))
        if self.clusters is not None:
            yield duplicates.size_table(self.clusters)
            yield from (duplicates.copies_table(what, of) for what, of in (self.copies or {}).items())
            yield duplicates.member_table(self.clusters)
        yield personal.kind_table(self.kinds)
        yield examples.redaction_table(self.redactions)
        yield examples.extraction_table(self.extractions)
        if self.packing is not None:
            yield packing.entry_table(self.packing)
        yield from (training.run_table(self.runs), training.point_table(self.runs))
        if self.texts is not None:
            yield samples.text_table(self.texts)
        if self.rejected_pages is not None:
            yield samples.rejected_table(self.rejected_pages)


def gather(data: Folder, mixture: Mixture) -> Contents:
    """StageError where there is nothing to report on, or the datasets do not belong together."""
    datasets = open_datasets(data, mixture)
    documents, signals, verdicts, found = datasets.documents, datasets.signals, datasets.verdicts, datasets.duplicates
    steps, languages = funnel.funnel(datasets), shares.languages(datasets)
    packed = packing.packing(datasets.blocks) if datasets.blocks else None
    runs = training.runs(data, mixture.name)
    own = next((run.training for run in runs if run.name == mixture.name), None)
    return Contents(
        datasets=datasets, mixture=mixture, tiles=headline(datasets, steps, packed, own, mixture),
        provenance=provenance.provenance(datasets, mixture), steps=steps,
        quarantined=funnel.quarantined(documents, QUARANTINE_ROWS) if documents else [],
        groups=groups.group_funnels(datasets), languages=languages, beside=shares.beside_the_web(languages),
        sources=shares.sources(datasets),
        domains=domains.domains(documents, signals, verdicts, found) if documents and signals and verdicts and found else None,
        lengths=lengths.lengths(signals, verdicts, found) if signals and verdicts and found else None,
        rules=rules.rule_rows(signals, verdicts) if signals and verdicts else None,
        near=bounds.near_bounds(documents, signals, verdicts) if documents and signals and verdicts else [],
        clusters=duplicates.clusters(found, documents) if documents and found else None, copies=copies(datasets),
        kinds=personal.kinds(datasets), redactions=examples.redactions(datasets.curated) if datasets.curated else [],
        extractions=examples.extractions(data, datasets), packing=packed, runs=runs, lives=training.lives(data),
        texts=samples.texts(datasets.curated) if datasets.curated else None,
        rejected_pages=samples.rejected_pages(documents, verdicts, signals) if documents and verdicts and signals else None)


def copies(datasets: Datasets) -> dict[str, dict[str, dict[str, int]]] | None:
    """Of each source, language and the hosts with most copies: documents compared and copies among them."""
    documents, verdicts, found = datasets.documents, datasets.verdicts, datasets.duplicates
    if not (documents and verdicts and found):
        return None
    return {"source": found.counts.get("source", {}), "language": found.counts.get("language", {}),
            "host": duplicates.hosts(documents, verdicts, found).largest}
