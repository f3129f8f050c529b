"""All steps of dedup in their order, through any engine: from aligned parts to decisions about their documents."""

from collections.abc import Callable, Sequence
from typing import Any

import apache_beam as beam
import numpy as np

from textmill.pipelines.contract.stage import Engine
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task
from textmill.pipelines.dedup.bands import BAND
from textmill.pipelines.dedup.exact import KEYED, exact_kinds
from textmill.pipelines.dedup.files import DONE, Grouping, file_name, read_rows
from textmill.pipelines.dedup.forest import TREE
from textmill.pipelines.dedup.keep import CLUSTERED, DECISION
from textmill.pipelines.dedup.settings import DedupSettings, memory_for
from textmill.pipelines.dedup.steps import FOREST_FILE, SearchRun, held_file
from textmill.pipelines.dedup.transforms import (
    Cluster,
    Common,
    Keep,
    MeetExactly,
    MeetInBands,
    Resolve,
    StoreSets,
    UniteBuckets,
)
from textmill.pipelines.dedup.verify import HELD

WORTH_A_WORKER = 5_000      # documents: starting a process for each of seven pipelines takes longer than grouping fewer
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
    workers = max(1, documents // WORTH_A_WORKER)
    memory = memory_for(settings, engine.spills)

    def cut(step: str, grouped_bytes: int) -> Grouping:
        return Grouping.sized(work, step, grouped_bytes, memory, settings.passes)

    def passes(grouping: Grouping, elements: Sequence[Any], transform: Callable[[int], beam.PTransform]) -> Grouping:
        for number in grouping.unfinished():
            _run(engine, {"parts": elements}, transform(number), workers)
            grouping.finish(number)
        work.write(grouping.step + DONE, b"")
        return grouping

    def once(step: str, elements: dict[str, Sequence[Any]], transform: beam.PTransform) -> None:
        if not work.exists(step + DONE):
            _run(engine, elements, transform, workers)
            work.write(step + DONE, b"")

    exact = cut("exact", len(exact_kinds(settings.kinds)) * KEYED.itemsize * documents)
    passes(exact, parts, lambda number: MeetExactly(run, exact, number))
    once("resolve", {"names": [exact.names()]}, Resolve(run, exact))
    bands = cut("bands", settings.banding()[0] * BAND.itemsize * documents)
    passes(bands, parts, lambda number: MeetInBands(run, bands, number))
    distinct = cut("buckets", bands.bytes())
    passes(distinct, bands.names(), lambda number: UniteBuckets(bands, distinct, number))
    if settings.common is not None:
        once("common", {"parts": parts}, Common(run, min(1.0, SAMPLE / max(1, documents))))
    once("sets", {"parts": parts, "names": distinct.names()}, StoreSets(run, distinct))
    once("forest", {"names": distinct.names()}, Cluster(run, distinct))
    members = len(read_rows(work, FOREST_FILE, TREE))
    decided = cut(RESULT, members * (CLUSTERED.itemsize + DECISION.itemsize))
    passes(decided, parts, lambda number: Keep(run, decided, number))
    work.write(RESULT, decided.folder.uri.rpartition("/")[2].encode())


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


def _run(engine: Engine, elements: dict[str, Sequence[Any]], transform: beam.PTransform, workers: int) -> None:
    def build(pipeline: beam.Pipeline) -> Any:
        dealt = {name: pipeline | f"Create {name}" >> beam.Create(given) | f"Deal {name}" >> beam.Reshuffle()
                 for name, given in elements.items()}
        return (dealt if len(dealt) > 1 else next(iter(dealt.values()))) | transform

    engine.run(build, parallel=min(workers, max(map(len, elements.values()))))
