"""The word that fine-tunes a trained model on dialogues."""

from pathlib import Path
from typing import Any

import click

from textmill.cli.flow import ALONE, BLOCKS, RUN_FOLDER, blocks_and_run, limit_kernels, train_section
from textmill.cli.options import DEVICE, DIALOGUE_RUN, PATH, with_options


@click.command("finetune", short_help="fine-tunes a trained model on dialogues (SFT)")
@with_options(*DIALOGUE_RUN, ALONE)
@click.option("--from", "start", type=PATH, required=True, metavar="FOLDER", help="the run, or checkpoint, to start from")
@with_options(BLOCKS, RUN_FOLDER)
@click.option("--replace", is_flag=True, help="delete a run of another kind found in --run")
@with_options(DEVICE)
def finetune(start: str, blocks: str | None, run: str | None, replace: bool, device: str, alone: bool, **given: Any) -> str:
    """Fine-tune a trained model on blocks of dialogues, or go on where an earlier run stopped. Settings: section `finetune`.

    It ends early where held-out dialogues are predicted no better. Every stage before it is brought up to date first, unless
    --blocks names a folder."""
    blocks, run = blocks_and_run(blocks, run, alone, given)
    section, where = train_section(str(given["config"]), given["set"], "finetune")
    limit_kernels()
    from textmill.base.strict import parse
    from textmill.model.device import choose_device
    from textmill.model.posttraining.finetune import finetune
    from textmill.model.posttraining.settings import FineTuneSettings
    from textmill.model.training.processes import Processes

    processes = Processes.here()
    card = choose_device(device, processes.local_rank)
    with processes.joined(card):
        line = finetune(start, blocks, Path(run), parse(FineTuneSettings, section, where), card, replace, processes)
    return line if processes.first else ""


FINETUNE = finetune
