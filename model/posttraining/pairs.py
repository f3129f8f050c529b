"""Batches of comparisons, in an order of the seed: a pure function of the step, so that a run goes on as it would have.

All pairs of a prompt are in one batch, where each answer is read once, and weigh as much together as those of any other prompt
(Ouyang et al. 2022): answers that are compared more often are not learned by heart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from textmill.model.data.batch import Batch
from textmill.model.data.order import order
from textmill.model.posttraining.comparisons import Comparison
from textmill.model.posttraining.losses import ranked_pairs
from textmill.model.posttraining.rows import batch_of
from textmill.model.posttraining.settings import ComparisonSettings


@dataclass(frozen=True)
class Pairs:
    """Comparisons as rows: the best answer of each, then each one's second, and so on; and which row is above which."""

    rows: Batch
    better: torch.Tensor                # int64 (pairs,): rows
    worse: torch.Tensor
    margins: torch.Tensor               # float32 (pairs,)
    weights: torch.Tensor               # float32 (pairs,): 1 in sum for each comparison
    answers: torch.Tensor               # int64 (rows,): numbers among all answers, counted comparison by comparison

    @property
    def target_count(self) -> int:
        """Comparisons, which count alike."""
        return round(float(self.weights.sum()))

    @property
    def token_count(self) -> int:
        return self.rows.token_count

    def to(self, device: torch.device) -> "Pairs":
        return Pairs(self.rows.to(device), *(each.to(device) for each in (self.better, self.worse, self.margins, self.weights,
                                                                          self.answers)))

    def apart(self, scores: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Of scores of the rows, those of the better and of the worse answer of each pair."""
        return scores[self.better], scores[self.worse]


def pairs_of(comparisons: Sequence[Comparison], numbers: Sequence[int], pad: int) -> Pairs:
    """These comparisons as one batch."""
    some = [comparisons[number] for number in numbers]
    places = [(rank, n) for rank in range(max(len(each.answers) for each in some))
              for n, each in enumerate(some) if rank < len(each.answers)]
    row = {place: number for number, place in enumerate(places)}
    pairs = [(row[better, n], row[worse, n], each.margin, 1 / len(ranked))
             for n, each in enumerate(some) for ranked in [ranked_pairs(len(each.answers))] for better, worse in ranked]
    better, worse, margins, weights = zip(*pairs, strict=True)
    return Pairs(batch_of([some[n].answers[rank] for rank, n in places], pad), torch.tensor(better), torch.tensor(worse),
                 torch.tensor(margins), torch.tensor(weights), torch.tensor([some[n].first + rank for rank, n in places]))


def of_step(comparisons: Sequence[Comparison], step: int, settings: ComparisonSettings, pad: int) -> list[Pairs]:
    """The batches of a step."""
    return [pairs_of(comparisons, numbers, pad)
            for numbers in order(len(comparisons), step, settings.batch, settings.accumulate, settings.seed)]


def ranked_right(margins: torch.Tensor, weights: torch.Tensor) -> float:
    """The weight of pairs whose margin is above 0; one of 0 is half."""
    return float((((margins > 0).float() + 0.5 * (margins == 0)) * weights).sum() / weights.sum())


def in_order(comparisons: Sequence[Comparison], batch: int, pad: int) -> list[Pairs]:
    """All of them, each once."""
    return [pairs_of(comparisons, range(start, min(start + batch, len(comparisons))), pad)
            for start in range(0, len(comparisons), batch)]
