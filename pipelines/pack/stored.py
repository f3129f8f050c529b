"""Token rows with whatever a recipe asks for of their documents, from the datasets that store it.

`documents`, `signals`, `verdicts` and `duplicates` are aligned; token rows are the pieces of some of their documents, under
the same part keys, so that a join is within a part. Only the columns that are asked for are read, and no dataset besides.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import opened, read_batches, read_group
from textmill.pipelines.contract.parts import Part
from textmill.pipelines.contract.stage import RunContext, Stage, manifest_of
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.measure.stage import MEASURE
from textmill.pipelines.pack.columns import COLUMNS, DOCUMENTS, DUPLICATES, SIGNALS, SUMMED, TOKENS, VERDICTS
from textmill.pipelines.pack.documents import Index
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.pack.split import Kinship, clusters_of, containments
from textmill.pipelines.screen.stage import SCREEN

ALIGNED: dict[str, Stage] = {DOCUMENTS: EXTRACT, SIGNALS: MEASURE, VERDICTS: SCREEN, DUPLICATES: DEDUP}
# Of token rows, always.
INDEXED = ("id", "piece", "pieces", "source", "language", "token_count", "cluster_size", "pair", "preferred")
PRESENT = ("source", "language")        # whose values a message lists


class Source(NamedTuple):
    """An aligned dataset that is asked: its folder, its parts in order, and the columns."""

    dataset: Folder
    parts: tuple[Part, ...]
    columns: tuple[str, ...]


def sources(columns: set[str], validation: float, context: RunContext) -> dict[str, Source]:
    """The aligned datasets that hold these columns, and for a validation split what says which documents are alike.

    StageError where one has not been made."""
    asked: dict[str, list[str]] = {DUPLICATES: ["cluster"]} if validation else {}
    for name in COLUMNS:
        if name in columns and COLUMNS[name].dataset != TOKENS:
            asked.setdefault(COLUMNS[name].dataset, []).append(name)
    return {name: Source(context.data / ALIGNED[name].dataset(context.config), manifest_of(ALIGNED[name], context).parts,
                         tuple(asked[name])) for name in sorted(asked)}


def kinship(duplicates: Source | None) -> Kinship:
    """Which documents go together into the validation split; none where there is no such split."""
    if duplicates is None:
        return Kinship()

    def read(columns: list[str]) -> Iterator[pa.RecordBatch]:
        for part in duplicates.parts:
            yield from read_batches(duplicates.dataset, part, columns)

    inside = containments(read(["id", "cluster", "contained_in"]))
    return Kinship([*inside, *clusters_of(read(["id", "cluster"]), {container for _, container in inside})])


def indexed(mixture: Mixture, tokens: Folder, parts: tuple[Part, ...],
            asked: dict[str, Source], spill: Path | None = None) -> tuple[Index, dict[str, set[str]]]:
    """The index of a recipe's documents, and the values that there are of PRESENT."""
    present: dict[str, set[str]] = {column: set() for column in PRESENT}
    index, kin = Index(mixture, spill), kinship(asked.get(DUPLICATES) if mixture.validation else None)
    for number, part in enumerate(parts):
        rows = token_rows(tokens, part, mixture.columns(), asked)
        index.add(rows, number, kin)
        for column, values in present.items():
            values.update(rows[column].unique().drop_null().to_pylist())
    return index, present


def token_rows(tokens: Folder, part: Part, columns: set[str], asked: dict[str, Source]) -> pa.RecordBatch:
    """All rows of a token part with INDEXED, `turns` (how many), `dialogue` (the turns) and these columns.

    StageError where a document is not in an aligned dataset."""
    summed = {name: stored for name, stored in SUMMED.items() if name in columns}
    rows = _whole(tokens, part, list(dict.fromkeys([*INDEXED, "turns", *summed.values()])))
    ids = rows["id"]
    joined = {name: rows[name] for name in INDEXED}
    joined |= {"dialogue": rows["turns"], "turns": pc.list_value_length(rows["turns"])}
    if summed:
        document = ids.dictionary_encode().indices.to_numpy()
        joined |= {name: pa.array(np.bincount(document, rows[stored].to_numpy()).astype(np.int64)[document])
                   for name, stored in summed.items()}
    for dataset, source in asked.items():
        aligned = _aligned(dataset, source, part)
        place = pc.index_in(ids, value_set=aligned["id"])
        if place.null_count:
            lost = ids[pc.index(pc.is_null(place), True).as_py()].as_py()
            raise StageError(f"document {lost} of {tokens.uri} is not in {source.dataset.uri}; run "
                             f"`textmill {ALIGNED[dataset].name}` and then `textmill tokenize`")
        joined |= {name: aligned[name].take(place) for name in source.columns}
    return pa.RecordBatch.from_pydict(joined)


def _aligned(dataset: str, source: Source, part: Part) -> pa.RecordBatch:
    of_key = [one for one in source.parts if one.key == part.key]
    if not of_key:
        raise StageError(f"{source.dataset.uri} has no part {part.key}, which the tokens have; run `textmill "
                         f"{ALIGNED[dataset].name}` and then `textmill tokenize`")
    return _whole(source.dataset, of_key[0], ["id", *source.columns])


def _whole(dataset: Folder, part: Part, columns: Sequence[str]) -> pa.RecordBatch:
    """These columns of a part as one batch: row numbers count from its start."""
    with opened(dataset, part) as file:
        batches = [batch for group in range(file.num_row_groups) for batch in read_group(file, group, columns)]
        table = pa.Table.from_batches(batches) if batches else file.schema_arrow.empty_table().select(columns)
    return pa.RecordBatch.from_arrays([pa.concat_arrays(column.chunks) if column.num_chunks else pa.array([], column.type)
                                       for column in table.columns], table.schema.names)
