"""Shingle sets of candidates, stored part by part, and read back a few at a time.

Two files a part: `<ordinal>.hashes` holds the sets one after the other, each ascending, as little-endian uint64;
`<ordinal>.index` holds an INDEX row for each, sorted by reference. Local files are read through a memory map, so that
frequent reads come from the page cache; others by range reads.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable

import numpy as np
import pyarrow as pa

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.packed import MEMBER, MEMBER_FIELDS, runs

INDEX = np.dtype([*MEMBER_FIELDS, ("start", "<u8"), ("count", "<u4")])
OPEN_PARTS = 256            # parts that a reader keeps open

Reader = Callable[[int, int], np.ndarray]


def write_sets(folder: Folder, ordinal: int, batches: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray]]) -> None:
    """Store the sets of one part, given as batches (MEMBER rows, offsets [rows + 1], hashes), in order of reference."""
    indexes, start = [], 0
    with folder.new_file(f"{ordinal:08d}.hashes") as file:
        for members, offsets, hashes in batches:
            index = np.zeros(len(members), INDEX)
            for name in MEMBER.names or ():
                index[name] = members[name]
            index["start"], index["count"] = start + offsets[:-1], np.diff(offsets)
            indexes.append(index)
            file.write(np.ascontiguousarray(hashes, "<u8").tobytes())
            start += len(hashes)
    folder.write(f"{ordinal:08d}.index", b"".join(index.tobytes() for index in indexes))


class ShingleSets:
    """The stored sets of a folder, by reference."""

    def __init__(self, folder: Folder):
        self.folder = folder
        self._open: OrderedDict[int, tuple[np.ndarray, Reader]] = OrderedDict()

    def index(self, refs: np.ndarray) -> np.ndarray:
        """INDEX rows of these references, in their order. KeyError where one is not stored."""
        found = np.zeros(len(refs), INDEX)
        order = np.argsort(refs, kind="stable")
        ordinals = (refs[order] >> np.uint64(32)).astype(np.int64)
        for start, end in runs(ordinals):
            rows, _ = self._part(int(ordinals[start]))
            wanted = refs[order[start:end]]
            place = rows["ref"].searchsorted(wanted)
            if (rows["ref"].take(place, mode="clip") != wanted).any() if len(rows) else len(wanted):
                raise KeyError(f"no shingle set is stored for a document of part {ordinals[start]}")
            found[order[start:end]] = rows[place]
        return found

    def hashes(self, index: np.ndarray) -> np.ndarray:
        """The sets of these INDEX rows one after the other, in their order: uint64[sum of counts]."""
        if not len(index):
            return np.zeros(0, np.uint64)
        ordinals = (index["ref"] >> np.uint64(32)).tolist()
        return np.concatenate([self._part(ordinal)[1](start, count) for ordinal, start, count
                               in zip(ordinals, index["start"].tolist(), index["count"].tolist(), strict=True)])

    def _part(self, ordinal: int) -> tuple[np.ndarray, Reader]:
        if ordinal in self._open:
            self._open.move_to_end(ordinal)
        else:
            rows = np.frombuffer(self.folder.read(f"{ordinal:08d}.index"), INDEX)
            self._open[ordinal] = rows, self._reader(f"{ordinal:08d}.hashes")
            if len(self._open) > OPEN_PARTS:
                self._open.popitem(last=False)
        return self._open[ordinal]

    def _reader(self, name: str) -> Reader:
        """(first, count) → hashes."""
        if self.folder.is_local:
            mapped = np.frombuffer(pa.memory_map(self.folder.path(name)).read_buffer(), "<u8")
            return lambda start, count: mapped[start:start + count]
        file = self.folder.open(name)
        return lambda start, count: np.frombuffer(file.read_at(8 * count, 8 * start), "<u8")
