"""The process that answers questions in SQL: what takes too long or too much memory ends it, and never the page.

DuckDB bounds the memory of its operators and can be interrupted between them, but not within a function such as `repeat`
(measured: 20 s and 5 GB). So the process has an address space of its own that is bounded, and is ended where it does not
answer; the next question starts another. Both ends of its pipes are this program, so pickle gives nothing away.
"""

import contextlib
import os
import pickle
import resource
import select
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

from textmill.base.errors import TextmillError
from textmill.pipelines.browse.sql import SECONDS, Answer, Database, SqlError, too_slow
from textmill.pipelines.contract.storage import Folder

GRACE = 2.0             # seconds after an interrupt until the process is ended
ADDRESS_SPACE = 3 << 30     # bytes that a question may need beyond what the process has when it begins
STARTING = 60.0
_SIZE = Path("/proc/self/statm")
_ENDED = (EOFError, OSError, pickle.UnpicklingError)


class Questions:
    """A process for the questions on a data folder, started when the first comes; one question at a time."""

    def __init__(self, data: Folder):
        self._data, self._lock = data, threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None
        self._views: dict[str, list[str]] = {}

    def __del__(self) -> None:
        self._end()

    @property
    def views(self) -> dict[str, list[str]]:
        """Columns by view."""
        with self._lock:
            self._started()
            return self._views

    def ask(self, sql: str, seconds: float = SECONDS) -> Answer:
        """The first rows of a SELECT. SqlError where it is none, cannot be understood, or takes too much."""
        with self._lock:
            process = self._started()
            try:
                _send(process.stdin, (sql, seconds))
                answer = self._receive(process, seconds + GRACE)
            except _ENDED:
                self._end()
                raise SqlError("it wanted more memory than a question may have; ask for less at once") from None
            if answer is None:
                self._end()
                raise SqlError(too_slow(seconds))
        if isinstance(answer, SqlError):
            raise answer
        assert isinstance(answer, Answer)
        return answer

    def end(self) -> None:
        """End the process."""
        with self._lock:
            self._end()

    def _started(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is None:
            return self._process
        self._end()
        process = self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "textmill.pipelines.browse.sql_process", self._data.uri], stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path)})
        try:
            first = self._receive(process, STARTING)
        except _ENDED:
            first = None
        if not isinstance(first, dict):
            self._end()
            raise first if isinstance(first, TextmillError) else SqlError(
                "the process that answers could not be started; see that memory is left, and try again")
        self._views = first
        return process

    def _receive(self, process: subprocess.Popen[bytes], seconds: float) -> Any:
        """What the process says; None where it says nothing in time."""
        assert process.stdout is not None
        return pickle.load(process.stdout) if select.select([process.stdout], [], [], seconds)[0] else None

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.kill()
            with contextlib.suppress(OSError), process:
                process.wait()


def serve(data: str) -> None:
    """The life of the process: the views, then an answer or a SqlError for each question, until the other end is closed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)        # Ctrl-C is the parent's
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)                                       # what libraries print is no answer
    try:
        database = Database(Folder(data))
    except TextmillError as error:
        _send(answers, error)
        return
    _send(answers, database.views)
    if _SIZE.exists():
        bound = int(_SIZE.read_text().split()[0]) * resource.getpagesize() + ADDRESS_SPACE
        resource.setrlimit(resource.RLIMIT_AS, (bound, bound))
    with contextlib.suppress(*_ENDED):
        while True:
            sql, seconds = pickle.load(sys.stdin.buffer)
            try:
                answer: Answer | SqlError = database.ask(sql, seconds)
            except SqlError as error:
                answer = error
            except MemoryError:
                answer = SqlError("it wanted more memory than a question may have; ask for less at once")
            _send(answers, answer)


def _send(file: Any, value: Any) -> None:
    pickle.dump(value, file, pickle.HIGHEST_PROTOCOL)
    file.flush()


if __name__ == "__main__":
    # Under this module's own name, so that what is pickled here is known there.
    from textmill.pipelines.browse.sql_process import serve as life

    life(sys.argv[1])
