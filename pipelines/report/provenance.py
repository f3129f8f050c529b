"""Provenance: all that names a corpus exactly, so that a report on it can be cited and the corpus made again.

No clock: the date is that of the newest capture, so the same input gives the same bytes.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import pyarrow.compute as pc

from textmill import __version__
from textmill.pipelines.dedup.settings import chosen_banding, probability_found
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.report.dataset import Datasets, StoredDataset
from textmill.pipelines.report.tables import Column, Table, table

SIMILARITIES = (0.7, 0.8, 0.9)          # at which the recall of the banding is given
DIGITS = 16             # of a hash in a citation


@dataclass(frozen=True)
class Provenance:
    """What a corpus was made from and by what; None where it is not known.

    `first` and `last` are the dates of the oldest and newest capture, `dated` the documents that have one. `rules` and
    `corpus` are SHA-256 of the rule table and of the curated parts.
    """

    version: str
    mixture: str
    first: str | None
    last: str | None
    dated: int
    rules: str | None
    corpus: str | None
    stages: tuple[tuple[str, int, str, str], ...]       # stage, its version, digest of its settings, digest of its inputs
    libraries: tuple[tuple[str, str, str], ...]         # library, version, stages
    inputs: tuple[tuple[str, str, str], ...]            # stage, named input, SHA-256
    banding: tuple[int, int] | None                     # bands, rows
    threshold: float | None

    @property
    def recall(self) -> list[tuple[float, float]]:
        """(Jaccard, chance that a pair of it becomes a candidate); what is a candidate is compared exactly."""
        if self.banding is None:
            return []
        levels = sorted({*SIMILARITIES, *([self.threshold] if self.threshold else [])})
        return [(level, probability_found(level, *self.banding)) for level in levels]

    @property
    def citation(self) -> str:
        """A line that cites the corpus."""
        captured = f", captures to {self.last[:10]}" if self.last else ""
        hashes = [f"{name} sha256:{digest[:DIGITS]}" for name, digest in (("corpus", self.corpus), ("rules",
            self.rules)) if digest]
        return f"{self.mixture}: a corpus made with textmill {self.version}{captured}{''.join(f'; {one}' for one in hashes)}."

    @property
    def bibtex(self) -> str:
        """The same as an entry of BibTeX; its year is that of the newest capture."""
        key = re.sub(r"[^A-Za-z0-9-]+", "-", self.mixture).strip("-") or "corpus"
        year = self.last[:4] if self.last else ""
        fields = {"title": f"{{{key}}}: a corpus made with textmill", "year": year,
                  "version": self.corpus and self.corpus[:DIGITS],
                  "note": f"textmill {self.version}" + (f"; rules sha256:{self.rules[:DIGITS]}" if self.rules else "")}
        lines = "".join(f"  {name} = {{{value}}},\n" for name, value in fields.items() if value)
        return f"@misc{{{key.lower()}{'-' + year if year else ''},\n{lines}}}"


def provenance(datasets: Datasets, mixture: Mixture) -> Provenance:
    """Read from manifests, and the capture dates from every document."""
    by_stage = list(_stages(datasets))
    libraries: dict[tuple[str, str], list[str]] = {}
    for name, dataset in by_stage:
        for library, version in sorted(dataset.manifest.made_from.get("libraries", {}).items()):
            libraries.setdefault((library, version), []).append(name)
    first, last, dated = _span(datasets.documents) if datasets.documents else (None, None, 0)
    settings = datasets.duplicates.manifest.made_from.get("settings") if datasets.duplicates else None
    return Provenance(
        __version__, mixture.name, first, last, dated,
        digest(datasets.verdicts.manifest.made_from.get("settings")) if datasets.verdicts else None,
        digest([part.sha256 for part in datasets.curated.manifest.parts]) if datasets.curated else None,
        tuple((name, dataset.manifest.version, digest(dataset.manifest.made_from.get("settings")),
               dataset.manifest.input_digest)
              for name, dataset in by_stage),
        tuple((library, version, ", ".join(names)) for (library, version), names in
              sorted(libraries.items(), key=lambda item: (item[0][0].lower(), item[0]))),
        tuple((name, what, of) for name, dataset in by_stage
              for what, of in sorted(dataset.manifest.made_from.get("named_inputs", {}).items())),
        _banding(settings), (settings or {}).get("threshold"))


def digest(value: Any) -> str:
    """SHA-256 (hex) of a value as canonical JSON: keys sorted, no blanks."""
    return sha256(json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()).hexdigest()


def _stages(datasets: Datasets) -> Iterator[tuple[str, StoredDataset]]:
    for dataset in (datasets.documents, datasets.signals, datasets.verdicts, datasets.duplicates, datasets.curated,
                    datasets.tokenizer, datasets.tokens, datasets.blocks):
        if dataset:
            yield dataset.manifest.stage, dataset


def _span(documents: StoredDataset) -> tuple[str | None, str | None, int]:
    """(oldest, newest, documents with one) of the capture dates."""
    ends: list[str] = []
    dated = 0
    for batch in documents.batches(["date"]):
        dated += len(batch) - batch["date"].null_count
        span = pc.min_max(batch["date"])
        ends = [date for date in (*ends, span["min"].as_py(), span["max"].as_py()) if date]
        ends = [min(ends), max(ends)] if ends else []
    return (ends[0], ends[1], dated) if ends else (None, None, 0)


def _banding(settings: dict[str, Any] | None) -> tuple[int, int] | None:
    """(bands, rows) that a run of dedup took."""
    if not settings:
        return None
    if settings.get("bands") and settings.get("rows"):
        return settings["bands"], settings["rows"]
    return chosen_banding(settings["threshold"], settings["recall"])


def tables(of: Provenance) -> list[Table]:
    """Facts, stages, libraries, named inputs and the recall of the banding."""
    banding = f"{of.banding[0]} bands of {of.banding[1]} rows" if of.banding else None
    facts = [("textmill", of.version), ("mixture", of.mixture), ("oldest capture", of.first), ("newest capture", of.last),
             ("documents with a capture date", f"{of.dated:,}"),
             ("near-duplicates from Jaccard", of.threshold and f"{of.threshold:g}"), ("banding", banding),
             ("rules, SHA-256", of.rules), ("corpus, SHA-256", of.corpus)]
    return [
        table("provenance", "Provenance", "a fact", [Column("fact", "what"), Column("value", "its value", long=True)], facts),
        table("stages", "Stages and settings", "a stage that has run", [
            Column("stage", "its name"), Column("version", "raised when its bytes change", "count"),
            Column("settings_sha256", "of its settings as canonical JSON (of the rule table, for screen)",
                   label="settings, SHA-256", long=True),
            Column("inputs", "digest of everything its dataset was made from, as in the manifest", long=True)], of.stages),
        table("libraries", "Libraries that shape the bytes", "a version of a library", [
            Column("library", "its name"), Column("version", "as installed then"),
            Column("stages", "that name it")], of.libraries),
        table("named_inputs", "Models and tables used", "a named input", [
            Column("stage", "that reads it"), Column("input", "what it is"),
            Column("sha256", "of the file", label="SHA-256", long=True)], of.inputs),
        table("recall", "Share of near-duplicate pairs that are found", "a similarity", [
            Column("jaccard", "exact Jaccard of the two texts' shingles", "number"),
            Column("found", "chance that such a pair becomes a candidate, of which the exact similarity is then computed",
                   "share", bar="kept")],
            of.recall)]
