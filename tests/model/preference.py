"""Two post-training methods in small, on the loop and the Run that pretraining uses: a reward model and DPO.

Tests import it, and run it as a process of its own to kill it: `python -m tests.model.preference START HOME`.
"""

import copy
import random
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F

from tests.model.test_blocks import LETTER_A
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.batch import Batch
from textmill.model.training.checkpoint import latest, load_model
from textmill.model.training.run import Run
from textmill.model.training.settings import RunSettings
from textmill.model.training.validate import Validation

CPU = torch.device("cpu")
LENGTH = 16


@dataclass(frozen=True)
class PreferenceSettings(RunSettings):
    beta: float = 0.1


SETTINGS = PreferenceSettings(steps=20, batch=4, accumulate=2, warmup=2, validation_every=10, save_every=2, lr=0.003)


@dataclass(frozen=True)
class Pairs:
    """Texts of which the first half is preferred to the second, row by row."""

    texts: Batch

    @property
    def target_count(self) -> int:
        return len(self.texts.tokens) // 2

    @property
    def token_count(self) -> int:
        return self.texts.token_count

    def to(self, device: torch.device) -> "Pairs":
        return Pairs(self.texts.to(device))


def pairs(seed: int, count: int = 4) -> Pairs:
    """`count` texts that count up in letters, each preferred to one that does not."""
    draw = random.Random(seed)
    up = [[LETTER_A + (first + n) % 26 for n in range(LENGTH)] for first in draw.choices(range(26), k=count)]
    mixed = [draw.sample(row, LENGTH) for row in up]
    tokens = torch.tensor(up + mixed)
    targets = tokens.roll(-1, 1).index_fill(1, torch.tensor([LENGTH - 1]), -100)
    return Pairs(Batch(tokens, targets, (LENGTH,) * len(tokens), ("pair",) * len(tokens), targets.numel() - len(targets)))


def batches(step: int) -> list[Pairs]:
    return [pairs(SETTINGS.accumulate * step + n) for n in range(SETTINGS.accumulate)]


def share_right(margins: Callable[[Pairs], torch.Tensor]) -> Validation:
    with torch.no_grad():
        return Validation(float((margins(pairs(-1, 32)) > 0).float().mean()), {})


class RewardModel(nn.Module):
    """A decoder and a scalar head on its last position."""

    def __init__(self, decoder: Decoder):
        super().__init__()
        self.decoder, self.score = decoder, nn.Linear(decoder.output().shape[1], 1, bias=False)
        nn.init.zeros_(self.score.weight)

    def forward(self, texts: Batch) -> torch.Tensor:
        return self.score(self.decoder.hidden(texts.tokens, by_document(texts))[:, -1]).squeeze(-1).float()


def margins_of_rewards(model: RewardModel, batch: Pairs) -> torch.Tensor:
    chosen, rejected = model(batch.texts).chunk(2)
    return chosen - rejected


def reward_loss(model: RewardModel, batch: Pairs) -> torch.Tensor:
    """Bradley and Terry 1952."""
    return -F.logsigmoid(margins_of_rewards(model, batch)).sum()


def train_reward(start: Path, home: Path, settings: PreferenceSettings = SETTINGS) -> str:
    run = Run(home, settings, {"pairs": "of the seed", "start": start.name}, verb="reward", unit="of pairs ranked right")
    if run.finished:
        return run.summary()
    model = RewardModel(load_model(start, CPU))
    return run.train(model, reward_loss, batches, lambda: share_right(lambda batch: margins_of_rewards(model, batch)),
                     "a reward model", start.parent)


def train_dpo(start: Path, home: Path, settings: PreferenceSettings = SETTINGS) -> str:
    """Rafailov et al. 2023, with the model it starts from as the frozen reference."""
    run = Run(home, settings, {"pairs": "of the seed", "start": start.name}, verb="dpo", unit="of pairs ranked right")
    if run.finished:
        return run.summary()
    model = load_model(start, CPU)
    reference = copy.deepcopy(model).requires_grad_(False)

    def margins(policy: Decoder, batch: Pairs) -> torch.Tensor:
        texts = batch.texts
        ratio = (reference(texts.tokens, texts.targets, by_document(texts)).sum(1)
                 - policy(texts.tokens, texts.targets, by_document(texts)).sum(1))
        chosen, rejected = ratio.chunk(2)
        return settings.beta * (chosen - rejected)

    return run.train(model, lambda policy, batch: -F.logsigmoid(margins(policy, batch)).sum(), batches,
                     lambda: share_right(lambda batch: margins(model, batch)), "a policy", start.parent)


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(train_reward(latest(Path(sys.argv[1])) or Path(), Path(sys.argv[2])))
