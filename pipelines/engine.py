"""Runs a Beam pipeline on a named engine, and turns what goes wrong there into a sentence.

The default is Beam's embedded runner, by its own name: `DirectRunner` tries to download a Go binary first, so which
engine runs would depend on the network. Any other Beam runner is reached through its options.
"""

import contextlib
import logging
import os
import re
import shlex
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pipelines.storage import StageError

if TYPE_CHECKING:
    import apache_beam as beam

LOCAL = "FnApiRunner"
SENTENCE = re.compile(r"(?:StageError|SettingsError): (.+?)(?= \[while running|\\n|\n|$)")
NO_SPACE = re.compile(r"\[Errno (?:28|122)\]")


class WorkerDiedError(StageError):
    """A local worker process ended unasked. The embedded runner cannot go on: the process has to end."""


@dataclass(frozen=True)
class Engine:
    """Where pipelines run. `options` are passed to Beam as they are (`--flink_master=…`)."""

    runner: str = LOCAL
    workers: int = 1
    job_endpoint: str | None = None     # host:port of a Beam job service
    worker_pool: str | None = None      # host:port of a Beam worker pool; without it workers run in this process
    options: tuple[str, ...] = ()

    def problems(self) -> Iterator[str]:
        """What makes this engine unusable, found before anything runs."""
        if "dask" in self.runner.lower():
            yield "DaskRunner loses rows in silence (tagged outputs and finish_bundle, Beam 2.77); use another runner"
        if self.runner in ("DirectRunner", "SwitchingDirectRunner"):
            yield f"DirectRunner runs on another engine from day to day; use --runner {LOCAL}"
        if self.workers < 1:
            yield f"--workers is {self.workers}; give at least 1"
        if self.runner == "PortableRunner" and not self.job_endpoint:
            yield "PortableRunner needs --job-endpoint host:port, the address of a job service"
        for flag, address in (("--job-endpoint", self.job_endpoint), ("--worker-pool", self.worker_pool)):
            if address and not _answers(address):
                yield f"nothing answers at {address} ({flag}); start it, or correct the address"

    @property
    def workers_on_this_host(self) -> int:
        """How many local worker processes there will be; 0 where an engine has workers of its own."""
        return self.workers if self.runner == LOCAL else 0

    def run(self, build: "Callable[[beam.Pipeline], Any]", parallel: int = 1 << 30) -> None:
        """Build a pipeline and run it to its end. `parallel` is how many elements can be worked on at once.

        StageError where a function in the pipeline raised one; WorkerDiedError where a local worker process was killed.
        """
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions

        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)   # what fails is raised, and told once
        workers = min(self.workers, parallel)
        arguments = ["--default_sdk_harness_log_level=CRITICAL", *self.options]
        runner: Any = self.runner
        if self.runner == LOCAL:
            arguments.append(f"--direct_num_workers={workers}")
            runner = _local_runner(workers)
        if self.job_endpoint:
            environment = ["EXTERNAL", f"--environment_config={self.worker_pool}"] if self.worker_pool else ["LOOPBACK"]
            arguments += [f"--job_endpoint={self.job_endpoint}", f"--environment_type={environment[0]}", *environment[1:],
                          f"--sdk_worker_parallelism={workers}"]
        pipeline = beam.Pipeline(runner, options=PipelineOptions(arguments))
        build(pipeline)
        _finish(pipeline)


def _local_runner(workers: int) -> Any:
    """The embedded runner: in this process for one worker, else with that many processes of `pipelines.worker`."""
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    if workers == 1:
        return FnApiRunner()
    command = f"exec {shlex.quote(sys.executable)} -m pipelines.worker"
    return FnApiRunner(default_environment=SubprocessSDKEnvironment.from_command_string(command))


def _finish(pipeline: "beam.Pipeline") -> None:
    """Run in a thread, so that a worker's death, which the embedded runner waits out for ever, is noticed."""
    outcome: list[BaseException | None] = []
    over = threading.Event()

    def run() -> None:
        try:
            with quiet():
                state = pipeline.run().wait_until_finish()
            outcome.append(None if state in (None, "DONE") else StageError(f"the engine ended the job as {state}"))
        except BaseException as error:
            outcome.append(error)
        finally:
            over.set()

    def died(arguments: threading.ExceptHookArgs) -> None:
        if "Worker subprocess exited" in str(arguments.exc_value):
            outcome.append(WorkerDiedError(f"a worker process died ({arguments.exc_value}; killed, or out of memory?); "
                                      "run the same command again: finished parts are kept"))
            over.set()
        elif not over.is_set() and not arguments.exc_type.__module__.startswith("grpc"):    # a lost channel says nothing
            previous(arguments)

    previous, threading.excepthook = threading.excepthook, died
    try:
        threading.Thread(target=run, name="pipeline", daemon=True).start()
        over.wait()
    finally:
        # After a worker's death the process has to end. Until it does, the runner's threads fail one after another,
        # each with a traceback that says nothing more: the hook stays.
        if not (outcome and isinstance(outcome[0], WorkerDiedError)):
            threading.excepthook = previous
    if (error := outcome[0]) is not None:
        told = _sentence(error)
        raise told from (None if isinstance(told, StageError) else error)


def _sentence(error: BaseException) -> BaseException:
    """The StageError inside what a runner made of it (it may have crossed a process as text), or the error itself."""
    text = str(error)
    if isinstance(error, StageError):
        return type(error)(text.split(" [while running")[0])
    if found := SENTENCE.search(text):
        return StageError(found[1].strip().rstrip("'\""))
    if NO_SPACE.search(text):
        return StageError("no space left on the disk; free some and run the same command again: finished parts are kept")
    return error


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Beam's workers log every start and stop at INFO to the root logger's handlers; that is not for our users."""
    root = logging.getLogger()
    level = root.level
    root.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        root.setLevel(level)


def _answers(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError, ValueError), socket.create_connection((host, int(port)), timeout=3):
        return True
    return False


def processors() -> int:
    """How many processes to use where nobody says: one per core this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
