"""Layout of packed blocks, planned from ids and counts alone; `fill` then writes any range of blocks.

A document is its pieces in order, with end-of-text before the first and after the last. `packers` lays documents into blocks;
nothing is lost, and `start` of a span says where a document that was cut goes on.

Order: the documents of a pass by a hash of (pass, id), so that blocks hold the same with any seed; the blocks of a pass by a
hash of (seed, pass, block), else a novel would be fifty blocks in a row. An entry stops at its budget, share × tokens; what
its last pass had not closed by then is left out. Entries are interleaved over the whole run: a block comes when its entry,
going at an even pace, would be in the middle of it, so that every prefix has the recipe's shares to within a block or so. In
a recipe with a schedule the pace of an entry is another in each phase.

Nothing here depends on the parts, their order, the number of workers, or on what lies in memory and what in files: documents go
through in buckets of their hashes, their spans to files, and only of blocks is there an array in memory.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from textmill.pipelines.pack.documents import ROW, Documents, Index, id_bytes
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.pack.packers import PACKERS, Items
from textmill.pipelines.pack.requirements import phases, share_of
from textmill.pipelines.pack.shares import Counted
from textmill.pipelines.pack.spill import Buckets, Sequence, by_hash
from textmill.pipelines.pack.split import digest

CHUNK = 1 << 16     # documents laid at once

_PLANNED = pa.struct([("id", pa.binary(16)), ("piece", pa.int32()), ("from", pa.int32()), ("to", pa.int32()),
                      ("start", pa.int32()), ("part", pa.int32()), ("row", pa.int32()), ("count", pa.int32())])
PLANNED = pa.schema([("entry", pa.string()), ("spans", pa.list_(_PLANNED))])

# A span before its block has a place; `block` counts all blocks opened, `count` is the tokens that are taken of the row.
SPAN = np.dtype([("block", "<i8"), ("from", "<i4"), ("to", "<i4"), ("start", "<i4"), ("piece", "<i4"), ("part", "<i4"),
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
            order = np.lexsort((spans["from"], place))
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


class Split(NamedTuple):
    """A split to lay out: whether of what is held out, tokens and passes of each entry, and whether the schedule holds."""

    held: bool
    budgets: list[int]
    repeats: list[int]


@dataclass
class Laid:
    """Blocks of one entry in its own order, by the number as opened, with their tokens, and what is in them."""

    blocks: list[np.ndarray] = field(default_factory=list)
    sizes: list[np.ndarray] = field(default_factory=list)
    passes: int = 0
    documents: int = 0
    cut: int = 0
    packed: int = 0         # tokens that are in a block at least once


def train_and_validation(mixture: Mixture) -> tuple[Split, Split]:
    """The two splits of a recipe.

    Validation is packed once over, up to `validation` × `tokens` in the same shares but at least a block of every entry that
    has a document held out.
    """
    names = list(mixture.entries)

    def budgets(tokens: float) -> list[int]:
        return [max(1, round(share_of(mixture, name) * tokens)) for name in names]

    return (Split(False, budgets(mixture.tokens), [entry.repeat for entry in mixture.entries.values()]),
            Split(True, budgets(mixture.validation * mixture.tokens), [1] * len(names)))


def lay(rows: list[Buckets], mixture: Mixture, counted: list[Counted], split: Split, folder: Path | None) -> SplitLayout:
    """The blocks of a split, from the ROW rows of each entry by their keys. MixtureError where a document is not all there."""
    spans = Sequence(SPAN, folder)
    laid, opened = [], 0
    for number, entry in enumerate(mixture.entries.values()):
        weighted = bool(entry.repeat_by_cluster_size) and not split.held
        one, opened = _lay_entry(rows[number], weighted, counted[number], mixture, split, number, opened, spans)
        laid.append(one)
        rows[number].delete()
    order, owner, phase = _in_order(laid, mixture, not split.held)
    place = np.full(opened, -1)
    place[order] = np.arange(len(order))
    packed = tuple(_packed(name, one, mixture, split, number, counted[number], np.bincount(phase[owner == number]))
                   for number, (name, one) in enumerate(zip(mixture.entries, laid, strict=True)))
    return SplitLayout(packed, owner.astype(np.int32), place, spans, folder)


def _lay_entry(rows: Buckets, weighted: bool, counted: Counted, mixture: Mixture, split: Split, number: int, opened: int,
               spans: Sequence) -> tuple[Laid, int]:
    """One entry's blocks, until its budget is in blocks or its passes are over; no block contains two passes."""
    laid, tokens, budget = Laid(), 0, split.budgets[number]
    expected = counted.held_rows if split.held else counted.rows
    for turn in range(split.repeats[number] if expected else 0):
        if tokens >= budget:
            break
        packer, start = PACKERS[mixture.fill](mixture.block), spans.rows
        for documents in _pass(rows, turn, weighted, expected):
            for at in range(0, len(documents), CHUNK):
                if tokens + packer.tokens < budget:
                    items = packer.add(documents.length[at : at + CHUNK], documents.whole[at : at + CHUNK])
                    items = items._replace(document=items.document + at, block=items.block + opened)
                    spans.append(_spans(documents, items, weighted))
            if tokens + packer.tokens >= budget:
                break
        else:
            packer.finish()
        closed, sizes = np.concatenate(packer.closed) + opened, np.concatenate(packer.sizes)
        used = min(int(np.searchsorted(np.cumsum(sizes), budget - tokens)) + 1, len(closed))
        is_used = np.zeros(packer.opened, bool)
        is_used[closed[:used] - opened] = True
        _count(laid, (some[is_used[some["block"] - opened]] for some in spans.read(start)), turn)
        shuffled = np.argsort(_mixed(np.arange(used, dtype=np.uint64) ^ _salt(mixture.seed, turn)), kind="stable")
        laid.blocks.append(closed[:used][shuffled])
        laid.sizes.append(sizes[:used][shuffled])
        tokens += int(sizes[:used].sum())
        opened += packer.opened
    return laid, opened


def _pass(rows: Buckets, turn: int, weighted: bool, expected: int) -> Iterator[Documents]:
    """The documents of a pass in its order, each as often as its weight says, each time at a position of its own."""
    if not turn and not weighted:
        for some in rows:
            yield Documents(some, keys(some))
        return
    in_order = Buckets(ROW, expected, rows.folder)
    for some in rows:
        if weighted:
            weight = some["weight"]
            some = np.repeat(some, weight)
            some["again"] = np.arange(len(some)) - np.repeat(np.cumsum(weight) - weight, weight)
        in_order.add(some, by_hash(keys(some, turn), in_order.count))
    for some in in_order:
        yield Documents(some, keys(some, turn))
    in_order.delete()


def keys(rows: np.ndarray, turn: int = 0) -> np.ndarray:
    """Of ROW rows, where in a pass their document comes: a hash of the pass, the id, and which time it is."""
    which = _mixed((rows["again"].astype(np.uint64) << np.uint64(32)) + np.uint64(turn))
    return _mixed(rows["high"] ^ _mixed(rows["low"] ^ which))


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: 64 bits in, 64 bits out that look random, the same for equal ones (Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _salt(seed: int, turn: int) -> np.uint64:
    return np.uint64(int.from_bytes(digest(b"order", seed.to_bytes(8) + turn.to_bytes(8))))


def _count(laid: Laid, used: Iterator[np.ndarray], turn: int) -> None:
    """Add what the used blocks of a pass hold, from their spans."""
    laid.passes += 1
    more_than_once = [np.zeros(0, SPAN)]
    for spans in used:
        laid.cut += int(np.count_nonzero(spans["mark"] & CUT))
        if turn == 0:       # a later pass begins only where this one took everything
            once = (spans["mark"] & REPEATED) == 0
            laid.documents += int(np.count_nonzero(spans["mark"][once] & BEGINS))
            laid.packed += int((spans["to"] - spans["from"])[once].sum(dtype=np.int64))
            more_than_once.append(spans[~once])
    repeated = np.concatenate(more_than_once)
    laid.documents += len(np.unique(repeated[(repeated["mark"] & BEGINS) > 0][["high", "low"]]))
    laid.packed += _union(repeated)


def _union(spans: np.ndarray) -> int:
    """How many different tokens these spans hold."""
    spans = spans[np.lexsort((spans["start"], spans["row"], spans["part"]))]
    another = (spans["part"][1:] != spans["part"][:-1]) | (spans["row"][1:] != spans["row"][:-1])
    row = np.cumsum(np.append(0, another)[:len(spans)])
    start = (row << 32) + spans["start"]
    end = start + spans["to"] - spans["from"]
    reached = np.append(0, np.maximum.accumulate(end)[:-1])[:len(spans)]
    return int(np.maximum(0, end - np.maximum(start, reached)).sum())


def _in_order(laid: list[Laid], mixture: Mixture, scheduled: bool) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All entries' blocks in training order: number, entry, phase."""
    blocks, owner, due, phase = ([np.zeros(0, np.int64)] for _ in range(4))
    for number, (name, one) in enumerate(zip(mixture.entries, laid, strict=True)):
        sizes = np.concatenate([np.zeros(0, np.int64), *one.sizes])
        parts = phases(mixture, name) if scheduled else [(1.0, share_of(mixture, name))]
        when, which = _due(np.cumsum(sizes) - sizes / 2, parts, mixture.tokens)
        blocks += one.blocks
        owner.append(np.full(len(sizes), number))
        due.append(when)
        phase.append(which)
    order = np.lexsort((np.concatenate(owner), np.concatenate(due), np.concatenate(phase)))
    return tuple(np.concatenate(column)[order] for column in (blocks, owner, phase))  # type: ignore[return-value]


def _due(middles: np.ndarray, parts: list[tuple[float, float]], tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """When in the run, in tokens, an entry has given so many, and in which phase; `parts` are (part, its share) of each."""
    shares = np.array([share for _, share in parts])
    part = np.array([part for part, _ in parts]) * tokens
    begin, given = np.cumsum(part) - part, np.cumsum(part * shares) - part * shares
    own = np.flatnonzero(shares > 0)
    which = own[np.maximum(np.searchsorted(given[own], middles, side="right") - 1, 0)]
    return begin[which] + (middles - given[which]) / shares[which], which


def _spans(documents: Documents, items: Items, weighted: bool) -> np.ndarray:
    """The items, cut where pieces meet."""
    begin = documents.offset[documents.first[items.document]] + items.begin
    end = begin + items.length
    low = np.searchsorted(documents.offset, begin, "right") - 1
    pieces = np.searchsorted(documents.offset, end, "left") - low
    item = np.repeat(np.arange(len(begin)), pieces)
    piece = low[item] + np.arange(len(item)) - np.repeat(np.cumsum(pieces) - pieces, pieces)
    since = np.maximum(begin[item], documents.offset[piece])
    until = np.minimum(end[item], documents.offset[piece + 1])
    some = until > since                                        # a piece without tokens between two others has none
    item, piece, since, until = item[some], piece[some], since[some], until[some]
    spans, shift = np.zeros(len(item), SPAN), items.at[item] - begin[item]
    spans["block"], spans["from"], spans["to"] = items.block[item], since + shift, until + shift
    spans["start"] = since - documents.offset[piece]
    for name in ("piece", "part", "row", "high", "low"):
        spans[name] = documents.rows[name][piece]
    spans["count"] = documents.rows["token_count"][piece]
    begins = since == documents.offset[documents.first[items.document[item]]]
    cut = items.length < documents.length[items.document]
    repeated = documents.weight[items.document] > 1 if weighted else np.zeros(len(cut), bool)
    spans["mark"] = begins * (BEGINS + CUT * cut[item]) + REPEATED * repeated[item]
    return spans


def _planned(spans: np.ndarray, block: np.ndarray, blocks: int) -> pa.ListArray:
    """The spans of so many blocks, sorted, as the lists of PLANNED; `block` is the number of each one's block."""
    ids = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(spans), [None, pa.py_buffer(id_bytes(spans["high"], spans["low"]).tobytes())])
    columns = [pa.array(np.ascontiguousarray(spans[field.name])) for field in list(_PLANNED)[1:]]
    offsets = np.append(0, np.cumsum(np.bincount(block, minlength=blocks)))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.StructArray.from_arrays(
        [ids, *columns], fields=list(_PLANNED)))


def _packed(name: str, laid: Laid, mixture: Mixture, split: Split, number: int, counted: Counted, phase: np.ndarray) -> Packed:
    blocks, tokens = sum(map(len, laid.blocks)), int(sum(sizes.sum() for sizes in laid.sizes))
    phase = np.array([blocks]) if split.held else np.pad(phase, (0, max(1, len(mixture.schedule)) - len(phase)))
    available = counted.held_tokens if split.held else counted.tokens
    return Packed(name, blocks, laid.documents, tokens, blocks * mixture.block - tokens, laid.passes, laid.cut,
                  split.budgets[number], split.repeats[number], available, available - laid.packed, tuple(phase.tolist()))


def divided(index: Index, owner: np.ndarray, counted: list[Counted]) -> tuple[list[Buckets], list[Buckets]]:
    """The rows of each entry by their keys, those to train on and those held out; `owner` is the entry of each group."""
    folder = index.spills()
    sides = ([Buckets(ROW, one.rows, folder) for one in counted], [Buckets(ROW, one.held_rows, folder) for one in counted])
    for rows in index.rows.read():
        number = owner[rows["group"]] * 2 + rows["held"]
        key, order = keys(rows), np.argsort(number, kind="stable")
        ends = np.cumsum(np.bincount(number, minlength=2 * len(counted))).tolist()
        for each, (start, end) in enumerate(itertools.pairwise([0, *ends])):
            if end > start:
                buckets, some = sides[each % 2][each // 2], order[start:end]
                buckets.add(rows[some], by_hash(key[some], buckets.count))
    return sides
