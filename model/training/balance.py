"""Load balance of experts without an auxiliary loss (Wang et al. 2024; DeepSeek-V3, 2024).

After every update an expert that got fewer tokens than the mean gains RATE in balance, one that got more loses it. Balance
counts in proportion to the learning rate of the next update, less OFF of its highest. So it is zero at the end of a run, and
where the rate falls the last updates are trained as the exported model, which knows no balance, will choose.
"""

from collections.abc import Mapping
from typing import Any

import torch

from textmill.model.architecture.qwen3_moe import Experts

RATE = 0.001            # that of both papers
OFF = 0.1               # share of the highest learning rate below which there is no balance


class Balance(torch.optim.Optimizer):
    """Sets the balance of mixtures; an optimizer, so that it is stepped, saved and restored as one."""

    def __init__(self, mixtures: Mapping[str, Experts], lr: float):
        self.mixtures = list(mixtures.values())
        super().__init__([mixture.balance for mixture in self.mixtures], {"lr": lr, "highest": lr, "next_lr": lr})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:        # type: ignore[override]   # it has no loss to compute
        """One change, by the loads since the last."""
        group = self.param_groups[0]
        strength = min(1.0, max(0.0, (group["next_lr"] / group["highest"] - OFF) / (1 - OFF)))
        for mixture in self.mixtures:
            state = self.state[mixture.balance]
            if not state:
                state["sum"] = torch.zeros_like(mixture.balance)
            state["sum"] += RATE * (mixture.load.mean() - mixture.load).sign()
            mixture.balance.copy_(strength * state["sum"])
            mixture.load.zero_()
