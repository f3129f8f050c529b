"""The packed rows that dedup groups: fixed-width NumPy records, cut into passes and partitions by their hashes.

A document is named by its reference: ordinal of its part << 32 | its row. Rows travel through a grouping as the bytes
of one array per partition, never as Python objects; which pass and which partition a row falls into changes no result.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

MEMBER_FIELDS = [
    ("ref", "<u8"),
    ("id_high", "<u8"), ("id_low", "<u8"),      # the id's 32 hex digits: as numbers they sort as the text does
    ("date", "<i8"),                            # capture, seconds since 1970
    ("length", "<u4"),                          # of the text, in words
    ("priority", "<u4"),                        # of the source: 0 is the best
]
MEMBER = np.dtype(MEMBER_FIELDS)
NO_DATE = np.iinfo(np.int64).min

GROWTH = 6              # bytes the local runner needs per byte that it groups (measured)
PARTITION_BYTES = 32 << 20
RESERVED_PARTITIONS = 16


@dataclass(frozen=True)
class Pass:
    """Pass `number` of `count`: one contiguous range of all keys. The passes together own each key exactly once."""

    number: int = 0
    count: int = 1

    def ranges(self, lanes: int) -> Iterator[tuple[int, int, int]]:
        """The (lane, lowest hash, highest hash) that this pass owns, where each lane holds 64-bit hashes.

        A lane is a part of the key that is known before any hash is worked out: a band, a kind. So most passes see
        a few whole lanes and need not work out the others.

        >>> list(Pass(1, 4).ranges(2)) == [(0, 1 << 63, (1 << 64) - 1)]
        True
        """
        first, end = (n * (lanes << 64) // self.count for n in (self.number, self.number + 1))
        for lane in range(first >> 64, (end - 1 >> 64) + 1 if end > first else 0):
            yield lane, max(first - (lane << 64), 0), min(end - (lane << 64), 1 << 64) - 1


def owned(hashes: np.ndarray, low: int, high: int) -> np.ndarray | slice:
    """Selects the hashes in low..high; all of them cheaply."""
    if low == 0 and high == (1 << 64) - 1:
        return slice(None)
    return (hashes >= np.uint64(low)) & (hashes <= np.uint64(high))


def passes_for(grouped_bytes: int, memory_bytes: float) -> int:
    """How many passes keep a grouping of so many bytes within the memory."""
    return max(1, -int(-grouped_bytes * GROWTH // memory_bytes))


def partitions_for(pass_bytes: int) -> int:
    """A power of two: partitions small beside any memory, and enough to occupy some workers."""
    return max(RESERVED_PARTITIONS, 1 << (max(1, pass_bytes) // PARTITION_BYTES).bit_length())


def mixed(values: np.ndarray) -> np.ndarray:
    """uint64 scrambled so that every output bit depends on every input bit; a bijection.

    The finaliser of SplitMix64 (Steele, Lea, Flood 2014).
    """
    z = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return z ^ (z >> np.uint64(31))


def by_partition(rows: np.ndarray, hashes: np.ndarray, partitions: int) -> Iterator[tuple[int, bytes]]:
    """The rows as (partition, packed rows), by the low bits of their hashes; empty partitions do not appear."""
    for partition, chosen in split(rows, (hashes & np.uint64(partitions - 1)).astype(np.uint32)):
        yield partition, chosen.tobytes()


def split(rows: np.ndarray, groups: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    """The rows of each group, groups ascending, rows in the order they came."""
    order = np.argsort(groups, kind="stable")
    groups, rows = groups[order], rows[order]
    for start, end in runs(groups):
        yield int(groups[start]), rows[start:end]


def joined(chunks: Iterable[bytes], dtype: np.dtype) -> np.ndarray:
    """Packed rows put together; read-only."""
    return np.frombuffer(b"".join(chunks), dtype)


def run_starts(*columns: np.ndarray) -> np.ndarray:
    """Where runs of equal values begin in sorted columns of equal length.

    >>> run_starts(np.array([3, 3, 5, 5, 5, 9])).tolist()
    [0, 2, 5]
    """
    size = len(columns[0])
    if not size:
        return np.zeros(0, np.int64)
    new = np.ones(size, bool)
    new[1:] = False
    for column in columns:
        new[1:] |= column[1:] != column[:-1]
    return np.flatnonzero(new)


def runs(column: np.ndarray) -> Iterator[tuple[int, int]]:
    """(start, end) of each run of equal values in a sorted column."""
    starts = run_starts(column).tolist()
    return zip(starts, [*starts[1:], len(column)][:len(starts)], strict=True)


def ids_to_words(ids: pa.Array | pa.ChunkedArray) -> np.ndarray:
    """Ids (32 lower-case hex digits each) as uint64[n, 2]. ValueError where one is something else."""
    text = "".join(ids.to_pylist())
    if len(text) != 32 * len(ids) or pc.any(pc.not_equal(pc.binary_length(ids), 32)).as_py():
        raise ValueError("an id is not 32 hex digits")
    return np.frombuffer(bytes.fromhex(text), ">u8").astype(np.uint64).reshape(-1, 2)


def within(ascending: np.ndarray, values: np.ndarray) -> np.ndarray:
    """Which values occur in an ascending array, in time for the values and not for the array."""
    if not len(ascending):
        return np.zeros(len(values), bool)
    return ascending.take(ascending.searchsorted(values), mode="clip") == values


def words_to_ids(high: np.ndarray, low: np.ndarray) -> pa.Array:
    """The inverse of `ids_to_words`: strings."""
    digits = np.stack([high, low], axis=1).astype(">u8").tobytes().hex().encode()
    return pa.FixedSizeBinaryArray.from_buffers(pa.binary(32), len(high), [None, pa.py_buffer(digits)]).cast(
        pa.binary()).cast(pa.string())


def in_order(members: np.ndarray, order: tuple[str, ...], first: tuple[np.ndarray, ...] = ()) -> np.ndarray:
    """The sorting of member rows by `first`, then the declared order, then id, then reference.

    An unknown date is neither old nor new: it comes last.
    """
    date = members["date"]
    columns = {
        "source": members["priority"],
        "longest": -members["length"].astype(np.int64),
        "oldest": np.where(date == NO_DATE, np.iinfo(np.int64).max, date),
        "newest": np.where(date == NO_DATE, np.iinfo(np.int64).max, -np.maximum(date, NO_DATE + 1)),
        "first": members["ref"],
    }
    keys = [*first, *(columns[name] for name in order), members["id_high"], members["id_low"], members["ref"]]
    return np.lexsort(keys[::-1])
