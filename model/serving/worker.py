"""The engine's thread: what arrives is batched, each answer's progress goes back to the event loop that waits for it.

Guarantees: only this thread touches the engine; what an event loop gets is a value that never changes; an engine that failed
is replaced, and the answers that it had are told so.
"""

import asyncio
import sys
import threading
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from textmill.model import ModelError
from textmill.model.generation.answer import Answer, TokenScore
from textmill.model.generation.engine import Engine
from textmill.model.generation.request import Request
from textmill.model.serving.errors import ApiError, broken


@dataclass(frozen=True)
class Progress:
    """An answer as far as it has come: whole, not only what is new. `number` is its place among those of its job."""

    number: int
    text: str
    tokens: tuple[int, ...]
    scores: tuple[TokenScore, ...]
    finish_reason: str | None = None        # "stop", "length", "cancelled"; None: it goes on
    generated: int = 0
    problem: str | None = None


class Job:
    """The answers to one call, and where their progress goes."""

    def __init__(self, requests: Sequence[Request], every_step: bool):
        self.requests, self.every_step = requests, every_step
        self.loop = asyncio.get_running_loop()
        self.queue: asyncio.Queue[Progress | ApiError] = asyncio.Queue()
        self.answers: list[Answer] = []
        self.cancelled = False

    def post(self, event: Progress | ApiError) -> None:
        """From the engine's thread, to whoever waits."""
        try:
            self.loop.call_soon_threadsafe(self.queue.put_nowait, event)
        except RuntimeError:                    # the loop is closed: nobody waits
            self.cancelled = True


def refusal(error: Exception) -> ApiError:
    """What is said of a request that the engine did not take."""
    if isinstance(error, ModelError):
        return ApiError(str(error), code="invalid_value")
    if isinstance(error, RecursionError):
        return ApiError("the form that is asked for is too large or too deep; ask for a smaller one", code="invalid_value")
    traceback.print_exception(error, file=sys.stderr)
    return broken()


class Worker:
    """A thread with an engine in it."""

    def __init__(self, new_engine: Callable[[], Engine]):
        self._new_engine = new_engine
        self._engine = new_engine()
        self._wake = threading.Condition()
        self._inbox: deque[Job] = deque()
        self._jobs: list[Job] = []
        self._ending = False
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    @property
    def alive(self) -> bool:
        return self._thread.is_alive()

    def submit(self, job: Job) -> None:
        with self._wake:
            self._inbox.append(job)
            self._wake.notify()

    def cancel(self, job: Job) -> None:
        """Its rows are free at the next step; one that is finished is not changed."""
        with self._wake:
            job.cancelled = True
            self._wake.notify()

    def end(self) -> None:
        """Stop after the step that is under way."""
        with self._wake:
            self._ending = True
            self._wake.notify()
        self._thread.join(timeout=30)

    def _run(self) -> None:
        while True:
            with self._wake:
                self._wake.wait_for(lambda: self._ending or self._inbox or self._jobs)
                if self._ending:
                    return
                arrived = [self._inbox.popleft() for _ in range(len(self._inbox))]
            try:
                for job in arrived:
                    self._admit(job)
                self._step()
            except Exception as error:
                self._replace_engine(error)

    def _admit(self, job: Job) -> None:
        if job.cancelled:
            return
        try:
            for request in job.requests:
                job.answers.append(self._engine.add(request))
        except Exception as error:
            # A request that cannot be taken, such as one with a form that no answer can have, is its own matter only.
            for answer in job.answers:
                self._engine.cancel(answer)
            job.post(refusal(error))
            return
        self._jobs.append(job)

    def _step(self) -> None:
        """One step of the engine, and what came of it to the jobs."""
        for job in self._jobs:
            if job.cancelled:
                for answer in job.answers:
                    self._engine.cancel(answer)
        self._jobs = [job for job in self._jobs if not job.cancelled]
        changed = {id(answer) for answer in self._engine.step()}
        for job in self._jobs:
            for number, answer in enumerate(job.answers):
                if id(answer) in changed and (job.every_step or answer.finish_reason):
                    job.post(Progress(number, answer.text, tuple(answer.tokens), tuple(answer.scores), answer.finish_reason,
                                      answer.generated, answer.problem))
        self._jobs = [job for job in self._jobs if any(answer.finish_reason is None for answer in job.answers)]

    def _replace_engine(self, error: Exception) -> None:
        """Tell all jobs, and go on with a new engine."""
        if isinstance(error, ModelError):
            said = ApiError(str(error), 500, kind="server_error", code="model_error")
        else:
            traceback.print_exception(error, file=sys.stderr)
            said = broken()
        for job in self._jobs:
            job.post(said)
        self._jobs = []
        self._engine = self._new_engine()
