"""From logits to the distribution of the next token, for rows that each have settings of their own.

A `Batch` holds the settings of its rows as columns, so that each processor is one operation for all of them; a processor that
no row asks for is left out, and rows that do not ask for one pass it unchanged.
"""

import math
from collections.abc import Sequence

import torch

from textmill.model import ModelError
from textmill.model.generation import processors
from textmill.model.generation.sampling import SamplingSettings


class Batch:
    """The settings of rows, ready to be applied to their logits (rows, vocabulary), on one device."""

    def __init__(self, settings: Sequence[SamplingSettings], vocab_size: int, device: torch.device):
        def column(name: str, off: float, dtype: torch.dtype = torch.float32) -> torch.Tensor | None:
            values = [getattr(each, name) for each in settings]
            if all(value is None or value == off for value in values):
                return None
            return torch.tensor([off if value is None else value for value in values], dtype=dtype, device=device)

        self.greedy = torch.tensor([each.temperature == 0 for each in settings], device=device)
        self.all_greedy = all(each.temperature == 0 for each in settings)
        self.any_greedy = any(each.temperature == 0 for each in settings)
        self.temperatures = torch.tensor([each.temperature or 1.0 for each in settings], dtype=torch.float64, device=device)
        self.top_k = column("top_k", vocab_size, torch.int64)
        self.part = min(processors.PART, 1 + max((each.top_k or vocab_size for each in settings), default=0))
        self.top_p, self.typical_p = column("top_p", 1.0), column("typical_p", 1.0)
        self.min_p = column("min_p", 0.0)
        self.penalises = any(each.penalises for each in settings)
        self.repetition, self.presence, self.frequency = (
            torch.tensor([getattr(each, f"{name}_penalty") for each in settings], device=device)
            for name in ("repetition", "presence", "frequency"))
        self.bias = None
        if any(each.logit_bias for each in settings):
            self.bias = torch.zeros(len(settings), vocab_size, device=device)
            for row, each in enumerate(settings):
                for number, value in each.logit_bias.items():
                    self.bias[row, number] = value

    def adjusted(self, logits: torch.Tensor, in_prompt: torch.Tensor | None = None, counts: torch.Tensor | None = None,
                 forbidden: torch.Tensor | None = None) -> torch.Tensor:
        """Logits after bias and penalties, -inf where `forbidden` (rows, vocabulary): what greedy rows take the largest of."""
        if self.bias is not None:
            logits = processors.bias(logits, self.bias)
        if self.penalises and in_prompt is not None and counts is not None:
            logits = processors.penalties(logits, in_prompt, counts, self.repetition, self.presence, self.frequency)
        return logits if forbidden is None else logits.masked_fill(forbidden, -torch.inf)

    def narrowed(self, logits: torch.Tensor) -> torch.Tensor:
        """Adjusted logits after temperature and all limits: what the rest draw from."""
        # Also of 1, or a row beside one of another temperature would be rounded otherwise than alone.
        logits = processors.temperature(logits, self.temperatures)
        if self.top_k is not None:
            logits = processors.top_k(logits, self.top_k)
        if self.top_p is not None:
            logits = processors.top_p(logits, self.top_p, processors.PART if self.top_k is None else self.part)
        if self.min_p is not None:
            logits = processors.min_p(logits, self.min_p)
        if self.typical_p is not None:
            logits = processors.typical(logits, self.typical_p)
        return logits

    def draw(self, adjusted: torch.Tensor, uniform: Sequence[float]) -> tuple[torch.Tensor, torch.Tensor]:
        """An id for each row of adjusted logits, and the logits it was drawn from."""
        if self.all_greedy:
            return likeliest(adjusted), adjusted
        narrowed = self.narrowed(adjusted)
        ids = processors.draw(narrowed, torch.tensor(uniform, dtype=torch.float64, device=adjusted.device))
        return (torch.where(self.greedy, likeliest(adjusted), ids) if self.any_greedy else ids), narrowed


def likeliest(logits: torch.Tensor) -> torch.Tensor:
    """The first of the largest logits of each row; on a CPU by NumPy, five times as fast as by torch."""
    return torch.from_numpy(logits.numpy().argmax(-1)) if logits.device.type == "cpu" else logits.argmax(-1)


def check_finite(logits: torch.Tensor) -> None:
    """ModelError where a logit of the model is not a finite number."""
    if not math.isfinite(float(logits.sum())):
        raise ModelError("the model gives chances that are no numbers: its weights are damaged or its training went astray; "
                         "sample from an earlier run")


def next_token(logits: torch.Tensor, settings: SamplingSettings, uniform: float) -> int:
    """One id from logits (vocabulary,) by a number from 0 to below 1. ModelError where a logit is not a finite number."""
    check_finite(logits)
    ids, _ = Batch([settings], len(logits), logits.device).draw(logits[None], [uniform])
    return int(ids)
