"""Sampling: from the logits of the next token to one token."""

from collections.abc import Iterator
from dataclasses import dataclass

import torch


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


def next_token(logits: torch.Tensor, settings: SamplingSettings, random: torch.Generator) -> int:
    """One id from logits (vocabulary,): temperature first, then the top k, then the likeliest that reach p together."""
    if settings.temperature == 0:
        return int(logits.argmax())
    ordered, ids = (logits / settings.temperature).sort(descending=True, stable=True)
    chances = ordered[:settings.top_k].softmax(-1)
    if settings.top_p is not None:
        chances = chances * (chances.cumsum(-1) - chances < settings.top_p)        # the one that crosses p is kept
    return int(ids[torch.multinomial(chances, 1, generator=random)])
