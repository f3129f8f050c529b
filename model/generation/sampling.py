"""Sampling settings: everything that shapes how a token is drawn, and what of it cannot be."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class SamplingSettings:
    """How a token is drawn; None leaves a limit off. The steps are taken in the order of these fields (`processors.py`)."""

    temperature: float = 0.8
    """Divides the logits; 0 takes the likeliest token."""
    top_k: int | None = None
    """Draw from the k likeliest only, and those as likely as the last of them."""
    top_p: float | None = None
    """Draw from the likeliest that reach probability p together (nucleus sampling, Holtzman et al. 2020)."""
    seed: int = 1
    """Of the draws."""
    min_p: float | None = None
    """Draw from those at least p times as likely as the likeliest (Nguyen et al. 2024)."""
    typical_p: float | None = None
    """Draw from those whose surprise is nearest to the entropy, that reach probability p together (Meister et al. 2023)."""
    repetition_penalty: float = 1.0
    """Divides positive logits of tokens in prompt or answer, multiplies negative ones (Keskar et al. 2019)."""
    presence_penalty: float = 0.0
    """Is subtracted from the logits of tokens in the answer."""
    frequency_penalty: float = 0.0
    """Is subtracted as often as a token is in the answer."""
    logit_bias: Mapping[int, float] = field(default_factory=dict)
    """Is added to the logits of single ids."""

    @property
    def penalises(self) -> bool:
        """Whether what was said before changes the logits."""
        return (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) != (1, 0, 0)

    def another(self, number: int) -> "SamplingSettings":
        """The same for the next draw but `number` of several: with another seed; after the highest comes 0."""
        return replace(self, seed=(self.seed + number) % (1 << 63))

    def problems(self) -> Iterator[str]:
        if not 0 <= self.temperature < math.inf:
            yield f"temperature must be 0 or more, is {self.temperature}"
        if self.top_k is not None and self.top_k < 1:
            yield f"top_k must be 1 or more, is {self.top_k}"
        for name in ("top_p", "min_p", "typical_p"):
            value = getattr(self, name)
            if value is not None and not 0 < value <= 1:
                yield f"{name} must be above 0 and at most 1, is {value}"
        if not 0 <= self.seed < 1 << 63:
            yield f"seed must be 0 to {(1 << 63) - 1}, is {self.seed}"
        if not 0 < self.repetition_penalty < math.inf:
            yield f"repetition_penalty must be above 0, is {self.repetition_penalty}"
        for name in ("presence_penalty", "frequency_penalty"):
            if not math.isfinite(getattr(self, name)):
                yield f"{name} must be a finite number, is {getattr(self, name)}"
        if not all(math.isfinite(value) for value in self.logit_bias.values()):
            yield "logit_bias must hold finite numbers; -100 bans a token"
