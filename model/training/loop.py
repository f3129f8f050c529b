"""The training loop: one update from top to bottom. The loss and the batches are handed in.

Guarantee: every target of an update weighs the same, in whichever of its batches it lies.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import nn

from textmill.model.architecture.attention import Masking
from textmill.model.architecture.decoder import Decoder
from textmill.model.architecture.kernels import Kernel
from textmill.model.data.batch import Batch
from textmill.model.training.settings import RunSettings, learning_rate


class Countable(Protocol):
    """What the loop needs of a batch, be it of blocks, of dialogues, of pairs or of episodes."""

    @property
    def target_count(self) -> int:
        """How many targets (or pairs) the loss is a sum over."""

    @property
    def token_count(self) -> int:
        """Positions that the model reads."""

    def to(self, device: torch.device) -> Any:
        """The same batch with its tensors on `device`."""


M = TypeVar("M", bound=nn.Module)
B = TypeVar("B", bound=Countable)
Loss = Callable[[M, B], torch.Tensor]           # the sum over a batch's targets, float32, on its device
Batches = Callable[[int], Sequence[B]]          # the batches of step n (from 0): a pure function where runs are to resume


class Update(NamedTuple):
    """One update as it left the device: number (from 1), mean loss per target, norm of the gradient before clipping."""

    step: int
    loss: torch.Tensor
    norm: torch.Tensor
    tokens: int


def train(model: M, optimizers: Sequence[torch.optim.Optimizer], loss: Loss[M, B], batches: Batches[B],
          settings: RunSettings, precision: torch.dtype, start: int = 0) -> Iterator[Update]:
    """Take the optimizers from step `start` to `settings.steps`, yielding after every update."""
    device = next(model.parameters()).device
    for step in range(start, settings.steps or 0):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, settings)
                if "next_lr" in group:
                    group["next_lr"] = learning_rate(step + 1, settings)        # 0 after the last
        losses, accumulated = [], batches(step)
        targets = max(1, sum(batch.target_count for batch in accumulated))
        for batch in accumulated:
            with torch.autocast(device.type, precision, enabled=precision != torch.float32):
                part = loss(model, batch.to(device)) / targets
            part.backward()
            losses.append(part.detach())                        # stays on the device: nothing waits for it here
        norm = nn.utils.clip_grad_norm_(model.parameters(), settings.clip if settings.clip is not None else torch.inf)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        yield Update(step + 1, torch.stack(losses).sum(), norm, sum(batch.token_count for batch in accumulated))


def next_token_loss(masking: Masking) -> Loss[Decoder, Batch]:
    """The loss of language modelling: nats of every target, given what its document says before it."""

    attention = masking.unmade if isinstance(masking, Kernel) else masking

    def loss(model: Decoder, batch: Batch) -> torch.Tensor:
        nats: torch.Tensor = model(batch.tokens, batch.targets, attention(batch))
        return nats.sum()

    return loss
