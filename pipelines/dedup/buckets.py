"""LSH buckets: documents that agree in a band. Equal buckets of different bands are merged."""

from collections.abc import Iterator

import numpy as np

from textmill.pipelines.dedup.packed import Pass, by_partition, mixed, owned, run_starts, split

LINK = np.dtype([("bucket", "<u8"), ("ref", "<u8")])


def buckets(bands: np.ndarray) -> np.ndarray:
    """LINK rows of all buckets with at least two members, sorted by bucket and reference.

    A bucket is named by a hash of its member list, so equal lists have equal names whichever band they come from. Two
    different lists with one name (probability 2^-64 a pair) would be compared as one bucket: work, not a wrong answer.
    """
    order = np.argsort(bands["hash"])
    hashes = bands["hash"][order]
    twin = np.zeros(len(hashes), bool)
    same = hashes[1:] == hashes[:-1]
    twin[1:] |= same
    twin[:-1] |= same
    hashes, refs = hashes[twin], bands["ref"][order[twin]]
    order = np.lexsort((refs, hashes))
    hashes, refs = hashes[order], refs[order]
    starts = run_starts(hashes)
    links = np.zeros(len(refs), LINK)
    if len(refs):
        names = np.add.reduceat(mixed(refs), starts)        # wraps; independent of the order of members
        links["bucket"] = np.repeat(mixed(names), np.diff(starts, append=len(refs)))
        links["ref"] = refs
    return distinct(links)


def distinct(links: np.ndarray) -> np.ndarray:
    """Each (bucket, reference) once, sorted: this unifies buckets with equal member lists."""
    links = links[np.lexsort((links["ref"], links["bucket"]))]
    return links[run_starts(links["bucket"], links["ref"])]


def by_smallest(links: np.ndarray, turn: Pass, partitions: int) -> Iterator[tuple[int, bytes]]:
    """(partition, packed LINK rows) of this pass, by a bucket's smallest reference.

    Equal buckets meet, and so do most buckets of one cluster: a pair that occurs in many is compared once.
    """
    starts = run_starts(links["bucket"])
    homes = mixed(np.repeat(links["ref"][starts], np.diff(starts, append=len(links))))
    for _, low, high in turn.ranges(1):
        chosen = owned(homes, low, high)
        yield from by_partition(links[chosen], homes[chosen], partitions)


def candidates(links: np.ndarray) -> Iterator[tuple[int, bytes]]:
    """(part ordinal, packed references): every document in these buckets, once."""
    refs = np.unique(links["ref"])
    for ordinal, chosen in split(refs, (refs >> np.uint64(32)).astype(np.int64)):
        yield ordinal, chosen.tobytes()
