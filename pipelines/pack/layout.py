"""Layout of packed blocks, planned from ids and counts alone; `fill` then writes any range of blocks.

A document is its pieces in order, with end-of-text before the first and after the last. `packers` lays documents into blocks;
nothing is lost, and `start` of a span says where a document that was cut goes on.

An entry takes documents in the order of a pass until it has its budget, share × tokens; what comes after them is left out. So
what is taken does not depend on how it lies in blocks: long documents are no more likely than short ones. What comes when:
`order`.

Nothing here depends on the parts, their order, the number of workers, or on what lies in memory and what in files: documents go
through in buckets of their hashes, their spans to files, and only of blocks is there an array in memory.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from textmill.pipelines.pack.documents import ROW, Documents, Index
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.pack.order import interleaved, keys, shuffled
from textmill.pipelines.pack.packers import PACKERS, Items
from textmill.pipelines.pack.planned import BEGINS, CUT, REPEATED, SPAN, Packed, SplitLayout
from textmill.pipelines.pack.requirements import phases, share_of
from textmill.pipelines.pack.shares import Counted
from textmill.pipelines.pack.spill import Buckets, Sequence, by_hash

CHUNK = 1 << 16     # documents laid at once


class Split(NamedTuple):
    """A split to lay out: whether it is the held-out one, which has no schedule, and tokens and passes of each entry."""

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

    def numbers(self) -> np.ndarray:
        """The number of each block."""
        return np.concatenate([np.zeros(0, np.int64), *self.blocks])

    def in_blocks(self) -> np.ndarray:
        """The tokens of each block."""
        return np.concatenate([np.zeros(0, np.int64), *self.sizes])


def train_and_validation(mixture: Mixture) -> tuple[Split, Split]:
    """The two splits of a recipe.

    Validation is packed once over, up to `validation` × `tokens` in the same shares but at least a block's tokens
    of every entry that has as many held out.
    """
    names = list(mixture.entries)

    def budgets(tokens: float, least: int) -> list[int]:
        return [max(least, round(share_of(mixture, name) * tokens)) for name in names]

    return (Split(False, budgets(mixture.tokens, 1), [entry.repeat for entry in mixture.entries.values()]),
            Split(True, budgets(mixture.validation * mixture.tokens, mixture.block), [1] * len(names)))


def lay(rows: list[Buckets], mixture: Mixture, counted: list[Counted], split: Split, folder: Path | None) -> SplitLayout:
    """The blocks of a split, from the ROW rows of each entry by their keys. MixtureError where a document is not all there."""
    spans = Sequence(SPAN, folder)
    laid, opened = [], 0
    for number, entry in enumerate(mixture.entries.values()):
        weighted = bool(entry.repeat_by_cluster_size) and not split.held
        one, opened = _lay_entry(rows[number], weighted, counted[number], mixture, split, number, opened, spans)
        laid.append(one)
        rows[number].delete()
    parts = [[(1.0, share_of(mixture, name))] if split.held else phases(mixture, name) for name in mixture.entries]
    owner, own_place, phase = interleaved([one.in_blocks() for one in laid], parts, mixture.tokens)
    place = np.full(opened, -1)
    for number, one in enumerate(laid):
        (mine,) = np.nonzero(owner == number)
        place[one.numbers()[own_place[mine]]] = mine
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
        packer, start, left = PACKERS[mixture.fill](mixture.block), spans.rows, budget - tokens
        for documents in _pass(rows, turn, weighted, expected):
            for at in range(0, len(documents), CHUNK):
                lengths = _up_to(documents.length[at : at + CHUNK], left, mixture.block)
                items = packer.add(lengths, documents.whole[at : at + len(lengths)])
                items = items._replace(document=items.document + at, block=items.block + opened)
                spans.append(_spans(documents, items, weighted))
                left -= int(lengths.sum())
                if left <= 0:
                    break
            if left <= 0:
                break
        packer.finish()
        _count(laid, spans.read(start), turn)
        closed, sizes = np.concatenate(packer.closed) + opened, np.concatenate(packer.sizes)
        order = shuffled(len(closed), mixture.seed, turn)
        laid.blocks.append(closed[order])
        laid.sizes.append(sizes[order])
        tokens += packer.tokens
        opened += packer.opened
    return laid, opened


def _up_to(lengths: np.ndarray, tokens: int, block: int) -> np.ndarray:
    """The lengths of documents in order until so many tokens are there; of a last one longer than a block, whole blocks."""
    ends = np.cumsum(lengths)
    last = int(np.searchsorted(ends, tokens))
    taken = lengths[: last + 1].copy()
    if last < len(lengths):
        needed = tokens - int(ends[last] - lengths[last])
        taken[last] = min(taken[last], -(-needed // block) * block)
    return taken


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


def _count(laid: Laid, used: Iterator[np.ndarray], turn: int) -> None:
    """Add what the used blocks of a pass hold, from their spans."""
    laid.passes += 1
    more_than_once = [np.zeros(0, SPAN)]
    for spans in used:
        laid.cut += int(np.count_nonzero(spans["mark"] & CUT))
        if turn == 0:       # a later pass begins only where this one took everything
            once = (spans["mark"] & REPEATED) == 0
            laid.documents += int(np.count_nonzero(spans["mark"][once] & BEGINS))
            laid.packed += int((spans["end"] - spans["start"])[once].sum(dtype=np.int64))
            more_than_once.append(spans[~once])
    repeated = np.concatenate(more_than_once)
    laid.documents += len(np.unique(repeated[(repeated["mark"] & BEGINS) > 0][["high", "low"]]))
    laid.packed += _union(repeated)


def _union(spans: np.ndarray) -> int:
    """How many different tokens these spans hold."""
    spans = spans[np.lexsort((spans["offset"], spans["row"], spans["part"]))]
    another = (spans["part"][1:] != spans["part"][:-1]) | (spans["row"][1:] != spans["row"][:-1])
    row = np.cumsum(np.append(0, another)[:len(spans)])
    start = (row << 32) + spans["offset"]
    end = start + spans["end"] - spans["start"]
    reached = np.append(0, np.maximum.accumulate(end)[:-1])[:len(spans)]
    return int(np.maximum(0, end - np.maximum(start, reached)).sum())


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
    spans["block"], spans["start"], spans["end"] = items.block[item], since + shift, until + shift
    spans["offset"] = since - documents.offset[piece]
    for name in ("piece", "part", "row", "high", "low"):
        spans[name] = documents.rows[name][piece]
    spans["count"] = documents.rows["token_count"][piece]
    begins = since == documents.offset[documents.first[items.document[item]]]
    cut = items.length < documents.length[items.document]
    repeated = documents.weight[items.document] > 1 if weighted else np.zeros(len(cut), bool)
    spans["mark"] = begins * (BEGINS + CUT * cut[item]) + REPEATED * repeated[item]
    return spans


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
