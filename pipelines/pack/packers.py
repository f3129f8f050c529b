"""Laying documents into blocks, from their lengths alone: best fit, or end to end. Nothing is lost either way.

Best fit: a document is laid whole where it fits a block; a longer one fills blocks from its start on, and its rest is placed
like a short document, into the fullest open block that has room, of OPEN blocks at most; when there are more, the fullest is
closed. Measured on 3,610 web texts of 2,600 tokens (median) in blocks of 2,048: 0.6 % of positions stay empty and the 57 % of
documents that exceed a block are cut; end to end none stay empty but 77 % are cut, each cut losing a target and its context.
First-fit decreasing in windows of 1,000 leaves 0.15 % empty, but its blocks go from long documents to short ones.

A dialogue is kept whole either way; end to end, one that no longer fits a block begins the next and leaves the rest empty.

A packer is fed documents in order, some at a time: what it does with them does not depend on how they are divided.
"""

from bisect import bisect_left, insort
from typing import NamedTuple

import numpy as np

OPEN = 1000     # blocks open at once


class Items(NamedTuple):
    """Stretches of documents laid into blocks: `begin` is a place in the document, `at` one in the block."""

    document: np.ndarray
    begin: np.ndarray
    length: np.ndarray
    block: np.ndarray
    at: np.ndarray


class BestFit:
    """Blocks by number as they were opened; `closed` of them, in the order of closing, with their `sizes` in tokens."""

    def __init__(self, block: int):
        self.block, self.opened, self.tokens = block, 0, 0
        self.closed: list[np.ndarray] = []
        self.sizes: list[np.ndarray] = []
        self._open: list[int] = []      # room << 40 | block, sorted

    def add(self, lengths: np.ndarray, whole: np.ndarray | None = None) -> Items:
        """The items of the next documents; `document` counts from the first of these.

        Those that are to be kept `whole` are no longer than a block, so that they are."""
        block, open_, opened = self.block, self._open, self.opened
        shift, mask = 40, (1 << 40) - 1
        first, into, at = [], [], []        # of each document: its first own block, the block of its rest and the place there
        closed: list[int] = []
        rooms: list[int] = []
        for length in lengths.tolist():
            first.append(opened)
            if length >= block:
                full, length = divmod(length, block)
                closed.extend(range(opened, opened + full))
                rooms.extend([0] * full)
                opened += full
            if not length:
                into.append(-1)
                at.append(0)
                continue
            if (place := bisect_left(open_, length << shift)) < len(open_):
                key = open_.pop(place)
            else:
                key = block << shift | opened
                opened += 1
            room, number = key >> shift, key & mask
            into.append(number)
            at.append(block - room)
            if room == length:
                closed.append(number)
                rooms.append(0)
            else:
                insort(open_, (room - length) << shift | number)
                if len(open_) > OPEN:
                    key = open_.pop(0)
                    closed.append(key & mask)
                    rooms.append(key >> shift)
        self.opened = opened
        self._close(closed, rooms)
        return _items(lengths, block, *(np.array(column, np.int64) for column in (first, into, at)))

    def finish(self) -> None:
        """Close what is open, the fullest first."""
        keys, self._open = self._open, []
        self._close([key & ((1 << 40) - 1) for key in keys], [key >> 40 for key in keys])

    def _close(self, closed: list[int], rooms: list[int]) -> None:
        self.closed.append(np.array(closed, np.int64))
        self.sizes.append(self.block - np.array(rooms, np.int64))
        self.tokens += int(self.sizes[-1].sum())


def _items(lengths: np.ndarray, block: int, first: np.ndarray, into: np.ndarray, at: np.ndarray) -> Items:
    """The blocks that documents fill by themselves, and their rests, in the documents' order."""
    whole, rest = np.divmod(lengths.astype(np.int64), block)
    count = whole + (rest > 0)
    document = np.repeat(np.arange(len(lengths)), count)
    number = np.arange(len(document)) - np.repeat(np.cumsum(count) - count, count)
    is_rest = number == whole[document]
    return Items(document, number * block, np.where(is_rest, rest[document], block),
                 np.where(is_rest, into[document], first[document] + number), np.where(is_rest, at[document], 0))


class Concatenation:
    """Documents end to end, cut where a block is full; the last block may not be. As BestFit to the outside."""

    def __init__(self, block: int):
        self.block, self.tokens, self._position = block, 0, 0
        self._empty: dict[int, int] = {}        # block → positions left empty before a document that is kept whole
        self.closed: list[np.ndarray] = []
        self.sizes: list[np.ndarray] = []

    @property
    def opened(self) -> int:
        return -(-self._position // self.block)

    def add(self, lengths: np.ndarray, whole: np.ndarray | None = None) -> Items:
        """The items of the next documents; `document` counts from the first of these. Those `whole` are never cut."""
        lengths = lengths.astype(np.int64)
        starts = self._position + np.cumsum(lengths) - lengths
        if whole is not None and whole.any():
            starts = self._starts(lengths, whole)
        ends = starts + lengths
        count = np.where(lengths > 0, -(-ends // self.block) - starts // self.block, 0)
        document = np.repeat(np.arange(len(lengths)), count)
        block = np.repeat(starts // self.block, count) + np.arange(len(document)) - np.repeat(np.cumsum(count) - count, count)
        since = np.maximum(block * self.block, starts[document])
        until = np.minimum((block + 1) * self.block, ends[document])
        if len(ends):
            self._close(self._position // self.block, int(ends[-1]) // self.block)
            self._position = int(ends[-1])
        return Items(document, since - starts[document], until - since, block, since - block * self.block)

    def finish(self) -> None:
        """Close the last block, which may not be full."""
        if left := self._position % self.block:
            self._close(self._position // self.block, self.opened, left)

    def _starts(self, lengths: np.ndarray, whole: np.ndarray) -> np.ndarray:
        """Where each document begins, counted in positions from the first block on."""
        starts, position = [], self._position
        for length, is_whole in zip(lengths.tolist(), whole.tolist(), strict=True):
            taken = position % self.block
            if is_whole and taken + length > self.block:
                self._empty[position // self.block] = self.block - taken
                position += self.block - taken
            starts.append(position)
            position += length
        return np.array(starts, np.int64)

    def _close(self, first: int, end: int, size: int | None = None) -> None:
        sizes = np.full(end - first, size or self.block)
        for block in [block for block in self._empty if block < end]:
            sizes[block - first] -= self._empty.pop(block)
        self.closed.append(np.arange(first, end))
        self.sizes.append(sizes)
        self.tokens += int(sizes.sum())


PACKERS: dict[str, type[BestFit] | type[Concatenation]] = {"fit": BestFit, "concat": Concatenation}
