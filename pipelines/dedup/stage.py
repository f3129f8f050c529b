"""Dedup: duplicates among the documents that screen keeps, verified, with the copy to keep.

The search runs over the whole corpus and works in files of its own (`copies.py`); its decisions are then written part by
part, aligned with documents. A part whose decisions did not change is not written again.
"""

import hashlib
import sys
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.progress import watched
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.output import Output, Parquet
from textmill.pipelines.contract.parts import Counts, add_counts, read_counts
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.tally import count, tally
from textmill.pipelines.contract.task import Task, fingerprint, to_plain
from textmill.pipelines.dedup.estimate import LARGE, estimate_line
from textmill.pipelines.dedup.keep import DECISION, DUPLICATES, duplicates_table
from textmill.pipelines.dedup.settings import DedupSettings, memory_for, recall_line
from textmill.pipelines.dedup.verify import HELD
from textmill.pipelines.engines.quiet import quiet
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.measure.stage import MEASURE
from textmill.pipelines.screen.stage import SCREEN

WORK = "_work"


class Decisions(NamedTuple):
    """The decisions on one part: a folder, its files of DECISION and HELD rows, and the hash of both."""

    folder: str
    decided: str
    held: str
    digest: str


class Dedup(Stage[DedupSettings, None, list[Decisions]]):
    """The stage that writes `duplicates`: which documents are copies, of which kept document, and how similar."""

    name, version = "dedup", 4
    reads = (EXTRACT, MEASURE, SCREEN)
    columns: ClassVar = {"documents": ["id", "source"], "signals": ["language"], "verdicts": ["kept"]}
    libraries = ("regex", "xxhash")

    def dataset(self, config: Configuration) -> str:
        return "duplicates"

    def settings(self, config: Configuration) -> DedupSettings:
        return config[DedupSettings]

    def output_format(self, tools: None, settings: DedupSettings) -> Parquet:
        return Parquet(DUPLICATES)

    def output_settings(self, config: Configuration) -> Any:
        """All but memory and passes, which divide the work and affect no output byte."""
        settings = to_plain(self.settings(config))
        return {name: value for name, value in settings.items() if name not in ("max_memory_gb", "passes")}

    def input_digest(self, context: RunContext) -> str:
        """Known without looking for copies: the settings and all parts of the three datasets."""
        parts = [[part.sha256 for _, part in task.inputs] for task in self.aligned_tasks(context)]
        return fingerprint(self.base(context), parts)

    def prepare(self, context: RunContext) -> list[Decisions]:
        """Finds the copies, unless an interrupted run already did, and writes what is decided on each part."""
        with quiet():
            from textmill.pipelines.dedup.search import STEPS, decisions_of, find_copies, held_of

        parts = self.aligned_tasks(context)
        work = context.data / self.dataset(context.config) / WORK / self.input_digest(context)
        self.announce(context, sum(part.inputs[0][1].rows for part in parts))
        with watched("dedup, looking for copies", len(STEPS), lambda: sum(work.exists(step) for step in STEPS), unit="steps",
                     every=2.0):
            find_copies(context.engine, context.data, work, parts, self.settings(context.config))
        return [store_decisions(work, ordinal, decisions_of(work, ordinal), held_of(work, ordinal))
                for ordinal in range(len(parts))]

    def tasks(self, context: RunContext, prepared: list[Decisions]) -> list[Task]:
        base = self.base(context)
        return [replace(part, fingerprint=fingerprint(base, part.fingerprint, decisions.digest), payload=decisions)
                for part, decisions in zip(self.aligned_tasks(context), prepared, strict=True)]

    def announce(self, context: RunContext, documents: int) -> None:
        """Print the banding with its recall; before a large run also the estimated cost."""
        settings = self.settings(context.config)
        print(f"dedup: {recall_line(*settings.banding())}", file=sys.stderr, flush=True)
        if documents >= LARGE:
            signals = read_counts(context.data / MEASURE.dataset(context.config))
            words = sum(one.get("words", 0) for one in signals.get("language", {}).values()) / documents
            memory = memory_for(settings, context.engine.spills)
            said = estimate_line(documents, words, settings, memory, context.engine.workers)
            print(f"dedup: {said}", file=sys.stderr, flush=True)

    def work(self, tools: None, settings: DedupSettings, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        """`rejected` counts copies by kind, and separately the documents that screen rejected."""
        decisions: Decisions = task.payload
        decided = np.frombuffer(Folder(decisions.folder).read(decisions.decided), DECISION)
        held = np.frombuffer(Folder(decisions.folder).read(decisions.held), HELD)
        counts: Counts = {"read": 0, "kept": 0}
        for documents, signals, verdicts in batches:
            first, end = counts["read"], counts["read"] + documents.num_rows
            mine = (rows[slice(*rows["ref"].searchsorted(np.array([first, end], np.uint64)))] for rows in (decided, held))
            duplicates = duplicates_table(documents["id"], first, *mine)
            output.write(duplicates)
            copies, kept = pc.is_valid(duplicates["kind"]), verdicts["kept"]
            stays = pc.and_not(kept, copies)
            measured = {"documents": kept.cast(pa.int64()), "copies": copies.cast(pa.int64())}
            whole = pc.and_(stays, pc.is_valid(duplicates["cluster"]))
            counts = add_counts(counts, {
                "read": documents.num_rows, "kept": pc.sum(stays.cast(pa.int64())).as_py() or 0,
                "rejected": count(duplicates["kind"]) | {"screened_out": documents.num_rows - (pc.sum(kept).as_py() or 0)},
                "standing_in_clusters": pc.sum(whole.cast(pa.int64())).as_py() or 0,
                "contained": len(duplicates) - duplicates["contained_in"].null_count,
                "source": tally(documents["source"], **measured), "language": tally(signals["language"], **measured)})
        return counts

    def summary(self, counts: Counts) -> str:
        copies = {kind: n for kind, n in counts["rejected"].items() if kind != "screened_out"}
        said = ", ".join(f"{kind} {n:,}" for kind, n in copies.items())
        inside = f", {counts['contained']:,} of them contained in another" if counts.get("contained") else ""
        return (f"{counts['kept'] + sum(copies.values()):,} documents, {counts['kept']:,} kept{inside}, "
                f"{sum(copies.values()):,} copies{f' ({said})' if said else ''}")


def store_decisions(work: Folder, ordinal: int, decided: np.ndarray, held: np.ndarray) -> Decisions:
    """Write the DECISION and HELD rows of a part by its own row numbers: a new part shifts ordinals."""
    paths, written = (f"{ordinal:08d}.decided", f"{ordinal:08d}.held"), []
    for rows, path in zip((decided.copy(), held.copy()), paths, strict=True):
        rows["ref"] -= np.uint64(ordinal << 32)
        written.append(rows.tobytes())
        work.write(path, written[-1])
    return Decisions(work.uri, *paths, hashlib.sha256(b"".join(written)).hexdigest())


DEDUP = Dedup()
