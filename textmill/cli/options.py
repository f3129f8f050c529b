"""Options that words share, and what is made of them: the configuration files, the run's context, the mixture's folders."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from textmill.base.errors import TextmillError

if TYPE_CHECKING:
    from textmill.pipelines.contract.stage import RunContext
    from textmill.pipelines.contract.storage import Folder

F = TypeVar("F", bound=Callable[..., Any])
SHIPPED = Path(__file__).parents[1] / "data"
PATH = click.Path()
FILE = click.Path(path_type=Path)


def own_or_shipped(name: str) -> str:
    """The file of this name in the working folder; where there is none, the one that comes with textmill."""
    return name if os.path.lexists(name) else str(SHIPPED / name)


def _configuration(flag: str, name: str, help_: str) -> Callable[[F], F]:
    return click.option(flag, type=PATH, default=lambda: own_or_shipped(name), show_default=False,
                        help=f"{help_}  [default: {name} here, else the shipped one]")


DATA = click.option("--data", type=PATH, default="data", show_default=True, help="the data folder, or s3:// or gs://")
CONFIG = _configuration("--config", "settings.yaml", "settings of every stage")
RULES = _configuration("--rules", "rules.yaml", "bounds and policies")
MIXTURE = _configuration("--mixture", "mixtures/demo.yaml", "the recipe for pack, which names tokenizer, blocks and run")
DIALOGUE_MIXTURE = _configuration("--mixture", "mixtures/dialogue.yaml", "the recipe for pack, which names tokenizer, blocks "
                                  "and run")
TOKENIZER = click.option("--tokenizer", metavar="NAME", help="name under data/tokenizers  [default: the one the mixture names]")
SET = click.option("--set", multiple=True, metavar="KEY=VALUE",
                   help="change one setting, such as tokenizer.vocab_size=16384, or one of the recipe, such as "
                        "mixture.tokens=2M; may be repeated")
RUNNER = click.option("--runner", default="local", show_default=True, metavar="NAME",
                      help="local (Beam's embedded runner), prism, flink, or a name that Beam knows")
WORKERS = click.option("--workers", type=int, metavar="N",
                       help="processes to use, on Flink slots  [default: one per core of this machine]")
JOB_ENDPOINT = click.option("--job-endpoint", metavar="HOST:PORT",
                            help="job service  [default: localhost:8073 for prism, localhost:8099 for flink]")
WORKER_POOL = click.option("--worker-pool", metavar="HOST:PORT",
                           help="worker pool, as seen from where the engine runs  [default: localhost:50000 for flink]")
RUNNER_OPTION = click.option("--runner-option", multiple=True, metavar="--flag=value",
                             help="an option for the Beam runner, as it is; may be repeated")
RUN = (DATA, CONFIG, RULES, MIXTURE, TOKENIZER, SET, RUNNER, WORKERS, JOB_ENDPOINT, WORKER_POOL, RUNNER_OPTION)
DIALOGUE_RUN = (*RUN[:3], DIALOGUE_MIXTURE, *RUN[4:])       # the same, of dialogues
RUN_NAMES = ("data", "config", "rules", "mixture", "tokenizer", "set", "runner", "workers", "job_endpoint", "worker_pool",
             "runner_option")
DEVICE = click.option("--device", type=click.Choice(["auto", "cuda", "mps", "cpu"]), default="auto", show_default=True,
                      help="where to compute; auto is the first of cuda, mps, cpu that is there")


def with_options(*options: Callable[[F], F]) -> Callable[[F], F]:
    """Several options as one decorator, listed in their order."""
    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function
    return decorate


def flags(given: Mapping[str, Any], *names: str) -> list[str]:
    """The named options as another word takes them (default: those of a run); one that was not given is left out."""
    found = []
    for name in names or RUN_NAMES:
        values = given[name] if isinstance(given[name], tuple) else (given[name],)
        found += [f"--{name.replace('_', '-')}={value}" for value in values if value is not None]
    return found


def run_context(given: Mapping[str, Any]) -> "RunContext":
    """The data folder, configuration and engine of a run, all of it checked. SettingsError with every problem."""
    from textmill.base.strict import SettingsError, parse_changes
    from textmill.pipelines.contract.stage import RunContext
    from textmill.pipelines.engines.engine import BeamEngine, processors
    from textmill.pipelines.settings import read_config

    workers = processors() if given["workers"] is None else given["workers"]
    engine = BeamEngine(given["runner"], workers, given["job_endpoint"], given["worker_pool"], tuple(given["runner_option"]))
    problems = list(engine.problems())
    try:
        config = read_config(given["config"], given["rules"], given["mixture"], given["tokenizer"],
                             parse_changes(given["set"]))
    except SettingsError as error:
        problems += error.problems
    if problems:
        raise SettingsError(problems)
    # A worker elsewhere has another working folder.
    data = given["data"] if engine.is_local or "://" in given["data"] else os.path.abspath(given["data"])
    return RunContext(data_folder(data), config, engine)


def data_folder(uri: str) -> "Folder":
    """The data folder. StageError where it is in a store that does not answer, or has no such bucket."""
    from textmill.pipelines.contract.storage import Folder

    folder = Folder(uri)
    folder.check()
    return folder


def of_mixture(folder: str, given: Mapping[str, Any]) -> str:
    """DATA/`folder`/NAME: the blocks or the checkpoints of the mixture. TextmillError where the model could not read there."""
    from textmill.pipelines.pack.mixture import read_mixture

    if "://" in given["data"]:
        raise TextmillError(f"the model reads and writes local folders, and {given['data']} is none; copy the blocks here and "
                            "name the folders (--blocks, --run)")
    return os.path.join(given["data"], folder, read_mixture(given["mixture"]).name)
