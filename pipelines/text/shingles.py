"""Content hashes, word 5-gram shingles and MinHash signatures: what dedup compares.

Anyone can make the same signature without this code: split into words as words.py says, lower-case them character by
character, join each run of five by single spaces, and give the UTF-8 bytes to datasketch 2.0 as
`MinHash(num_perm=120, seed=1, scheme="affine32", hashfunc=lambda b: xxhash.xxh3_64_intdigest(b) & 0xFFFFFFFF)`.
"""

import hashlib
import itertools
import unicodedata
from collections.abc import Sequence
from functools import cache

import numpy as np
import xxhash

from textmill.pipelines.text.characters import WORD
from textmill.pipelines.text.words import Words

SHINGLE = 5             # words, as FineWeb
PERMUTATIONS = 120
EMPTY = 0xFFFFFFFF      # every value of the signature of a text without words, as in datasketch

# Columns of the permutation table worked on at once: 120 x 1024 uint32 stay in a core's own cache.
_BLOCK = 1024


def content_hashes(texts: Sequence[str]) -> list[bytes]:
    """BLAKE2b-128 of each text in NFC with white space collapsed and cut at both ends; nothing else is folded."""
    return [hashlib.blake2b(" ".join(unicodedata.normalize("NFC", text).split()).encode(), digest_size=16).digest()
            for text in texts]


def shingle_hashes(words: Words) -> tuple[np.ndarray, np.ndarray]:
    """(offsets [D + 1] int64, hashes uint64): the distinct shingles of each text, ascending.

    A text of one to four words is one shingle, a text without words has none. 64 bits, so that Jaccard similarity
    counted on these sets is exact: among a million shingles a collision has a probability of 3 in 10^8.
    """
    written, starts, ends = _written(words)
    count = words.word_count
    shingles = np.where(count > 0, np.maximum(count - SHINGLE + 1, 1), 0)
    offsets = np.concatenate([[0], np.cumsum(shingles)])
    first = np.arange(offsets[-1]) + np.repeat(words.word_offsets[:-1] - offsets[:-1], shingles)
    last = np.minimum(first + SHINGLE, np.repeat(words.word_offsets[1:], shingles)) - 1
    digest = xxhash.xxh3_64_intdigest
    hashes = np.fromiter((digest(written[start:end]) for start, end
                          in zip(starts[first].tolist(), ends[last].tolist(), strict=True)), np.uint64, len(first))
    distinct = [np.unique(hashes[start:end]) for start, end in itertools.pairwise(offsets)]
    sizes = np.fromiter(map(len, distinct), np.int64, len(distinct))
    return np.concatenate([[0], np.cumsum(sizes)]), np.concatenate([*distinct, np.zeros(0, np.uint64)])


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
    for signature, start, end in zip(signatures, offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        for at in range(start, end, _BLOCK):
            permuted = multipliers * values[at:min(at + _BLOCK, end)]
            permuted += addends
            np.minimum(signature, permuted.min(axis=1), out=signature)
    return signatures


@cache
def permutations() -> tuple[np.ndarray, np.ndarray]:
    """(multipliers, addends), each [120, 1] uint32: datasketch's own.

    Imported here because it imports half of SciPy, 0.8 s that only processes that make signatures should wait for.
    """
    from datasketch import MinHash

    multipliers, addends = MinHash(PERMUTATIONS, seed=1, scheme="affine32").permutations
    return multipliers[:, None], addends[:, None]


def _written(words: Words) -> tuple[bytes, np.ndarray, np.ndarray]:
    """All words in lower case with one space between them, in UTF-8, and the byte places of each."""
    letters = np.flatnonzero(words.flags & WORD)
    number = np.searchsorted(words.word_starts, letters, side="right") - 1
    spaced = np.full(len(letters) + len(words.word_starts), 0x20, np.uint32)
    spaced[np.arange(len(letters)) + number] = words.lower[letters]
    written = spaced.tobytes().decode("utf-32-le").encode()
    ends = np.flatnonzero(np.frombuffer(written, np.uint8) == 0x20)
    starts = np.concatenate([[0], ends[:-1] + 1])[: len(ends)]
    return written, starts, ends
