"""Leak-free split into training and held-out texts: no text, and no near copy of one, is on both sides."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from textmill.pipelines.dedup.bands import band_hashes
from textmill.pipelines.dedup.forest import forest, root_of
from textmill.pipelines.measure.classifier import lines
from textmill.pipelines.text.shingles import content_hashes, minhash, shingle_hashes
from textmill.pipelines.text.words import read_words

# Bands of rows of the MinHash signature: texts that agree in all rows of any band are near copies, as for dedup. Chains
# of them are one group too: taking too many for copies costs nothing here.
BANDS, ROWS = 20, 6


@dataclass(frozen=True)
class Labelled:
    """N distinct texts as the model reads them, in the order of their content hashes; `group` numbers near copies alike."""

    lines: list[str]
    good: np.ndarray                # [N] bool
    group: np.ndarray               # [N] int64
    draw: np.ndarray                # [N] float64 from 0 to 1, the same within a group, by hash
    left_out: int                   # texts that came more than once, or as good and as bad

    def subset(self, mask: np.ndarray) -> "Labelled":
        """Those that `mask` [N] marks."""
        chosen = np.flatnonzero(mask)
        return Labelled([self.lines[n] for n in chosen.tolist()], self.good[chosen], self.group[chosen], self.draw[chosen], 0)

    def counts(self) -> tuple[int, int]:
        """(good, bad)."""
        return int(self.good.sum()), int((~self.good).sum())


def label(good: Iterable[Sequence[str]], bad: Iterable[Sequence[str]]) -> Labelled:
    """One labelled set from batches of positive and of negative examples.

    Each text is used once; a text with both labels, or without words, is left out."""
    found: dict[bytes, tuple[str, np.ndarray, set[bool]]] = {}
    read = 0
    for is_good, batches in ((True, good), (False, bad)):
        for batch in batches:
            read += len(batch)
            words = read_words(batch)
            signatures = minhash(*shingle_hashes(words))
            for hash_, line, signature in zip(content_hashes(batch), lines(words), signatures, strict=True):
                if line:
                    found.setdefault(hash_, (line, signature, set()))[2].add(is_good)
    kept = {hash_: found[hash_] for hash_ in sorted(found) if len(found[hash_][2]) == 1}
    group = groups(np.array([signature for _, signature, _ in kept.values()], np.uint32).reshape(len(kept), -1))
    hashes = list(kept)
    draws = {number: _draw(hashes[number]) for number in set(group.tolist())}       # a group is named by its first member
    return Labelled([line for line, _, _ in kept.values()], np.array([True in sides for _, _, sides in kept.values()], bool),
                    group, np.array([draws[number] for number in group.tolist()]), read - len(kept))


def groups(signatures: np.ndarray) -> np.ndarray:
    """[N] for each signature the number of the first one that it is linked with, by any chain of equal bands."""
    numbers = np.arange(len(signatures), dtype=np.uint64)
    firsts = []
    for band in range(BANDS):
        _, first, place = np.unique(band_hashes(signatures, band, ROWS), return_index=True, return_inverse=True)
        firsts.append(first[place].astype(np.uint64))
    return root_of(forest(np.tile(numbers, BANDS), np.concatenate(firsts)), numbers).astype(np.int64)


def _draw(content_hash: bytes) -> float:
    return int.from_bytes(hashlib.blake2b(content_hash, digest_size=8, person=b"classifier").digest(), "big") / 2**64
