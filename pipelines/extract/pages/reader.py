"""Sandboxed page parsing in a child process: a page that hangs, crashes or exhausts memory costs its own row, never the run.

Every page gets one answer, in order. Where the child ends in the middle of a page, the answers before it are kept, and
page is tried once more alone in a fresh child: so a page is refused for its own behaviour, not for what its
neighbours did before it, and a child that was killed from outside costs a retry and no page. The pages after it continue
in a fresh child. Answers do not depend on how pages are put into batches.

Parsing is deterministic. A `deadline`, `crashed` or `out_of_memory` is a backstop: CPU
seconds and the layout of memory differ between machines, so limits that count must refuse a page long before.

Both ends of the pipes are this program, run by the same user with the same rights, so pickle gives away nothing: whoever
could forge an answer can do all that the parent can.
"""

import contextlib
import os
import pickle
import queue
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from typing import Any

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.extract.pages.job import Answer, Job
from textmill.pipelines.extract.pages.reader_process import OUT_OF_MEMORY, cpu_seconds, still_seconds
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

READ_PAGE = "textmill.pipelines.extract.pages.read_page:read_page"
# Errors of a pipe whose other end is gone: at once, in the middle of an answer, or during a write.
_ENDED = (EOFError, pickle.UnpicklingError, BrokenPipeError)
_ADDRESS = re.compile("0x[0-9a-f]+")    # differs from run to run


class Reader:
    """Owns at most one child, started when the first page comes; for one task, in one thread.

    `deadline` is in seconds of CPU time for a page, `memory_mb` in MiB beyond the address space that the child has when it
    begins. `read` names the function of (html, limits) that reads a page, as "module:function".
    """

    def __init__(self, limits: ExtractSettings, deadline: float, memory_mb: int, read: str = READ_PAGE):
        self._limits, self._deadline, self._memory_mb, self._read = limits, deadline, memory_mb, read
        self._child: subprocess.Popen[bytes] | None = None
        self._said: Any = None      # the child's stderr

    def __enter__(self) -> "Reader":
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def __del__(self) -> None:
        self._end()

    def read(self, pages: Sequence[Job]) -> Iterator[Answer]:
        """An answer for each page, in order, each as soon as it is known.

        The pages are sent to the child at once, so a batch should not hold more than some MB. Quarantined are
        `extractor_error`, `deadline`, `crashed` and `out_of_memory`. StageError where no child can be started.
        """
        done = 0
        try:
            while done < len(pages):
                for answer in self._answers(pages[done:]):
                    done += 1       # first, because the caller may stop iterating here
                    yield answer
                if done < len(pages):
                    self._end()
                    alone = next(self._answers(pages[done:done + 1]), None)
                    done += 1
                    yield alone or self._refusal(*self._end(), cpu_seconds(pages[done - 1], self._deadline))
        finally:
            if done < len(pages):   # abandoned: the child's remaining answers must not be taken for those of other pages
                self._end()

    def _answers(self, pages: Sequence[Job]) -> Iterator[Answer]:
        """The child's answers, fewer than pages where it ended in the middle of one."""
        child = self._child or self._start()
        with contextlib.suppress(*_ENDED):
            _send(child, list(pages))
            for _ in pages:
                yield _receive(child)

    def _start(self) -> subprocess.Popen[bytes]:
        """A fresh interpreter that finds the modules which this one finds; a fork would copy locks held by other threads."""
        self._said = tempfile.TemporaryFile()  # noqa: SIM115  (closed by _end)
        child = self._child = subprocess.Popen(
            [sys.executable, "-P", "-m", "textmill.pipelines.extract.pages.reader_process"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=self._said,
            # Workers share the cores already, and the products of a page are too small to be divided.
            env=os.environ | {"PYTHONPATH": os.pathsep.join(path or os.getcwd() for path in sys.path),
                              "OPENBLAS_NUM_THREADS": "1"})
        try:
            _send(child, (self._read, self._limits, self._deadline, self._memory_mb))
            _receive(child)
        except _ENDED:
            status, said = self._end()
            raise StageError(f"the process that reads pages could not be started ({said or _ended(status)}); "
                             "install textmill again, and see that memory is left") from None
        return child

    def _end(self) -> tuple[int, str]:
        """Stop the child, if any; its exit status and its last line of stderr."""
        if self._child is None:
            return 0, ""
        child, self._child = self._child, None
        with contextlib.suppress(BrokenPipeError), child:   # what was not sent is still in the pipe's buffer
            child.kill()
        with self._said as said:
            said.seek(max(said.seek(0, os.SEEK_END) - 4096, 0))
            lines = said.read().decode("utf-8", "replace").split("\n")
        last = next((line.strip() for line in reversed(lines) if line.strip()), "")
        return child.returncode, _ADDRESS.sub("0x…", last)[:200]

    def _refusal(self, status: int, said: str, deadline: float) -> Refusal:
        if status == -signal.SIGPROF:
            return Refusal("deadline", f">{deadline:g}", f"{deadline:g}", "seconds of CPU time")
        if status == -signal.SIGALRM:
            detail = f"not done after {still_seconds(deadline):g} seconds by the clock"
            return Refusal("deadline", None, f"{deadline:g}", detail)
        if status == OUT_OF_MEMORY:
            return Refusal("out_of_memory", f">{self._memory_mb}", str(self._memory_mb), "MiB")
        return Refusal("crashed", detail=f"{_ended(status)}: {said}" if said else _ended(status))


def _ended(status: int) -> str:
    return f"ended by {signal.Signals(-status).name}" if status < 0 else f"ended with exit status {status}"


def _send(child: subprocess.Popen[bytes], value: Any) -> None:
    assert child.stdin is not None
    pickle.dump(value, child.stdin, pickle.HIGHEST_PROTOCOL)
    child.stdin.flush()


def _receive(child: subprocess.Popen[bytes]) -> Any:
    assert child.stdout is not None
    return pickle.load(child.stdout)


class Readers:
    """Pool of readers in a worker process: one per concurrent task, each with its child kept for the next task."""

    def __init__(self, limits: ExtractSettings):
        self._limits = limits
        self._idle: queue.SimpleQueue[Reader] = queue.SimpleQueue()

    @contextlib.contextmanager
    def one(self) -> Iterator[Reader]:
        try:
            reader = self._idle.get_nowait()
        except queue.Empty:
            reader = Reader(self._limits, self._limits.max_page_seconds, self._limits.max_page_memory_mb)
        try:
            yield reader
        finally:
            self._idle.put(reader)
