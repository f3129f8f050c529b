"""Files of a layout, from which workers fill blocks: the rows of each shard, what it needs of each token part, its account."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from textmill.base.blocks_format import SPLITS
from textmill.base.sealed import seal
from textmill.pipelines.contract.part_files import StreamWriter
from textmill.pipelines.contract.parts import Counts
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import to_plain
from textmill.pipelines.pack.plan import Plan
from textmill.pipelines.pack.planned import PLANNED
from textmill.pipelines.pack.requirements import share_of
from textmill.pipelines.pack.scatter import NEED, SHARDS, bucket_of, needs_of, write_needs
from textmill.pipelines.pack.spill import Buckets

LAYOUT = "layout.json"      # is written last


def write_layout(work: Folder, plan: Plan, counts: Counts, blocks: int, parts: int) -> None:
    """Write both splits into `work`: a stream of PLANNED rows for each shard of so many blocks, and last `layout.json`."""
    shards = dict.fromkeys(SPLITS, 0)
    needs = Buckets(NEED, plan.train.spans.rows + plan.validation.spans.rows, plan.train.folder)
    for split, layout in zip(SPLITS, (plan.train, plan.validation), strict=True):
        for number, planned in enumerate(layout.shards(blocks)):
            with StreamWriter(work, "", f"{split}-{number:05d}.arrow", PLANNED) as stream:
                for batch in planned.to_batches():
                    stream.write(batch)
            needed = needs_of(planned, sum(shards.values()))
            needs.add(needed, bucket_of(needed, parts, needs.count))
            shards[split] += 1
    if sum(shards.values()) >= SHARDS:
        write_needs(needs, parts, work)
    needs.delete()
    shares = {name: share_of(plan.mixture, name) for name in plan.mixture.entries}
    learn = {name: list(entry.learned) for name, entry in plan.mixture.entries.items()} if plan.dialogues else None
    work.write(LAYOUT, seal({"shards": shards, "shares": shares, "learn": learn, "recipe": to_plain(plan.mixture),
                             "counts": counts}))


@contextlib.contextmanager
def local_folder(work: Folder) -> Iterator[Path]:
    """A folder on this machine for what memory should not hold, below `work` where that is local; removed afterwards."""
    below = work.path("") if work.is_local else None
    if below:
        os.makedirs(below, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=below) as folder:
        yield Path(folder)
