"""Order of documents and blocks: by hashes within a pass, and entries interleaved over the run.

The documents of a pass are in the order of a hash of (pass, id), so that blocks hold the same with any seed; its blocks in that
of a hash of (seed, pass, block), else a novel would be fifty blocks in a row. A block comes when its entry, going at an even
pace, would be in the middle of it, so that every prefix has the recipe's shares to within a block or so.
"""

from collections.abc import Sequence

import numpy as np

from textmill.pipelines.pack.split import digest


def keys(rows: np.ndarray, turn: int = 0) -> np.ndarray:
    """Of ROW rows, where in a pass their document comes: a hash of the pass, the id, and which time it is."""
    which = _mixed((rows["again"].astype(np.uint64) << np.uint64(32)) + np.uint64(turn))
    return _mixed(rows["high"] ^ _mixed(rows["low"] ^ which))


def _mixed(values: np.ndarray) -> np.ndarray:
    """SplitMix64's finaliser: 64 bits in, 64 bits out that look random, the same for equal ones (Steele et al. 2014)."""
    values = values + np.uint64(0x9E3779B97F4A7C15)
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def shuffled(blocks: int, seed: int, turn: int) -> np.ndarray:
    """So many blocks of a pass in the order of their hashes."""
    salt = np.uint64(int.from_bytes(digest(b"order", seed.to_bytes(8) + turn.to_bytes(8))))
    return np.argsort(_mixed(np.arange(blocks, dtype=np.uint64) ^ salt), kind="stable")


def interleaved(sizes: Sequence[np.ndarray], parts: Sequence[list[tuple[float, float]]],
                tokens: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """All entries' blocks in training order: entry, place in the entry's own order, phase.

    `sizes`: tokens of each entry's blocks in its own order; `parts`: (part of the run, share in it) of each entry's phases."""
    owner, place, due, phase = ([np.zeros(0, np.int64)] for _ in range(4))
    for number, (own, of_entry) in enumerate(zip(sizes, parts, strict=True)):
        when, which = _due(np.cumsum(own) - own / 2, of_entry, tokens)
        owner.append(np.full(len(own), number))
        place.append(np.arange(len(own)))
        due.append(when)
        phase.append(which)
    order = np.lexsort((np.concatenate(owner), np.concatenate(due), np.concatenate(phase)))
    return tuple(np.concatenate(column)[order] for column in (owner, place, phase))  # type: ignore[return-value]


def _due(middles: np.ndarray, parts: list[tuple[float, float]], tokens: int) -> tuple[np.ndarray, np.ndarray]:
    """When in the run, in tokens, an entry has given so many, and in which phase; `parts` are (part, its share) of each."""
    shares = np.array([share for _, share in parts])
    part = np.array([part for part, _ in parts]) * tokens
    begin, given = np.cumsum(part) - part, np.cumsum(part * shares) - part * shares
    own = np.flatnonzero(shares > 0)
    which = own[np.maximum(np.searchsorted(given[own], middles, side="right") - 1, 0)]
    return begin[which] + (middles - given[which]) / shares[which], which
