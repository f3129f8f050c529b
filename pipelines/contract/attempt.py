"""An attempt at a task, on a worker: its parts, and last its receipt, which alone makes the task done."""

from collections.abc import Iterator, Mapping
from typing import Any

import pyarrow as pa

from textmill.pipelines.contract.output import Output, TaskAlreadyDone
from textmill.pipelines.contract.part_files import aligned, read_batches
from textmill.pipelines.contract.parts import DamagedError, Receipt, add_counts, files_of
from textmill.pipelines.contract.stage import Stage
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task


def attempt(stage: Stage, tools: Any, settings: Any, data: Folder, dataset: Folder, task: Task) -> None:
    """Do one task. One that another attempt has finished is skipped."""
    if _done(dataset, task):
        return
    output = Output(data, dataset, task, stage.task_format(tools, settings, task))
    try:
        counts = stage.work(tools, settings, task, input_batches(data, task, stage.columns), output)
        parts, rejected = output.finish()
    except BaseException as error:
        output.abandon(error)
        if isinstance(error, TaskAlreadyDone):
            return
        raise
    receipt = Receipt(task.key, task.fingerprint, parts, rejected, add_counts({}, counts), output.notes)
    dataset.write(task.receipt, receipt.to_json())


def input_batches(data: Folder, task: Task, columns: Mapping[str, list[str]]) -> Iterator[tuple[pa.RecordBatch, ...]]:
    """A task's aligned input parts, batch by batch."""
    return aligned([read_batches(data / name, part, columns.get(name)) for name, part in task.inputs])


def _done(dataset: Folder, task: Task) -> bool:
    """Whether it has a valid receipt. A damaged one, or one with truncated files, is removed, or ours would come too late."""
    try:
        receipt = Receipt.from_json(dataset.read(task.receipt), dataset.shown(task.receipt))
        if all(dataset.size(part.path) == part.bytes for part in files_of(receipt)):
            return True
    except FileNotFoundError:
        return False
    except DamagedError:
        pass
    dataset.delete(task.receipt)
    return False
