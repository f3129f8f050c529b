"""Common shingles: those of a template, which many documents share that are no copies of each other.

They are counted in a sample of the documents, chosen by the hash of their ids: the same whatever the parts and workers. A
sample of n documents finds a share s to within sqrt(s (1 - s) / n): one of 1 % in 20,000 documents to within 0.07 %.
"""

from collections.abc import Iterable

import numpy as np

from textmill.pipelines.dedup.packed import within
from textmill.pipelines.dedup.settings import COMMON_ROWS


def packed_sample(documents: int, hashes: np.ndarray) -> bytes:
    """Distinct shingle hashes of so many documents, one set after another, to be sent to `common_hashes`."""
    return np.concatenate([np.array([documents], np.uint64), hashes]).tobytes()


def common_hashes(samples: Iterable[bytes], sampled: float, common: float) -> np.ndarray:
    """The hashes, ascending, that more than the share `common` of the sampled documents have.

    Of all documents, of which the share `sampled` was taken, more than COMMON_ROWS have to have them."""
    rows = [np.frombuffer(sample, np.uint64) for sample in samples]
    documents = sum(int(row[0]) for row in rows)
    hashes, counts = np.unique(np.concatenate([row[1:] for row in rows]), return_counts=True)
    return hashes[(counts > common * documents) & (counts > COMMON_ROWS * sampled)]


def without(common: np.ndarray, offsets: np.ndarray, hashes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sets (offsets [D + 1], hashes) without the hashes in `common`, which ascend."""
    counts = ~within(common, hashes)
    return np.concatenate([[0], np.cumsum(counts)])[offsets], hashes[counts]
