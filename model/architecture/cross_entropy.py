"""Cross-entropy of a language model's output layer, with its gradient taken while the logits are at hand.

The gradient of a target's nats towards its logits is softmax minus one-hot, and what weighs that target later is one factor
for its row. So logits are made once, some rows at a time and small enough for a processor's cache; what is kept for going
backward is that difference, in the type of the hidden states, and nothing is computed twice.
"""

from typing import Any

import torch
from torch.nn import functional as F

from textmill.base.blocks_format import NO_TARGET
from textmill.model.device import working_type

LOGITS = 1 << 20        # at a time, 4 MiB as float32


def cross_entropy(hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Nats of each target, float32 (rows,), 0 where there is none; hidden (rows, width), head (vocabulary, width)."""
    hidden, head = (x.to(working_type(x)) for x in (hidden, head))
    if torch.is_grad_enabled():
        nats: torch.Tensor = CrossEntropy.apply(hidden, head, targets)
        return nats
    return _forward(hidden, head, targets, None)


class CrossEntropy(torch.autograd.Function):
    """`cross_entropy` with a gradient; hidden and head are of one type."""

    @staticmethod
    def forward(context: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        difference = hidden.new_empty(len(hidden), len(head))
        nats = _forward(hidden, head, targets, difference)
        context.save_for_backward(hidden, head, difference, targets)
        return nats

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, head, difference, targets = context.saved_tensors
        weights = gradients[0].masked_fill(targets == NO_TARGET, 0.0).to(hidden.dtype)[:, None]
        to_hidden = (difference @ head).mul_(weights) if context.needs_input_grad[0] else None
        to_head = difference.T @ (hidden * weights) if context.needs_input_grad[1] else None
        return to_hidden, to_head, None


def _forward(hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor, difference: torch.Tensor | None) -> torch.Tensor:
    """The nats; `difference`, where given, becomes softmax minus one-hot."""
    nats, size = [], max(1, LOGITS // len(head))
    parts = [None] * -(-len(hidden) // size) if difference is None else difference.split(size)
    for rows, wanted, part in zip(hidden.split(size), targets.split(size), parts, strict=True):
        logs = F.log_softmax(F.linear(rows, head), dim=-1, dtype=torch.float32)
        missing, index = wanted == NO_TARGET, wanted.clamp(min=0)[:, None]
        nats.append(-logs.gather(1, index)[:, 0].masked_fill(missing, 0.0))
        if part is not None:
            part.copy_(logs.exp_().scatter_add_(1, index, logs.new_full(index.shape, -1.0)))
    return torch.cat(nats)
