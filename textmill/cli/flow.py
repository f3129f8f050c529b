"""The words of the flow: a word for each stage, `train`, and `all`.

A word brings everything before it up to date, then itself: receipts in the data folder decide what there is to do. What is up
to date is seen in this process; a stage with work to do gets one of its own, whose memory is free again. With --alone a word
does its own work only, and refuses input that is stale.
"""

import os
from collections.abc import Mapping, Sequence
from itertools import takewhile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from textmill.base.terminal import show
from textmill.cli.errors import sentences
from textmill.cli.options import DEVICE, PATH, RUN, RUN_NAMES, flags, of_mixture, run_context, with_options
from textmill.cli.publish import card_settings, describe_folder
from textmill.cli.steps import run_steps

if TYPE_CHECKING:
    from textmill.pipelines.contract.stage import RunContext

LINES = {
    "extract": "raw/ → documents: the main text of every page",
    "measure": "→ signals: language, quality, personal data, MinHash",
    "screen": "→ verdicts: the bounds of rules.yaml",
    "dedup": "→ duplicates: by record, URL, content and likeness",
    "curate": "→ curated: kept texts, edited and cut into pieces",
    "tokenizer": "trains data/tokenizers/NAME on curated text",
    "tokenize": "→ tokens (trains a tokenizer only if there is none)",
    "pack": "→ blocks, by the recipe of the mixture",
    "train": "trains the bundled model on the blocks",
}
ALONE = click.option("--alone", is_flag=True, help="only this stage; input that is stale is refused")
CHECKED = click.option("--checked", is_flag=True, hidden=True, help="with --alone: upstream has just been looked at")
IF_MISSING = click.option("--if-missing", is_flag=True, help="leave a tokenizer as it is where there is one")


def bring_upstream(word: str, given: Mapping[str, Any], context: "RunContext | None" = None) -> set[str]:
    """Bring every stage before a word of the flow up to date; these stages. `context` is the run's, where it was made before.

    A tokenizer is trained where there is none: another gives other tokens. SettingsError where a value does not go with
    another, before anything is done.
    """
    from textmill.base.strict import SettingsError
    from textmill.pipelines.contract.run import in_place
    from textmill.pipelines.flow import STAGES

    context, stages = context or run_context(given), list(takewhile(lambda stage: stage != word, LINES))
    card = card_settings(given["config"], given["set"]) if word == "train" else None
    if problems := [each for name in (*stages, word) if name in STAGES for each in STAGES[name].problems(context.config)]:
        raise SettingsError(problems)
    for name in stages:
        is_tokenizer = name == "tokenizer"
        with sentences(click.get_current_context(), name):
            line = in_place(STAGES[name], context, if_missing=is_tokenizer)
        if line:
            show([line])
        else:
            run_steps([[name, "--alone", "--checked", *(["--if-missing"] if is_tokenizer else []), *flags(given)]])
    if card:
        describe_folder(context, card)
    return set(stages)


def stage_word(name: str) -> click.Command:
    """The word for a stage of the pipelines."""
    @click.command(name, short_help=LINES[name],
                   help=f"The stage {name}: {LINES[name]}.\n\nEvery stage before it is brought up to date first.")
    @with_options(*RUN, ALONE, CHECKED, *([IF_MISSING] if name == "tokenizer" else []))
    def run(alone: bool, checked: bool, if_missing: bool = False, **given: Any) -> str:
        context = run_context(given)
        # The word that started this one describes the folder when all is done.
        card = None if checked else card_settings(given["config"], given["set"])
        current = (set(LINES) if checked else set()) if alone else bring_upstream(name, given, context)
        from textmill.pipelines.contract.run import bring_up_to_date
        from textmill.pipelines.flow import STAGES

        line = bring_up_to_date(STAGES[name], context, if_missing, current)
        if card:
            describe_folder(context, card)
        return line

    return run


STAGES = [stage_word(name) for name in LINES if name != "train"]


BLOCKS = click.option("--blocks", type=PATH, help="a folder blocks/NAME copied from elsewhere, its tokenizer.json included: "
                      "nothing else is needed or brought up to date  [default: the mixture's]")
RUN_FOLDER = click.option("--run", type=PATH,
                          help="where checkpoints and the log go  [default: DATA/checkpoints/NAME of the mixture]")
TRAINING = (
    RUN_FOLDER,
    click.option("--settings", type=PATH, help="YAML with a section `train`  [default: what --config names]"),
    click.option("--replace", is_flag=True, help="delete a run of other settings or blocks found in --run; other files stay"),
    DEVICE)


@click.command("train", short_help=LINES["train"])
@with_options(*RUN, ALONE)
@with_options(BLOCKS, *TRAINING)
@click.option("--from", "start", type=PATH, metavar="FOLDER",
              help="begin with the weights of this checkpoint, or of the latest one in this run")
def train(blocks: str | None, run: str | None, settings: str | None, replace: bool, device: str, start: str | None,
          alone: bool, **given: Any) -> str:
    """Train on packed blocks, or go on where an earlier run stopped. More steps in the settings make a run longer.

    Every stage before it is brought up to date first, unless --blocks names a folder."""
    blocks, run = blocks_and_run(blocks, run, alone, given)
    section, where = train_section(settings or str(given["config"]), given["set"])
    from textmill.model.training.finished import finished_line, write_finished

    home, folder = Path(run), Path(blocks)
    start = start or section.get("init")
    if not start and (line := finished_line(home, folder, section)):
        return line
    limit_kernels()
    from textmill.base.strict import parse
    from textmill.model.device import choose_device
    from textmill.model.training.pretrain import pretrain
    from textmill.model.training.processes import Processes
    from textmill.model.training.settings import TrainSettings

    processes = Processes.here()
    card = choose_device(device, processes.local_rank)
    with processes.joined(card):
        line = pretrain(blocks, home, parse(TrainSettings, section, where), card, replace, start, processes)
    if not processes.first:
        return ""
    if not start:           # other weights to begin with are looked at each time
        write_finished(home, folder, section, line)
    return line


def blocks_and_run(blocks: str | None, run: str | None, alone: bool, given: Mapping[str, Any]) -> tuple[str, str]:
    """The folders that training reads and writes: those named, else the mixture's, brought up to date first unless `alone`."""
    if blocks and run:
        return blocks, run
    if blocks:
        raise click.UsageError("--blocks needs --run, the folder where checkpoints go")
    blocks, run = of_mixture("blocks", given), run or of_mixture("checkpoints", given)
    if not alone:
        bring_upstream("train", given)
    return blocks, run


def limit_kernels() -> None:
    """Before torch is imported: let few compiled kernels be kept.

    On the CPU oneDNN keeps what it compiled for each of 1,024 shapes, and documents have a shape each: 20 MB more with every
    update. Few are met again, so keeping 32 costs no time (measured)."""
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")


def train_section(path: str, given: Sequence[str], name: str = "train") -> tuple[Mapping[str, Any], str]:
    """A section of the model's in a settings file, changed by --set, and how its problems begin. All else is not looked at."""
    from textmill.base.strict import SettingsError, changed, parse_changes, read_yaml

    changes = {key: value for key, value in parse_changes(given).items() if key.startswith(f"{name}.")}
    section = changed(read_yaml(path), changes).get(name, {})
    where = f"{path}{' with --set' if changes else ''}: {name}"
    if not isinstance(section, Mapping):
        raise SettingsError([f"{where}: must be a mapping of keys to values, is {section!r}"])
    return section, where


@click.command("all", short_help="raw/ to a trained model, and the report")
@with_options(*RUN, *TRAINING)
def everything(replace: bool, **given: Any) -> None:
    """Bring everything up to date: every stage, the trained model and the report."""
    training = [*flags(given, *RUN_NAMES, "run", "settings", "device"), *(["--replace"] if replace else [])]
    bring_upstream("train", given)
    section, _ = train_section(given["settings"] or str(given["config"]), given["set"])
    from textmill.model.training.finished import finished_line

    home, blocks = Path(given["run"] or of_mixture("checkpoints", given)), Path(of_mixture("blocks", given))
    if line := finished_line(home, blocks, section):
        show([line])
    else:
        run_steps([["train", "--alone", *training]])
    run_steps([["report", *flags(given, "data", "mixture")]])


TRAIN, ALL = train, everything
