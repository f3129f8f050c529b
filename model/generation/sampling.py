"""Sampling: from the logits of the next token to one token, at any temperature that a number can be."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch

from textmill.model import ModelError


@dataclass(frozen=True)
class SamplingSettings:
    """How a token is drawn; None leaves a limit off."""

    temperature: float = 0.8
    """Divides the logits; 0 takes the likeliest token."""
    top_k: int | None = None
    """Draw from the k likeliest only."""
    top_p: float | None = None
    """Draw from the likeliest that reach probability p together (nucleus sampling, Holtzman et al. 2020)."""
    seed: int = 1
    """Of the draws."""

    def problems(self) -> Iterator[str]:
        if not 0 <= self.temperature < float("inf"):
            yield f"temperature must be 0 or more, is {self.temperature}"
        if self.top_k is not None and self.top_k < 1:
            yield f"top_k must be 1 or more, is {self.top_k}"
        if self.top_p is not None and not 0 < self.top_p <= 1:
            yield f"top_p must be above 0 and at most 1, is {self.top_p}"
        if not 0 <= self.seed < 1 << 63:
            yield f"seed must be 0 to {(1 << 63) - 1}, is {self.seed}"


def next_token(logits: torch.Tensor, settings: SamplingSettings, random: torch.Generator) -> int:
    """One id from logits (vocabulary,): temperature first, then the top k, then the likeliest that reach p together.

    ModelError where a logit is not a finite number.
    """
    if not logits.isfinite().all():
        raise ModelError("the model gives chances that are no numbers: its weights are damaged or its training went astray; "
                         "sample from an earlier run")
    if settings.temperature == 0:
        return int(logits.argmax())
    # Below the largest, so that no quotient is infinite, in float64, in which every temperature above 0 is above 0.
    ordered, ids = ((logits - logits.max()).double() / settings.temperature).float().sort(descending=True, stable=True)
    chances = ordered[:settings.top_k].softmax(-1)
    if settings.top_p is not None:
        chances = chances * (chances.cumsum(-1) - chances < settings.top_p)        # the one that crosses p is kept
    return int(ids[torch.multinomial(chances, 1, generator=random)])
