"""Origins: where runs of a text stand in the blocks that a model was trained on, found in a suffix array of these blocks.

Guarantees: for every place of a text the longest run that begins there and stands in a block is found, never a shorter one; a
run lies in one stretch of one document, so it is what the model saw in one context; the index holds places and no text, its
bytes are a function of the blocks, and one of other blocks is refused.
"""

import bisect
import itertools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textmill.model import ModelError
from textmill.model.data.blocks import PackedMixture
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.evaluation.origins_index import read_index

LEAST = 8               # tokens of the shortest run that counts: shorter ones stand everywhere
PLACES = 3              # documents of a run that are named
STRIDE = 4096           # every so many suffixes one is held in memory, its first GUIDE bytes: the first half of a search
GUIDE = 32


@dataclass(frozen=True)
class Place:
    """Where a run stands: the block and its positions, and the piece of a document with the run's first token in it."""

    document: str
    piece: int
    token: int
    entry: str
    block: int
    start: int
    end: int


@dataclass(frozen=True)
class Run:
    """Tokens [start, end) of a text that stand `count` times in the blocks; the first places, each of another document."""

    start: int
    end: int
    count: int
    places: tuple[Place, ...]

    def __len__(self) -> int:
        return self.end - self.start


class Origins:
    """The training blocks of a mixture and the index over them. ModelError where there is no index that belongs to them."""

    def __init__(self, mixture: PackedMixture, index: Path):
        self._blocks, self._suffixes = mixture.train, read_index(index, mixture)
        self._tokenizer = open_tokenizer(mixture.folder, mixture.train.vocab_size)
        opened = list(self._blocks.open_batches())
        self._width = opened[0].tokens.dtype.itemsize
        self._batches = [batch.tokens.ravel().view(np.uint8).data for batch in opened]
        sizes = [0, *(batch.tokens.size for batch in opened)]
        self._edges = list(itertools.accumulate(sizes))             # first position of each record batch, and the end
        shifts = zip(opened, self._edges, strict=False)
        self._ends: list[int] = np.concatenate([batch.stretches.ends + shift for batch, shift in shifts]).tolist()
        self._guides = [self._suffix(position, GUIDE) for position in self._suffixes[::STRIDE].tolist()]

    def __len__(self) -> int:
        """Tokens in which runs are looked for."""
        return len(self._suffixes)

    def ids(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """The ids of a text, and the characters [from, to) of each. ModelError where half a character is in the text."""
        try:
            text.encode()
        except UnicodeEncodeError:
            raise ModelError("the text has bytes that are not UTF-8; write it in UTF-8") from None
        encoded = self._tokenizer.encode(text, add_special_tokens=False)
        return encoded.ids, encoded.offsets

    def text(self, ids: Sequence[int]) -> str:
        return self._tokenizer.decode(list(ids), skip_special_tokens=False)

    def lengths(self, ids: Sequence[int]) -> np.ndarray:
        """Of the longest run that begins at each place of a text, in tokens (int64); 0 where the blocks lack the token."""
        spelled = self._spelled(ids)
        longest = np.zeros(len(ids), np.int64)
        for place in range(len(ids)):
            wanted = spelled[place * self._width:]
            slot = self._find(bisect.bisect_left, wanted)
            near = (self._suffix(self[n], len(wanted)) for n in (slot - 1, slot) if 0 <= n < len(self))
            longest[place] = max((_shared(wanted, each) // self._width for each in near), default=0)
        return longest

    def runs(self, ids: Sequence[int], least: int = LEAST, lengths: np.ndarray | None = None) -> list[Run]:
        """The runs of `least` tokens or more that lie in no longer one, in the order of the text; `lengths` where known."""
        found, furthest = [], 0
        for start, length in enumerate((self.lengths(ids) if lengths is None else lengths).tolist()):
            if length >= least and start + length > furthest:
                furthest = start + length
                found.append(self._run(start, ids[start:furthest]))
        return found

    def __getitem__(self, slot: int) -> int:
        """A position in the blocks, in the order of the suffixes that begin there."""
        return int(self._suffixes[slot])

    def _find(self, side: Callable[..., int], wanted: bytes) -> int:
        """The slot before (`bisect_left`) or after (`bisect_right`) all suffixes that begin with `wanted`."""
        low = bisect.bisect_left(self._guides, wanted[:GUIDE]) - 1
        high = bisect.bisect_right(self._guides, wanted[:GUIDE], key=lambda guide: guide[:len(wanted)])
        return side(self, wanted, max(0, low * STRIDE), min(len(self), high * STRIDE),
                    key=lambda position: self._suffix(position, len(wanted)))

    def _run(self, start: int, ids: Sequence[int]) -> Run:
        wanted = self._spelled(ids)
        first, last = (self._find(side, wanted) for side in (bisect.bisect_left, bisect.bisect_right))
        documents: dict[str, Place] = {}
        for position in np.sort(self._suffixes[first:last]).tolist():
            if len(documents) == PLACES:
                break
            place = self._place(position, len(ids))
            documents.setdefault(place.document, place)
        return Run(start, start + len(ids), last - first, tuple(documents.values()))

    def _place(self, position: int, length: int) -> Place:
        block, start = divmod(position, self._blocks.length)
        spans = self._blocks.spans(block)
        span = spans[int(np.searchsorted(spans.field("start").to_numpy(), start, side="right")) - 1].as_py()
        return Place(span["id"], span["piece"], span["offset"] + start - span["start"], self._blocks.entry(block), block, start,
                     start + length)

    def _spelled(self, ids: Sequence[int]) -> bytes:
        """Ids as they are stored in the blocks."""
        return np.array(ids, f"<u{self._width}").tobytes()

    def _suffix(self, position: int, size: int) -> bytes:
        """The first `size` bytes of the suffix at a position, or all where it has fewer."""
        batch = bisect.bisect_right(self._edges, position) - 1
        end = self._ends[bisect.bisect_right(self._ends, position)]
        first, last = (self._width * (edge - self._edges[batch]) for edge in (position, end))
        return bytes(self._batches[batch][first:min(last, first + size)])


def share_in_runs(lengths: np.ndarray, least: int = LEAST) -> float:
    """The share of a text's tokens that stand in runs of `least` or more; 1 less it is the text's novelty."""
    furthest = np.maximum.accumulate(np.where(lengths >= least, np.arange(len(lengths)) + lengths, 0))
    return float(np.mean(furthest > np.arange(len(lengths)))) if len(lengths) else 0.0


def _shared(one: bytes, other: bytes) -> int:
    """How many bytes two begin with in common."""
    if one[:len(other)] == other:
        return len(other)
    return next(n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
