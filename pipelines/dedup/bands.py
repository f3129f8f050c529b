"""MinHash LSH banding: documents that agree in a band of their signatures become candidates."""

from collections.abc import Iterator

import numpy as np
import pyarrow as pa

from textmill.pipelines.dedup.packed import Pass, by_partition, mixed, owned

BAND = np.dtype([("hash", "<u8"), ("ref", "<u8")])


def signature_matrix(minhash: pa.FixedSizeListArray) -> np.ndarray:
    """uint32[documents, permutations], without copying. ValueError where a document has no signature."""
    return minhash.flatten().to_numpy().reshape(len(minhash), minhash.type.list_size)


def band_hashes(signatures: np.ndarray, band: int, rows: int) -> np.ndarray:
    """uint64 per document: hash of one band of its signature and the band's number.

    Two different bands collide with probability 2^-64; all that costs is one comparison.
    """
    hashes = np.full(len(signatures), band + 1, np.uint64)
    for column in range(band * rows, (band + 1) * rows):
        hashes = mixed(hashes ^ signatures[:, column].astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15))
    return hashes


def band_rows(signatures: np.ndarray, refs: np.ndarray, bands: int, rows: int,
              turn: Pass, partitions: int) -> Iterator[tuple[int, bytes]]:
    """(partition, packed BAND rows) of the bands whose hashes belong to this pass; `refs` are uint64[documents]."""
    for band, low, high in turn.ranges(bands):
        hashes = band_hashes(signatures, band, rows)
        chosen = owned(hashes, low, high)
        packed = np.zeros(len(hashes[chosen]), BAND)
        packed["hash"], packed["ref"] = hashes[chosen], refs[chosen]
        yield from by_partition(packed, packed["hash"], partitions)
