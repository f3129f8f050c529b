"""Multiple choice and cloze by log-probability, from JSONL rows of `question`, `choices` and `answer`.

A choice's score is the log-probability of its text after the question, over its bytes, as lm-evaluation-harness's acc_norm.
A question with a blank (three underscores or more) is a cloze: it is filled with each choice, and the score is that of the
choice and all that comes after. `answer` is the number of the right choice, from 0, or its text.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch

from textmill.base.blocks_format import NO_TARGET
from textmill.model import ModelError
from textmill.model.architecture.attention import Masking
from textmill.model.data.batch import Batch
from textmill.model.data.tokenizer import document_ids, shared_ids
from textmill.model.device import autocast, precision_of
from textmill.model.evaluation.figures import ROUNDS
from textmill.model.generation.language_model import LanguageModel

BLANK = re.compile(r"_{3,}")


class Item(NamedTuple):
    """A question, what may answer it, and the number of what does."""

    question: str
    choices: list[str]
    answer: int


class Score(NamedTuple):
    """The share of items answered right, its interval by bootstrap over items, and what guessing gives."""

    accuracy: float
    low: float
    high: float
    chance: float
    items: int


def read_items(path: str | Path) -> list[Item]:
    """The rows of a JSONL file. ModelError naming the line that is none."""
    items = []
    try:
        text = Path(path).read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error}); check the path") from None
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip():
            try:
                items.append(_item(json.loads(line)))
            except (ValueError, KeyError, TypeError, RecursionError) as error:
                raise ModelError(f"{path}, line {number}: {error if isinstance(error, ValueError) else repr(error)}; write "
                                 '{"question": "…", "choices": ["…", "…"], "answer": 0}') from None
    if not items:
        raise ModelError(f"{path} has no questions; give a line of JSON for each")
    return items


def _item(row: dict[str, object]) -> Item:
    question, choices, answer = row["question"], row["choices"], row["answer"]
    if not isinstance(question, str) or not isinstance(choices, list) or not all(isinstance(c, str) and c for c in choices):
        raise ValueError("question must be text, and choices a list of texts that are not empty")
    if isinstance(answer, str) and answer in choices:
        answer = choices.index(answer)
    if type(answer) is not int or not 0 <= answer < len(choices) or len(choices) < 2:
        raise ValueError(f"answer is {answer!r}, which is none of {len(choices)} choices, or there are fewer than two")
    return Item(question, choices, answer)


def parts(item: Item, choice: str) -> tuple[str, str]:
    """What is given, and what is scored."""
    if blank := BLANK.search(item.question):
        return item.question[:blank.start()], choice + item.question[blank.end():]
    space = "" if not item.question or item.question[-1].isspace() or choice[0].isspace() else " "
    return item.question, space + choice


def size(item: Item, choice: str) -> int:
    """Bytes of what is scored, without the space that is put between question and choice."""
    return len((parts(item, choice)[1] if BLANK.search(item.question) else choice).encode())


@torch.no_grad()
def log_probability(model: LanguageModel, masking: Masking, given: str, scored: str) -> float:
    """Nats of `scored` after `given`, 0 or less. Of a text longer than the context the end is read."""
    decoder, end = model.decoder, model.decoder.end_of_text
    before = document_ids(model.tokenizer, given, end)
    ids = document_ids(model.tokenizer, given + scored, end)
    shared = shared_ids(before, ids)
    cut = max(0, len(ids) - decoder.context_length)
    tokens = torch.tensor([ids[cut:]])
    targets = torch.tensor([[*ids[cut + 1:], NO_TARGET]])
    targets[:, :max(0, max(1, shared) - 1 - cut)] = NO_TARGET
    batch = Batch(tokens, targets, (tokens.shape[1],), ("",), 0).to(decoder.device)
    precision = precision_of(decoder.device)
    with autocast(decoder.device, precision):
        return -float(decoder(batch.tokens, batch.targets, masking(batch)).sum())


def answers(model: LanguageModel, items: list[Item]) -> Iterator[int]:
    """The number of the choice that the model prefers, for each item."""
    masking = model.decoder.masking(precision_of(model.decoder.device), model.decoder.context_length)
    for item in items:
        scores = [log_probability(model, masking, *parts(item, choice)) / size(item, choice) for choice in item.choices]
        yield int(np.argmax(scores))


def score(model: LanguageModel, items: list[Item]) -> Score:
    """The model's answers against the right ones."""
    right = np.array([answer == item.answer for answer, item in zip(answers(model, items), items, strict=True)])
    random = np.random.default_rng(1)
    drawn = right[random.integers(0, len(right), (ROUNDS, len(right)))].mean(1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    chance = np.mean([1 / len(item.choices) for item in items])
    return Score(float(right.mean()), float(low), float(high), float(chance), len(items))


def line(name: str, found: Score) -> str:
    """A score for a terminal."""
    return (f"{name}: {found.accuracy:.1%} right ({found.low:.1%} to {found.high:.1%}) of {found.items:,}; guessing gives "
            f"{found.chance:.1%}")
