"""The one Beam step that every stage by parts is made of: deal out the tasks, do them where they land."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

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


def do_tasks(stage: "Stage", place: "Place", tasks: "list[Task]") -> None:
    """One pipeline over the tasks. Reshuffle deals them to the workers: a plain Create stays in one process."""
    work = Work(stage, stage.settings(place.config), place.data, place.data / stage.dataset(place.config))

    def build(pipeline: beam.Pipeline) -> Any:
        return pipeline | "Tasks" >> beam.Create(tasks) | "Deal" >> beam.Reshuffle() | stage.name >> beam.ParDo(work)

    place.engine.run(build, parallel=len(tasks))
