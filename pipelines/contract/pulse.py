"""Rows done of tasks that are being worked on, told by workers through small files, for the progress display alone.

On local data folders only: in an object store each would be a request. A file that cannot be written is not worth a word.
"""

import contextlib
import os
import time

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task

FOLDER = "_work/rows"       # of a dataset; removed with all that its manifest does not list
SECONDS = 1.0               # between two files of a task


class Pulse:
    """The rows of one task so far; a file from the beginning on, so that a folder with one was begun by a run."""

    def __init__(self, dataset: Folder, task: Task):
        self._path = dataset.path(f"{FOLDER}/{task.key}") if dataset.is_local else None
        self._rows, self._next = 0, time.monotonic() + SECONDS
        self.tell()

    def add(self, rows: int) -> None:
        """Tell it, if it is time."""
        self._rows += rows
        if self._path and time.monotonic() >= self._next:
            self._next = time.monotonic() + SECONDS
            self.tell()

    def tell(self) -> None:
        """Tell it now."""
        if self._path:
            with contextlib.suppress(OSError):
                os.makedirs(os.path.dirname(self._path), exist_ok=True)
                with open(self._path, "w", encoding="ascii") as file:
                    file.write(str(self._rows))


def rows_so_far(dataset: Folder) -> int:
    """Rows of all tasks, done or being worked on, since the run began."""
    rows = 0
    if dataset.is_local:
        for entry in dataset.entries(FOLDER, recursive=False):
            with contextlib.suppress(OSError, ValueError):
                rows += int(dataset.read(entry.path))
    return rows
