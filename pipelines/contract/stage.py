"""The contract of every stage: tasks with fingerprints, parts with receipts, a manifest at the end.

A stage turns tasks into parts. A task's fingerprint is a hash of the stage's version, the settings it reads, the
libraries that shape its bytes, its named inputs and the sha256 of exactly the parts it is made from; a task whose
receipt is there is done, whoever made it and when. So a rerun redoes what changed or was interrupted, and an attempt that
finds the task done by another writes nothing more. `textmill.pipelines.contract.run` is the life of a run, from top to bottom.
"""

import contextlib
import dataclasses
import hashlib
import json
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version as installed
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from textmill.pipelines.contract.parts import (
    Change,
    Counts,
    Manifest,
    Part,
    PartWriter,
    Receipt,
    add_counts,
    aligned,
    files_of,
    read_batches,
)
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.engines.engine import Engine, quiet

if TYPE_CHECKING:
    from textmill.pipelines.settings import Config

RECEIPTS = "_receipts"
ALWAYS = ("pyarrow", "numpy")       # every part's bytes depend on these


@dataclass(frozen=True)
class RunContext:
    """What every stage of a run is given: the data folder, the configuration, the engine."""

    data: Folder
    config: "Config"
    engine: Engine


@dataclass(frozen=True)
class Task:
    """One element of work: a key (the same through aligned datasets), what it is made from, and the hash of all that."""

    key: str
    fingerprint: str
    inputs: tuple[tuple[str, Part], ...] = ()       # dataset, part
    payload: Any = None
    bytes: int = 0                                  # what there is to read, about, so that workers get like shares

    @property
    def receipt(self) -> str:
        return f"{RECEIPTS}/{self.key}.{self.fingerprint}.json"


class LateError(Exception):
    """Another attempt at this task has finished it since this one began."""


class Output:
    """What a task writes: parts of at most about `part_bytes` of content (None: one part), and its rejected rows."""

    def __init__(self, data: Folder, dataset: Folder, task: Task, schema: pa.Schema, rejected: pa.Schema | None,
                 part_bytes: int | None):
        self.data, self.dataset = data, dataset
        self.notes: dict[str, Any] = {}         # what the stage wants to know of its tasks when all are done
        self._task, self._schema, self._part_bytes = task, schema, part_bytes
        self._parts: list[Part] = []
        self._open = contextlib.ExitStack()
        self._writer: PartWriter | None = None
        self._change: Change | None = None
        self._rejects = self._start(rejected, "_rejected/", task.key) if rejected else None

    def _start(self, schema: pa.Schema, folder: str, key: str) -> PartWriter:
        path = f"{folder}{key}.{self._task.fingerprint}.parquet"
        return self._open.enter_context(PartWriter(self.dataset, key, path, schema))

    def _roll(self) -> PartWriter:
        key = self._task.key if self._part_bytes is None else f"{self._task.key}-{len(self._parts):03d}"
        writer = PartWriter(self.dataset, key, f"{key}.{self._task.fingerprint}.parquet", self._schema, self._change)
        return writer.__enter__()

    def change_rows(self, change: Change) -> None:
        """Let every row, rejected ones too, be stored as `change` makes it. Before the first is written."""
        self._change = change
        if self._rejects:
            self._rejects.change = change

    def write(self, batch: pa.RecordBatch) -> None:
        self._writer = self._writer or self._roll()
        self._writer.write(batch)
        if self._part_bytes is not None and self._writer.written_bytes >= self._part_bytes:
            self._close()

    def reject(self, batch: pa.RecordBatch) -> None:
        assert self._rejects is not None, "this stage declared no rejected rows"
        self._rejects.write(batch)

    def add(self, part: Part) -> None:
        """A file of another format that the stage has published itself."""
        self._parts.append(part)

    def _close(self) -> None:
        if self._writer:
            self._refuse_late()
            self._writer.__exit__(None, None, None)
            assert self._writer.part is not None
            self._parts.append(self._writer.part)
            self._writer = None

    def _refuse_late(self) -> None:
        """Before a file is published: LateError where another attempt's receipt stands, which vouches for that one's."""
        if self.dataset.exists(self._task.receipt):
            raise LateError

    def finish(self) -> tuple[tuple[Part, ...], Part | None]:
        if not self._parts and self._writer is None:
            self._writer = self._roll()      # no rows is still a part: datasets stay aligned
        self._close()
        self._refuse_late()
        self._open.close()
        return tuple(self._parts), self._rejects.part if self._rejects else None

    def abandon(self, error: BaseException) -> None:
        for writer in (self._writer, self._rejects):
            if writer:
                writer.__exit__(type(error), error, error.__traceback__)


class Stage:
    """A verb of the flow. A subclass says what it reads, writes and does; one task per aligned part unless it says else."""

    name: str
    version: int                            # raised by hand when the bytes it writes may change
    reads: tuple["Stage", ...] = ()         # whose datasets it takes, aligned, in the order `work` gets them
    columns: Mapping[str, list[str]] = MappingProxyType({})      # dataset → the columns it needs; all where not named
    libraries: tuple[str, ...] = ()
    schema: pa.Schema
    rejected: pa.Schema | None = None
    unit = "documents"
    uses_workers = True                     # False: all its work is done in the process that was started

    def dataset(self, config: "Config") -> str:
        """Path of the dataset it writes, relative to the data folder."""
        raise NotImplementedError

    def settings(self, config: "Config") -> Any:
        """The settings it reads, as one value that can be sent to the workers."""
        return None

    def decisive(self, config: "Config") -> Any:
        """What of the settings can change a byte, as plain values: it enters the fingerprint and the manifest."""
        return to_plain(self.settings(config))

    def named_inputs(self, context: RunContext) -> dict[str, str]:
        """Name → sha256 of every model or table it uses besides parts."""
        return {}

    def schema_for(self, tools: Any) -> pa.Schema:
        return self.schema

    def part_bytes(self, settings: Any) -> int | None:
        """Content after which a task begins another part; None: a task is one part."""
        return None

    def open(self, settings: Any, data: Folder) -> Any:
        """Models and tables, opened once in each worker process."""
        return None

    def work(self, tools: Any, settings: Any, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        """Do one task; return its counts: read, kept, rejected {rule: n}, quarantined {error: n}, and what else counts."""
        raise NotImplementedError

    def tasks(self, context: RunContext) -> list[Task]:
        """Every task of this stage, in key order, from what lies in the data folder now."""
        datasets = [stage.dataset(context.config) for stage in self.reads]
        manifests = [manifest_of(stage, context) for stage in self.reads]
        base = self.base(context)
        return [Task(rows[0].key, fingerprint(base, *(part.sha256 for part in rows)), tuple(zip(datasets, rows, strict=True)),
                     bytes=sum(part.bytes for part in rows))
                for rows in zip(*(m.parts for m in manifests), strict=True)]

    def base(self, context: RunContext) -> str:
        """The hash of everything but the parts: version, settings, libraries, named inputs."""
        return fingerprint(self.name, self.version, self.decisive(context.config), self.named_inputs(context),
                           self.versions())

    def versions(self) -> dict[str, str]:
        """Of everything installed that shapes its bytes. Python too: its tables of Unicode and of addresses change."""
        return {"python": platform.python_version()} | {name: library_version(name) for name in (*ALWAYS, *self.libraries)}

    def wanted(self, context: RunContext) -> str:
        """What a manifest made now would be made from. Cheap: a stage is stale where its manifest says another."""
        return fingerprint(*((task.key, task.fingerprint) for task in self.tasks(context)))

    def make(self, context: RunContext, tasks: list[Task]) -> None:
        """Do the tasks that have no receipt yet."""
        with quiet():                           # Beam warns of cloud libraries that are not installed
            from textmill.pipelines.engines.tasks import do_tasks

        do_tasks(self, context, tasks)

    def extra_files(self, context: RunContext, receipts: list[Receipt]) -> dict[str, bytes]:
        """Further files of the dataset, path → bytes, that are written with the manifest."""
        return {}

    def check(self, task: Task, receipt: Receipt) -> str | None:
        """What does not add up in a receipt, beyond read = kept + rejected + quarantined."""
        if task.inputs and receipt.counts["read"] != task.inputs[0][1].rows:
            return f"read {receipt.counts['read']} of {task.inputs[0][1].rows} rows"
        return None

    def faults(self, receipts: list[Receipt]) -> Iterator[str]:
        """What is wrong between tasks, one sentence each, when all are done: the run fails before it publishes."""
        yield from ()

    def verdict(self, counts: Counts, context: RunContext) -> str | None:
        """A sentence that fails the run after everything is written, such as too many quarantined records."""
        return None

    def remarks(self, context: RunContext) -> list[str]:
        """Further clauses of the summary line: of a named input that was made from texts which have changed since."""
        return []

    def summary(self, counts: Counts) -> str:
        rejected, quarantined = counts.get("rejected", {}), counts.get("quarantined", {})
        said = f"{counts['read']:,} {self.unit}, {counts['kept']:,} kept"
        if rejected:
            top = sorted(rejected.items(), key=lambda item: (-item[1], item[0]))
            said += f", {sum(rejected.values()):,} rejected ({', '.join(f'{k} {n:,}' for k, n in top[:3])}"
            said += f", {len(top) - 3} more rules)" if len(top) > 3 else ")"
        if quarantined:
            said += f", {sum(quarantined.values()):,} quarantined ({', '.join(f'{k} {n:,}' for k, n in quarantined.items())})"
        return said


def fingerprint(*values: Any) -> str:
    """16 hex digits of BLAKE2b over canonical JSON."""
    return hashlib.blake2b(json.dumps(values, sort_keys=True).encode(), digest_size=8).hexdigest()


def to_plain(settings: Any) -> Any:
    """Dataclasses, however nested in tuples and lists, as plain values for JSON."""
    if dataclasses.is_dataclass(settings) and not isinstance(settings, type):
        return {field.name: to_plain(getattr(settings, field.name)) for field in dataclasses.fields(settings)}
    if isinstance(settings, Mapping):
        return {key: to_plain(value) for key, value in settings.items()}
    return [to_plain(value) for value in settings] if isinstance(settings, (list, tuple)) else settings


@cache
def library_version(name: str) -> str:
    return installed(name)


def manifest_of(stage: Stage, context: RunContext) -> Manifest:
    """The manifest of a stage's dataset; StageError where it has not been made."""
    manifest = Manifest.read(context.data / stage.dataset(context.config))
    if manifest is None:
        raise StageError(f"there is nothing in {context.data.uri}/{stage.dataset(context.config)} yet; run `make {stage.name}`")
    return manifest


def inputs(data: Folder, task: Task, columns: Mapping[str, list[str]]) -> Iterator[tuple[pa.RecordBatch, ...]]:
    """A task's aligned input parts, batch by batch."""
    return aligned([read_batches(data / name, part, columns.get(name)) for name, part in task.inputs])


def do(stage: Stage, tools: Any, settings: Any, data: Folder, dataset: Folder, task: Task) -> None:
    """Do one task in a worker: its parts, and last its receipt. A task that another attempt has done is left as it is."""
    if _done(dataset, task):
        return
    output = Output(data, dataset, task, stage.schema_for(tools), stage.rejected, stage.part_bytes(settings))
    try:
        counts = stage.work(tools, settings, task, inputs(data, task, stage.columns), output)
        parts, rejected = output.finish()
    except BaseException as error:
        output.abandon(error)
        if isinstance(error, LateError):
            return
        raise
    receipt = Receipt(task.key, task.fingerprint, parts, rejected, add_counts({}, counts), output.notes)
    dataset.write(task.receipt, receipt.to_json())


def _done(dataset: Folder, task: Task) -> bool:
    """Whether a receipt stands for it. One whose files are cut short or gone is removed: it would make ours late."""
    try:
        receipt = Receipt.from_json(dataset.read(task.receipt), f"{dataset.uri}/{task.receipt}")
    except FileNotFoundError:
        return False
    if all(dataset.size(part.path) == part.bytes for part in files_of(receipt)):
        return True
    dataset.delete(task.receipt)
    return False
