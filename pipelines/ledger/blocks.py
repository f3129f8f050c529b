"""Spans of packed blocks: which documents lie where in which block, by recipe.

Only the spans are read; a local file is memory-mapped, so its tokens are not.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.blocks_format import SPLITS
from textmill.pipelines.contract.parts import MANIFEST, Manifest, Part
from textmill.pipelines.contract.storage import Folder, StageError, open_filesystem


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
    tail = f"/{MANIFEST}"
    return sorted(entry.path.removeprefix(f"{name}/").removesuffix(tail) for entry in data.entries(name)
                  if entry.path.endswith(tail) and entry.path.count("/") == 2)


def shards(dataset: Folder) -> Iterator[StoredShard]:
    """Every file of blocks of one recipe, in training order."""
    manifest = Manifest.read(dataset)
    for split in SPLITS:
        first = 0
        for part in (part for part in (manifest.parts if manifest else ()) if part.path.startswith(f"{split}/")):
            yield StoredShard(split, first, part, read_stream(dataset, part))
            first += part.rows


def read_stream(dataset: Folder, part: Part) -> pa.Table:
    """A file of blocks; memory-mapped where it is local. StageError where it is damaged or gone."""
    try:
        if dataset.is_local:
            return pa.ipc.open_stream(pa.memory_map(f"{open_filesystem(dataset.uri)[1]}/{part.path}")).read_all()
        with dataset.open(part.path) as file:
            return pa.ipc.open_stream(file).read_all()
    except (OSError, pa.ArrowException) as error:
        raise StageError(f"{dataset.uri}/{part.path} cannot be read ({' '.join(str(error).split())}); delete it and run "
                         "`textmill pack` again") from None


def spans_of(data: Folder, ids: Iterable[str]) -> list[Span]:
    """Every span of these documents in all blocks, by recipe, then in training order."""
    wanted = pa.array(sorted(set(ids)), pa.string())
    return [Span(mixture, shard.split, shard.first + row, *values)
            for mixture in datasets_under(data, "blocks") for shard in shards(data / f"blocks/{mixture}")
            for row, values in _spans(shard, wanted)]


def spans_in(data: Folder, mixture: str, split: str, block: int) -> tuple[str, list[Span]]:
    """The entry of the recipe that a block belongs to, and its spans in order. StageError where there is no such block."""
    dataset, count = data / f"blocks/{mixture}", 0
    if Manifest.read(dataset) is None:
        there = ", ".join(datasets_under(data, "blocks")) or "none"
        raise StageError(f"there are no blocks of the recipe {mixture} in {data.uri}/blocks (there: {there}); "
                         "run `textmill pack`")
    for shard in (shard for shard in shards(dataset) if shard.split == split):
        if shard.first <= block < shard.first + shard.part.rows:
            row = shard.rows.slice(block - shard.first, 1)
            spans = [Span(mixture, split, block, *values) for _, values in _spans(shard._replace(rows=row), None)]
            return row["entry"][0].as_py(), spans
        count += shard.part.rows
    raise StageError(f"blocks/{mixture} has {count:,} blocks of {split}, so there is no block {block:,}; "
                     f"give 0 to {count - 1:,}")


def _spans(shard: StoredShard, wanted: pa.Array | None) -> Iterator[tuple[int, tuple[str, int, int, int, int]]]:
    """(row of the shard, (id, piece, from, to, start)) of its spans, or of those of the wanted ids."""
    lists = shard.rows["spans"].combine_chunks()
    rows, spans = pc.list_parent_indices(lists), lists.flatten()
    if wanted is not None:
        chosen = pc.indices_nonzero(pc.is_in(spans.field("id"), value_set=wanted))
        rows, spans = rows.take(chosen), spans.take(chosen)
    for row, span in zip(rows.to_pylist(), spans.to_pylist(), strict=True):
        yield row, (span["id"], span["piece"], span["from"], span["to"], span["start"])
