"""The Beam step of every stage: distribute the tasks to workers and do each where it lands."""

import os
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

import apache_beam as beam
from apache_beam.utils.shared import Shared

from textmill.pipelines.contract.attempt import attempt
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task


class DoTasks(beam.DoFn):
    """Do a task and yield its key. Its effects are files written atomically, so a repeat is harmless."""

    def __init__(self, stage: Stage, settings: Any, data: Folder, dataset: Folder):
        self._stage, self._settings, self._data, self._dataset = stage, settings, data, dataset
        self._shared = Shared()

    def setup(self) -> None:
        self._tools = self._shared.acquire(lambda: _Tools(self._stage.open(self._settings, self._data)))

    def process(self, task: Task) -> Iterator[str]:
        attempt(self._stage, self._tools.opened, self._settings, self._data, self._dataset, task)
        yield task.key


class _Tools:
    """Holds what a stage opened: Shared keeps weak references, which a plain None or tuple cannot have."""

    def __init__(self, opened: Any):
        self.opened = opened


class Queue(NamedTuple):
    """Tasks that several workers of one host take from, each task once: an empty file in `folder` marks it as taken.

    The embedded runner gives each worker its elements at once, evenly by count, and a worker that is done idles. So each
    gets the whole queue.
    """

    tasks: tuple[Task, ...]
    folder: str

    def take(self) -> Iterator[Task]:
        for task in self.tasks:
            if _made(os.path.join(self.folder, task.key)):
                yield task


def _made(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def do_tasks(stage: Stage, context: RunContext, tasks: Sequence[Task]) -> None:
    """One pipeline over the tasks, the largest first. A plain Create runs in one process, so they are reshuffled.

    Workers of this host take from one queue. Those of a remote engine get equal numbers: Flink groups by hash, and
    once gave two slots eleven tasks as eight and three.
    """
    work = DoTasks(stage, stage.settings(context.config), context.data, context.data / stage.dataset(context.config))
    ordered = tuple(sorted(tasks, key=lambda task: (-task.bytes, task.key)))
    here = min(context.engine.workers, len(tasks)) if context.engine.is_local else 0
    with tempfile.TemporaryDirectory() as folder:
        queues = [(number, Queue(ordered, folder)) for number in range(here)]

        def build(pipeline: beam.Pipeline) -> Any:
            if here:
                dealt = pipeline | beam.Create(queues) | beam.GroupByKey() | "Take" >> beam.FlatMap(_tasks)
            else:
                dealt = pipeline | beam.Create(ordered) | beam.Reshuffle()
            return dealt | stage.name >> beam.ParDo(work)

        context.engine.run(build, parallel=here or len(tasks))


def _tasks(dealt: tuple[int, Iterable[Queue]]) -> Iterator[Task]:
    for queue in dealt[1]:
        yield from queue.take()
