"""Exact duplicates: the same record, the same address, the same text.

Rows of all documents are grouped by key; only groups of two or more go on, and one resolution over those says, kind
after kind, which document is kept: the newest capture of an address, else the first in the declared order.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.dedup.kinds import EXACT, RECORD, URL, Kind
from textmill.pipelines.dedup.packed import (
    MEMBER,
    MEMBER_FIELDS,
    NO_DATE,
    Pass,
    by_partition,
    ids_to_words,
    in_order,
    owned,
    run_starts,
)
from textmill.pipelines.web.address import canonical_url

KEYED = np.dtype([("kind", "u1"), ("key_high", "<u8"), ("key_low", "<u8"), *MEMBER_FIELDS])
REMOVED = np.dtype([("ref", "<u8"), ("kept", "<u8"), ("kind", "u1")])


def member_rows(documents: pa.RecordBatch, lengths: np.ndarray, first_ref: int, priority: Sequence[str]) -> np.ndarray:
    """MEMBER rows of consecutive documents (columns id, date, source); `lengths` are the words of their texts."""
    rows = np.zeros(documents.num_rows, MEMBER)
    rows["ref"] = np.uint64(first_ref) + np.arange(len(rows), dtype=np.uint64)
    words = ids_to_words(documents.column("id"))
    rows["id_high"], rows["id_low"] = words[:, 0], words[:, 1]
    dates = pc.strptime(documents.column("date"), format="%Y-%m-%dT%H:%M:%SZ", unit="s", error_is_null=True)
    rows["date"] = dates.cast(pa.int64()).fill_null(int(NO_DATE)).to_numpy(zero_copy_only=False)
    rows["length"] = np.minimum(lengths, np.iinfo(np.uint32).max)
    place = pc.index_in(documents.column("source"), value_set=pa.array(priority, pa.string()))
    rows["priority"] = place.fill_null(len(priority)).to_numpy(zero_copy_only=False)
    return rows


def keyed_rows(members: np.ndarray, documents: pa.RecordBatch, content_hashes: pa.Array, kept: np.ndarray,
               turn: Pass, partitions: int) -> Iterator[tuple[int, bytes]]:
    """(partition, packed KEYED rows): for each kept document its keys, of all kinds that equal keys prove, of this pass.

    `documents` has the columns of `key_columns`, `content_hashes` is fixed_size_binary(16). A document without a key of a
    kind, such as one without an address, has no row of that kind.
    """
    for lane, low, high in turn.ranges(len(KEYS)):
        kind = list(KEYS)[lane]
        rows, keys = KEYS[kind].of(members, documents, content_hashes)
        chosen = np.zeros(len(rows), bool)
        chosen[owned(keys[:, 0], low, high)] = True
        chosen &= kept[rows]
        keyed = np.zeros(int(chosen.sum()), KEYED)
        keyed["kind"] = kind.code
        keyed["key_high"], keyed["key_low"] = keys[chosen, 0], keys[chosen, 1]
        for name in MEMBER.names or ():
            keyed[name] = members[name][rows[chosen]]
        yield from by_partition(keyed, keyed["key_low"], partitions)


def _address_keys(urls: pa.Array) -> tuple[np.ndarray, np.ndarray]:
    """Rows that have an address, and the BLAKE2b-128 of its canonical form as uint64[n, 2]."""
    given = urls.to_pylist()
    rows = [row for row, url in enumerate(given) if url]
    digests = b"".join(hashlib.blake2b(canonical_url(given[row]).encode("utf-8", "surrogatepass"), digest_size=16).digest()
                       for row in rows)
    return np.array(rows, np.int64), np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)


def _digests(values: pa.Array) -> np.ndarray:
    data = values.buffers()[1]
    whole = np.frombuffer(data, ">u8", count=2 * (values.offset + len(values))).reshape(-1, 2)
    return whole[values.offset:].astype(np.uint64)


def groups_of_two_or_more(keyed: np.ndarray) -> np.ndarray:
    """The rows whose key occurs at least twice, by the low half of the key; `resolve` looks at all of it."""
    rows = keyed[np.argsort(keyed["key_low"], kind="stable")]
    twin = np.zeros(len(rows), bool)
    same = rows["key_low"][1:] == rows["key_low"][:-1]
    twin[1:] |= same
    twin[:-1] |= same
    return rows[twin]


class Key(NamedTuple):
    """How copies of a kind are known: by equal keys, of 128 bits each."""

    columns: tuple[str, ...]        # of `documents`, that it needs besides id, date and source
    of: Callable[[np.ndarray, pa.RecordBatch, pa.Array], tuple[np.ndarray, np.ndarray]]
    """(members, documents, content hashes) → the rows that have a key, and the keys, two words of 64 bits each."""


# In the order of KINDS: a kind sees only what the kinds before it left.
KEYS: dict[Kind, Key] = {
    RECORD: Key((), lambda members, _documents, _hashes: (
        np.arange(len(members)), np.stack([members["id_high"], members["id_low"]], axis=1))),
    URL: Key(("url",), lambda _members, documents, _hashes: _address_keys(documents["url"])),
    EXACT: Key((), lambda members, _documents, hashes: (np.arange(len(members)), _digests(hashes))),
}


def key_columns() -> list[str]:
    """The columns of `documents` that `member_rows` and all keys need."""
    return list(dict.fromkeys(["id", "date", "source", *(name for key in KEYS.values() for name in key.columns)]))


def resolve(keyed: np.ndarray, order: tuple[str, ...]) -> tuple[np.ndarray, np.ndarray]:
    """(REMOVED, MEMBER): each removed document with the one it is a copy of; and every document named there.

    `keyed` are the rows of all groups of two or more, and any others, in any order. Both results are sorted by
    reference. The kept document of one kind may be removed by a later kind; one removed by an earlier kind takes no part
    in the later.
    Needs memory for the rows in groups only.
    """
    removed = [np.zeros(0, REMOVED)]
    gone = np.zeros(0, np.uint64)
    for kind in KEYS:
        rows = keyed[keyed["kind"] == kind.code]
        rows = rows[~np.isin(rows["ref"], gone)]
        by_date = tuple(name for name in order if name not in ("oldest", "newest"))
        declared = ("newest", *by_date) if kind.newest_is_kept else order
        rows = rows[in_order(rows, declared, (rows["key_high"], rows["key_low"]))]
        starts = run_starts(rows["key_high"], rows["key_low"])
        sizes = np.diff(starts, append=len(rows))
        first = np.repeat(starts, sizes)
        goes = first != np.arange(len(rows))
        found = np.zeros(int(goes.sum()), REMOVED)
        found["ref"], found["kept"], found["kind"] = rows["ref"][goes], rows["ref"][first[goes]], kind.code
        removed.append(found)
        gone = np.concatenate([gone, found["ref"]])
    result = np.sort(np.concatenate(removed), order="ref")
    named = np.isin(keyed["ref"], np.concatenate([result["ref"], result["kept"]]))
    _, once = np.unique(keyed["ref"][named], return_index=True)
    rows = keyed[named][once]
    members = np.zeros(len(rows), MEMBER)
    for name in MEMBER.names or ():
        members[name] = rows[name]
    return result, members
