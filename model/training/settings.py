"""The plan of a training run: section `train` of settings.yaml, strict, every problem at once."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

import torch

from textmill.model.architecture.shapes import SHAPES, Architecture


@dataclass(frozen=True)
class Plan:
    """What to train and how. Defaults: the demo's, chosen so that about 2 minutes of two cores show clear learning."""

    shape: str = "ci"
    architecture: Architecture = "qwen3"
    steps: int | None = 80                      # updates; or give epochs, and steps null
    epochs: float | None = None                 # passes over the blocks
    batch: int = 2                              # blocks at a time
    accumulate: int = 4                         # of these per update
    optimizer: Literal["adamw", "muon"] = "muon"
    lr: float = 0.005
    warmup: int = 10                            # steps of linear rise
    decay: float = 0.6                          # share of the steps, the last ones, in which the rate falls to zero
    weight_decay: float = 0.1                   # of matrices
    clip: float | None = 1.0                    # norm of the gradient; null: not clipped
    seed: int = 1                               # of the initial weights; nothing else here is random
    validation_every: int = 40                  # steps; also before the first and after the last
    validation_blocks: int | None = 64          # the first ones; null: all
    save_every: int = 40                        # steps; also after the last

    def problems(self) -> Iterator[str]:
        if self.shape not in SHAPES:
            yield f"shape: {self.shape!r} is not one of {', '.join(SHAPES)}"
        if (self.steps is None) == (self.epochs is None):
            yield "give either steps or epochs, and null for the other"
        for name in ("steps", "epochs", "batch", "accumulate", "lr", "clip", "validation_every", "validation_blocks",
                     "save_every"):
            value = getattr(self, name)
            if value is not None and not 0 < value < math.inf:
                yield f"{name}: must be above 0, is {value}"
        if not 0 <= self.decay <= 1:
            yield f"decay: a share of the steps, between 0 and 1, is {self.decay}"
        if self.warmup < 0 or not 0 <= self.weight_decay < math.inf:
            yield "warmup and weight_decay: must be 0 or more"
        if self.optimizer == "muon" and not hasattr(torch.optim, "Muon"):
            yield f"optimizer: muon needs torch 2.9 or later, this is {torch.__version__}; use adamw"


def in_steps(plan: Plan, blocks: int) -> Plan:
    """The plan with its length in steps, given how many blocks there are to train on."""
    if plan.epochs is None:
        return plan
    return replace(plan, steps=max(1, math.ceil(plan.epochs * blocks / (plan.batch * plan.accumulate))), epochs=None)


def learning_rate(step: int, plan: Plan) -> float:
    """Linear rise, a plateau, linear fall towards zero; of the update after `step` finished ones."""
    steps = plan.steps or 1
    rise = (step + 1) / (plan.warmup + 1)
    fall = (steps - step) / max(1.0, plan.decay * steps)
    return plan.lr * min(1.0, rise, fall)
