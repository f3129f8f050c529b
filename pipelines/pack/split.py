"""The validation split: which documents are held out, the same in every mixture.

Documents that are alike are on one side: a cluster is held out whole, by the hash of its name, and a document that lies in
another goes with that one. A document that is alone goes by the hash of its id. A larger share holds out what a smaller one
does and more.
"""

from collections import defaultdict
from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc


def digest(person: bytes, data: bytes) -> bytes:
    """8 bytes of BLAKE2b over `data`; `person` keeps one use apart from another."""
    return blake2b(data, digest_size=8, person=person).digest()


def held_out(key: str, share: float) -> bool:
    """Whether what goes by `key` (an id, or the name of a cluster) belongs to the validation split."""
    return int.from_bytes(digest(b"validation", key.encode())) < int(share * 2**64)


class Kinship:
    """The key of each document: its id, its cluster, or that of the document that it lies in.

    `ties` are (key, key that it goes with); of several that go with none, the smallest holds for all that are tied. Memory
    grows with the documents that lie in another, not with all."""

    def __init__(self, ties: Iterable[tuple[str, str]] = ()):
        neighbours, goes = defaultdict(list), set()
        for one, other in ties:
            neighbours[one].append(other)
            neighbours[other].append(one)
            goes.add(one)
        self._key: dict[str, str] = {}
        for start in neighbours:
            if start in self._key:
                continue
            tied, waiting = {start}, [start]
            while waiting:
                new = set(neighbours[waiting.pop()]) - tied
                tied |= new
                waiting += new
            self._key |= dict.fromkeys(tied, min(tied - goes or tied))

    def held(self, ids: pa.Array, clusters: pa.Array | None, share: float) -> np.ndarray:
        """Whether each of these documents is held out; `clusters` is null where it is in none."""
        keys = ids if clusters is None else pc.coalesce(clusters, ids)
        return np.fromiter((held_out(self._key.get(key, key), share) for key in keys.to_pylist()), bool, len(keys))


def containments(duplicates: Iterable[pa.RecordBatch]) -> list[tuple[str, str]]:
    """(key of a document, id of the one that it lies in), of rows of id, cluster and contained_in."""
    found = []
    for batch in duplicates:
        inside = batch.filter(pc.is_valid(batch["contained_in"]))
        keys = pc.coalesce(inside["cluster"], inside["id"])
        found += list(zip(keys.to_pylist(), inside["contained_in"].to_pylist(), strict=True))
    return found


def clusters_of(duplicates: Iterable[pa.RecordBatch], ids: set[str]) -> list[tuple[str, str]]:
    """(id, cluster) of those of these documents that are in one."""
    wanted, found = pa.array(sorted(ids), pa.string()), []
    for batch in duplicates if ids else ():
        rows = batch.filter(pc.and_(pc.is_in(batch["id"], value_set=wanted), pc.is_valid(batch["cluster"])))
        found += list(zip(rows["id"].to_pylist(), rows["cluster"].to_pylist(), strict=True))
    return found
