"""The contract of every stage: tasks with fingerprints, parts with receipts, a manifest at the end.

A stage turns tasks into parts. A task's fingerprint is a hash of the stage's version, the settings it reads, the
libraries that shape its bytes, its named inputs and the sha256 of exactly the parts it is made from; a task whose
receipt exists is done, whichever run wrote it. So a rerun redoes what changed or was interrupted, and an attempt that
finds the task done by another writes nothing more. `contract.run` is the life of a run, from top to bottom.
"""

import platform
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as installed
from types import MappingProxyType
from typing import Any, ClassVar, Generic, Protocol, TypeVar

import pyarrow as pa

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.output import Format, Output
from textmill.pipelines.contract.parts import Counts, Manifest, Receipt
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task, fingerprint, to_plain

ALWAYS = ("pyarrow", "numpy")       # every part's bytes depend on these

Settings = TypeVar("Settings")      # what a stage reads of the configuration
Tools = TypeVar("Tools")            # what its workers open once in a process
Prepared = TypeVar("Prepared")      # what it found in the whole corpus before its tasks


class Engine(Protocol):
    """Execution of tasks. `pipelines.engines` implements it; the contract does not import Beam."""

    @property
    def runner(self) -> str:
        """Its name, for `_run.json`."""

    @property
    def workers(self) -> int:
        """Processes to use; on Flink slots."""

    @property
    def is_local(self) -> bool:
        """Whether its workers are processes of this host."""

    @property
    def spills(self) -> bool:
        """Whether what is grouped may be larger than memory."""

    def preflight(self, stage: "Stage", context: "RunContext") -> None:
        """StageError where the workers cannot run this stage: checked once, before it begins."""

    def do(self, stage: "Stage", context: "RunContext", tasks: Sequence[Task]) -> None:
        """Attempt each task (`contract.attempt`) on some worker. StageError where workers or the engine are lost."""

    def run(self, build: Callable[[Any], Any], parallel: int = ..., within: float | None = None) -> None:
        """Build a Beam pipeline and run it to its end: for `Stage.prepare`, which may group over the whole corpus."""


@dataclass(frozen=True)
class RunContext:
    """What every stage of a run is given: the data folder, the configuration, the engine."""

    data: Folder
    config: Configuration
    engine: Engine


class Stage(Generic[Settings, Tools, Prepared]):
    """A stage of the flow. A subclass declares what it reads, writes and does; by default one task per aligned part."""

    name: str
    version: int                            # raised by hand when the bytes it writes may change
    reads: "tuple[Stage, ...]" = ()         # whose datasets it takes, aligned, in the order `work` gets them
    columns: ClassVar[Mapping[str, list[str]]] = MappingProxyType({})   # dataset → those it needs; all where not named
    libraries: tuple[str, ...] = ()         # besides ALWAYS, whose versions shape its bytes
    unit = "documents"
    uses_workers = True                     # False: all its work is done in the process that was started
    here_below = 0                          # bytes of input below which it is, as workers would take longer to start

    def dataset(self, config: Configuration) -> str:
        """Path of the dataset it writes, relative to the data folder."""
        raise NotImplementedError

    def settings(self, config: Configuration) -> Settings:
        """The settings it reads, as one value that can be sent to the workers."""
        raise NotImplementedError

    def output_settings(self, config: Configuration) -> Any:
        """The settings that affect output bytes, as plain values; part of fingerprint and manifest."""
        return to_plain(self.settings(config))

    def output_format(self, tools: Tools, settings: Settings) -> Format:
        """How and by which schema its tasks write."""
        raise NotImplementedError

    def task_format(self, tools: Tools, settings: Settings, task: Task) -> Format:
        """How a task writes, where that depends on what the preparation found."""
        return self.output_format(tools, settings)

    def problems(self, config: Configuration) -> Iterator[str]:
        """A sentence for each value that does not go with another; asked before anything of a run begins."""
        yield from ()

    def named_inputs(self, context: RunContext) -> dict[str, str]:
        """Name → sha256 of every model or table it uses besides parts."""
        return {}

    def prepare(self, context: RunContext) -> Prepared:
        """The pass over the whole corpus before there are tasks. May run jobs; an interrupted one resumes."""
        return None  # type: ignore[return-value]   # a stage without preparation is Stage[…, …, None]

    def tasks(self, context: RunContext, prepared: Prepared) -> list[Task]:
        """Every task, in key order, from the current content of the data folder. Pure: writes nothing and runs no job."""
        return self.aligned_tasks(context)

    def aligned_tasks(self, context: RunContext) -> list[Task]:
        """One task for each part of the datasets it reads."""
        datasets = [stage.dataset(context.config) for stage in self.reads]
        manifests = [manifest_of(stage, context) for stage in self.reads]
        base = self.base(context)
        return [Task(rows[0].key, fingerprint(base, *(part.sha256 for part in rows)), tuple(zip(datasets, rows, strict=True)),
                     bytes=sum(part.bytes for part in rows))
                for rows in zip(*(m.parts for m in manifests), strict=True)]

    def open(self, settings: Settings, data: Folder) -> Tools:
        """Models and tables, opened once in each worker process."""
        return None  # type: ignore[return-value]   # a stage without tools is Stage[…, None, …]

    def work(self, tools: Tools, settings: Settings, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        """Do one task; return its counts: read, kept, rejected {rule: n}, quarantined {error: n}, and what else counts."""
        raise NotImplementedError

    def base(self, context: RunContext) -> str:
        """The hash of everything but the parts: version, settings, libraries, named inputs."""
        return fingerprint(self.name, self.version, self.output_settings(context.config), self.named_inputs(context),
                           self.versions())

    def versions(self) -> dict[str, str]:
        """Of everything installed that shapes its bytes. Python too: its tables of Unicode and of addresses change."""
        return {"python": platform.python_version()} | {name: library_version(name) for name in (*ALWAYS, *self.libraries)}

    def input_digest(self, context: RunContext) -> str:
        """Digest of all inputs; differs from the manifest's when the dataset is stale. Cheap."""
        return fingerprint(*((task.key, task.fingerprint) for task in self.tasks(context, self.prepare(context))))

    def prepared_counts(self, prepared: Prepared) -> Counts:
        """Counts of the preparation; added to the counts of all tasks, and must balance as theirs do."""
        return {}

    def extra_files(self, context: RunContext, receipts: list[Receipt]) -> dict[str, bytes]:
        """Further files of the dataset, path → bytes, that are written with the manifest."""
        return {}

    def miscount(self, task: Task, receipt: Receipt) -> str | None:
        """A discrepancy in a receipt, beyond read = kept + rejected + quarantined."""
        if task.inputs and receipt.counts["read"] != task.inputs[0][1].rows:
            return f"read {receipt.counts['read']} of {task.inputs[0][1].rows} rows"
        return None

    def contradictions(self, receipts: list[Receipt]) -> Iterator[str]:
        """Inconsistencies between tasks, one sentence each, when all are done: the run fails before it publishes."""
        yield from ()

    def failure(self, counts: Counts, context: RunContext) -> str | None:
        """A sentence that fails the run after everything is written, such as too many quarantined records."""
        return None

    def remarks(self, context: RunContext) -> list[str]:
        """Further clauses of the summary line, such as a named input whose training texts have changed since."""
        return []

    def summary(self, counts: Counts) -> str:
        """The counts in one clause."""
        rejected, quarantined = counts.get("rejected", {}), counts.get("quarantined", {})
        summary = f"{counts['read']:,} {self.unit}, {counts['kept']:,} kept"
        if rejected:
            top = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
            summary += f", {sum(rejected.values()):,} rejected ({', '.join(f'{k} {n:,}' for k, n in top[:3])}"
            summary += f", {len(top) - 3} more rules)" if len(top) > 3 else ")"
        if quarantined:
            errors = ", ".join(f"{k} {n:,}" for k, n in quarantined.items())
            summary += f", {sum(quarantined.values()):,} quarantined ({errors})"
        return summary


@cache
def library_version(name: str) -> str:
    """The installed version of a distribution."""
    return installed(name)


def manifest_of(stage: Stage, context: RunContext) -> Manifest:
    """The manifest of a stage's dataset; StageError where it has not been made."""
    dataset = context.data / stage.dataset(context.config)
    manifest = Manifest.read(dataset)
    if manifest is None:
        raise StageError(f"there is nothing in {dataset.uri} yet; run `textmill {stage.name}`")
    return manifest
