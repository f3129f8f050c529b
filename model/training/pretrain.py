"""Pretraining: a new model, or one that starts from another's weights, trained on packed blocks by the next-token loss."""

from pathlib import Path

import torch

from textmill.base.blocks_format import TOKENIZER_FILES
from textmill.model import ModelError
from textmill.model.architecture.attention import Masking
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.counts import DecoderSize
from textmill.model.architecture.decoder import Decoder
from textmill.model.architecture.float8 import use_float8
from textmill.model.data.ahead import Ahead
from textmill.model.data.batch import Batch
from textmill.model.data.blocks import PackedMixture
from textmill.model.device import precision_of
from textmill.model.training.checkpoint import latest, load_model
from textmill.model.training.checkpoint_files import STATE, WEIGHTS, damage, sha256_of
from textmill.model.training.compilation import compile_model
from textmill.model.training.freeze import freeze
from textmill.model.training.loop import next_token_loss
from textmill.model.training.lora import add_lora
from textmill.model.training.processes import ALONE, Processes
from textmill.model.training.run import Run
from textmill.model.training.settings import BlockSettings, TrainSettings, in_steps
from textmill.model.training.validate import Validation, bits_per_byte, token_bytes

TOKENIZER = TOKENIZER_FILES[0]


def pretrain(blocks: str | Path, home: str | Path, settings: TrainSettings, device: torch.device,
             replace_run: bool = False, start: str | Path | None = None, processes: Processes = ALONE) -> str:
    """Train on the folder `blocks` to the end, from the latest checkpoint in `home` where there is one; the summary line.

    A new run begins with the weights in `start` (else in `settings.init`), a checkpoint or a run's folder. ModelError where the
    blocks are not sound, `start` is another shape or read another tokenizer, or `home` holds a run of other settings, blocks
    or starting weights, unless `replace_run`. With several `processes`, in touch with each other, each calls this.
    """
    mixture, start = PackedMixture(blocks), settings.init if start is None else start
    settings, length = in_steps(settings, len(mixture.train)), mixture.train.length
    weights = None if start is None else starting_checkpoint(Path(start), mixture)
    sources = {"blocks": mixture.identity()} | ({} if weights is None else {"starting weights": sha256_of(weights / WEIGHTS)})
    run = Run(Path(home), settings, sources, replace_run=replace_run, better="lower", processes=processes)
    if run.finished:
        return run.summary()
    architecture = ARCHITECTURES[settings.architecture]
    model = build(architecture.configuration(settings.sizes(), mixture.train.vocab_size, length,
                                             mixture.train.end_of_text))
    model.initialise(settings.seed)
    if weights is not None:
        start_from(model, weights)
    size = DecoderSize(settings.architecture, settings.sizes(), mixture.train.vocab_size, length)
    name = f"{settings.architecture} {settings.shape}, "
    return train_on_blocks(run, model, mixture, settings, device, weights, name, size.flops_per_token)


def train_on_blocks(run: Run, model: Decoder, mixture: PackedMixture, settings: BlockSettings, device: torch.device,
                    weights: Path | None, name: str = "", flops: float | None = None) -> str:
    """Train a model, as it is before the first step, by the next-token loss to the end of a run; the summary line.

    `weights` is the checkpoint that it starts from, `name` begins the run's first line, `flops` are those of a token."""
    length = mixture.train.length
    freeze(model, settings.freeze)
    if settings.lora is not None:
        add_lora(model, settings.lora, settings.seed)
    model.to(device)
    model.recompute = settings.recompute
    precision = precision_of(device)
    if settings.float8:
        use_float8(model)
    masking, kernel, why = model.choose_masking(precision, length, settings.attention)
    sizes = token_bytes(mixture.tokenizer, mixture.train.vocab_size)

    def batches(step: int) -> list[Batch]:
        return mixture.train.step(step, settings.batch, settings.accumulate)

    def documents_in(step: int) -> list[str]:
        return mixture.train.documents_of(step, settings.batch * settings.accumulate)

    words = compilation(model, masking, batches(0)[0], precision, settings)
    documents = mixture.validation.documents(settings.validation_blocks)

    def validate() -> Validation:
        held_out = mixture.validation.in_order(settings.batch, settings.validation_blocks)
        return bits_per_byte(model, held_out, masking, sizes, device, precision, mixture.train.shares, documents)

    parameters = sum(weight.numel() for weight in model.parameters())
    chosen = bool(settings.freeze) or settings.lora is not None         # else what is still is no choice: fixed positions
    frozen = sum(weight.numel() for weight in model.parameters() if chosen and not weight.requires_grad)
    about = (f"{name}{parameters:,} parameters, {len(mixture.train)} blocks of {length}"
             + ("" if weights is None else f", starting from {weights}") + (f", {frozen:,} frozen" if frozen else "")
             + ("" if kernel == "loop" and not why else f", attention by {kernel}{f' ({why})' if why else ''}") + words)
    ahead = Ahead(batches, device, settings.steps or 0) if device.type == "cuda" else None
    try:
        return run.train(model, next_token_loss(masking), ahead or batches, validate if len(mixture.validation) else None,
                         about, mixture.folder, documents_in, flops)
    finally:
        if ahead:
            ahead.close()


def compilation(model: Decoder, masking: Masking, batch: Batch, precision: torch.dtype, settings: BlockSettings) -> str:
    """Compile the model where the settings say so; the words for the run's first line."""
    if settings.shard and settings.compile is not False and model.device.type == "cuda":
        return ", not compiled: its weights are divided"
    words = compile_model(model, masking, batch, precision, settings.compile)
    return f", {words}" if words else ""


def starting_checkpoint(start: Path, mixture: PackedMixture) -> Path:
    """The checkpoint to start from: `start` itself, or the latest of that run. ModelError where its ids are not the blocks'."""
    if (start / STATE).is_file():
        checkpoint, run = start, start.parent
        if problem := damage(checkpoint):
            raise ModelError(f"{checkpoint} is damaged ({problem}); name another checkpoint (--from, or `init`)")
    else:
        found, run = latest(start), start
        if found is None:
            raise ModelError(f"there is no checkpoint in {start}; name a run's folder or a checkpoint (--from, or `init`)")
        checkpoint = found
    tokenizer = next((path for path in (checkpoint / TOKENIZER, run / TOKENIZER) if path.is_file()), None)
    if tokenizer is None:
        raise ModelError(f"there is no {run / TOKENIZER}, so its ids may differ from those of {mixture.folder}; copy it there")
    if sha256_of(tokenizer) != mixture.train.tokenizer_sha256:
        raise ModelError(f"{checkpoint} was trained with another tokenizer than {mixture.folder} was packed with; "
                         "pack with the tokenizer of that run")
    return checkpoint


def start_from(model: Decoder, checkpoint: Path) -> None:
    """Give a new model the weights of a checkpoint. ModelError where that is of another architecture or size.

    The context may be of another length where positions are rotary: then no weight depends on it."""
    other = load_model(checkpoint, torch.device("cpu"))
    shapes = [{name: weight.shape for name, weight in each.state_dict().items()} for each in (model, other)]
    if type(other) is not type(model) or other.heads != model.heads or shapes[0] != shapes[1]:
        raise ModelError(f"{checkpoint} is a model of another architecture, shape or context than the settings and blocks ask "
                         "for; set `shape` and `architecture` to those of its run")
    model.load_state_dict(other.state_dict())
