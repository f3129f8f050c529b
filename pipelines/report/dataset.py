"""Reading of a data folder's datasets for the report: complete, of one run, one row group of named columns at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import pyarrow as pa

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import aligned, opened, read_batches, read_group
from textmill.pipelines.contract.parts import Counts, Manifest, read_counts
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.pack.mixture import Mixture

ALIGNED = {"documents": "extract", "signals": "measure", "verdicts": "screen", "duplicates": "dedup"}


class Place(NamedTuple):
    """Where a row lies in a dataset: number of the part, of the row group in it, of the row in that."""

    part: int
    group: int
    row: int


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

    def placed(self, columns: Sequence[str]) -> Iterator[tuple[int, int, pa.RecordBatch]]:
        """(part, row group, its rows), only these columns."""
        for number, part in enumerate(self.manifest.parts):
            with opened(self.folder, part) as file:
                for group in range(file.num_row_groups):
                    for batch in read_group(file, group, columns):
                        yield number, group, batch

    def rows_at(self, places: Sequence[Place], columns: Sequence[str]) -> dict[Place, dict[str, Any]]:
        """The rows at these places, only these columns: each row group is read once, and no other."""
        rows: dict[Place, dict[str, Any]] = {}
        for number in sorted({place.part for place in places}):
            with opened(self.folder, self.manifest.parts[number]) as file:
                for group in sorted({place.group for place in places if place.part == number}):
                    here = sorted({place for place in places if (place.part, place.group) == (number, group)})
                    for batch in read_group(file, group, columns):
                        found = batch.take(pa.array([place.row for place in here], pa.int64())).to_pylist()
                        rows |= dict(zip(here, found, strict=True))
        return rows


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


def placed_side_by_side(first: tuple[StoredDataset, Sequence[str]], *others: tuple[StoredDataset, Sequence[str]]) -> Iterator[
        tuple[int, int, tuple[pa.RecordBatch, ...]]]:
    """`side_by_side`, each with the part and the row group of the first dataset that its rows lie in."""
    places: list[tuple[int, int]] = []

    def kept_place() -> Iterator[pa.RecordBatch]:
        for part, group, batch in first[0].placed(first[1]):
            places.append((part, group))
            yield batch

    streams = [dataset.batches(columns) for dataset, columns in others]
    for batches in aligned([kept_place(), *streams]):
        yield *places.pop(0), batches


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
