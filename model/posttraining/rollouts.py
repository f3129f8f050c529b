"""Rollouts: answers drawn by the model as it stands, with what they are worth.

A reward is a function of prompts and answers: the checker of generated tasks, a reward model, or one's own. Guarantee: the
same weights and seed draw the same answers.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch

from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.posttraining.reward import RewardModel
from textmill.model.posttraining.rows import Row, batch_of
from textmill.model.posttraining.tasks import Task, is_right
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.special import END_OF_TURN

ROWS = 64               # answers under way at once


class Drawn(NamedTuple):
    """An answer to the prompt of a task: its ids with the end of turn where it came to one, and its text."""

    task: Task
    row: Row
    text: str
    ended: bool


Reward = Callable[[Sequence[Drawn]], torch.Tensor]      # float32 (answers,)


def draw(model: LanguageModel, tasks: Sequence[Task], prompts: Sequence[tuple[int, ...]], answers: int, max_tokens: int,
         temperature: float, seed: int, end_of_turn: int) -> list[Drawn]:
    """`answers` to each prompt, those of a prompt in a row."""
    requests = [Request(prompt, SamplingSettings(temperature=temperature, seed=seed + number * answers + each), max_tokens)
                for number, prompt in enumerate(prompts) for each in range(answers)]
    finished = Engine(model, ROWS).run(requests)
    drawn = []
    for number, answer in enumerate(finished):
        ended = answer.finish_reason == "stop"
        ids = (*answer.tokens, end_of_turn) if ended else tuple(answer.tokens)
        drawn.append(Drawn(tasks[number // answers], Row(answer.request.prompt, ids), answer.text, ended))
    return drawn


def checked(drawn: Sequence[Drawn]) -> torch.Tensor:
    """1 for an answer that came to its end and is right, else 0."""
    return torch.tensor([float(each.ended and is_right(each.task, each.text)) for each in drawn])


def by_model(reward: RewardModel, encoder: Encoder) -> Reward:
    """What a reward model gives each answer; the lowest of all to those that came to no end."""
    @torch.no_grad()
    def rewards(drawn: Sequence[Drawn]) -> torch.Tensor:
        rows = [each.row for each in drawn]
        device = reward.score.weight.device
        found = torch.cat([reward(batch_of(rows[start:start + ROWS], encoder.end_of_text).to(device)).cpu()
                           for start in range(0, len(rows), ROWS)])
        ended = torch.tensor([each.ended for each in drawn])
        return torch.where(ended, found, found.min() - 1)

    return rewards


def end_of(encoder: Encoder) -> int:
    """The id that ends a turn."""
    return int(encoder.special[END_OF_TURN])
