"""Pretraining: a new model, trained on packed blocks by the next-token loss."""

from pathlib import Path

import torch

from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.shapes import SHAPES
from textmill.model.data.batch import Batch
from textmill.model.data.blocks import PackedMixture
from textmill.model.device import precision_of
from textmill.model.training.loop import next_token_loss
from textmill.model.training.run import Run
from textmill.model.training.settings import TrainSettings, in_steps
from textmill.model.training.validate import Validation, bits_per_byte, token_bytes


def pretrain(blocks: str | Path, home: str | Path, settings: TrainSettings, device: torch.device,
             replace_run: bool = False) -> str:
    """Train on the folder `blocks` to the end, from the latest checkpoint in `home` where there is one; the summary line.

    ModelError where the blocks are not sound or `home` holds a run of other settings or blocks, unless `replace_run`.
    """
    mixture = PackedMixture(blocks)
    settings, length = in_steps(settings, len(mixture.train)), mixture.train.length
    run = Run(Path(home), settings, {"blocks": mixture.identity()}, replace_run=replace_run)
    if run.finished:
        return run.summary()
    architecture = ARCHITECTURES[settings.architecture]
    model = build(architecture.configuration(SHAPES[settings.shape], mixture.train.vocab_size, length,
                                             mixture.train.end_of_text))
    model.initialise(settings.seed)
    model.to(device)
    precision = precision_of(device)
    masking = model.masking(precision, length)
    sizes = token_bytes(mixture.tokenizer, mixture.train.vocab_size)

    def batches(step: int) -> list[Batch]:
        return mixture.train.step(step, settings.batch, settings.accumulate)

    def validate() -> Validation:
        held_out = mixture.validation.in_order(settings.batch, settings.validation_blocks)
        return bits_per_byte(model, held_out, masking, sizes, device, precision)

    parameters = sum(weight.numel() for weight in model.parameters())
    about = (f"{settings.architecture} {settings.shape}, {parameters:,} parameters, {len(mixture.train)} blocks of {length}")
    return run.train(model, next_token_loss(masking), batches, validate, about, mixture.folder)
