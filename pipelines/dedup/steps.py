"""Per-part, per-partition and per-file functions of each step of dedup; `transforms.py` wires them.

A part comes as (ordinal, task); a partition as (number, chunks of packed rows). Text is read in `store_sets` only.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.part_files import aligned, read_batches
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task
from textmill.pipelines.dedup.bands import BAND, band_rows, signature_matrix
from textmill.pipelines.dedup.buckets import LINK, buckets, by_smallest, candidates, distinct
from textmill.pipelines.dedup.common import common_hashes, packed_sample, without
from textmill.pipelines.dedup.exact import (
    ADDRESSED,
    KEYED,
    REMOVED,
    address,
    exact_kinds,
    groups_of_two_or_more,
    key_columns,
    keyed_rows,
    member_rows,
    older,
    resolve,
)
from textmill.pipelines.dedup.files import Grouping, read_rows, rows_of_part, write_rows
from textmill.pipelines.dedup.forest import TREE, root_of
from textmill.pipelines.dedup.keep import CLUSTERED, DECISION, decisions
from textmill.pipelines.dedup.kinds import NEAR
from textmill.pipelines.dedup.packed import MEMBER, Pass, by_partition, ids_to_words, joined, mixed, owned, split, within
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.dedup.shingle_sets import INDEX, ShingleSets, write_sets
from textmill.pipelines.dedup.verify import HELD, compared, fullest
from textmill.pipelines.text.shingles import shingle_hashes
from textmill.pipelines.text.slices import slices
from textmill.pipelines.text.words import read_words

OrderedPart = tuple[int, Task]
Packed = tuple[int, bytes]
REMOVED_FILE, NAMED_FILE, ADDRESSED_FILE, FOREST_FILE, COMMON_FILE, SETS = (
    "removed", "named", "addressed", "forest", "common", "sets")


@dataclass(frozen=True)
class SearchRun:
    """Context of one dedup run: the data folder, its own work folder, the settings."""

    data: Folder
    work: Folder
    settings: DedupSettings

    @property
    def sets(self) -> Folder:
        return self.work / SETS


def keys_of_part(part: OrderedPart, run: SearchRun, grouping: Grouping, number: int) -> Iterator[Packed]:
    """(partition, packed KEYED rows) of the part's kept documents."""
    ordinal, task = part
    return gathered(_keys(ordinal, task, run, Pass(number, grouping.passes), grouping.partitions))


def _keys(ordinal: int, task: Task, run: SearchRun, turn: Pass, partitions: int) -> Iterator[Packed]:
    first = ordinal << 32
    for documents, signals, verdicts in _read(run.data, task, {
            "documents": key_columns(), "signals": ["content_hash", "word_count"], "verdicts": ["kept"]}):
        members = member_rows(documents, _lengths(signals), first, run.settings.source_priority)
        yield from keyed_rows(members, documents, signals["content_hash"], _flags(verdicts),
                              exact_kinds(run.settings.kinds), turn, partitions)
        first += documents.num_rows


def store_groups(partition: tuple[int, Iterable[bytes]], grouping: Grouping, number: int) -> None:
    """Store the KEYED rows of a partition whose key occurs more than once."""
    key, chunks = partition
    grouping.write(number, key, groups_of_two_or_more(joined(chunks, KEYED)))


def resolve_groups(names: list[str], run: SearchRun, grouping: Grouping) -> None:
    """Write `removed`, `named` and `addressed`: the exact copies, what these rows mention, what shares its address."""
    rows = [np.zeros(0, KEYED), *(read_rows(grouping.folder, name, KEYED) for name in names)]
    resolved = resolve(np.concatenate(rows), run.settings.order, run.settings.same_address == "newest")
    for name, found in zip((REMOVED_FILE, NAMED_FILE, ADDRESSED_FILE), resolved, strict=True):
        write_rows(run.work, name, found)


def bands_of_part(part: OrderedPart, run: SearchRun, grouping: Grouping, number: int) -> Iterator[Packed]:
    """(partition, packed BAND rows) of the part's kept documents but for exact copies, halves of pairs and short ones."""
    ordinal, task = part
    return gathered(_bands(ordinal, task, run, Pass(number, grouping.passes), grouping.partitions))


def _bands(ordinal: int, task: Task, run: SearchRun, turn: Pass, partitions: int) -> Iterator[Packed]:
    first = ordinal << 32
    removed = rows_of_part(read_rows(run.work, REMOVED_FILE, REMOVED), ordinal)["ref"]
    for documents, signals, verdicts in _read(run.data, task, {
            "documents": ["pair"], "signals": ["minhash", "shingles"], "verdicts": ["kept"]}):
        refs = np.uint64(first) + np.arange(signals.num_rows, dtype=np.uint64)
        first += signals.num_rows
        left = _flags(verdicts) & (signals["shingles"].to_numpy() >= run.settings.min_shingles) & ~np.isin(refs, removed)
        left &= documents["pair"].is_null().to_numpy(zero_copy_only=False)
        if NEAR.name not in run.settings.kinds:
            left[:] = False
        signatures = signature_matrix(signals["minhash"])[left]
        yield from band_rows(signatures, refs[left], *run.settings.banding(), turn, partitions)


def store_buckets(partition: tuple[int, Iterable[bytes]], grouping: Grouping, number: int) -> None:
    """Store the LSH buckets of a partition that have more than one member."""
    key, chunks = partition
    grouping.write(number, key, buckets(joined(chunks, BAND)))


def lists_of_file(name: str, source: Grouping, grouping: Grouping, number: int) -> Iterator[Packed]:
    """(partition, packed LINK rows) of the buckets in one file, by their smallest member."""
    links = read_rows(source.folder, name, LINK)
    return by_smallest(links, Pass(number, grouping.passes), grouping.partitions)


def store_distinct(partition: tuple[int, Iterable[bytes]], grouping: Grouping, number: int) -> None:
    """Store the LINK rows of a partition without repetitions."""
    key, chunks = partition
    grouping.write(number, key, distinct(joined(chunks, LINK)))


def candidates_of_file(name: str, source: Grouping) -> Iterator[Packed]:
    """(part ordinal, packed references) of the documents in some bucket of the file."""
    return candidates(read_rows(source.folder, name, LINK))


def common_of_part(part: OrderedPart, run: SearchRun, share: float) -> Iterator[Packed]:
    """(0, packed shingle hashes) of the documents that the hash of their id chooses as a sample of this share."""
    ordinal, task = part
    refs = []
    first = ordinal << 32
    for documents, verdicts in _read(run.data, task, {"documents": ["id"], "verdicts": ["kept"]}):
        chosen = _flags(verdicts) & (mixed(ids_to_words(documents["id"])[:, 1]) < np.uint64(min(share, 1 - 2**-53) * 2**64))
        refs.append(np.uint64(first) + np.flatnonzero(chosen).astype(np.uint64))
        first += documents.num_rows
    for members, _, hashes in _shingled(ordinal, task, np.concatenate(refs), run, np.zeros(0, np.uint64)) if refs else ():
        yield 0, packed_sample(len(members), hashes)


def store_common(met: tuple[int, Iterable[bytes]], run: SearchRun, share: float) -> None:
    """Store the shingles that do not count, from the samples of all parts."""
    assert run.settings.common is not None
    write_rows(run.work, COMMON_FILE, common_hashes(met[1], share, run.settings.common))


def store_sets(met: tuple[int, dict[str, Iterable]], run: SearchRun) -> None:
    """Shingles the candidates of one part again, by the function that measured them, and stores their sets."""
    ordinal, columns = met
    refs = np.unique(joined(columns["wanted"], np.dtype("<u8")))
    (task,) = columns["parts"]
    if len(refs):
        common = read_rows(run.work, COMMON_FILE, np.dtype("<u8")) if run.work.exists(COMMON_FILE) else np.zeros(0, np.uint64)
        write_sets(run.sets, ordinal, _shingled(ordinal, task, refs, run, common))


def _shingled(ordinal: int, task: Task, refs: np.ndarray, run: SearchRun,
              common: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """(MEMBER rows, offsets, hashes) of these documents of a part: their shingles without the common ones."""
    first = ordinal << 32
    for documents, signals in _read(run.data, task, {
            "documents": ["id", "date", "source", "text"], "signals": ["word_count"]}):
        wanted = refs[(refs >= first) & (refs < first + documents.num_rows)]
        rows = pa.array((wanted - np.uint64(first)).astype(np.int64))
        members = member_rows(documents, _lengths(signals), first, run.settings.source_priority)[rows.to_numpy()]
        texts = documents["text"].take(rows)
        for start, end in slices(texts):
            yield members[start:end], *without(common, *shingle_hashes(read_words(texts[start:end].to_pylist())))
        first += documents.num_rows


def compare_file(name: str, source: Grouping, run: SearchRun) -> tuple[bytes, list[Packed]]:
    """The verified pairs of the buckets in one file: packed TREE rows, and (part ordinal, packed HELD rows)."""
    edges, held = compared(read_rows(source.folder, name, LINK), ShingleSets(run.sets), run.settings)
    held = fullest(held)
    by_part = split(held, (held["ref"] >> np.uint64(32)).astype(np.int64))
    return _trees(edges["a"], edges["b"]), [(ordinal, rows.tobytes()) for ordinal, rows in by_part]


def store_held(part: tuple[int, Iterable[bytes]], run: SearchRun) -> None:
    """Store, for each document of a part that is contained in others, the one that contains the most of it."""
    ordinal, chunks = part
    write_rows(run.work, held_file(ordinal), fullest(joined(chunks, HELD)))


def held_file(ordinal: int) -> str:
    """Name of the file of a part's HELD rows."""
    return f"held/{ordinal:08d}"


def exact_edges(run: SearchRun) -> bytes:
    """Packed TREE rows: every exact copy and what it is a copy of."""
    removed = read_rows(run.work, REMOVED_FILE, REMOVED)
    return _trees(removed["ref"], removed["kept"])


def _trees(a: np.ndarray, b: np.ndarray) -> bytes:
    trees = np.zeros(len(a), TREE)
    trees["ref"], trees["root"] = a, b
    return trees.tobytes()


def store_forest(packed: bytes, run: SearchRun) -> None:
    """Store the spanning forest: packed TREE rows, from each clustered document to its cluster's root."""
    run.work.write(FOREST_FILE, packed)


def members_of_part(part: OrderedPart, run: SearchRun, grouping: Grouping, number: int) -> Iterator[Packed]:
    """(partition, packed CLUSTERED rows) of the part's documents that are in a cluster, by the cluster's root."""
    ordinal, _ = part
    trees = read_rows(run.work, FOREST_FILE, TREE)
    named, removed, addressed = (rows_of_part(read_rows(run.work, name, dtype), ordinal) for name, dtype in (
        (NAMED_FILE, MEMBER), (REMOVED_FILE, REMOVED), (ADDRESSED_FILE, ADDRESSED)))
    index_file = f"{ordinal:08d}.index"
    index = read_rows(run.sets, index_file, INDEX) if run.sets.exists(index_file) else np.zeros(0, INDEX)
    rows = clustered_rows(named, removed, addressed, index, trees)
    ((_, low, high),) = list(Pass(number, grouping.passes).ranges(1))
    rows = rows[owned(mixed(rows["root"]), low, high)]
    return by_partition(rows, mixed(rows["root"]), grouping.partitions)


def clustered_rows(named: np.ndarray, removed: np.ndarray, addressed: np.ndarray, index: np.ndarray,
                   trees: np.ndarray) -> np.ndarray:
    """CLUSTERED rows of every document in the forest: those that exact copies name, and the verified candidates.

    A document that is both appears twice with equal content. All five are sorted by reference.
    """
    near = index[within(trees["ref"], index["ref"])]
    rows = np.zeros(len(named) + len(near), CLUSTERED)
    for name in MEMBER.names or ():
        rows[name] = np.concatenate([named[name], near[name]])
    rows["root"] = root_of(trees, rows["ref"])
    gone = np.flatnonzero(within(removed["ref"], rows["ref"]))
    found = removed[removed["ref"].searchsorted(rows["ref"][gone])]
    rows["kind"][gone], rows["kept"][gone] = found["kind"], found["kept"]
    rows["address"], rows["older"] = address(addressed, rows["ref"]), older(addressed, rows["ref"])
    return rows


def decide(partition: tuple[int, Iterable[bytes]], run: SearchRun) -> Iterator[Packed]:
    """(part ordinal, packed DECISION rows) of the clusters in one partition."""
    _, chunks = partition
    settings = run.settings
    decided = decisions(joined(chunks, CLUSTERED), ShingleSets(run.sets), settings.threshold, settings.order,
                        settings.max_all_pairs_cluster)
    for ordinal, rows in split(decided, (decided["ref"] >> np.uint64(32)).astype(np.int64)):
        yield ordinal, rows.tobytes()


def store_decisions(part: tuple[int, Iterable[bytes]], grouping: Grouping, number: int) -> None:
    """Store the DECISION rows of a part, sorted by reference."""
    ordinal, chunks = part
    grouping.write(number, ordinal, np.sort(joined(chunks, DECISION), order="ref"))


def gathered(pairs: Iterable[Packed]) -> Iterator[Packed]:
    """One chunk a key instead of many small ones."""
    chunks = defaultdict(list)
    for key, packed in pairs:
        chunks[key].append(packed)
    for key in sorted(chunks):
        yield key, b"".join(chunks.pop(key))


def _read(data: Folder, task: Task, columns: dict[str, list[str]]) -> Iterator[tuple[pa.RecordBatch, ...]]:
    parts = dict(task.inputs)
    return aligned([read_batches(data / name, parts[name], wanted) for name, wanted in columns.items()])


def _lengths(signals: pa.RecordBatch) -> np.ndarray:
    return pc.fill_null(signals["word_count"], 0).to_numpy(zero_copy_only=False).astype(np.int64)


def _flags(verdicts: pa.RecordBatch) -> np.ndarray:
    return verdicts["kept"].to_numpy(zero_copy_only=False)
