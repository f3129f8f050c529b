"""Byte-pair merges from counts of pre-tokens: the same counts give the same merges on any machine.

The rule (Gage 1994; Sennrich et al. 2016): the next merge is the pair of neighbours that occurs most often; of several,
the one whose left, then right, part comes first. Bytes come in the order of their printable characters, then the learned
tokens in the order learned, which is how Hugging Face's trainer breaks ties. Counts are integers of 64 bits. No token is
learned twice: whether the bytes between its ends become one token, and by which merges, depends on those bytes alone.

How: all pre-tokens lie in one array of symbols with a gap between each two, and a merge changes all its places in a few
NumPy operations. Places are kept for the frequent pairs only: when the most frequent of them has become rarer than the
bound, the array is closed up and searched again with a lower bound.
"""

import heapq
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from textmill.tokenizer.bpe import character_of_byte

Pair = tuple[int, int]
Array = npt.NDArray[np.int32]
Counts = npt.NDArray[np.int64]

_GAP = -1           # between two pre-tokens
_GONE = -2          # the right half of a merged pair, until the array is closed up
_MERGING = -3       # the left half of one while it is being merged

# Pairs at least this fraction as frequent as the most frequent one are followed: 8 and 32 were within 10 % of 16.
_FOLLOWED = 16

_BYTES = sorted(range(256), key=lambda byte: character_of_byte[byte])      # in the order that decides ties


def learn_merges(pretokens: pa.LargeBinaryArray, counts: Counts, tokens: int, least: int = 2) -> list[Pair]:
    """The merges in the order learned, as pairs of ids: 0 to 255 are the bytes, then come the tokens.

    `pretokens` may repeat and should be at most some hundred bytes each; `counts` says how often each occurs, at least 0.
    Ends after `tokens` new tokens, or before that where no pair occurs `least` times."""
    segmentation = _Segmentation(pretokens, counts, least)
    merges: list[Pair] = []
    while len(merges) < tokens and (pair := segmentation.most_frequent()):
        segmentation.merge(pair, 256 + len(merges))
        merges.append(pair)
    ids = [*_BYTES, *range(256, 256 + len(merges))]
    return [(ids[left], ids[right]) for left, right in merges]


class _Segmentation:
    """Pre-tokens as symbols, and of each frequent pair of neighbours the count and the places.

    `_symbols[i]` is a symbol, a gap or gone; `_next[i]` and `_previous[i]` are the places of its neighbours that are not
    gone; `_weights[i]` is the count of its pre-token."""

    def __init__(self, pretokens: pa.LargeBinaryArray, counts: Counts, least: int):
        ends = np.frombuffer(pretokens.buffers()[1], np.int64, len(pretokens) + 1, pretokens.offset * 8)
        lengths = np.diff(ends)
        content = np.frombuffer(pretokens.buffers()[2] or b"", np.uint8)[ends[0]:ends[-1]]
        places = np.arange(len(content)) + np.repeat(np.arange(len(lengths)), lengths) + 1
        place_of_byte = np.empty(256, np.int32)
        place_of_byte[_BYTES] = np.arange(256, dtype=np.int32)
        self._symbols: Array = np.full(len(content) + len(lengths) + 1, _GAP, np.int32)
        self._symbols[places] = place_of_byte[content]
        self._weights: Counts = np.zeros(len(self._symbols), np.int64)
        self._weights[places] = np.repeat(counts, lengths)
        self._least = least
        self._search()

    def most_frequent(self) -> Pair | None:
        """The next pair to merge; None where no pair occurs often enough."""
        while True:
            while self._queue:
                count, left, right = self._queue[0]
                now = self._counts.get((left, right), 0)
                if now == -count and now >= self._bound:
                    return left, right
                heapq.heappop(self._queue)
                if now >= self._bound:
                    heapq.heappush(self._queue, (-now, left, right))
            if self._bound <= self._least:
                return None
            self._search()
            if not self._queue:
                return None

    def merge(self, pair: Pair, token: int) -> None:
        """Make the most frequent pair one symbol wherever it stands."""
        places, seconds = self._occurrences(pair)
        left, right = pair
        symbols = self._symbols
        befores, afters, weights = self._previous[places], self._next[seconds], self._weights[places]
        symbols[seconds] = _GONE
        symbols[places] = _MERGING
        before, after = symbols[befores], symbols[afters]
        symbols[places] = token
        self._next[places] = afters
        self._previous[afters] = places
        # Neighbours that are merged here too: the pair between them is told apart once, by its left one.
        twins = after == _MERGING
        if twins.any():
            total = int(weights[twins].sum())
            self._fewer((right, left), total)
            self._follow((token, token), total, places[twins])
        for other, total, where in _grouped(before, weights, befores):
            self._fewer((other, left), total)
            self._follow((other, token), total, where)
        for other, total, where in _grouped(after, weights, places):
            self._fewer((right, other), total)
            self._follow((token, other), total, where)

    def _occurrences(self, pair: Pair) -> tuple[Array, Array]:
        """The places of both halves of each occurrence, without overlaps (`aaa` holds `aa` once, from the left)."""
        places = self._places.pop(pair)
        del self._counts[pair]
        places = places[self._symbols[places] == pair[0]]
        seconds = self._next[places]
        same = self._symbols[seconds] == pair[1]
        places, seconds = places[same], seconds[same]
        if pair[0] == pair[1]:
            order = np.argsort(places)
            places, seconds = places[order], seconds[order]
            begins = np.r_[True, places[1:] != seconds[:-1]]            # of a run
            starts = np.flatnonzero(begins)
            within = np.arange(len(places)) - starts[np.cumsum(begins) - 1]
            places, seconds = places[within % 2 == 0], seconds[within % 2 == 0]
        return places, seconds

    def _fewer(self, pair: Pair, number: int) -> None:
        if pair in self._counts:
            self._counts[pair] -= number

    def _follow(self, pair: Pair, count: int, places: Array) -> None:
        if count >= self._bound:
            self._counts[pair], self._places[pair] = count, places
            heapq.heappush(self._queue, (-count, *pair))

    def _search(self) -> None:
        """Close the array up, lower the bound, and find all pairs that reach it."""
        symbols, weights = self._symbols, self._weights
        alone = np.zeros(len(symbols), bool)            # nothing is left to merge in a pre-token of one symbol
        present = np.flatnonzero(symbols != _GONE)
        gaps = symbols[present] == _GAP
        alone[present[1:-1]] = gaps[:-2] & gaps[2:]
        alone[present[:-1]] |= gaps[:-1] & gaps[1:]
        keep = (symbols != _GONE) & ~alone
        self._symbols, self._weights = symbols, weights = symbols[keep], weights[keep]
        self._previous = np.arange(-1, len(symbols) - 1, dtype=np.int32)
        self._next = np.arange(1, len(symbols) + 1, dtype=np.int32)
        self._counts: dict[Pair, int] = {}
        self._places: dict[Pair, Array] = {}
        self._queue: list[tuple[int, int, int]] = []
        firsts = np.flatnonzero((symbols[:-1] >= 0) & (symbols[1:] >= 0)).astype(np.int32)
        if not len(firsts):
            self._bound = self._least
            return
        keys = symbols[firsts].astype(np.int64) << 32 | symbols[firsts + 1]
        if int(symbols.max()) < 256:        # at first: numbers of 16 bits are sorted several times as fast
            order = np.argsort((keys >> 24 | keys & 0xFF).astype(np.uint16), kind="stable")
        else:
            order = np.argsort(keys)
        keys, firsts = keys[order], firsts[order]
        starts = np.flatnonzero(np.r_[True, keys[1:] != keys[:-1]])
        totals = np.add.reduceat(weights[firsts], starts)
        self._bound = max(self._least, int(totals.max()) // _FOLLOWED)
        ends = np.r_[starts[1:], len(keys)]
        for group in np.flatnonzero(totals >= self._bound).tolist():
            key, start = int(keys[starts[group]]), starts[group]
            self._follow((key >> 32, key & 0xFFFFFFFF), int(totals[group]), firsts[start:ends[group]].copy())


def _grouped(symbols: Array, weights: Counts, places: Array) -> Iterator[tuple[int, int, Array]]:
    """Of each symbol (not gaps and the like): itself, the sum of its weights, its places."""
    real = np.flatnonzero(symbols >= 0)
    if not len(real):
        return
    order = real[np.argsort(symbols[real])]
    symbols, places = symbols[order], places[order]
    starts = np.flatnonzero(np.r_[True, symbols[1:] != symbols[:-1]])
    totals = np.add.reduceat(weights[order], starts).tolist()
    ends = [*starts[1:].tolist(), len(order)]
    for symbol, start, end, total in zip(symbols[starts].tolist(), starts.tolist(), ends, totals, strict=True):
        yield symbol, total, places[start:end]
