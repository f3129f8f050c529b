"""Run one stage: read its dataset, write the next one."""

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from textmill.base.errors import TextmillError
from textmill.base.strict import SettingsError
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.engines.engine import LOCAL, Engine, WorkerDiedError, processors, store_sentence
from textmill.pipelines.flow import STAGES
from textmill.pipelines.settings import read_config


def main(argv: Sequence[str] | None = None) -> int | str:
    parser = argparse.ArgumentParser(prog="python -m pipelines", description=__doc__, allow_abbrev=False)
    parser.add_argument("stage", choices=STAGES, help="in the order of the data flow")
    parser.add_argument("--if-missing", action="store_true", help="leave the stage's dataset as it is where there is one")
    add_run_options(parser)
    given = parser.parse_args(argv)
    stage = STAGES[given.stage]
    return told(stage.name, lambda: bring_up_to_date(stage, run_context(given), if_missing=given.if_missing))


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """The arguments that say where a run happens and by what configuration: `place_of` reads them."""
    parser.add_argument("--data", default="data", help="the data folder, or s3:// or gs:// (default: %(default)s)")
    parser.add_argument("--config", default="settings.yaml", help="settings of every stage (default: %(default)s)")
    parser.add_argument("--rules", default="rules.yaml", help="bounds and policies (default: %(default)s)")
    parser.add_argument("--mixture", default="mixtures/demo.yaml", help="the recipe for pack (default: %(default)s)")
    parser.add_argument("--tokenizer", help="name under data/tokenizers (default: the one the mixture names)")
    parser.add_argument("--runner", default=LOCAL[0],
                        help="local (Beam's embedded runner), prism, flink, or a name that Beam knows (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=processors(),
                        help="processes to use, on Flink slots (default: one per core of this machine)")
    parser.add_argument("--job-endpoint", metavar="HOST:PORT",
                        help="job service (default: localhost:8073 for prism, localhost:8099 for flink)")
    parser.add_argument("--worker-pool", metavar="HOST:PORT",
                        help="worker pool, as seen from where the engine runs (default: localhost:50000 for flink)")
    parser.add_argument("--runner-option", action="append", default=[], metavar="--flag=value",
                        help="an option for the Beam runner, as it is; may be repeated")


def run_context(given: argparse.Namespace) -> RunContext:
    """Where a run happens, all of it checked. SettingsError with every problem."""
    engine = Engine(given.runner, given.workers, given.job_endpoint, given.worker_pool, tuple(given.runner_option))
    problems = list(engine.problems())
    try:
        config = read_config(given.config, given.rules, given.mixture, given.tokenizer)
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    # A worker elsewhere has another working folder.
    data = given.data if engine.is_local or "://" in given.data else os.path.abspath(given.data)
    return RunContext(Folder(data), config, engine)


def told(name: str, run: Callable[[], str]) -> int | str:
    """Run, print what it returns, and be what `main` returns: 0, or the sentences of what stopped it."""
    try:
        print(run(), flush=True)
    except OSError as error:
        if not (said := store_sentence(error)):
            raise
        return f"{name}: {said}"
    except TextmillError as error:
        message = "\n".join(f"{name}: {line}" for line in str(error).splitlines())
        if isinstance(error, WorkerDiedError):       # the embedded runner's other threads wait for ever
            print(message, file=sys.stderr, flush=True)
            os._exit(1)
        return message
    except KeyboardInterrupt:
        print(f"{name}: stopped; finished parts are kept, run the same command to go on", file=sys.stderr, flush=True)
        os._exit(130)
    return 0


if __name__ == "__main__":
    sys.exit(main())
