"""Training settings: section `train` of settings.yaml, strict, every problem at once; and the learning rate they mean.

Field names enter the state.json of checkpoints: renaming one makes older runs unreadable.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, TypeVar

from textmill.model.architecture.build import ARCHITECTURES
from textmill.model.architecture.kernels import KERNELS
from textmill.model.architecture.shapes import SHAPES, Shape, shape_of
from textmill.model.training.freeze import freeze_problems
from textmill.model.training.log import TRACKERS
from textmill.model.training.optimizers import OPTIMIZERS


@dataclass(frozen=True)
class RunSettings:
    """What every trainer lets a user set, whatever its loss. A trainer adds its own fields in a subclass."""

    steps: int | None = 640
    """Updates. Or give epochs, and null here."""
    epochs: float | None = None
    """Passes over the training data."""
    batch: int = 1
    """Blocks at a time."""
    accumulate: int = 1
    """Batches per update."""
    optimizer: str = "muon"
    """One of OPTIMIZERS: adamw for everything, or muon for the layers' matrices and adamw for the rest."""
    lr: float = 0.01
    """Highest learning rate."""
    warmup: int = 30
    """Steps in which the rate rises linearly."""
    schedule: str = "linear"
    """How the rate falls: linear or cosine. With decay 1 that is the classic schedule, with less warm-up, plateau, decay."""
    decay: float = 0.6
    """Share of the steps, the last ones, in which the rate falls to zero."""
    weight_decay: float = 0.1
    """Of matrices. Norms and biases do not decay."""
    clip: float | None = 1.0
    """Largest norm of the gradient. null: not clipped."""
    seed: int = 1
    """Of everything random: in training on blocks, the initial weights alone."""
    recompute: bool = False
    """Whether going backward computes each layer anew: a third more work for a fraction of the memory."""
    shard: bool = False
    """Whether several processes divide weights and optimizer state among them (FSDP2), not only batches."""
    gradient_norms: bool = False
    """Whether the log has the gradient's norm by layer, too."""
    trackers: tuple[str, ...] = ()
    """Where figures go besides log.jsonl: tensorboard, trackio, wandb, whichever is installed."""
    validation_every: int = 160
    """Steps between validations. There is one before the first step and one after the last, too."""
    patience: int | None = None
    """Validations without a better figure after which a run ends. null: it goes to its last step."""
    save_every: int = 160
    """Steps between checkpoints. There is one after the last step, too."""
    keep_checkpoints: int = 2
    """The last ones, and the best one by validation; others are removed. Of two, one is left where the other is damaged."""

    choices: ClassVar = {"optimizer": tuple(OPTIMIZERS), "trackers": tuple(TRACKERS), "schedule": ("linear", "cosine")}

    def problems(self) -> Iterator[str]:
        if (self.steps is None) == (self.epochs is None):
            yield "give either steps or epochs, and null for the other"
        for name in ("steps", "epochs", "patience", "batch", "accumulate", "lr", "clip", "validation_every", "save_every",
                     "keep_checkpoints"):
            yield from not_above_zero(name, getattr(self, name))
        if not 0 <= self.seed < 1 << 63:
            yield f"seed is {self.seed}; give 0 to {(1 << 63) - 1}"
        if not 0 <= self.decay <= 1:
            yield f"decay: a share of the steps, between 0 and 1, is {self.decay}"
        if self.warmup < 0 or not 0 <= self.weight_decay < math.inf:
            yield "warmup and weight_decay: must be 0 or more"
        if self.schedule not in self.choices["schedule"]:
            yield f"schedule: {self.schedule!r} is not one of {', '.join(self.choices['schedule'])}"
        if unknown := [name for name in self.trackers if name not in TRACKERS]:
            yield f"trackers: {unknown[0]!r} is not one of {', '.join(TRACKERS)}"
        if self.optimizer not in OPTIMIZERS:
            yield f"optimizer: {self.optimizer!r} is not one of {', '.join(OPTIMIZERS)}"


@dataclass(frozen=True)
class BlockSettings(RunSettings):
    """Of what trains on packed blocks."""

    attention: str = "auto"
    """flex, varlen or dense kernels, or the loop over documents. auto: on CUDA the fastest by trial, else the loop."""
    compile: bool | None = None
    """Whether the model is compiled. null: on CUDA."""
    float8: bool = False
    """Whether the layers' products are computed in 8 bits: on CUDA cards that have them, and pays for wide models only."""
    lora: int | None = None
    """Rank of the differences that are trained in place of the layers' projections (LoRA). null: everything is trained."""
    freeze: tuple[str, ...] = ()
    """What is not trained: embedding, head, layers.0, layers.0-3."""
    validation_blocks: int | None = 64
    """Held-out blocks that are validated on, the first ones. null: all."""

    choices: ClassVar = RunSettings.choices | {"attention": ("auto", *KERNELS, "loop")}

    def problems(self) -> Iterator[str]:
        if self.attention not in (known := self.choices["attention"]):
            yield f"attention: {self.attention!r} is not one of {', '.join(known)}"
        yield from super().problems()
        if self.lora is not None and self.freeze:
            yield "lora and freeze: with lora all else is frozen already; give one of them"
        for name in ("validation_blocks", "lora"):
            yield from not_above_zero(name, getattr(self, name))


@dataclass(frozen=True)
class TrainSettings(BlockSettings):
    """What to train on packed blocks, and how. Defaults: the demo's, so that about 3 minutes of two cores show learning."""

    shape: str = "ci"
    """Size of the model: one of SHAPES, or layers x width such as 6x192."""
    architecture: str = "qwen3"
    """One of ARCHITECTURES."""
    window: int | None = None
    """Tokens of its document that a token attends to, itself among them. null: all before it."""
    experts: int = 8
    """In a mixture of experts: how many each layer has."""
    experts_per_token: int = 2
    """How many of them a token goes through; together they are as wide as the shape's MLP."""
    shared_expert: bool = False
    """Whether every token goes through one more. Such a model cannot be exported."""
    init: str | None = None
    """Checkpoint, or a run's folder with one, whose weights a new run begins with. null: seeded weights."""

    choices: ClassVar = BlockSettings.choices | {"architecture": tuple(ARCHITECTURES)}

    def problems(self) -> Iterator[str]:
        if self.architecture not in ARCHITECTURES:
            yield f"architecture: {self.architecture!r} is not one of {', '.join(ARCHITECTURES)}"
        if (shape := shape_of(self.shape)) is None:
            yield (f"shape: {self.shape!r} is not one of {', '.join(SHAPES)}, nor layers x width such as 6x192, the width a "
                   "multiple of 32")
        else:
            yield from freeze_problems(self.freeze, shape.layers)
        yield from super().problems()
        for name in ("window", "experts", "experts_per_token"):
            yield from not_above_zero(name, getattr(self, name))
        if self.experts_per_token > self.experts:
            yield f"experts_per_token is {self.experts_per_token}, and there are {self.experts} experts; give at most as many"

    def sizes(self) -> Shape:
        """The size of the model in numbers."""
        shape = shape_of(self.shape)
        assert shape, "problems() says so"
        return shape._replace(window=self.window, experts=self.experts, active=self.experts_per_token,
                                           shared=self.shared_expert)


S = TypeVar("S", bound=RunSettings)


def not_above_zero(name: str, value: float | None) -> Iterator[str]:
    """The problem of a number that has to be above zero and finite; none where it is, or is null."""
    if value is not None and not 0 < value < math.inf:
        yield f"{name}: must be above 0, is {value}"


def in_steps(settings: S, size: int) -> S:
    """The settings with their length in steps, given how many blocks (or examples) there are to train on."""
    if settings.epochs is None:
        return settings
    steps = max(1, math.ceil(settings.epochs * size / (settings.batch * settings.accumulate)))
    return replace(settings, steps=steps, epochs=None)


def learning_rate(step: int, settings: RunSettings) -> float:
    """Linear rise, a plateau, a fall towards zero; of the update after `step` finished ones."""
    steps = settings.steps or 1
    rise = (step + 1) / (settings.warmup + 1)
    fall = min(1.0, (steps - step) / max(1.0, settings.decay * steps))
    if settings.schedule == "cosine":
        fall = (1 - math.cos(math.pi * fall)) / 2
    return settings.lr * min(rise, fall)
