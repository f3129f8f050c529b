"""Low-rank adaptation (Hu et al. 2022): the projections of the layers get a learned difference of low rank, all else is frozen.

Weights are W + 2·B·A, A drawn and B zero, so that training begins at the model as it was. Loading a checkpoint gives the sum as
an ordinary weight: what is exported, served or trained further knows nothing of it.
"""

import math
from collections.abc import Mapping

import torch
from torch import nn
from torch.nn.utils import parametrize

from textmill.model.architecture.decoder import Decoder

SCALE = 2.0             # alpha / rank
ORIGINAL, DOWN, UP = (f".parametrizations.weight.{name}" for name in ("original", "0.down", "0.up"))


class LowRank(nn.Module):
    """The difference that is learned of one weight (rows, columns)."""

    def __init__(self, weight: torch.Tensor, rank: int, random: torch.Generator):
        super().__init__()
        rows, columns = weight.shape
        bound = math.sqrt(3 / columns)
        self.down = nn.Parameter(torch.empty(rank, columns).uniform_(-bound, bound, generator=random))
        self.up = nn.Parameter(torch.zeros(rows, rank))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + SCALE * (self.up @ self.down)


def add_lora(model: Decoder, rank: int, seed: int) -> None:
    """Freeze the model, and give each projection inside its layers a difference of this rank."""
    random = torch.Generator().manual_seed(seed)
    model.requires_grad_(False)
    for layer in model.decoder_layers:
        for module in list(layer.modules()):
            if isinstance(module, nn.Linear):
                parametrize.register_parametrization(module, "weight", LowRank(module.weight, rank, random))


def merged(weights: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The weights of a checkpoint, differences added where there are some."""
    result = {}
    for name, weight in weights.items():
        if name.endswith(ORIGINAL):
            base = name.removesuffix(ORIGINAL)
            result[f"{base}.weight"] = weight + SCALE * (weights[base + UP] @ weights[base + DOWN])
        elif not name.endswith((DOWN, UP)):
            result[name] = weight
    return result
