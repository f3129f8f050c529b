"""Stretches of packed blocks: the spans of a record batch as arrays, checked once, so that no block is walked in Python.

A stretch is what attends to itself: a span, or several that touch and are pieces of one document in order.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.blocks_format import LEARN
from textmill.model import ModelError


class Ranges(NamedTuple):
    """Ranges [start, end) of positions counted through all blocks; those of block n are `bounds[n]` to `bounds[n + 1]`."""

    bounds: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


class OpenBatch(NamedTuple):
    """A record batch of blocks: tokens (a view of the mapped file), the entry of each, its stretches, and what is learned."""

    tokens: np.ndarray
    entries: np.ndarray
    stretches: Ranges
    learned: Ranges | None


def open_batch(batch: pa.RecordBatch, length: int, has_learn: bool, folder: Path, number: int) -> OpenBatch:
    """The arrays of a record batch whose first block is `number` in its split. ModelError where spans cannot be."""
    lists = batch.column("spans")
    spans, counts = lists.flatten(), lists.value_lengths().to_numpy().astype(np.int64)
    first, last = (spans.field(name).to_numpy().astype(np.int64) for name in ("start", "end"))
    block = np.repeat(np.arange(len(counts)), counts)
    same = block[1:] == block[:-1]
    wrong = (first >= last) | (first < 0) | (last > length)
    wrong[1:] |= same & (first[1:] < last[:-1])
    _refuse(wrong, block, folder, number, "the spans of block {} overlap or leave it; pack the mixture again")
    learned = _learned(spans.field(LEARN), first, last, block, length, len(counts), folder, number) if has_learn else None
    new = np.ones(len(first), bool)
    new[1:] = ~(same & (first[1:] == last[:-1]) & _continues(spans))
    ends = np.flatnonzero(np.append(new[1:], True)[:len(new)])
    shift = block * length
    stretches = Ranges(_bounds(block[new], len(counts)), (first + shift)[new], (last + shift)[ends])
    return OpenBatch(batch.column("tokens").flatten().to_numpy().reshape(-1, length),
                     np.array(batch.column("entry").to_pylist(), object), stretches, learned)


def _continues(spans: pa.StructArray) -> np.ndarray:
    """For each span but the first, whether it is a later piece of the document that the span before it is of.

    Pieces joined are the document's text, so two that touch are one stretch: attention sees across, and the token at the
    joint has a target."""
    ids, pieces = spans.field("id"), spans.field("piece").to_numpy()
    return pc.equal(ids[1:], ids[:-1]).to_numpy(zero_copy_only=False).astype(bool) & (pieces[1:] > pieces[:-1])


def _learned(learn: pa.ListArray, first: np.ndarray, last: np.ndarray, block: np.ndarray, length: int, blocks: int,
             folder: Path, number: int) -> Ranges:
    """Which tokens are learned: those that LEARN names, and of a span without it all."""
    of, ranges = np.asarray(pc.list_parent_indices(learn)).astype(np.int64), learn.flatten()
    begin, end = (ranges.field(name).to_numpy().astype(np.int64) for name in ("start", "end"))
    wrong = (begin >= end) | (begin < first[of]) | (end > last[of])
    wrong[1:] |= (of[1:] == of[:-1]) & (begin[1:] < end[:-1])
    _refuse(wrong, block[of], folder, number, "what is learned of block {} overlaps or leaves its spans; pack the mixture "
            "again")
    whole = np.flatnonzero(learn.is_null().to_numpy(zero_copy_only=False))
    starts, ends = np.append(begin, first[whole]), np.append(end, last[whole])
    owner = np.append(block[of], block[whole])
    order = np.lexsort((starts, owner))
    shift = owner[order] * length
    return Ranges(_bounds(owner[order], blocks), starts[order] + shift, ends[order] + shift)


def _bounds(block: np.ndarray, blocks: int) -> np.ndarray:
    return np.append(0, np.cumsum(np.bincount(block, minlength=blocks)))


def _refuse(wrong: np.ndarray, block: np.ndarray, folder: Path, number: int, problem: str) -> None:
    if wrong.any():
        raise ModelError(f"{folder}: {problem.format(number + int(block[wrong.argmax()]))}")
