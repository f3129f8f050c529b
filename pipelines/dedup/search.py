"""All steps of dedup in their order, through any engine: from aligned parts to decisions about their documents."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from textmill.pipelines.contract.stage import Engine
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task
from textmill.pipelines.dedup.bands import BAND
from textmill.pipelines.dedup.exact import KEYED, exact_kinds
from textmill.pipelines.dedup.files import DONE, Grouping, file_name, read_rows
from textmill.pipelines.dedup.forest import TREE
from textmill.pipelines.dedup.here import Here
from textmill.pipelines.dedup.keep import CLUSTERED, DECISION
from textmill.pipelines.dedup.settings import DedupSettings, memory_for
from textmill.pipelines.dedup.steps import FOREST_FILE, SearchRun, held_file
from textmill.pipelines.dedup.verify import HELD
from textmill.pipelines.engines.quiet import quiet

if TYPE_CHECKING:
    from textmill.pipelines.dedup.transforms import OnEngine

WORTH_A_WORKER = 5_000      # documents: starting a process for each of seven pipelines takes longer than grouping fewer
FEW = WORTH_A_WORKER        # documents that are not worth an engine either
RESULT = "decisions"
SAMPLE = 20_000             # documents among which common shingles are counted
STEPS = tuple(step + DONE for step in ("exact", "resolve", "bands", "buckets", "sets", "forest", RESULT))      # as they end


def find_copies(engine: Engine, data: Folder, work: Folder, tasks: Sequence[Task], settings: DedupSettings) -> None:
    """Fill `work`, after which `decisions_of` gives the decisions on every part. Steps that have ended are not repeated.

    A task's `inputs` name its parts of documents, signals and verdicts; its place in `tasks` is its ordinal. `work` must
    belong to exactly these tasks and settings (but for memory and passes).
    """
    run = SearchRun(data, work, settings)
    parts = list(enumerate(tasks))
    documents = sum(task.inputs[0][1].rows for task in tasks)
    memory = memory_for(settings, engine.spills)
    steps = Here(run) if documents < FEW else _on_engine(run, engine, documents // WORTH_A_WORKER)

    def cut(step: str, grouped_bytes: int) -> Grouping:
        return Grouping.sized(work, step, grouped_bytes, memory, settings.passes)

    def passes(grouping: Grouping, do: Callable[[int], None]) -> Grouping:
        for number in grouping.unfinished():
            do(number)
            grouping.finish(number)
        work.write(grouping.step + DONE, b"")
        return grouping

    def once(step: str, do: Callable[[], None]) -> None:
        if not work.exists(step + DONE):
            do()
            work.write(step + DONE, b"")

    exact = cut("exact", len(exact_kinds(settings.kinds)) * KEYED.itemsize * documents)
    passes(exact, lambda number: steps.meet_exactly(parts, exact, number))
    once("resolve", lambda: steps.resolve(exact))
    bands = cut("bands", settings.banding()[0] * BAND.itemsize * documents)
    passes(bands, lambda number: steps.meet_in_bands(parts, bands, number))
    distinct = cut("buckets", bands.bytes())
    passes(distinct, lambda number: steps.unite_buckets(bands, distinct, number))
    if settings.common is not None:
        once("common", lambda: steps.count_common(parts, min(1.0, SAMPLE / max(1, documents))))
    once("sets", lambda: steps.store_sets(parts, distinct))
    once("forest", lambda: steps.cluster(distinct))
    members = len(read_rows(work, FOREST_FILE, TREE))
    decided = cut(RESULT, members * (CLUSTERED.itemsize + DECISION.itemsize))
    passes(decided, lambda number: steps.keep(parts, decided, number))
    work.write(RESULT, decided.folder.uri.rpartition("/")[2].encode())


def _on_engine(run: SearchRun, engine: Engine, workers: int) -> "OnEngine":
    with quiet():
        from textmill.pipelines.dedup.transforms import OnEngine  # Beam takes more than a second

    return OnEngine(run, engine, workers)


def decisions_of(work: Folder, ordinal: int) -> np.ndarray:
    """DECISION rows of one part, sorted by reference, after `find_copies`."""
    folder = work / work.read(RESULT).decode()
    passes = int(folder.uri.split("-")[-2])
    names = [file_name(number, ordinal) for number in range(passes)]
    rows = [np.zeros(0, DECISION), *(read_rows(folder, name, DECISION) for name in names if folder.exists(name))]
    return np.sort(np.concatenate(rows), order="ref")


def held_of(work: Folder, ordinal: int) -> np.ndarray:
    """HELD rows of one part, sorted by reference, after `find_copies`."""
    name = held_file(ordinal)
    return read_rows(work, name, HELD) if work.exists(name) else np.zeros(0, HELD)
