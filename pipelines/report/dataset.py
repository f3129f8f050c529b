"""Reading of a data folder's datasets for the report: complete, of one run, one row group of named columns at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa

from textmill.pipelines.contract.part_files import aligned, read_batches
from textmill.pipelines.contract.parts import Counts, Manifest, read_counts
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.pack.mixture import Mixture

ALIGNED = {"documents": "extract", "signals": "measure", "verdicts": "screen", "duplicates": "dedup"}


@dataclass(frozen=True)
class StoredDataset:
    """A complete dataset: its folder, manifest and counts."""

    folder: Folder
    manifest: Manifest
    counts: Counts

    def batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Its rows in order, only these columns."""
        for part in self.manifest.parts:
            yield from read_batches(self.folder, part, columns)

    def rejected(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        """Its rejected rows in order, only these columns."""
        for part in self.manifest.rejected:
            yield from read_batches(self.folder, part, columns)


@dataclass(frozen=True)
class Datasets:
    """Every dataset the report knows; None for one that has not been made. `run` is the folder of the training run."""

    documents: StoredDataset | None
    signals: StoredDataset | None
    verdicts: StoredDataset | None
    duplicates: StoredDataset | None
    curated: StoredDataset | None
    tokenizer: StoredDataset | None
    tokens: StoredDataset | None
    blocks: StoredDataset | None
    run: Folder

    def missing(self) -> list[str]:
        """The stages whose dataset is not there, in the order of the flow."""
        stages = ALIGNED | {"curated": "curate", "tokenizer": "tokenizer", "tokens": "tokenize", "blocks": "pack"}
        return [stage for name, stage in stages.items() if getattr(self, name) is None]


def open_datasets(data: Folder, mixture: Mixture) -> Datasets:
    """The datasets of a data folder, for this mixture and its tokenizer.

    StageError where there is none at all, or where one was made from other rows than lie there now: a report that mixes
    two runs would not balance.
    """
    found = {name: _open(data / name) for name in (*ALIGNED, "curated")}
    found |= {"tokenizer": _open(data / f"tokenizers/{mixture.tokenizer}"),
              "tokens": _open(data / f"tokens/{mixture.tokenizer}"), "blocks": _open(data / f"blocks/{mixture.name}")}
    if not any(found.values()):
        raise StageError(f"there is no dataset in {data.uri} to report on; run `textmill all` first, or pass another --data")
    _check(found)
    return Datasets(**found, run=data / f"checkpoints/{mixture.name}")


def open_aligned(data: Folder) -> dict[str, StoredDataset]:
    """The four aligned datasets by name. StageError where one is missing or was made from other rows than lie there now."""
    found = {name: _open(data / name) for name in ALIGNED}
    for name, dataset in found.items():
        if dataset is None:
            raise StageError(f"there is nothing in {data.uri}/{name} yet; run `textmill {ALIGNED[name]}`")
    _check(found | {"curated": None, "tokens": None, "blocks": None})
    return {name: dataset for name, dataset in found.items() if dataset}


def side_by_side(*streams: tuple[StoredDataset, Sequence[str]]) -> Iterator[tuple[pa.RecordBatch, ...]]:
    """The same rows of aligned datasets, of each the columns named beside it."""
    for parts in zip(*(dataset.manifest.parts for dataset, _ in streams), strict=True):
        yield from aligned([read_batches(dataset.folder, part, columns)
                            for (dataset, columns), part in zip(streams, parts, strict=True)])


def _open(folder: Folder) -> StoredDataset | None:
    manifest = Manifest.read(folder)
    if manifest is None:
        return None
    return StoredDataset(folder, manifest, read_counts(folder))


def _check(found: dict[str, StoredDataset | None]) -> None:
    documents = found["documents"]
    rows = documents and [(part.key, part.rows) for part in documents.manifest.parts]
    for name, stage in ALIGNED.items():
        dataset = found[name]
        if dataset and [(part.key, part.rows) for part in dataset.manifest.parts] != rows:
            raise StageError(f"{dataset.folder.uri} was made from other documents than lie there now; run `textmill {stage}`")
    for name, source, of, stage in (("curated", "documents", "kept", "curate"), ("tokens", "curated", "pieces", "tokenize"),
                                    ("blocks", "tokens", "kept", "pack")):
        dataset, before = found[name], found[source]
        if dataset and before and dataset.counts["read"] != before.counts[of]:
            raise StageError(f"{dataset.folder.uri} was made from other {source} than lie there now; run `textmill {stage}`")
