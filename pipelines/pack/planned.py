"""Planned blocks: every span of a split with the place of its block, and what each entry gave; handed out a shard at a time."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from textmill.pipelines.pack.documents import id_bytes
from textmill.pipelines.pack.spill import Buckets, Sequence

_PLANNED = pa.struct([("id", pa.binary(16)), ("piece", pa.int32()), ("start", pa.int32()), ("end", pa.int32()),
                      ("offset", pa.int32()), ("part", pa.int32()), ("row", pa.int32()), ("count", pa.int32())])
PLANNED = pa.schema([("entry", pa.string()), ("spans", pa.list_(_PLANNED))])

# A span before its block has a place; `block` counts all blocks opened, `count` is the tokens that are taken of the row.
SPAN = np.dtype([("block", "<i8"), ("start", "<i4"), ("end", "<i4"), ("offset", "<i4"), ("piece", "<i4"), ("part", "<i4"),
                 ("row", "<i4"), ("count", "<i4"), ("high", "<u8"), ("low", "<u8"), ("mark", "u1")])
BEGINS, CUT, REPEATED = 1, 2, 4     # marks: a document begins here, and is cut where this ends; a pass takes it more than once


@dataclass(frozen=True)
class Packed:
    """Packing counts of one entry.

    `documents` different ones, `tokens` in spans (end-of-text included), `empty` positions outside them, `passes` begun, `cut`
    documents that go on in another block, times packed. `wanted` tokens were asked for, in `repeat` passes at most;
    `available` are there and `left_out` of these in no block. `phases` is the blocks of each phase."""

    entry: str
    blocks: int
    documents: int
    tokens: int
    empty: int
    passes: int
    cut: int
    wanted: int
    repeat: int
    available: int
    left_out: int
    phases: tuple[int, ...]


@dataclass(frozen=True)
class SplitLayout:
    """Blocks in training order, and what each entry, in the recipe's order, gave to them.

    `owner` is the entry of each block; `place` is, of every block opened, where in the order it is, or -1; `spans` are SPAN
    rows of all blocks opened."""

    packed: tuple[Packed, ...]
    owner: np.ndarray
    place: np.ndarray
    spans: Sequence
    folder: Path | None

    @cached_property
    def blocks(self) -> pa.Table:
        """All blocks as rows of PLANNED, for a layout that fits memory."""
        return pa.concat_tables(self.shards(max(1, len(self.owner))))

    def shards(self, blocks: int) -> Iterator[pa.Table]:
        """The rows of PLANNED, so many blocks at a time; one empty table where there are none."""
        count = max(1, -(-len(self.owner) // blocks))
        ranges = Buckets(SPAN, self.spans.rows, self.folder)        # each of whole shards
        for spans in self.used():
            ranges.add(spans, self.place[spans["block"]] // blocks * ranges.count // count)
        names = pa.array([packed.entry for packed in self.packed])
        for number, spans in enumerate(ranges):
            place = self.place[spans["block"]]
            order = np.lexsort((spans["start"], place))
            spans, place = spans[order], place[order]
            for shard in range(-(-number * count // ranges.count), -(-(number + 1) * count // ranges.count)):
                start, end = shard * blocks, min((shard + 1) * blocks, len(self.owner))
                mine = slice(*np.searchsorted(place, [start, end]))
                lists = _planned(spans[mine], place[mine] - start, end - start)
                yield pa.table([names.take(pa.array(self.owner[start:end])), lists], schema=PLANNED)
        ranges.delete()

    def used(self) -> Iterator[np.ndarray]:
        """The spans of blocks that have a place, some at a time."""
        for spans in self.spans.read():
            yield spans[self.place[spans["block"]] >= 0]


def _planned(spans: np.ndarray, block: np.ndarray, blocks: int) -> pa.ListArray:
    """The spans of so many blocks, sorted, as the lists of PLANNED; `block` is the number of each one's block."""
    ids = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(spans), [None, pa.py_buffer(id_bytes(spans["high"], spans["low"]).tobytes())])
    columns = [pa.array(np.ascontiguousarray(spans[field.name])) for field in list(_PLANNED)[1:]]
    offsets = np.append(0, np.cumsum(np.bincount(block, minlength=blocks)))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.StructArray.from_arrays(
        [ids, *columns], fields=list(_PLANNED)))
