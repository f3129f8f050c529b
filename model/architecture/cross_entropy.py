"""Cross-entropy of a language model's output layer, with its gradient taken while the logits are at hand.

The gradient of a target's nats towards its logits is softmax minus one-hot, and what weighs that target later is one factor
for its row. So logits are made once, in the type of the hidden states, and turned into that difference where they lie, some
rows at a time in float32, few enough for a processor's cache; nothing is computed twice. A compiler, which fuses casts,
softmax and their gradient into its kernels, is given the plain operations instead.
"""

from typing import Any

import torch
from torch.nn import functional as F

from textmill.base.blocks_format import NO_TARGET
from textmill.model.device import working_type

LOGITS = 1 << 20        # at a time on a CPU, 4 MiB as float32
DEVICE_LOGITS = 1 << 28 # elsewhere, 1 GiB


def cross_entropy(hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Nats of each target, float32 (rows,), 0 where there is none; hidden (rows, width), head (vocabulary, width)."""
    hidden, head = (x.to(working_type(x)) for x in (hidden, head))
    if torch.compiler.is_compiling():
        return F.cross_entropy(F.linear(hidden, head).float(), targets, ignore_index=NO_TARGET, reduction="none")
    if torch.is_grad_enabled():
        nats: torch.Tensor = CrossEntropy.apply(hidden, head, targets)
        return nats
    rows = _rows(head)
    return torch.cat([_nats(F.linear(part, head), wanted)
                      for part, wanted in zip(hidden.split(rows), targets.split(rows), strict=True)])


class CrossEntropy(torch.autograd.Function):
    """`cross_entropy` with a gradient; hidden and head are of one type."""

    @staticmethod
    def forward(context: Any, hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        difference, rows = F.linear(hidden, head), _rows(head)      # logits, each part overwritten in turn
        nats = torch.cat([_nats(part, wanted, part)
                          for part, wanted in zip(difference.split(rows), targets.split(rows), strict=True)])
        context.save_for_backward(hidden, head, difference, targets)
        return nats

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        hidden, head, difference, targets = context.saved_tensors
        weights = gradients[0].masked_fill(targets == NO_TARGET, 0.0).to(hidden.dtype)[:, None]
        to_hidden = (difference @ head).mul_(weights) if context.needs_input_grad[0] else None
        to_head = difference.T @ (hidden * weights) if context.needs_input_grad[1] else None
        return to_hidden, to_head, None


def _rows(head: torch.Tensor) -> int:
    """How many rows' logits are in float32 at a time."""
    return max(1, (LOGITS if head.device.type == "cpu" else DEVICE_LOGITS) // len(head))


def _nats(logits: torch.Tensor, targets: torch.Tensor, difference: torch.Tensor | None = None) -> torch.Tensor:
    """The nats of these rows; `difference`, where given (it may be `logits`), becomes softmax minus one-hot.

    The exponentials are taken once: the logarithm of their sum is the largest logit less the logarithm of its probability.
    """
    index = targets.clamp(min=0)[:, None]
    probabilities = logits.softmax(-1, dtype=torch.float32)
    log_sum = logits.amax(-1, keepdim=True).float() - probabilities.amax(-1, keepdim=True).log()
    nats = (log_sum - logits.gather(1, index).float())[:, 0].masked_fill(targets == NO_TARGET, 0.0)
    if difference is not None:
        difference.copy_(probabilities.scatter_add_(1, index, probabilities.new_full(index.shape, -1.0)))
    return nats
