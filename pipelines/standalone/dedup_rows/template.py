"""Warning of a template: rows that share most of their text with hundreds of others, and differ in little else.

Instruction rows of one template with other answers are near copies by any measure of their whole text.
"""

import itertools
from collections.abc import Sequence

import numpy as np

from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task
from textmill.pipelines.dedup.common import common_hashes, packed_sample
from textmill.pipelines.dedup.packed import within
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.text.shingles import shingle_hashes
from textmill.pipelines.text.words import read_words

SAMPLE = 3_000              # rows, spread evenly over all
COMMON = 0.01               # share of the rows from which on a shingle is common, as the line suggests
WORTH_SAYING = 0.1          # share of the rows that mostly consist of such shingles


def template_line(data: Folder, tasks: Sequence[Task], settings: DedupSettings) -> str | None:
    """The sentence to say before the search; None where rows have nothing much in common, or nothing would come of it."""
    parts = [dict(task.inputs)["documents"] for task in tasks]
    rows = sum(part.rows for part in parts)
    if settings.common is not None or "near" not in settings.kinds or rows < 1000:
        return None
    step, at, texts = max(1, rows // SAMPLE), 0, []
    for part in parts:
        for batch in read_batches(data / "documents", part, ["text"]):
            texts += batch["text"].take(list(range(-at % step, batch.num_rows, step))).to_pylist()
            at += batch.num_rows
    offsets, hashes = shingle_hashes(read_words([text[:20_000] for text in texts]))
    common = common_hashes([packed_sample(len(texts), hashes)], len(texts) / rows, COMMON)
    shared = within(common, hashes)
    mostly = [2 * shared[start:end].sum() > end - start >= settings.min_shingles for start, end in itertools.pairwise(offsets)]
    share = float(np.mean(mostly))
    if share < WORTH_SAYING:
        return None
    return (f"{share:.0%} of the rows consist mostly of text that more than {COMMON:.0%} of all rows have, such as a template: "
            f"those that differ in little else are near copies; --common {COMMON} compares only what is left")
