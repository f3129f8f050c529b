"""Layout of packed blocks, planned from ids and counts alone; `fill` then writes any range of blocks.

A document is its pieces in order, with end-of-text before the first and after the last. `packers` lays documents into blocks;
nothing is lost, and `start` of a span says where a document that was cut goes on.

Order: the documents of a pass by a hash of (pass, id), so that blocks hold the same with any seed; the blocks of a pass by a
hash of (seed, pass, block), else a novel would be fifty blocks in a row. An entry stops at its budget, share × tokens; what
its last pass had not closed by then is left out. Entries are interleaved over the whole run: a block comes when its entry,
going at an even pace, would be in the middle of it, so that every prefix has the recipe's shares to within a block or so. In
a recipe with a schedule the pace of an entry is another in each phase.

Nothing here depends on the parts, their order or the number of workers.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from textmill.pipelines.pack.documents import Documents, id_bytes
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.pack.packers import PACKERS, Items
from textmill.pipelines.pack.requirements import phases, share_of
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
    """Blocks in training order (rows of PLANNED), and what each entry, in the recipe's order, gave to them."""

    blocks: pa.Table
    packed: tuple[Packed, ...]


class Split(NamedTuple):
    """A split to lay out: tokens and passes of each entry, and whether the schedule holds."""

    budgets: list[int]
    repeats: list[int]
    weighted: bool
    scheduled: bool


@dataclass
class Laid:
    """Blocks of one entry in its own order: number as opened, tokens. `spans` lists those of all blocks opened."""

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

    return (Split(budgets(mixture.tokens), [entry.repeat for entry in mixture.entries.values()], True, True),
            Split(budgets(mixture.validation * mixture.tokens), [1] * len(names), False, False))


def lay(rows: list[np.ndarray], mixture: Mixture, split: Split) -> SplitLayout:
    """The blocks of a split, from the rows of each entry. MixtureError where a document's pieces are not all there."""
    spans: list[np.ndarray] = []
    laid, opened, available = [], 0, []
    for number, mine in enumerate(rows):
        documents = Documents(mine)
        available.append(int(documents.offset[-1]))
        one, opened = _lay_entry(documents, mixture, split, number, opened, spans)
        laid.append(one)
    order, owner, phase = _in_order(laid, mixture, split.scheduled)
    place = np.full(opened, -1)
    place[order] = np.arange(len(order))
    names = list(mixture.entries)
    packed = tuple(_packed(name, one, mixture, split, number, available[number], np.bincount(phase[owner == number]))
                   for number, (name, one) in enumerate(zip(names, laid, strict=True)))
    entry = pa.array(names).take(pa.array(owner))
    return SplitLayout(pa.table([entry, _planned(np.concatenate([np.zeros(0, SPAN), *spans]), place, len(order))],
                                schema=PLANNED), packed)


def _lay_entry(documents: Documents, mixture: Mixture, split: Split, number: int, opened: int,
               spans: list[np.ndarray]) -> tuple[Laid, int]:
    """One entry's blocks, until its budget is in blocks or its passes are over; no block contains two passes."""
    laid, tokens = Laid(), 0
    for turn in range(split.repeats[number]):
        if tokens >= split.budgets[number] or not len(documents):
            break
        packer = PACKERS[mixture.fill](mixture.block)
        order = _pass_order(documents, turn, split.weighted)
        own = []
        for at in range(0, len(order), CHUNK):
            some = order[at : at + CHUNK]
            items = packer.add(documents.length[some], documents.whole[some])
            items = items._replace(document=some[items.document], block=items.block + opened)
            own.append(_spans(documents, items, split.weighted))
            if tokens + packer.tokens >= split.budgets[number]:
                break
        else:
            packer.finish()
        closed, sizes = np.concatenate(packer.closed), np.concatenate(packer.sizes)
        used = min(int(np.searchsorted(np.cumsum(sizes), split.budgets[number] - tokens)) + 1, len(closed))
        _count(laid, np.concatenate(own), closed[:used] + opened, packer.opened, opened, turn)
        shuffled = np.argsort(_mixed(np.arange(used, dtype=np.uint64) ^ _salt(mixture.seed, turn)), kind="stable")
        laid.blocks.append((closed[:used] + opened)[shuffled])
        laid.sizes.append(sizes[:used][shuffled])
        tokens += int(sizes[:used].sum())
        spans += own
        opened += packer.opened
    return laid, opened


def _pass_order(documents: Documents, turn: int, weighted: bool) -> np.ndarray:
    """The documents of a pass in its order, each as often as its weight says, each time at a position of its own."""
    high, low = documents.ids()
    weight = documents.weight if weighted else np.ones_like(documents.weight)
    copies = np.repeat(np.arange(len(weight)), weight)
    again = np.arange(len(copies)) - np.repeat(np.cumsum(weight) - weight, weight)
    keys = _mixed(high[copies] ^ _mixed(low[copies] ^ _mixed((again.astype(np.uint64) << np.uint64(32)) + np.uint64(turn))))
    return copies[np.argsort(keys, kind="stable")]


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: 64 bits in, 64 bits out that look random, the same for equal ones (Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _salt(seed: int, turn: int) -> np.uint64:
    return np.uint64(int.from_bytes(digest(b"order", seed.to_bytes(8) + turn.to_bytes(8))))


def _count(laid: Laid, spans: np.ndarray, used: np.ndarray, opened: int, first: int, turn: int) -> None:
    """Add what the used blocks of a pass hold."""
    is_used = np.zeros(opened, bool)
    is_used[used - first] = True
    spans = spans[is_used[spans["block"] - first]]
    laid.passes += 1
    laid.cut += int(np.count_nonzero(spans["mark"] & CUT))
    if turn == 0:       # a later pass begins only where this one took everything
        begin, repeated = (spans["mark"] & BEGINS) > 0, (spans["mark"] & REPEATED) > 0
        again = spans[begin & repeated]
        laid.documents = int(np.count_nonzero(begin & ~repeated)) + len(np.unique(again[["high", "low"]]))
        laid.packed = int((spans["to"] - spans["from"])[~repeated].sum(dtype=np.int64)) + _union(spans[repeated])


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


def _planned(spans: np.ndarray, place: np.ndarray, blocks: int) -> pa.ListArray:
    """The spans of blocks that have a place, as the lists of PLANNED."""
    spans = spans[place[spans["block"]] >= 0]
    where = place[spans["block"]]
    spans = spans[np.lexsort((spans["from"], where))]
    ids = pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(16), len(spans), [None, pa.py_buffer(id_bytes(spans["high"], spans["low"]).tobytes())])
    columns = [pa.array(np.ascontiguousarray(spans[field.name])) for field in list(_PLANNED)[1:]]
    offsets = np.append(0, np.cumsum(np.bincount(where, minlength=blocks)))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.StructArray.from_arrays(
        [ids, *columns], fields=list(_PLANNED)))


def _packed(name: str, laid: Laid, mixture: Mixture, split: Split, number: int, available: int, phase: np.ndarray) -> Packed:
    blocks, tokens = sum(map(len, laid.blocks)), int(sum(sizes.sum() for sizes in laid.sizes))
    phase = np.pad(phase, (0, max(1, len(mixture.schedule)) - len(phase))) if split.scheduled else np.array([blocks])
    return Packed(name, blocks, laid.documents, tokens, blocks * mixture.block - tokens, laid.passes, laid.cut,
                  split.budgets[number], split.repeats[number], available, available - laid.packed, tuple(phase.tolist()))


def by_entry(rows: np.ndarray, owner: np.ndarray, entries: int) -> Iterator[np.ndarray]:
    """The rows of each entry; `owner` is the entry of each group."""
    mine = owner[rows["group"]] if len(rows) else np.zeros(0, np.int64)
    for number in range(entries):
        yield rows[mine == number]
