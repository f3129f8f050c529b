"""Work files of packed rows between the steps: one file per partition, written atomically.

A finished pass leaves a marker, so that a killed run resumes after the last finished pass.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.packed import partitions_for, passes_for

DONE = ".done"


def write_rows(folder: Folder, name: str, rows: np.ndarray) -> None:
    """Write a structured array as its raw bytes, for `read_rows`."""
    folder.write(name, rows.tobytes())


def read_rows(folder: Folder, name: str, dtype: np.dtype) -> np.ndarray:
    """The rows of a file, read-only; through a memory map where the file is local."""
    if folder.is_local:
        return np.frombuffer(pa.memory_map(folder.path(name)).read_buffer(), dtype)
    return np.frombuffer(folder.read(name), dtype)


def rows_of_part(rows: np.ndarray, ordinal: int) -> np.ndarray:
    """From rows sorted by reference those of one part."""
    first, end = (int(rows["ref"].searchsorted(np.uint64(n << 32))) for n in (ordinal, ordinal + 1))
    return rows[first:end]


@dataclass(frozen=True)
class Grouping:
    """A grouping step: its numbers of passes and partitions, and the folder of its files.

    Both numbers are part of the folder's name, so files of an earlier cut are never taken for files of this one.
    """

    folder: Folder
    passes: int
    partitions: int

    @property
    def step(self) -> str:
        return self.folder.uri.rpartition("/")[2].partition("-")[0]

    @staticmethod
    def sized(work: Folder, step: str, grouped_bytes: int, memory_bytes: float, passes: int | None) -> "Grouping":
        """Cut so that the packed bytes of a pass fit the memory; `passes` overrules."""
        passes = passes or passes_for(grouped_bytes, memory_bytes)
        partitions = partitions_for(grouped_bytes // passes)
        return Grouping(work / f"{step}-{passes}-{partitions}", passes, partitions)

    def names(self) -> list[str]:
        """Every file of the finished passes."""
        return [entry.path for entry in self.folder.entries(recursive=False) if not entry.path.endswith(DONE)]

    def bytes(self) -> int:
        """Of every file of the finished passes."""
        return sum(entry.size for entry in self.folder.entries(recursive=False))

    def unfinished(self) -> Iterator[int]:
        return (number for number in range(self.passes) if not self.folder.exists(f"{number:06d}{DONE}"))

    def finish(self, number: int) -> None:
        self.folder.write(f"{number:06d}{DONE}", b"")

    def write(self, number: int, key: int, rows: np.ndarray) -> None:
        """The rows of one key in one pass; none leave no file."""
        if len(rows):
            write_rows(self.folder, file_name(number, key), rows)


def file_name(number: int, key: int) -> str:
    """Name of the file of one pass and partition; names sort by pass, then by partition."""
    return f"{number:06d}-{key:08d}"
