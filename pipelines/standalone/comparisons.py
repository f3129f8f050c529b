"""Comparisons of answers, put together of curated documents: what a reward model and DPO learn from.

The two dialogues of a compared pair are documents of their own all through the mill, so that either can be a copy, spam or
taken down. A comparison is what both are left of: the same prompt, turn by turn, and two answers that differ. Written as
JSONL with the ids of both documents, by which `why` tells where each is from.
"""

import json
import os
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder

COLUMNS = ["id", "text", "turns", "pair", "preferred", "source", "language"]
FILE = "comparisons.jsonl"


def write_comparisons(data: Folder, folder: Path) -> Iterator[str]:
    """Write `folder`/comparisons.jsonl, in the order of the pairs' ids; what came of the pairs as lines.

    The file is written whole or not at all. StageError where nothing is curated yet."""
    counts: Counter[str] = Counter()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{FILE}.{os.getpid()}"
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            for row in comparisons(data, counts):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
        unfinished.replace(folder / FILE)
    finally:
        unfinished.unlink(missing_ok=True)
    yield f"comparisons: {counts.pop('written'):,} written to {folder / FILE}" if counts["written"] else (
        f"comparisons: none, as no compared pair is curated; {folder / FILE} is empty")
    counts.pop("written", None)
    for reason, count in sorted(counts.items()):
        yield f"comparisons: {count:,} {reason}"


def comparisons(data: Folder, counts: Counter[str]) -> Iterator[dict[str, Any]]:
    """The row of each comparison."""
    manifest = Manifest.read(data / "curated")
    if manifest is None:
        raise StageError(f"there is nothing in {data.uri}/curated yet; run `textmill curate`")
    halves: dict[str, dict[bool, dict[str, Any]]] = {}
    for part in manifest.parts:
        for batch in read_batches(data / "curated", part, COLUMNS):
            for row in batch.filter(batch.column("pair").is_valid()).to_pylist():
                halves.setdefault(row["pair"], {})[row["preferred"]] = row
    for pair, both in sorted(halves.items()):
        if len(both) < 2:
            counts["pairs have one answer left"] += 1
            continue
        chosen, rejected = (_messages(both[preferred]) for preferred in (True, False))
        if chosen[:-1] != rejected[:-1] or not chosen[:-1] or {chosen[-1]["role"], rejected[-1]["role"]} != {"assistant"}:
            counts["pairs are no two answers to one prompt"] += 1
        elif chosen == rejected:
            counts["pairs have equal answers, once personal data is out"] += 1
        else:
            counts["written"] += 1
            yield {"pair": pair, "prompt": chosen[:-1], "chosen": chosen[-1]["content"], "rejected": rejected[-1]["content"],
                   "chosen_id": both[True]["id"], "rejected_id": both[False]["id"], "source": both[True]["source"],
                   "language": both[True]["language"]}


def _messages(row: dict[str, Any]) -> list[dict[str, str]]:
    return [{"role": turn["role"], "content": row["text"][turn["start"]:turn["end"]]} for turn in row["turns"]]
