"""Muon (Jordan et al. 2024): momentum whose update of a matrix is made orthogonal by Newton-Schulz iterations.

Matrices of one shape go through the iterations together, as a batch of products: a model of 12 layers has 84 matrices of four
shapes. Updates are scaled to AdamW's size (Moonshot 2025: 0.2 · √max(rows, columns)), so that one learning rate serves both.
As `torch.optim.Muon` computes it, one matrix after the other.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import torch
from torch import nn

from textmill.model.training.processes import divided, gathered, local

COEFFICIENTS = (3.4445, -4.7750, 2.0315)        # Jordan's quintic: steepest at 0
STEPS = 5
EPS = 1e-7


class Muon(torch.optim.Optimizer):
    """For matrices only; decay is decoupled, momentum is Nesterov's."""

    def __init__(self, matrices: Iterable[nn.Parameter], lr: float, weight_decay: float, momentum: float = 0.95):
        super().__init__(matrices, {"lr": lr, "weight_decay": weight_decay, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:        # type: ignore[override]   # it has no loss to compute
        """One update of every matrix that has a gradient."""
        for group in self.param_groups:
            alike = defaultdict(list)
            for matrix in group["params"]:
                if matrix.grad is not None:
                    alike[matrix.shape].append(matrix)
            for matrices in alike.values():
                self._update(matrices, group["lr"], group["weight_decay"], group["momentum"])

    def _update(self, matrices: list[torch.Tensor], lr: float, weight_decay: float, momentum: float) -> None:
        gradients = [local(matrix.grad) for matrix in matrices if matrix.grad is not None]
        buffers = []
        for matrix in matrices:
            state = self.state[matrix]
            if "momentum_buffer" not in state:
                state["momentum_buffer"] = torch.zeros_like(matrix)
            buffers.append(local(state["momentum_buffer"]))
        torch._foreach_lerp_(buffers, gradients, 1 - momentum)
        updates = torch._foreach_lerp(gradients, buffers, momentum)
        together = torch.stack([gathered(update, matrix) for update, matrix in zip(updates, matrices, strict=True)])
        directions = orthogonal(together).to(matrices[0].dtype)
        rows, columns = matrices[0].shape
        weights = [local(matrix) for matrix in matrices]
        torch._foreach_mul_(weights, 1 - lr * weight_decay)
        parts = [local(divided(direction, matrix)) for direction, matrix in zip(directions, matrices, strict=True)]
        torch._foreach_add_(weights, parts, alpha=-lr * 0.2 * max(rows, columns) ** 0.5)


def orthogonal(matrices: torch.Tensor) -> torch.Tensor:
    """For matrices (count, rows, columns), about UVᵀ of the singular value decomposition UΣVᵀ of each, bfloat16."""
    a, b, c = COEFFICIENTS
    x = matrices.bfloat16()
    tall = x.shape[-2] > x.shape[-1]
    if tall:
        x = x.mT
    x = x / x.norm(dim=(-2, -1), keepdim=True).clamp(min=EPS)
    for _ in range(STEPS):
        gram = x @ x.mT
        polynomial = torch.baddbmm(gram, gram, gram, beta=b, alpha=c)
        x = torch.baddbmm(x, polynomial, x, beta=a)
    return x.mT if tall else x
