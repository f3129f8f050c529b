r"""Segmentation of a batch of texts into characters, words, lines and paragraphs, as offset arrays shared by all rules.

A word is a run of letters, marks, numbers and connectors (`\w` with combining marks and joiners); in scripts without
spaces every letter with its marks is a word. Lines are separated by newlines, with surrounding white space trimmed and
empty lines left out; a paragraph is consecutive lines with no empty line between them. Case is ignored in every hash.

Hashes are 64 bits of a polynomial over the code points, taken from one running sum, so that any stretch of text costs
the same. Nothing depends on which texts share a batch.
"""

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from textmill.pipelines.text.characters import (
    HAN_PLANES,
    LETTER,
    LISTED,
    MARK,
    NEWLINE,
    NOSPACE,
    NUMBER,
    OTHER_PLANES,
    SPACE,
    WORD,
    character_table,
)

# Odd 64-bit constants: the base of the polynomial (SplitMix64's increment) and its multipliers (Steele et al. 2014).
_BASE = 0x9E3779B97F4A7C15
_MIX = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_CHAIN = np.uint64(0xD6E8FEB86659FD93)
_CACHED_POWERS = 1 << 20


@dataclass(frozen=True)
class Words:
    """The segmentation of D texts.

    Every `…_starts` and `…_ends` is int64, in characters of `code_points`, where each text is followed by one newline; every
    `…_offsets` is int64 of D + 1 entries: text d owns entries `offsets[d]` to `offsets[d + 1]`."""

    texts: Sequence[str]
    text_starts: np.ndarray         # [D]
    text_ends: np.ndarray           # [D], without the newline between texts
    code_points: np.ndarray         # [C] uint32
    lower: np.ndarray               # [C] uint32
    flags: np.ndarray               # [C] uint16, see characters.py
    scripts: np.ndarray             # [C] uint8, see characters.py
    word_starts: np.ndarray         # [W]
    word_ends: np.ndarray
    word_offsets: np.ndarray        # [D + 1]
    word_hashes: np.ndarray         # [W] uint64
    line_starts: np.ndarray         # [L]
    line_ends: np.ndarray
    line_offsets: np.ndarray        # [D + 1]
    line_hashes: np.ndarray         # [L] uint64
    paragraph_starts: np.ndarray    # [P]
    paragraph_ends: np.ndarray
    paragraph_offsets: np.ndarray   # [D + 1]
    paragraph_hashes: np.ndarray    # [P] uint64

    def __len__(self) -> int:
        return len(self.texts)

    @property
    def characters(self) -> np.ndarray:
        """[D] characters per text."""
        return self.text_ends - self.text_starts

    @property
    def word_count(self) -> np.ndarray:
        return np.diff(self.word_offsets)

    @property
    def line_count(self) -> np.ndarray:
        return np.diff(self.line_offsets)

    @property
    def word_characters(self) -> np.ndarray:
        """[W] characters of each word."""
        return self.word_ends - self.word_starts

    @functools.cached_property
    def word_texts(self) -> np.ndarray:
        """[W] the number of the text that each word is in."""
        return np.repeat(np.arange(len(self)), self.word_count)

    def count(self, mask: np.ndarray) -> np.ndarray:
        """[D] how many characters of each text `mask` [C] marks; the newline between texts must not be marked."""
        if not len(self):
            return np.zeros(0, np.int64)
        return np.add.reduceat(mask, self.text_starts, dtype=np.int64)

    @functools.cached_property
    def terms(self) -> "Groups":
        """The distinct words of each text; members are words."""
        return group(self.word_hashes, self.word_texts)


@dataclass(frozen=True)
class Groups:
    """Repeated members of texts: G groups of equal members within one text, in no particular order."""

    first: np.ndarray               # [G] the earliest member's position
    counts: np.ndarray              # [G]
    members: np.ndarray             # positions, one group after another
    starts: np.ndarray              # [G] where in `members` a group begins

    def size_of_members(self) -> np.ndarray:
        """Per member, by position: how many equal ones its text has."""
        sizes = np.zeros(len(self.members), np.int64)
        sizes[self.members] = np.repeat(self.counts, self.counts)
        return sizes


def read_words(texts: Sequence[str]) -> Words:
    """Split every text once. Texts are valid Unicode (no lone surrogates), as Arrow strings are."""
    code_points = np.frombuffer("".join([text + "\n" for text in texts]).encode("utf-32-le"), np.uint32)
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    text_ends = np.cumsum(lengths + 1) - 1
    text_starts = text_ends - lengths

    table = character_table()
    if len(code_points) and code_points.max() >= LISTED:
        rows = np.where(code_points < LISTED, code_points,
                        np.where(code_points < 0x40000, np.uint32(HAN_PLANES), np.uint32(OTHER_PLANES)))
        lower = np.where(code_points < LISTED, table.lower[np.minimum(code_points, LISTED - 1)], code_points)
    else:
        rows, lower = code_points, table.lower[code_points]
    flags = table.flags[rows]

    running, unshift = _running_hash(lower)

    def hashes(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
        return mixed((running[ends] - running[starts]) * unshift[starts])

    word_starts, word_ends = _words(flags)
    line_starts, line_ends, opens = _lines(flags)                           # a paragraph opens after an empty line
    line_offsets = _offsets(line_starts, text_starts)
    opens[line_offsets[:-1][np.diff(line_offsets) > 0]] = True              # and with every text
    openings = np.flatnonzero(opens)
    paragraph_starts = line_starts[openings]
    paragraph_ends = line_ends[np.append(openings[1:], len(line_starts))[: len(openings)] - 1]
    return Words(
        texts=texts, text_starts=text_starts, text_ends=text_ends, code_points=code_points, lower=lower, flags=flags,
        scripts=table.script[rows],
        word_starts=word_starts, word_ends=word_ends, word_offsets=_offsets(word_starts, text_starts),
        word_hashes=hashes(word_starts, word_ends),
        line_starts=line_starts, line_ends=line_ends, line_offsets=line_offsets,
        line_hashes=hashes(line_starts, line_ends),
        paragraph_starts=paragraph_starts, paragraph_ends=paragraph_ends,
        paragraph_offsets=_offsets(paragraph_starts, text_starts),
        paragraph_hashes=hashes(paragraph_starts, paragraph_ends))


def sums(values: np.ndarray, offsets: np.ndarray) -> np.ndarray:
    """[D] int64 sums of whole or boolean `values` between `offsets` [D + 1]; 0 where a text owns none."""
    running = np.concatenate([[0], np.cumsum(values, dtype=np.int64)])
    return running[offsets[1:]] - running[offsets[:-1]]


def maxima(values: np.ndarray, texts: np.ndarray, count: int) -> np.ndarray:
    """[count] int64 largest of `values` by the text each belongs to; 0 where a text owns none."""
    largest = np.zeros(count, np.int64)
    np.maximum.at(largest, texts, values)
    return largest


def group(hashes: np.ndarray, texts: np.ndarray) -> Groups:
    """Equal `hashes` [N] within the same text; `texts` [N] numbers the text of each."""
    keys = mixed(hashes + texts.astype(np.uint64) * np.uint64(_BASE))
    members = np.argsort(keys)
    ordered = keys[members]
    starts = np.flatnonzero(np.concatenate([[True], ordered[1:] != ordered[:-1]])[: len(ordered)])
    counts = np.diff(np.append(starts, len(ordered)))
    first = np.minimum.reduceat(members, starts) if len(starts) else starts
    return Groups(first, counts, members, starts)


def chained(hashes: np.ndarray, next_hashes: np.ndarray) -> np.ndarray:
    """The hash of a run of words made one word longer; order counts."""
    return mixed(hashes * _CHAIN + next_hashes)


def mixed(values: np.ndarray) -> np.ndarray:
    """uint64 with every bit depending on every bit: SplitMix64's finaliser, a bijection."""
    values = (values ^ (values >> np.uint64(30))) * _MIX[0]
    values = (values ^ (values >> np.uint64(27))) * _MIX[1]
    return values ^ (values >> np.uint64(31))


def _words(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Starts and ends of the words."""
    word = (flags & WORD) != 0
    nospace = (flags & NOSPACE) != 0
    mark = (flags & MARK) != 0
    base = nospace & ((flags & (LETTER | NUMBER)) != 0)
    follows = np.zeros(len(flags), bool)                                    # a word character stands before
    changes = np.zeros(len(flags), bool)                                    # and writes with spaces where this does not
    follows[1:] = word[:-1]
    changes[1:] = nospace[1:] != nospace[:-1]
    starts = word & (~follows | base | (changes & ~mark))
    ends = word.copy()
    ends[:-1] &= ~word[1:] | starts[1:]
    return np.flatnonzero(starts), np.flatnonzero(ends) + 1


def _lines(flags: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Starts and ends of the lines, and whether an empty line stands before each."""
    breaks = np.flatnonzero(flags & NEWLINE)
    solid = np.flatnonzero((flags & SPACE) == 0)
    before = np.searchsorted(solid, breaks)                                 # solid characters before each break
    previous = np.concatenate([[0], before[:-1]])[: len(before)]
    filled = before > previous
    empty_before = np.zeros(len(breaks), bool)
    empty_before[1:] = ~filled[:-1]
    return solid[previous[filled]], solid[before[filled] - 1] + 1, empty_before[filled]


def _offsets(starts: np.ndarray, text_starts: np.ndarray) -> np.ndarray:
    return np.append(np.searchsorted(starts, text_starts), len(starts))


def _running_hash(lower: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The running sum of scrambled characters times powers of the base, and the powers that undo the place."""
    scrambled = (lower.astype(np.uint64) + np.uint64(1)) * _MIX[1]
    scrambled ^= scrambled >> np.uint64(32)
    powers, inverse = _powers(_CACHED_POWERS) if len(lower) < _CACHED_POWERS else _powers.__wrapped__(len(lower) + 1)
    scrambled *= powers[:len(lower)]
    running = np.zeros(len(lower) + 1, np.uint64)
    np.cumsum(scrambled, out=running[1:])
    return running, inverse


@functools.cache
def _powers(count: int) -> tuple[np.ndarray, np.ndarray]:
    """`count` powers of the base modulo 2^64, and of its inverse."""
    def powers(base: int) -> np.ndarray:
        factors = np.full(count, base, np.uint64)
        factors[0] = 1
        return np.multiply.accumulate(factors)

    return powers(_BASE), powers(pow(_BASE, -1, 1 << 64))
