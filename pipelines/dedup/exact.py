"""Exact duplicates: the same record, the same text. And captures of one address, which are copies where their texts are.

Rows of all documents are grouped by key; only groups of two or more go on, and one resolution over those says, kind
after kind, which document is kept: the first in the declared order, but never an older capture of an address before the
newest. That an address was captured again removes nothing by itself, unless `same_address` is newest: the comments of a
thread and the chunks of a book have one address.

A half of a compared pair is a copy only of the same half of the same pair: the two answers to a prompt are alike, and one
answer is compared with several, so that by its text a half would go and leave the other without its comparison.
"""

import hashlib
from collections.abc import Callable, Collection, Iterator, Sequence
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
from textmill.pipelines.web.address import canonical_url, is_web_address

KEYED = np.dtype([("kind", "u1"), ("key_high", "<u8"), ("key_low", "<u8"), *MEMBER_FIELDS])
REMOVED = np.dtype([("ref", "<u8"), ("kept", "<u8"), ("kind", "u1")])
ADDRESSED = np.dtype([("ref", "<u8"), ("address", "<u8"), ("older", "u1")])    # captured more than once; older: not the newest


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
               kinds: Sequence[Kind], turn: Pass, partitions: int) -> Iterator[tuple[int, bytes]]:
    """(partition, packed KEYED rows): for each kept document its keys of these kinds, of this pass.

    `documents` has the columns of `key_columns`, `content_hashes` is fixed_size_binary(16). A document without a key of a
    kind, such as one without an address, has no row of that kind.
    """
    for lane, low, high in turn.ranges(len(kinds)):
        kind = kinds[lane]
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


def _address_keys(documents: pa.RecordBatch) -> tuple[np.ndarray, np.ndarray]:
    """Rows that have a web address, and the BLAKE2b-128 of its canonical form as uint64[n, 2]. "N/A" is none.

    Halves of compared pairs have none: both stand at one."""
    given = pc.if_else(pc.is_null(documents["pair"]), documents["url"], None).to_pylist()
    rows = [row for row, url in enumerate(given) if url and is_web_address(url)]
    digests = b"".join(hashlib.blake2b(canonical_url(given[row]).encode("utf-8", "surrogatepass"), digest_size=16).digest()
                       for row in rows)
    return np.array(rows, np.int64), np.frombuffer(digests, ">u8").astype(np.uint64).reshape(-1, 2)


def _content_keys(documents: pa.RecordBatch, hashes: pa.Array) -> np.ndarray:
    """The content hash of each row as uint64[n, 2]; for a half of a compared pair the pair's id, whose last bit says which."""
    keys = _digests(hashes)
    halves = pc.indices_nonzero(pc.is_valid(documents["pair"]))
    keys[halves] = ids_to_words(documents["pair"].take(halves))
    keys[halves, 1] = keys[halves, 1] & ~np.uint64(1) | documents["preferred"].take(halves).cast(pa.uint64()).to_numpy()
    return keys


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
    URL: Key(("url", "pair"), lambda _members, documents, _hashes: _address_keys(documents)),
    EXACT: Key(("pair", "preferred"), lambda members, documents, hashes: (
        np.arange(len(members)), _content_keys(documents, hashes))),
}


def exact_kinds(names: Collection[str]) -> list[Kind]:
    """The kinds of these names that have keys, in the order of KINDS."""
    return [kind for kind in KEYS if kind.name in names]


def key_columns() -> list[str]:
    """The columns of `documents` that `member_rows` and all keys need."""
    return list(dict.fromkeys(["id", "date", "source", *(name for key in KEYS.values() for name in key.columns)]))


class Resolved(NamedTuple):
    """What equal keys say, each sorted by reference."""

    removed: np.ndarray         # REMOVED: each removed document, and the one it is a copy of
    named: np.ndarray           # MEMBER: every document named there
    addressed: np.ndarray       # ADDRESSED: documents whose address another has too


def resolve(keyed: np.ndarray, order: tuple[str, ...], newest_only: bool = False) -> Resolved:
    """Which documents are copies by their keys.

    `keyed` are the rows of all groups of two or more, and any others, in any order. The kept document of one kind may be
    removed by a later kind; one removed by an earlier kind takes no part in the later. With `newest_only`, older captures of
    an address are removed. Needs memory for the rows in groups only.
    """
    removed = [np.zeros(0, REMOVED)]
    gone = np.zeros(0, np.uint64)
    addressed = np.zeros(0, ADDRESSED)
    for kind in KEYS:
        rows = keyed[keyed["kind"] == kind.code]
        rows = rows[~np.isin(rows["ref"], gone)]
        keys = (rows["key_high"], rows["key_low"])
        if kind is URL:
            declared = ("newest", *(name for name in order if name not in ("oldest", "newest")))
            rows = rows[in_order(rows, declared, keys)]
        else:
            rows = rows[in_order(rows, order, (*keys, older(addressed, rows["ref"])))]
        starts = run_starts(rows["key_high"], rows["key_low"])
        sizes = np.diff(starts, append=len(rows))
        first = np.repeat(starts, sizes)
        goes = first != np.arange(len(rows))
        if kind is URL:
            shared = np.repeat(sizes, sizes) > 1
            addressed = np.zeros(int(shared.sum()), ADDRESSED)
            addressed["ref"], addressed["address"] = rows["ref"][shared], rows["key_low"][shared]
            addressed["older"] = (rows["date"] != rows["date"][first])[shared]     # of one date, none is older
            addressed = np.sort(addressed, order="ref")
            if not newest_only:
                continue
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
    return Resolved(result, members, addressed)


def older(addressed: np.ndarray, refs: np.ndarray) -> np.ndarray:
    """[len(refs)] 1 where a document is an older capture of its address, else 0."""
    return _field(addressed, refs, "older")


def address(addressed: np.ndarray, refs: np.ndarray) -> np.ndarray:
    """[len(refs)] a number that captures of one address share, else 0."""
    return _field(addressed, refs, "address")


def _field(addressed: np.ndarray, refs: np.ndarray, name: str) -> np.ndarray:
    values = np.zeros(len(refs), ADDRESSED[name])
    if len(addressed):
        place = addressed["ref"].searchsorted(refs).clip(max=len(addressed) - 1)
        known = addressed["ref"][place] == refs
        values[known] = addressed[name][place[known]]
    return values
