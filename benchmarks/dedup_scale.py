"""Dedup at scale: planted clusters among many documents without a twin, from stored signatures to decisions.

Prints seconds for each pipeline, peak memory, and what became of the planted documents. Shingle sets are stored before
the clock starts, because synthetic documents have no text to shingle.

    python -m benchmarks.dedup_scale --documents 1000000 --workers 2 --memory-gb 0.5
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.dedup.copies import decisions_of, find_copies
from pipelines.dedup.exact import NEAR
from pipelines.dedup.files import DONE
from pipelines.dedup.rows import MEMBER, words_to_ids
from pipelines.dedup.settings import Dedup
from pipelines.dedup.shingles import write_sets
from pipelines.dedup.steps import SETS
from pipelines.engine import Engine
from pipelines.measure.sketch import PERMUTATIONS, minhash
from pipelines.parts import PartWriter
from pipelines.stage import Task
from pipelines.storage import Folder

PART = 25_000           # documents
CHUNK = 1_000           # members of a cluster made at a time


class Timed(Engine):
    """Prints how long each pipeline took."""

    def run(self, build: Any, parallel: int = 1 << 30) -> None:
        start, before = time.monotonic(), processor_seconds()
        super().run(build, parallel)
        label = next(cell.cell_contents.label for cell in build.__closure__ if hasattr(cell.cell_contents, "expand"))
        print(f"{label:14} {time.monotonic() - start:7.1f} s, {processor_seconds() - before:7.1f} s of processor", flush=True)


def processor_seconds() -> float:
    """Of this process and those it started that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def clusters(members: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Shingle sets [up to CHUNK, shingles] of clusters of 2 to 10,000: one of 10,000 (or a third of all), then most small.

    Each member shares so much with its cluster's first that their Jaccard lies between 0.5 and 1, evenly.
    """
    size = min(10_000, members // 3)
    while members > 1:
        members -= size
        base = rng.integers(0, 1 << 64, rng.integers(200, 600), dtype=np.uint64)
        for start in range(0, size, CHUNK):
            jaccard = rng.uniform(0.5, 1, min(CHUNK, size - start))
            shared = rng.random((len(jaccard), len(base))) < (2 * jaccard / (1 + jaccard))[:, None]
            sets = np.where(shared, base, rng.integers(0, 1 << 64, shared.shape, dtype=np.uint64))
            sets.sort(axis=1)
            yield sets
        size = min(int(2 * 5000 ** (rng.random() ** 3)), members)


def write_world(data: Folder, sets_folder: Folder, documents: int, share: float) -> list[Task]:
    """Three datasets of so many documents, `share` of them in clusters and dealt over all parts; and their sets."""
    rng = np.random.default_rng(7)
    parts = -(-documents // PART)
    dealt: list[list[tuple[np.ndarray, np.ndarray]]] = [[] for _ in range(parts)]
    for sets in clusters(int(documents * share), rng):
        signatures = minhash(np.arange(len(sets) + 1) * sets.shape[1], sets.ravel())
        for part, one, signature in zip(rng.integers(0, parts, len(sets)), sets, signatures, strict=True):
            dealt[part].append((one, signature))
    tasks = []
    for n, planted in enumerate(dealt):
        size = min(PART, documents - n * PART)
        rows = np.sort(rng.choice(size, len(planted), replace=False))
        signatures = rng.integers(0, 1 << 32, (size, PERMUTATIONS), dtype=np.uint32)
        signatures[rows] = np.array([signature for _, signature in planted], np.uint32).reshape(-1, PERMUTATIONS)
        members = np.zeros(size, MEMBER)
        members["ref"] = (n << 32) + np.arange(size)
        members["id_high"], members["id_low"] = rng.integers(0, 1 << 64, (2, size), dtype=np.uint64)
        members["length"] = 400
        lengths = [len(one) for one, _ in planted]
        write_sets(sets_folder, n, [(members[rows], np.cumsum([0, *lengths]),
                                     np.concatenate([np.zeros(0, np.uint64), *(one for one, _ in planted)]))])
        tasks.append(Task(f"{n:06d}", "planted", tuple(
            _write(data, name, n, batch) for name, batch in _batches(members, signatures, rng).items())))
    return tasks


def _batches(members: np.ndarray, signatures: np.ndarray, rng: np.random.Generator) -> dict[str, pa.RecordBatch]:
    size = len(members)
    hashes = pa.py_buffer(rng.bytes(16 * size))
    nothing = pa.nulls(size, pa.string())
    return {
        "documents": pa.record_batch({"id": words_to_ids(members["id_high"], members["id_low"]), "url": nothing,
                                      "date": nothing, "source": pa.array(["planted"] * size)}),
        "signals": pa.record_batch({
            "content_hash": pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), size, [None, hashes]),
            "word_count": pa.array(members["length"].astype(np.float64)),
            "shingles": pa.array(np.full(size, 400, np.int32)),
            "minhash": pa.FixedSizeListArray.from_arrays(pa.array(signatures.ravel()), PERMUTATIONS)}),
        "verdicts": pa.record_batch({"kept": pa.array(np.ones(size, bool))})}


def _write(data: Folder, name: str, number: int, batch: pa.RecordBatch) -> tuple[str, Any]:
    with PartWriter(data / name, f"{number:06d}", f"{number:06d}.parquet", batch.schema) as writer:
        for start in range(0, batch.num_rows, 10_000):
            writer.write(batch[start:start + 10_000])
    return name, writer.part


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--share", type=float, default=0.1, help="in clusters (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=None, help="for what is grouped at one time")
    parser.add_argument("--folder", default=None, help="where to write (default: a temporary folder)")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        data, work = Folder(f"{folder}/data"), Folder(f"{folder}/work")
        tasks = write_world(data, work / SETS, given.documents, given.share)
        work.write(SETS + DONE, b"")
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
        start = time.monotonic()
        find_copies(Timed(workers=given.workers), data, work, tasks, Dedup(memory_gb=given.memory_gb))
        seconds = time.monotonic() - start
        decided = np.concatenate([decisions_of(work, n) for n in range(len(tasks))])
    near = decided["kind"] == NEAR
    peaks = [resource.getrusage(who).ru_maxrss / 1e6 for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    print(f"{given.documents:,} documents: {seconds:.1f} s; peak memory {peaks[0]:.2f} GB in the submitting process "
          f"({before:.2f} before), {peaks[1]:.2f} GB in the largest worker; {len(decided):,} in clusters, {near.sum():,} "
          f"removed, similarity {decided['similarity'][near].min():.3f} to {decided['similarity'][near].max():.3f}")


if __name__ == "__main__":
    main()
