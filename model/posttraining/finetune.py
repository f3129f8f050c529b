"""Supervised fine-tuning: a trained model goes on with blocks of dialogues, learning what the assistant says.

It is pretraining's loss, optimizer and validation; which tokens are targets stands in the blocks. The model keeps its size and
context, and a run ends early where held-out text is predicted no better.
"""

from pathlib import Path

import torch

from textmill.model import ModelError
from textmill.model.data.blocks import PackedMixture
from textmill.model.posttraining.settings import FineTuneSettings
from textmill.model.training.checkpoint import load_model
from textmill.model.training.checkpoint_files import WEIGHTS, sha256_of
from textmill.model.training.freeze import freeze_problems
from textmill.model.training.pretrain import starting_checkpoint, train_on_blocks
from textmill.model.training.processes import ALONE, Processes
from textmill.model.training.run import Run
from textmill.model.training.settings import in_steps


def finetune(start: str | Path, blocks: str | Path, home: str | Path, settings: FineTuneSettings, device: torch.device,
             replace_run: bool = False, processes: Processes = ALONE) -> str:
    """Train in the folder `home` on the folder `blocks`, or go on there; the summary line.

    ModelError where the blocks are not sound, are of another tokenizer than `start`, or longer than it reads."""
    mixture = PackedMixture(blocks)
    checkpoint = starting_checkpoint(Path(start), mixture)
    settings = in_steps(settings, len(mixture.train))
    sources = {"blocks": mixture.identity(), "starting weights": sha256_of(checkpoint / WEIGHTS)}
    run = Run(Path(home), settings, sources, verb="finetune", replace_run=replace_run, better="lower", processes=processes)
    if run.finished:
        return run.summary()
    model = load_model(checkpoint, torch.device("cpu"))
    if mixture.train.length > model.context_length:
        raise ModelError(f"{blocks} has blocks of {mixture.train.length} tokens and {checkpoint} reads {model.context_length}; "
                         "pack shorter ones (`block` of the mixture)")
    if problem := next(freeze_problems(settings.freeze, len(model.decoder_layers)), None):
        raise ModelError(problem)
    return train_on_blocks(run, model, mixture, settings, device, checkpoint)
