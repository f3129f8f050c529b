r"""Content hashes, shingles of five terms and MinHash signatures: what dedup compares.

A term is a word, a symbol, or a change of indentation. Words alone would make C, C++ and C# one text, and functions that
differ in an operator or in what a loop encloses; in prose, symbols are rare and lines stand at the margin.

Anyone can make the same signature without this code: take the words as words.py says, each character of `\p{S}` or
`#%&*/@[\]{}`, and before a line that begins further in than the line before it ⇥, further out ⇤ (empty lines do not count);
lower-case them character by character, join each run of five by single spaces, and give the UTF-8 bytes to datasketch 2.0
as `MinHash(num_perm=120, seed=1, scheme="affine32", hashfunc=lambda b: xxhash.xxh3_64_intdigest(b) & 0xFFFFFFFF)`.
"""

import hashlib
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import xxhash

from textmill.pipelines.text.characters import NEWLINE, SYMBOL
from textmill.pipelines.text.words import Words

SHINGLE = 5             # terms, as FineWeb takes words
INWARD, OUTWARD = ord("⇥"), ord("⇤")
PERMUTATIONS = 120
EMPTY = 0xFFFFFFFF      # every value of the signature of a text without words, as in datasketch

# Columns of the permutation table worked on at once: 120 x 1024 uint32 stay in a core's own cache.
_BLOCK = 1024


def content_hashes(texts: Sequence[str]) -> list[bytes]:
    """BLAKE2b-128 of each text in NFC, without white space at both ends, lines ending in LF; nothing else is folded."""
    return [hashlib.blake2b(unicodedata.normalize("NFC", text).replace("\r\n", "\n").strip().encode(), digest_size=16).digest()
            for text in texts]


def shingle_hashes(words: Words) -> tuple[np.ndarray, np.ndarray]:
    """(offsets [D + 1] int64, hashes uint64): the distinct shingles of each text, ascending.

    A text of one to four terms is one shingle, a text without terms has none. 64 bits, so that Jaccard similarity
    counted on these sets is exact: among a million shingles a collision has a probability of 3 in 10^8.
    """
    written, starts, ends, term_offsets = _terms(words)
    count = np.diff(term_offsets)
    shingles = np.where(count > 0, np.maximum(count - SHINGLE + 1, 1), 0)
    offsets = np.concatenate([[0], np.cumsum(shingles)])
    first = np.arange(offsets[-1]) + np.repeat(term_offsets[:-1] - offsets[:-1], shingles)
    last = np.minimum(first + SHINGLE, np.repeat(term_offsets[1:], shingles)) - 1
    digest = xxhash.xxh3_64_intdigest
    hashes = np.fromiter((digest(written[start:end]) for start, end
                          in zip(starts[first].tolist(), ends[last].tolist(), strict=True)), np.uint64, len(first))
    number = np.repeat(np.arange(len(shingles)), shingles)
    order = np.lexsort((hashes, number))
    hashes = hashes[order]                          # `number` is in order already
    new = np.ones(len(hashes), bool)
    new[1:] = (hashes[1:] != hashes[:-1]) | (number[1:] != number[:-1])
    return np.concatenate([[0], np.cumsum(new)])[offsets], hashes[new]


def minhash(offsets: np.ndarray, hashes: np.ndarray) -> np.ndarray:
    """[D, 120] uint32 signatures of D sets of shingle hashes, as `shingle_hashes` gives them.

    datasketch's affine32: the low 32 bits, through MurmurHash3's finaliser, then a x + b modulo 2^32, the smallest.
    """
    values = hashes.astype(np.uint32)
    values ^= values >> np.uint32(16)
    values *= np.uint32(0x85EBCA6B)
    values ^= values >> np.uint32(13)
    values *= np.uint32(0xC2B2AE35)
    values ^= values >> np.uint32(16)
    multipliers, addends = permutations()
    signatures = np.full((len(offsets) - 1, PERMUTATIONS), EMPTY, np.uint32)
    filled = np.flatnonzero(np.diff(offsets))
    starts, ends = offsets[filled], offsets[filled + 1]
    for at in range(0, len(values), _BLOCK):        # a block has the end of one text, whole ones, the beginning of another
        first, last = np.searchsorted(ends, at, side="right"), np.searchsorted(starts, at + _BLOCK)
        permuted = multipliers * values[at:at + _BLOCK]
        permuted += addends
        smallest = np.minimum.reduceat(permuted, np.maximum(starts[first:last] - at, 0), axis=1)
        some = filled[first:last]
        signatures[some] = np.minimum(signatures[some], smallest.T)
    return signatures


@cache
def permutations() -> tuple[np.ndarray, np.ndarray]:
    """(multipliers, addends), each [120, 1] uint32: datasketch's own.

    Imported here because it imports half of SciPy, 0.8 s that only processes that make signatures should wait for.
    """
    from datasketch import MinHash

    multipliers, addends = MinHash(PERMUTATIONS, seed=1, scheme="affine32").permutations
    return multipliers[:, None], addends[:, None]


def _terms(words: Words) -> tuple[bytes, np.ndarray, np.ndarray, np.ndarray]:
    """All terms in lower case with one space between them, in UTF-8; the byte places of each; offsets [D + 1] of texts."""
    symbols = np.flatnonzero(_is_symbol(words))
    inward, outward = _indented(words)
    starts = np.concatenate([inward, outward, words.word_starts, symbols])
    sizes = np.concatenate([np.ones(len(inward) + len(outward), np.int64), words.word_characters,
                            np.ones(len(symbols), np.int64)])
    order = np.argsort(starts, kind="stable")           # a change of indentation before what stands at its place
    starts, sizes = starts[order], sizes[order]
    places = np.cumsum(sizes + 1) - sizes - 1
    spaced = np.full(int(sizes.sum()) + len(sizes), 0x20, np.uint32)
    within = np.arange(int(sizes.sum())) - np.repeat(np.cumsum(sizes) - sizes, sizes)
    spaced[np.repeat(places, sizes) + within] = words.lower[np.repeat(starts, sizes) + within]
    changes = np.empty(len(order), np.int64)
    changes[order] = places                             # places by term, in the order before sorting
    spaced[changes[: len(inward)]] = INWARD
    spaced[changes[len(inward) : len(inward) + len(outward)]] = OUTWARD
    written = spaced.tobytes().decode("utf-32-le").encode()
    ends = np.flatnonzero(np.frombuffer(written, np.uint8) == 0x20)
    begins = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    return written, begins, ends, np.append(np.searchsorted(starts, words.text_starts), len(starts))


def _is_symbol(words: Words) -> np.ndarray:
    """[C] whether a character is a symbol, or punctuation that code is written with."""
    points = words.code_points
    return ((words.flags & SYMBOL) != 0) | ((points < len(_CODE)) & _CODE[np.minimum(points, len(_CODE) - 1)])


_CODE = np.isin(np.arange(128), [ord(character) for character in "#%&*/@[\\]{}"])


def _indented(words: Words) -> tuple[np.ndarray, np.ndarray]:
    """Starts of the lines that begin further in, and of those further out, than the line before them in their text."""
    breaks = np.flatnonzero(words.flags & NEWLINE)
    before = np.searchsorted(breaks, words.line_starts)
    begins = np.where(before > 0, breaks[before - 1] + 1, 0) if len(breaks) else np.zeros(len(before), np.int64)
    change = np.diff(words.line_starts - begins, prepend=0)
    change[words.line_offsets[:-1][words.line_count > 0]] = 0
    return words.line_starts[change > 0], words.line_starts[change < 0]
