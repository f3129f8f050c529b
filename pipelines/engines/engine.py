"""Execution of Beam pipelines on a named engine, with its failures turned into one-sentence errors.

The default, `local`, is Beam's embedded runner, FnApiRunner: `DirectRunner` tries to download a Go binary first, so which
engine runs would depend on the network. `prism` and `flink` are reached through their job services, which
`textmill.pipelines.engines.job_service` checks first; any other Beam runner goes by its own name and options.
"""

import contextlib
import logging
import os
import re
import shlex
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from textmill.base.errors import out_of_memory
from textmill.pipelines.contract.filesystems import StageError, unreachable
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.task import Task
from textmill.pipelines.engines.job_service import answers, service_problem
from textmill.pipelines.engines.loopback import bind_loopback
from textmill.pipelines.engines.quiet import quiet

if TYPE_CHECKING:
    import apache_beam as beam

LOCAL = ("local", "FnApiRunner")
AGAIN = "run the same command again: finished parts are kept"
A_WEEK = 7 * 24 * 3600      # seconds: where a service has one id for job and preparation, Beam cancels a job that takes longer
SENTENCE = re.compile(r"(?:StageError|SettingsError|MixtureError|TokenizerError): (.+?)(?= \[while running|\\n|\n|$)")
PREFIX = re.compile(r"^Pipeline \S+ failed in state \w+: ")
NO_SPACE = re.compile(r"\[Errno (?:28|122)\]")
VANISHED = re.compile(r"\[[Ee]rrno 2\][^']*'([^']+)'")
NO_SLOTS = re.compile(r"NoResourceAvailableException|TimeoutException: Timeout has occurred: \d")    # Flink's, and its cause
GRPC = "StatusRuntimeException: "                   # Java's, between an engine and its workers
NOT_THERE = re.compile(r"(?:(?:ModuleNotFoundError|ImportError): |AttributeError: (?=Can't get attribute))"
                       r"(.+?)(?= on <|\\n|\n|$)")


class WorkerDiedError(StageError):
    """A local worker process died. The embedded runner cannot continue: this process has to end."""

    ends_process = True


class OutOfMemoryError(StageError):
    """Memory or a thread was refused. Threads of the embedded runner may never end: this process has to."""

    ends_process = True


class Endpoints(NamedTuple):
    """Addresses of an engine's job service, and of the worker pool on each worker's own host."""

    job_endpoint: str | None = None
    worker_pool: str | None = None


DEFAULT_ENDPOINTS = {"PortableRunner": Endpoints(), "prism": Endpoints("localhost:8073"),
                     "flink": Endpoints("localhost:8099", "localhost:50000")}


@dataclass(frozen=True)
class BeamEngine:
    """The engine that pipelines run on. `options` are passed to Beam unchanged (`--flink_master=…`)."""

    runner: str = LOCAL[0]
    workers: int = 1                    # processes; on Flink slots
    job_endpoint: str | None = None     # host:port of a Beam job service
    worker_pool: str | None = None      # host:port of a Beam worker pool; without it workers run in this process
    options: tuple[str, ...] = ()

    @property
    def is_local(self) -> bool:
        return self.runner in LOCAL

    @property
    def service(self) -> str | None:
        return self.job_endpoint or DEFAULT_ENDPOINTS.get(self.runner, Endpoints()).job_endpoint

    @property
    def pool(self) -> str | None:
        return self.worker_pool or DEFAULT_ENDPOINTS.get(self.runner, Endpoints()).worker_pool

    def problems(self) -> Iterator[str]:
        """Configuration problems of this engine, found before anything runs, each with its cure."""
        if "dask" in self.runner.lower():
            yield "DaskRunner loses rows in silence (tagged outputs and finish_bundle, Beam 2.77); use another runner"
        elif self.runner in ("DirectRunner", "SwitchingDirectRunner"):
            yield f"DirectRunner runs on another engine from day to day; use --runner {LOCAL[0]}"
        elif self.runner not in (*LOCAL, *DEFAULT_ENDPOINTS) and not _known(self.runner):
            yield f"there is no Beam runner {self.runner}; use local, prism, flink or a name Beam knows (FlinkRunner, …)"
        if self.workers < 1:
            yield f"--workers is {self.workers}; give at least 1"
        if self.is_local and (self.job_endpoint or self.worker_pool):
            yield f"--job-endpoint and --worker-pool are for another engine than {self.runner}; name it with --runner"
        if self.runner in DEFAULT_ENDPOINTS and not self.service:
            yield f"{self.runner} needs --job-endpoint host:port, the address of a job service"
        elif self.service:
            with quiet():                       # Beam warns of cloud libraries that are not installed
                problem = service_problem(self.service, self.runner)
            yield from [problem] if problem else []
        # Flink's workers look for a pool on their own hosts, which may not be this one: the preflight check finds out.
        if self.worker_pool and self.runner != "flink" and not answers(self.worker_pool):
            yield f"nothing answers at {self.worker_pool} (--worker-pool); start it, or correct the address"

    @property
    def spills(self) -> bool:
        """Whether what is grouped may be larger than memory; not with the embedded runner, Beam's job service or Prism."""
        return not self.is_local and self.runner not in ("prism", "PortableRunner")

    def preflight(self, stage: Stage, context: RunContext) -> None:
        """StageError where remote workers cannot run this stage."""
        if not self.is_local:
            with quiet():                       # Beam warns of cloud libraries that are not installed
                from textmill.pipelines.engines.preflight import check_workers

            name = f"{self.runner} at {self.service}" if self.service else self.runner
            check_workers(stage, context, name, self.pool)

    def do(self, stage: Stage, context: RunContext, tasks: Sequence[Task]) -> None:
        """Attempt each task on some worker."""
        with quiet():                           # Beam warns of cloud libraries that are not installed
            from textmill.pipelines.engines.tasks import do_tasks

        do_tasks(stage, context, tasks)

    def run(self, build: "Callable[[beam.Pipeline], Any]", parallel: int = 1 << 30, within: float | None = None) -> None:
        """Build a pipeline and run it to its end. `parallel` is how many elements can be worked on at once.

        StageError where a function in the pipeline raised one, and where workers or the engine are lost;
        TimeoutError where the job is not over `within` seconds; WorkerDiedError where a local worker process was killed.
        """
        import apache_beam as beam
        from apache_beam.options.pipeline_options import PipelineOptions

        logging.getLogger("apache_beam").setLevel(logging.CRITICAL)   # failures are raised, and reported once
        bind_loopback()
        workers = min(self.workers, parallel)
        runner: Any = "PortableRunner" if self.runner in DEFAULT_ENDPOINTS else self.runner
        if self.is_local:
            runner = _local_runner(workers)
        pipeline = beam.Pipeline(runner, options=PipelineOptions([*self.arguments(workers), *self.options]))
        build(pipeline)
        try:
            _finish(pipeline, within)
        except BaseException as error:
            told = self.sentence(error)
            raise told from (None if isinstance(told, StageError) else error)

    def arguments(self, workers: int) -> list[str]:
        """Beam's options for this engine; the user's come after them, and the last one wins."""
        if self.is_local:
            return ["--default_sdk_harness_log_level=CRITICAL", f"--direct_num_workers={workers}"]
        arguments = ["--default_sdk_harness_log_level=ERROR"]           # Java's lowest level
        if self.service:
            where = ["EXTERNAL", f"--environment_config={self.pool}"] if self.pool else ["LOOPBACK"]
            arguments += [f"--job_endpoint={self.service}", f"--environment_type={where[0]}", *where[1:],
                          f"--job_server_timeout={A_WEEK}"]
        if self.runner == "flink":
            return [*arguments, f"--parallelism={workers}", "--environment_cache_millis=600000"]
        return [*arguments, f"--sdk_worker_parallelism={workers}"] if self.service else arguments

    def sentence(self, error: BaseException) -> BaseException:
        """The StageError inside a runner's own error (it may have crossed a process as text), or the error itself."""
        text = str(error)
        if isinstance(error, StageError):
            return type(error)(text.split(" [while running")[0])
        if found := SENTENCE.search(text):
            return StageError(found[1].strip().rstrip("'\""))
        if out_of_memory(error):
            return OutOfMemoryError(f"the system gave no more memory; give fewer --workers, or free some, and {AGAIN}")
        if NO_SPACE.search(text):
            return StageError(f"no space left on the disk; free some and {AGAIN}")
        if said := store_sentence(error):
            return StageError(said)
        if found := VANISHED.search(text):
            return StageError(f"{found[1]} is gone; was the data folder moved or emptied? Put it back, and {AGAIN}")
        if self.is_local or isinstance(error, (KeyboardInterrupt, TimeoutError)):
            return error
        if found := NOT_THERE.search(text):
            return StageError(f"a worker cannot load this textmill ({found[1]}); install the same one, "
                              "with its [pipelines] extra, where its worker pool runs, and start the pool from there")
        if type(error).__module__.startswith("grpc"):
            return StageError(f"the job service at {self.service} is gone; start it again and {AGAIN}")
        if NO_SLOTS.search(text):
            return StageError(f"{self.runner} has no {self.workers} slots free (--workers); see that its taskmanagers run, "
                              f"wait for the job that has them or cancel it (a job outlives its job server), and {AGAIN}")
        if "Traceback (most recent call last)" in text:
            return error                    # a function of ours failed: a bug
        plain = PREFIX.sub("", text).rpartition("Caused by: ")[2]
        cause = plain.strip().splitlines() or [type(error).__name__]
        if GRPC in cause[0]:
            return StageError(f"a worker or its pool is gone ({cause[0].rpartition(GRPC)[2][:300]}); start the pool again on "
                              f"its host, and {AGAIN}")
        return StageError(f"the engine ended the job ({cause[0][:300]}); see that its workers run, and {AGAIN}")


def store_sentence(error: BaseException) -> str | None:
    """The sentence for an object store that did not answer; None for other errors."""
    said = unreachable(error)
    return said and f"the store of the data folder failed ({said}); when it answers again, {AGAIN}"


def _known(runner: str) -> bool:
    """Whether Beam has a runner of this name; one with dots is the path of a class."""
    with quiet():                           # Beam warns of cloud libraries that are not installed
        from apache_beam.options.pipeline_options import StandardOptions

    names = {path.rpartition(".")[2].lower() for path in StandardOptions.ALL_KNOWN_RUNNERS}
    return "." in runner or runner.lower() in names


def _local_runner(workers: int) -> Any:
    """The embedded runner: in this process for one worker, else with that many processes of `engines/worker.py`."""
    from apache_beam.runners.portability.fn_api_runner.fn_runner import FnApiRunner
    from apache_beam.transforms.environments import SubprocessSDKEnvironment

    if workers == 1:
        return FnApiRunner()
    command = f"exec {shlex.quote(sys.executable)} -P -m textmill.pipelines.engines.worker"
    return FnApiRunner(default_environment=SubprocessSDKEnvironment.from_command_string(command))


def _finish(pipeline: "beam.Pipeline", within: float | None) -> None:
    """Run in a thread, so that a worker's death is noticed, for which the embedded runner would wait for ever.

    A job that times out is cancelled.
    """
    outcome: list[BaseException | None] = []
    job: list[Any] = []
    over = threading.Event()

    def run() -> None:
        try:
            with quiet():
                job.append(pipeline.run())
                state = job[0].wait_until_finish()
            outcome.append(None if state in (None, "DONE") else StageError(f"the engine ended the job as {state}"))
        except BaseException as error:
            outcome.append(error)
        finally:
            over.set()

    def died(arguments: threading.ExceptHookArgs) -> None:
        if "Worker subprocess exited" in str(arguments.exc_value):
            outcome.append(WorkerDiedError(
                f"a worker process died ({arguments.exc_value}; killed, or out of memory?); {AGAIN}"))
            over.set()
        elif not over.is_set() and not arguments.exc_type.__module__.startswith("grpc"):    # a lost channel is not the cause
            previous(arguments)

    previous, threading.excepthook = threading.excepthook, died
    try:
        threading.Thread(target=run, name="pipeline", daemon=True).start()
        if not over.wait(within):
            raise TimeoutError
    except (KeyboardInterrupt, TimeoutError):
        over.set()                              # messages of its threads are dropped from here on
        with contextlib.suppress(Exception):
            job[0].cancel()
        raise
    finally:
        # Leave the hook installed until the process exits: Beam's remaining threads would print useless tracebacks.
        if not (outcome and isinstance(outcome[0], WorkerDiedError)):
            threading.excepthook = previous
    if (error := outcome[0]) is not None:
        raise error


def processors() -> int:
    """The default number of processes: one per core this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
