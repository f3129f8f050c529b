"""Output of a task: parts in the format that its stage declares, and its rejected rows.

Guarantees: a file is published whole under a name that holds the task's fingerprint; nothing is published where another
attempt at the same task has finished it since; leaving by an error leaves nothing behind.
"""

import contextlib
import hashlib
from dataclasses import dataclass
from typing import Any

import pyarrow as pa

from textmill.pipelines.contract.part_files import Change, PartWriter, StreamWriter
from textmill.pipelines.contract.parts import Part
from textmill.pipelines.contract.pulse import Pulse
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task


@dataclass(frozen=True)
class Parquet:
    """Rows in Parquet files of about `part_bytes` of content each (None: one file a task), rejected rows in one beside them."""

    schema: pa.Schema
    rejected: pa.Schema | None = None
    part_bytes: int | None = None


@dataclass(frozen=True)
class ArrowStream:
    """Rows in one uncompressed Arrow IPC stream a task, so that a reader can memory-map it."""

    schema: pa.Schema


@dataclass(frozen=True)
class Files:
    """Files of other kinds, each named by the stage."""


Format = Parquet | ArrowStream | Files


class TaskAlreadyDone(Exception):  # noqa: N818  (no error: the other attempt's work is kept)
    """Another attempt at this task has finished it since this one began."""


class Output:
    """Writer of a task: `write` and `reject` rows, or `write_file`; `notes` go into its receipt."""

    def __init__(self, data: Folder, dataset: Folder, task: Task, format: Format):
        self.data, self.dataset = data, dataset
        self.notes: dict[str, Any] = {}         # facts that the stage needs when all tasks are done
        self._task, self._format = task, format
        self._parts: list[Part] = []
        self._pulse = Pulse(dataset, task)
        self._open = contextlib.ExitStack()
        self._writer: PartWriter | StreamWriter | None = None
        self._change: Change | None = None
        self._rejects: PartWriter | None = None
        if isinstance(format, Parquet) and format.rejected:
            path = f"_rejected/{task.file_name('parquet')}"
            self._rejects = self._open.enter_context(PartWriter(dataset, task.key, path, format.rejected))

    def change_rows(self, change: Change) -> None:
        """Apply `change` to every stored row, rejected ones too. Call before the first write."""
        self._change = change
        if self._rejects:
            self._rejects.change = change

    def write(self, batch: pa.RecordBatch) -> None:
        """Rows of the stage's schema."""
        self._writer = self._writer or self._roll()
        self._writer.write(batch)
        self._pulse.add(batch.num_rows)
        limit = self._format.part_bytes if isinstance(self._format, Parquet) else None
        if limit is not None and self._writer.written_bytes >= limit:
            self._close()

    def reject(self, batch: pa.RecordBatch) -> None:
        """Rows of the schema of rejected rows."""
        assert self._rejects is not None, "this stage declared no rejected rows"
        self._rejects.write(batch)
        self._pulse.add(batch.num_rows)

    def write_file(self, name: str, content: bytes) -> None:
        """A whole file of a stage that writes `Files`."""
        assert isinstance(self._format, Files), "this stage declared another format"
        self._refuse_late()
        self.dataset.write(name, content)
        self._parts.append(Part(self._task.key, name, 0, len(content), hashlib.sha256(content).hexdigest()))

    def finish(self) -> tuple[tuple[Part, ...], Part | None]:
        """Publish what is open: the parts, and the rejected rows. TaskAlreadyDone where another attempt was first."""
        if not self._parts and self._writer is None and not isinstance(self._format, Files):
            self._writer = self._roll()      # no rows is still a part: datasets stay aligned
        self._close()
        self._refuse_late()
        self._open.close()
        self._pulse.tell()
        return tuple(self._parts), self._rejects.part if self._rejects else None

    def abandon(self, error: BaseException) -> None:
        """Discard all unfinished files."""
        for writer in (self._writer, self._rejects):
            if writer:
                writer.__exit__(type(error), error, error.__traceback__)

    def _roll(self) -> PartWriter | StreamWriter:
        assert not isinstance(self._format, Files), "this stage writes files"
        task, schema = self._task, self._format.schema
        if isinstance(self._format, ArrowStream):
            return StreamWriter(self.dataset, task.key, task.file_name("arrow"), schema).__enter__()
        number = None if self._format.part_bytes is None else len(self._parts)
        key = task.key if number is None else f"{task.key}-{number:03d}"
        return PartWriter(self.dataset, key, task.file_name("parquet", number), schema, self._change).__enter__()

    def _close(self) -> None:
        if self._writer:
            self._refuse_late()
            self._writer.__exit__(None, None, None)
            assert self._writer.part is not None
            self._parts.append(self._writer.part)
            self._writer = None

    def _refuse_late(self) -> None:
        """TaskAlreadyDone where another attempt has written its receipt: asked before a file is published."""
        if self.dataset.exists(self._task.receipt):
            raise TaskAlreadyDone
