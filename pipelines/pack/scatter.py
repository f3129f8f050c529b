"""Scatter of token rows by shard of blocks: each token part is read once, and a shard then reads one slice of each.

The documents of a part lie all over the blocks, so that every shard needs rows of every part: with 3,000 of each, filling
straight from the parts would read all tokens 3,000 times. A scattered part holds its rows by shard; a table of positions and
checksums at its beginning leads to the slice of each. It is removed with the other work files once the blocks are there.
"""

import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.output import Files, Output
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Counts, Part
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task, fingerprint
from textmill.pipelines.pack.spill import Buckets
from textmill.pipelines.tokens.encode import TOKENIZE

NEED = np.dtype([("part", "<i4"), ("shard", "<i4"), ("row", "<i4")])    # a row of a part that a shard needs
SLICE = np.dtype([("at", "<i8"), ("bytes", "<i8"), ("crc", "<u4")])     # of a scattered part, for each shard
SHARDS = 4          # with fewer it costs more than it saves


class Needs(NamedTuple):
    """Content of a task: the folder with the NEED rows of each part, the ordinal of this one, and how many shards there are."""

    folder: str
    ordinal: int
    shards: int


class Scatter(Stage[None, None, None]):
    """The part of packing that writes the tokens of a layout, part by part, in the order in which shards need them."""

    name, version, unit = "scatter", 1, "texts"
    reads = (TOKENIZE,)
    here_below = 32 << 20

    def __init__(self, dataset: str, layout: Folder, digest: str, shards: int):
        self._dataset, self._layout, self._digest, self._shards = dataset, layout.uri, digest, shards

    def dataset(self, config: Configuration) -> str:
        return self._dataset

    def settings(self, config: Configuration) -> None:
        return None

    def output_settings(self, config: Configuration) -> Any:
        return self._digest

    def output_format(self, tools: None, settings: None) -> Files:
        return Files()

    def tasks(self, context: RunContext, prepared: None) -> list[Task]:
        return [Task(task.key, fingerprint(task.fingerprint, self._digest), task.inputs,
                     Needs(self._layout, ordinal, self._shards), task.bytes)
                for ordinal, task in enumerate(self.aligned_tasks(context))]

    def work(self, tools: None, settings: None, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        needs: Needs = task.payload
        ((dataset, part),) = task.inputs        # the dataset is named after its tokenizer, so `columns` cannot name it
        rows = [batch["tokens"] for batch in read_batches(output.data / dataset, part, ["tokens"])]
        lists = pa.concat_arrays(rows) if rows else pa.array([], pa.list_(pa.uint16()))
        needed = np.frombuffer(Folder(needs.folder).read(needs_path(needs.ordinal)), NEED)
        output.write_file(task.file_name("tokens"), scattered(lists, needed, needs.shards))
        kept = len(np.unique(needed["row"]))
        return {"read": len(lists), "kept": kept, "rejected": {"not_packed": len(lists) - kept}}


def scattered(tokens: pa.ListArray, needed: np.ndarray, shards: int) -> bytes:
    """A scattered part: SLICE for each shard, then for each the lengths (int32) and the tokens of its rows.

    `needed`: NEED rows sorted by (shard, row)."""
    offsets, values = tokens.offsets.to_numpy().astype(np.int64), memoryview(tokens.values.to_numpy())
    since, until = offsets[needed["row"]], offsets[needed["row"] + 1]
    lengths, places = (until - since).astype(np.int32), list(zip(since.tolist(), until.tolist(), strict=True))
    table, slices, at = np.zeros(shards, SLICE), [], shards * SLICE.itemsize
    ends = np.cumsum(np.bincount(needed["shard"], minlength=shards))
    for shard, (start, end) in enumerate(zip(np.append(0, ends)[:-1].tolist(), ends.tolist(), strict=True)):
        # Arrow's `take` copies lists token by token: three times slower than these slices.
        content = b"".join([lengths[start:end].data, *(values[low:high] for low, high in places[start:end])])
        table[shard] = at, len(content), zlib.crc32(content)
        slices.append(content)
        at += len(content)
    return b"".join([table.tobytes(), *slices])


def fetch_scattered(dataset: Folder, parts: tuple[Part, ...], shard: int, dtype: np.dtype, part: np.ndarray,
                    row: np.ndarray) -> pa.ListArray:
    """As `stage.fetch`, the tokens of a shard's rows, from the scattered parts. StageError where one is damaged."""
    lengths, values = [np.zeros(0, np.int32)], [np.zeros(0, dtype)]
    for number, count in zip(*np.unique(part, return_counts=True), strict=True):
        path = parts[number].path
        with dataset.open(path) as file:
            file.seek(shard * SLICE.itemsize)
            (where,) = np.frombuffer(file.read(SLICE.itemsize), SLICE)
            file.seek(int(where["at"]))
            content = file.read(int(where["bytes"]))
        if zlib.crc32(content) != where["crc"] or len(content) < 4 * count:
            raise StageError(f"{dataset.uri}/{path} is damaged; delete it and run pack again")
        lengths.append(np.frombuffer(content, np.int32, count))
        values.append(np.frombuffer(content, dtype, offset=4 * count))
    offsets = np.append(0, np.cumsum(np.concatenate(lengths), dtype=np.int64))
    return pa.ListArray.from_arrays(pa.array(offsets.astype(np.int32)), pa.array(np.concatenate(values)))


def needs_of(planned: pa.Table, shard: int) -> np.ndarray:
    """The NEED rows of a shard, of PLANNED rows, in order."""
    spans = planned["spans"].combine_chunks().flatten()
    codes = np.unique(spans.field("part").to_numpy().astype(np.int64) << 32 | spans.field("row").to_numpy())
    needs = np.zeros(len(codes), NEED)
    needs["part"], needs["shard"], needs["row"] = codes >> 32, shard, codes & 0xFFFFFFFF
    return needs


def write_needs(needs: Buckets, parts: int, work: Folder) -> None:
    """The NEED rows of each part in a file of its own, from buckets of whole parts (`bucket_of`)."""
    for number, rows in enumerate(needs):
        rows = rows[np.lexsort((rows["row"], rows["shard"], rows["part"]))]
        for part in range(-(-number * parts // needs.count), -(-(number + 1) * parts // needs.count)):
            start, end = np.searchsorted(rows["part"], [part, part + 1])
            work.write(needs_path(part), rows[start:end].tobytes())


def bucket_of(rows: np.ndarray, parts: int, count: int) -> np.ndarray:
    """The bucket of each NEED row, of `count`."""
    return rows["part"].astype(np.int64) * count // parts


def needs_path(ordinal: int) -> str:
    """The file of a part's NEED rows."""
    return f"needs-{ordinal:08d}.rows"
