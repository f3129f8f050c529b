"""The one Beam step that every stage by parts is made of: deal out the tasks, do them where they land."""

import os
import tempfile
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import apache_beam as beam
from apache_beam.utils.shared import Shared

from pipelines.storage import Folder

if TYPE_CHECKING:
    from pipelines.stage import Place, Stage, Task


class Work(beam.DoFn):
    """Do a task and yield its key. Its effects are files that are complete or not there, so a repeat is harmless."""

    def __init__(self, stage: "Stage", settings: Any, data: Folder, dataset: Folder):
        self._stage, self._settings, self._data, self._dataset = stage, settings, data, dataset
        self._shared = Shared()

    def setup(self) -> None:
        self._tools = self._shared.acquire(lambda: _Tools(self._stage.open(self._settings, self._data)))

    def process(self, task: "Task") -> Iterator[str]:
        from pipelines.stage import do

        do(self._stage, self._tools.opened, self._settings, self._data, self._dataset, task)
        yield task.key


class _Tools:
    """Holds what a stage opened: Shared keeps weak references, which a plain None or tuple cannot have."""

    def __init__(self, opened: Any):
        self.opened = opened


class Queue(NamedTuple):
    """Tasks that several workers of one host take from, each task once: an empty file in `folder` says that it is taken.

    The embedded runner gives each worker its elements at once, evenly by count, and a worker that is done stays idle. So each
    gets the whole queue. Without a folder the tasks are one worker's.
    """

    tasks: "tuple[Task, ...]"
    folder: str | None = None

    def take(self) -> "Iterator[Task]":
        for task in self.tasks:
            if self.folder is None or _made(os.path.join(self.folder, task.key)):
                yield task


def _made(path: str) -> bool:
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL))
    except FileExistsError:
        return False
    return True


def do_tasks(stage: "Stage", place: "Place", tasks: "list[Task]") -> None:
    """One pipeline over the tasks, the largest first. The grouping deals them out: a plain Create stays in one process."""
    work = Work(stage, stage.settings(place.config), place.data, place.data / stage.dataset(place.config))
    ordered = tuple(sorted(tasks, key=lambda task: (-task.bytes, task.key)))
    with tempfile.TemporaryDirectory() as folder:
        shared = place.engine.workers_on_this_host
        queues = [Queue(ordered, folder)] * min(shared, len(tasks)) if shared else [Queue((task,)) for task in ordered]

        def build(pipeline: beam.Pipeline) -> Any:
            return (
                pipeline
                | "Queues" >> beam.Create(list(enumerate(queues)))
                | "Deal" >> beam.GroupByKey()
                | "Take" >> beam.FlatMap(_tasks)
                | stage.name >> beam.ParDo(work))

        place.engine.run(build, parallel=len(queues))


def _tasks(dealt: "tuple[int, Iterable[Queue]]") -> "Iterator[Task]":
    for queue in dealt[1]:
        yield from queue.take()
