"""Robustness: how much the likeliest answer changes under changes of a prompt that change nothing of its meaning."""

import re
from collections.abc import Callable
from typing import NamedTuple

import torch

from textmill.model.generation.certainty import likeness
from textmill.model.generation.engine import Engine
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings

HARMLESS: dict[str, Callable[[str], str]] = {
    "a space before": lambda text: " " + text,
    "a line break before": lambda text: "\n" + text,
    "two spaces for one": lambda text: re.sub(r"(?<=\S) (?=\S)", "  ", text),
    "the first letter's case": lambda text: text[:1].swapcase() + text[1:],
    "curly quotation marks": lambda text: text.replace("'", "’").replace('"', "”"),
    "no full stop at the end": lambda text: text.rstrip(".") if text.endswith(".") else text + ".",
    "a space after": lambda text: text + " ",
}


class Change(NamedTuple):
    """What a change of the prompt did."""

    name: str
    text: str               # of the likeliest answer
    likeness: float         # with the one to the prompt as it is
    variation: float        # total variation between the distributions of the first token, 0 to 1


def changes(engine: Engine, prompt: str, tokens: int) -> tuple[str, list[Change]]:
    """The likeliest answer to a prompt, and what each harmless change that changes it does to that."""
    prompts = {"": prompt} | {name: changed for name, change in HARMLESS.items() if (changed := change(prompt)) != prompt}
    ids = [engine.model.ids(text) for text in prompts.values()]
    first = [engine.read_prompt(each, 0)[0].softmax(-1) for each in ids]
    answers = engine.run([Request(each, SamplingSettings(0.0), tokens) for each in ids])
    plain = answers[0].text
    return plain, [Change(name, answer.text, likeness(plain, answer.text), variation(first[0], chances))
                   for name, answer, chances in zip([*prompts][1:], answers[1:], first[1:], strict=True)]


def variation(one: torch.Tensor, other: torch.Tensor) -> float:
    """Total variation of two distributions."""
    return float((one - other).abs().sum() / 2)
