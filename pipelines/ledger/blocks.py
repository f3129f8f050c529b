"""Spans of packed blocks: which documents lie where in which block, by recipe.

A file is compared with its sha256 before anything in it is believed.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.blocks_format import SPLITS
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import read_stream
from textmill.pipelines.contract.parts import Manifest, Part
from textmill.pipelines.contract.storage import LEDGER, MANIFEST, Folder


class Span(NamedTuple):
    """A stretch of a block: [from, to) in tokens of the block, `start` tokens into what the piece packs."""

    mixture: str
    split: str          # train | validation
    block: int          # in training order
    id: str
    piece: int
    first: int
    last: int
    start: int


class StoredShard(NamedTuple):
    """A file of blocks: the number of its first block in its split, and its rows."""

    split: str
    first: int
    part: Part
    rows: pa.Table


def datasets_under(data: Folder, name: str) -> list[str]:
    """The datasets in a folder of them (blocks, tokens, tokenizers), sorted: those that have a manifest."""
    names = {entry.path.removeprefix(f"{place}/").split("/")[0]
             for place in (name, f"{LEDGER}/{name}") for entry in data.entries(place)}
    return sorted(one for one in names if (data / name / one).exists(MANIFEST))


def shards(dataset: Folder) -> Iterator[StoredShard]:
    """Every file of blocks of one recipe, in training order."""
    manifest = Manifest.read(dataset)
    for split in SPLITS:
        for first, part in _numbered(manifest, split):
            yield StoredShard(split, first, part, read_stream(dataset, part))


def _numbered(manifest: Manifest | None, split: str) -> Iterator[tuple[int, Part]]:
    """(number of its first block, part) of each file of a split, in training order."""
    first = 0
    for part in manifest.parts if manifest else ():
        if part.path.startswith(f"{split}/"):
            yield first, part
            first += part.rows


def spans_of(data: Folder, ids: Iterable[str]) -> list[Span]:
    """Every span of these documents in all blocks, by recipe, then in training order."""
    wanted = pa.array(sorted(set(ids)), pa.string())
    return [Span(mixture, shard.split, shard.first + row, *values)
            for mixture in datasets_under(data, "blocks") for shard in shards(data / f"blocks/{mixture}")
            for row, values in _spans(shard.rows, wanted)]


def spans_in(data: Folder, mixture: str, split: str, block: int) -> tuple[str, list[Span]]:
    """The entry of the recipe that a block belongs to, and its spans in order. StageError where there is no such block."""
    row = stored_block(data, mixture, split, block)
    return row["entry"][0].as_py(), spans_of_block(row, mixture, split, block)


def spans_of_block(row: pa.Table, mixture: str, split: str, block: int) -> list[Span]:
    """The spans of a stored block, in order."""
    return [Span(mixture, split, block, *values) for _, values in _spans(row, None)]


def stored_block(data: Folder, mixture: str, split: str, block: int) -> pa.Table:
    """A block as it is stored, a table of one row. StageError where there is none of this number."""
    dataset, count = data / f"blocks/{mixture}", 0
    manifest = Manifest.read(dataset)
    if manifest is None:
        there = ", ".join(datasets_under(data, "blocks")) or "none"
        raise StageError(f"there are no blocks of the recipe {mixture} in {data.uri}/blocks (there: {there}); "
                         "run `textmill pack`")
    for first, part in _numbered(manifest, split):
        if first <= block < first + part.rows:
            return read_stream(dataset, part).slice(block - first, 1)
        count += part.rows
    raise StageError(f"blocks/{mixture} has {count:,} blocks of {split}, so there is no block {block:,}; "
                     f"give 0 to {count - 1:,}")


def _spans(blocks: pa.Table, wanted: pa.Array | None) -> Iterator[tuple[int, tuple[str, int, int, int, int]]]:
    """(row of the table, (id, piece, from, to, start)) of its spans, or of those of the wanted ids."""
    lists = blocks["spans"].combine_chunks()
    rows, spans = pc.list_parent_indices(lists), lists.flatten()
    if wanted is not None:
        chosen = pc.indices_nonzero(pc.is_in(spans.field("id"), value_set=wanted))
        rows, spans = rows.take(chosen), spans.take(chosen)
    for row, span in zip(rows.to_pylist(), spans.to_pylist(), strict=True):
        yield row, (span["id"], span["piece"], span["start"], span["end"], span["offset"])
