"""A synthetic corpus for dedup at scale: planted clusters among many documents without a twin, as stored datasets.

A tenth of the documents are in clusters of 2 to 10,000, dealt over all parts. A member is its cluster's passage of 200 to 600
words with single words replaced, so that its Jaccard with the passage lies evenly between 0.5 and 1; it has a text, from
which the real code makes its signature. The other documents have a random signature and no text: no other's is equal to it
in a band but by chance, so nobody ever reads it.
"""

import json
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task
from textmill.pipelines.dedup.packed import words_to_ids
from textmill.pipelines.text.shingles import PERMUTATIONS, SHINGLE, content_hashes, minhash, shingle_hashes
from textmill.pipelines.text.words import read_words

PART = 25_000           # documents
LARGEST = 10_000        # members of the largest cluster, or a third of all planted
VOCABULARY = np.array([f"{a}{b}{c}{d}" for a in "bdfgklmnprst" for b in "aeiou" for c in "bdfgklmnprst" for d in "aeiou"])
MERSENNE = np.uint64((1 << 61) - 1)


def cluster_sizes(members: int, rng: np.random.Generator) -> Iterator[int]:
    """One of LARGEST, then most of them small."""
    size = min(LARGEST, members // 3)
    while members > 1:
        members -= size
        yield size
        size = min(int(2 * 5000 ** (rng.random() ** 3)), members)


def write_world(folder: Path, documents: int, share: float, workers: int, for_datatrove: bool) -> list[Task]:
    """`folder`/data holds documents, signals and verdicts; `folder`/datatrove the same as its step 1 leaves them."""
    rng = np.random.default_rng(7)
    parts = -(-documents // PART)
    sizes = np.array(list(cluster_sizes(int(documents * share), rng)))
    planted = np.stack([np.repeat(np.arange(len(sizes)), sizes),
                        np.concatenate([np.arange(size) for size in sizes])], axis=1)
    home = rng.integers(0, parts, len(planted))
    write = partial(write_part, folder, for_datatrove)
    with ProcessPoolExecutor(workers) as pool:
        return list(pool.map(write, range(parts), (min(PART, documents - n * PART) for n in range(parts)),
                             (planted[home == n] for n in range(parts))))


def text_of(cluster: int, member: int) -> str:
    """The same for the same numbers."""
    rng = np.random.default_rng((11, cluster))
    words = VOCABULARY[rng.integers(0, len(VOCABULARY), rng.integers(200, 600) + SHINGLE - 1)]
    rng = np.random.default_rng((13, cluster, member))
    jaccard, shingles = rng.uniform(0.5, 1), len(words) - SHINGLE + 1
    replaced = rng.choice(shingles // SHINGLE, int(shingles * (1 - jaccard) / (1 + jaccard) / SHINGLE), replace=False)
    words[replaced * SHINGLE + SHINGLE // 2] = VOCABULARY[rng.integers(0, len(VOCABULARY), len(replaced))]
    return " ".join(words.tolist())


def write_part(folder: Path, for_datatrove: bool, number: int, size: int, planted: np.ndarray) -> Task:
    rng = np.random.default_rng((17, number))
    rows = np.sort(rng.choice(size, len(planted), replace=False))
    given = [text_of(cluster, member) for cluster, member in planted.tolist()]
    offsets, hashes = shingle_hashes(read_words(given))
    signatures = rng.integers(0, 1 << 32, (size, PERMUTATIONS), dtype=np.uint32)
    signatures[rows] = minhash(offsets, hashes)
    texts = np.full(size, None, object)
    texts[rows] = given
    digests = rng.bytes(16 * size)
    contents = [digests[16 * n:16 * n + 16] for n in range(size)]
    for row, digest in zip(rows.tolist(), content_hashes(given), strict=True):
        contents[row] = digest
    ids = rng.integers(0, 1 << 64, (2, size), dtype=np.uint64)
    batches = {
        "documents": pa.record_batch({
            "id": words_to_ids(*ids), "url": [f"https://site{n % 9973}.example/{number}/{n}" for n in range(size)],
            "date": pa.nulls(size, pa.string()), "source": pa.array(["planted"] * size), "text": pa.array(texts, pa.string())}),
        "signals": pa.record_batch({
            "content_hash": pa.array(contents, pa.binary(16)), "word_count": pa.array(np.full(size, 400.0)),
            "shingles": pa.array(np.full(size, 400, np.int32)),
            "minhash": pa.FixedSizeListArray.from_arrays(pa.array(signatures.ravel()), PERMUTATIONS)}),
        "verdicts": pa.record_batch({"kept": pa.array(np.ones(size, bool))})}
    if for_datatrove:
        write_datatrove(folder / "datatrove", number, size, rows, offsets, hashes, rng)
    return Task(f"{number:06d}", "planted", tuple(_write(Folder(f"{folder}/data"), name, number, batch)
                                                  for name, batch in batches.items()))


def write_datatrove(folder: Path, number: int, size: int, rows: np.ndarray, offsets: np.ndarray, hashes: np.ndarray,
                    rng: np.random.Generator, bands: int = 14, width: int = 8) -> None:
    """What its step 1 would have written for these shingles, by its own formula, and a short document for its step 4."""
    drawn = np.random.RandomState(1)
    a, b = drawn.randint(1, int(MERSENNE), bands * width, np.uint64), drawn.randint(0, int(MERSENNE), bands * width, np.uint64)
    signatures = rng.integers(0, int(MERSENNE), (size, bands * width), dtype=np.uint64)
    for row, start, end in zip(rows.tolist(), offsets[:-1].tolist(), offsets[1:].tolist(), strict=True):
        signatures[row] = ((hashes[start:end, None] * a + b) % MERSENNE).min(axis=0)
    for band in range(bands):
        some = signatures[:, band * width:(band + 1) * width]
        packed = np.zeros(size, np.dtype([("hashes", "<u8", width), ("document", "<u4")]))
        order = np.lexsort((np.arange(size), *some.T[::-1]))
        packed["hashes"], packed["document"] = some[order], order
        (folder / f"signatures/bucket_{band:03d}").mkdir(parents=True, exist_ok=True)
        packed.tofile(folder / f"signatures/bucket_{band:03d}/{number:05d}.minhash.sig")
    (folder / "input").mkdir(parents=True, exist_ok=True)
    with (folder / f"input/{number:05d}.jsonl").open("w") as file:
        file.writelines(json.dumps({"id": f"{number}/{n}", "text": "a text"}) + "\n" for n in range(size))


def _write(data: Folder, name: str, number: int, batch: pa.RecordBatch) -> tuple[str, Any]:
    with PartWriter(data / name, f"{number:06d}", f"{number:06d}.parquet", batch.schema) as writer:
        for start in range(0, batch.num_rows, 5_000):
            writer.write(batch[start:start + 5_000])
    return name, writer.part
