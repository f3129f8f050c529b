"""Batches of comparisons, in an order of the seed: a pure function of the step, so that a run goes on as it would have."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from textmill.model.data.batch import Batch
from textmill.model.posttraining.comparisons import Comparison
from textmill.model.posttraining.rows import batch_of
from textmill.model.posttraining.settings import ComparisonSettings


@dataclass(frozen=True)
class Pairs:
    """Comparisons as rows: the chosen ones, then the rejected ones in the same order."""

    rows: Batch
    margins: torch.Tensor               # float32 (pairs,)
    numbers: tuple[int, ...]            # of the comparisons

    @property
    def target_count(self) -> int:
        return len(self.margins)

    @property
    def token_count(self) -> int:
        return self.rows.token_count

    def to(self, device: torch.device) -> "Pairs":
        return Pairs(self.rows.to(device), self.margins.to(device), self.numbers)


def pairs_of(comparisons: Sequence[Comparison], numbers: Sequence[int], pad: int) -> Pairs:
    """These comparisons as one batch."""
    some = [comparisons[number] for number in numbers]
    rows = batch_of([each.chosen for each in some] + [each.rejected for each in some], pad)
    return Pairs(rows, torch.tensor([each.margin for each in some]), tuple(numbers))


def order(count: int, step: int, batch: int, accumulate: int, seed: int) -> list[list[int]]:
    """The numbers in each batch of a step: every pass in another order, passes joined."""
    first, result = step * batch * accumulate, []
    for start in range(first, first + batch * accumulate, batch):
        places = range(start, start + batch)
        passes = {place // count: np.random.default_rng([seed, place // count]).permutation(count) for place in places}
        result.append([int(passes[place // count][place % count]) for place in places])
    return result


def of_step(comparisons: Sequence[Comparison], step: int, settings: ComparisonSettings, pad: int) -> list[Pairs]:
    """The batches of a step."""
    return [pairs_of(comparisons, numbers, pad)
            for numbers in order(len(comparisons), step, settings.batch, settings.accumulate, settings.seed)]


def ranked_right(margins: torch.Tensor) -> float:
    """The share of pairs whose margin is above 0; one of 0 is half."""
    return float(((margins > 0).float() + 0.5 * (margins == 0)).mean())


def in_order(comparisons: Sequence[Comparison], batch: int, pad: int) -> list[Pairs]:
    """All of them, each once."""
    return [pairs_of(comparisons, range(start, min(start + batch, len(comparisons))), pad)
            for start in range(0, len(comparisons), batch)]
