"""The training loop: one update from top to bottom. The loss and the batches are handed in.

Guarantee: every target of an update weighs the same, in whichever of its batches it lies.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, Protocol, TypeVar

import torch
from torch import nn

from textmill.model.architecture.attention import Masking
from textmill.model.architecture.decoder import Decoder, decoder_of
from textmill.model.architecture.kernels import Kernel
from textmill.model.data.batch import Batch
from textmill.model.device import autocast
from textmill.model.training.processes import ALONE, Processes, whole
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


NO_NORMS = torch.empty(0)


class Update(NamedTuple):
    """One update as it left the device: number (from 1), mean loss per target, norm of the gradient before clipping."""

    step: int
    loss: torch.Tensor
    norm: torch.Tensor
    tokens: int
    layers: tuple[str, ...] = ()                        # embedding, layers.0, … where norms by layer were asked for,
    norms: torch.Tensor = NO_NORMS                      # and these


def train(model: M, optimizers: Sequence[torch.optim.Optimizer], loss: Loss[M, B], batches: Batches[B],
          settings: RunSettings, precision: torch.dtype, start: int = 0, processes: Processes = ALONE) -> Iterator[Update]:
    """Take the optimizers from step `start` to `settings.steps`, yielding after every update.

    `model` is as `processes.wrapped` gave it; each process computes its share of an update's batches."""
    device = next(model.parameters()).device
    for step in range(start, settings.steps or 0):
        for optimizer in optimizers:
            for group in optimizer.param_groups:
                group["lr"] = learning_rate(step, settings)
                if "next_lr" in group:
                    group["next_lr"] = learning_rate(step + 1, settings)        # 0 after the last
        losses, accumulated = [], batches(step)
        targets = max(1, sum(batch.target_count for batch in accumulated))
        mine = processes.share(accumulated)
        for number, batch in enumerate(mine, 1):
            with processes.gathering(model, last=number == len(mine)):
                with autocast(device, precision):
                    part = loss(model, batch.to(device)) / targets
                (part if processes.count == 1 else part * processes.count).backward()       # gradients are averaged
            losses.append(part.detach())                        # stays on the device: nothing waits for it here
        layers, norms = norms_by_layer(model) if settings.gradient_norms else ((), NO_NORMS)
        norm = nn.utils.clip_grad_norm_(model.parameters(), settings.clip if settings.clip is not None else torch.inf)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
        total = processes.total(torch.stack(losses).sum())
        yield Update(step + 1, total, whole(norm), sum(batch.token_count for batch in accumulated), layers, norms)


def norms_by_layer(model: nn.Module) -> tuple[tuple[str, ...], torch.Tensor]:
    """The norm of the gradient of each layer, and of the matrices outside of them by name."""
    decoder = decoder_of(model)
    parts = {f"layers.{number}": list(layer.parameters()) for number, layer in enumerate(decoder.decoder_layers)}
    inside = {id(weight) for weights in parts.values() for weight in weights}
    parts |= {name: [weight] for name, weight in model.named_parameters() if id(weight) not in inside}
    gradients = {name: [whole(weight.grad) for weight in weights if weight.grad is not None] for name, weights in parts.items()}
    norms = {name: nn.utils.get_total_norm(some) for name, some in gradients.items() if some}
    return tuple(norms), torch.stack(list(norms.values()))


def next_token_loss(masking: Masking) -> Loss[Decoder, Batch]:
    """The loss of language modelling: nats of every target, given what its document says before it."""
    attention = masking.unmade if isinstance(masking, Kernel) else masking

    def loss(model: Decoder, batch: Batch) -> torch.Tensor:
        nats: torch.Tensor = model(batch.tokens, batch.targets, attention(batch))
        return nats.sum()

    return loss
