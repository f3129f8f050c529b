"""Suffix array of token stretches: every place where a run may begin, in the order of the text from there on.

A suffix ends where its stretch ends; one that is the beginning of another comes before it, and equal ones are in the order of
their places. So the array is a function of tokens and stretches alone. Tokens compare by their stored bytes, so that `bytes`
of a stream compare as the array is sorted.

Built by prefix doubling (Manber and Myers 1993): sorted by three tokens, then, where that leaves ties, by six, twelve and so
on, each time by the ranks that are known already (Larsson and Sadakane 2007); a part of the groups at a time, so that what a
sort needs does not grow with the text.
"""

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

MOST = 1 << 31          # positions: a key below holds a group and a rank in 63 bits
PART = 1 << 22          # suffixes that are sorted at a time, or as many as the largest group has


def suffix_array(tokens: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Positions (uint32) in [starts, ends) of little-endian `tokens`, sorted; fewer than MOST of them.

    The stretches are in order and do not overlap; positions outside them are in no suffix. Holds some 25 bytes a token.
    """
    left = np.zeros(len(tokens), np.int32)                      # tokens from here to the end of the stretch; 0 outside
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        left[start:end] = np.arange(end - start, 0, -1, dtype=np.int32)
    order = np.flatnonzero(left).astype(np.uint32)
    group = tokens[order].byteswap()
    by_token = np.argsort(group, kind="stable")                 # a radix sort
    order, group = order[by_token], group[by_token]
    del by_token
    rank = np.zeros(len(tokens), np.uint32)
    slots = np.arange(len(order), dtype=np.uint32)
    depth = 3 if tokens.dtype.itemsize == 2 else 1              # tokens that one 64-bit key holds, with one value for "ended"
    slots = _sort(order, rank, slots, group, partial(_tokens_key, tokens, left, depth))
    while len(slots):
        group = rank[order[slots]]
        slots = _sort(order, rank, slots, group, partial(_ranks_key, rank, left, depth))
        depth *= 2
    return order


def _sort(order: np.ndarray, rank: np.ndarray, slots: np.ndarray, group: np.ndarray,
          key_of: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
    """Sort the suffixes in `slots` of the order within their groups by a key, and rank them; the slots where ties are left."""
    tied = [slots[:0]]
    for part in _parts(group):
        into = slots[part]
        places = order[into]
        key = key_of(places)
        by_key = np.argsort(key)
        places, key = places[by_key], key[by_key]
        order[into] = places
        new = np.ones(len(key), bool)
        new[1:] = key[1:] != key[:-1]
        rank[places] = into[np.maximum.accumulate(np.where(new, np.arange(len(key)), 0))]       # the first slot of its group
        same = ~new
        same[:-1] |= ~new[1:]
        tied.append(into[same])
    return np.concatenate(tied)


def _parts(group: np.ndarray) -> Iterator[slice]:
    """Slices of about PART, each of whole groups."""
    start = 0
    while start < len(group):
        stop = min(start + PART, len(group))
        if stop < len(group):
            before = int(np.searchsorted(group, group[stop], "left"))
            stop = before if before > start else int(np.searchsorted(group, group[stop], "right"))
        yield slice(start, stop)
        start = stop


def _tokens_key(tokens: np.ndarray, left: np.ndarray, depth: int, places: np.ndarray) -> np.ndarray:
    """The first `depth` tokens of each suffix in one number, 0 for those after its end."""
    key = np.zeros(len(places), np.uint64)
    for n in range(depth):
        inside = left[places] > n
        key <<= np.uint64(8 * tokens.dtype.itemsize + 1)
        key[inside] += tokens[places[inside] + np.uint32(n)].byteswap().astype(np.uint64) + np.uint64(1)
    return key


def _ranks_key(rank: np.ndarray, left: np.ndarray, depth: int, places: np.ndarray) -> np.ndarray:
    """The group of each suffix, whose first `depth` tokens are sorted, and the rank of what comes after these.

    Suffixes of a group that end there are equal: their place decides, and they come before those that go on."""
    group = rank[places]
    alive = left[places] > depth
    second = places.astype(np.int64)
    second[alive] = len(rank) + rank[places[alive] + np.uint32(depth)].astype(np.int64)
    return np.cumsum(np.diff(group, prepend=group[:1]) != 0) * (2 * len(rank)) + second
