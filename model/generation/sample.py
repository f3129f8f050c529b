"""Continuations of a prompt by a trained model.

Guarantees: the same model, prompt, settings and seed give the same text; a prompt is text throughout, and all that the
model says is shown: it ends at end-of-text or any other special token.
"""

from dataclasses import replace
from pathlib import Path

import torch

from textmill.model import ModelError
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings


def continuations(model: LanguageModel, prompt: str, count: int, tokens: int, settings: SamplingSettings) -> list[str]:
    """`count` texts that begin with the prompt, each of at most `tokens` tokens more. ModelError where that cannot be.

    The n-th draws with the seed n - 1 after that of the settings, so it is the same whether three or ten are asked for."""
    check(count, tokens, settings)
    request = Request(model.ids(prompt), settings, tokens)
    requests = [replace(request, settings=settings.another(n)) for n in range(count)]
    return [prompt + answer.text for answer in Engine(model).run(requests)]


def sample(run: str | Path, prompt: str, count: int, tokens: int, settings: SamplingSettings,
           device: torch.device) -> list[str]:
    """Continuations of a prompt by the model in a run's folder."""
    check(count, tokens, settings)                              # before a model is loaded for nothing
    return continuations(LanguageModel.load(run, device), prompt, count, tokens, settings)


def check(count: int, tokens: int, settings: SamplingSettings) -> None:
    """ModelError naming everything that is wrong with what is asked for."""
    problems = [*settings.problems(), *(["count and tokens must be 1 or more"] if min(count, tokens) < 1 else [])]
    if problems:
        raise ModelError("; ".join(problems))
