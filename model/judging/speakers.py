"""Speakers: what answers conversations. This one is a run of ours; endpoint.py has the other.

Guarantees: replies come in the order of the asks; what the journal has is not asked again, so that the same asks after a stop
give the same replies; what came to no answer says why.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import NamedTuple

import torch

from textmill.model import ModelError
from textmill.model.generation.engine import Engine
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.judging.journal import Journal, digest
from textmill.model.judging.verdicts import Message
from textmill.model.posttraining.comparisons import prompt_ids
from textmill.model.training.checkpoint import trained
from textmill.model.training.checkpoint_files import WEIGHTS, sha256_of
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.chat import check_chat_tokens
from textmill.tokenizer.encoder import Encoder

ROWS = 64               # answers under way at once
CUT_OFF, TOO_LONG = "cut off", "the prompt is too long"


class Ask(NamedTuple):
    """A conversation that the assistant is to go on with."""

    messages: Sequence[Message]
    max_tokens: int
    temperature: float = 0.0
    seed: int = 1


class Reply(NamedTuple):
    """What was said; `problem` where it is no whole answer."""

    text: str
    problem: str = ""


Speaker = Callable[[Sequence[Ask]], Iterator[Reply]]


class Voice:
    """A run's model, its tokenizer, and its name: the checkpoint and the digest of its weights."""

    def __init__(self, run: str | Path, device: torch.device):
        self.model = LanguageModel.load(run, device)
        checkpoint, home = trained(Path(run))
        try:
            self.encoder = Encoder.load(home)
            check_chat_tokens(self.encoder)
        except TokenizerError as error:
            raise ModelError(f"{checkpoint} cannot answer in a dialogue: {error}") from None
        self.sha256 = sha256_of(checkpoint / WEIGHTS)
        self.name = f"{home.name}/{checkpoint.name} {self.sha256[:16]}"

    def ids(self, messages: Sequence[Message], where: str) -> tuple[int, ...]:
        """The ids after which the assistant speaks. ModelError where they cannot be rendered."""
        return prompt_ids([dict(message) for message in messages], self.encoder, where)


def run_speaker(voice: Voice, journal: Journal) -> Speaker:
    """Answers by a run's model, drawn by the engine."""
    engine = Engine(voice.model, ROWS)

    def speak(asks: Sequence[Ask]) -> Iterator[Reply]:
        for start in range(0, len(asks), ROWS):
            yield from spoken(asks[start:start + ROWS])

    def spoken(asks: Sequence[Ask]) -> list[Reply]:
        requests = [Request(voice.ids(ask.messages, f"prompt {number + 1}"),
                            SamplingSettings(temperature=ask.temperature, seed=ask.seed), ask.max_tokens)
                    for number, ask in enumerate(asks)]
        keys = [digest(voice.sha256, voice.encoder.sha256, voice.model.decoder.device.type, asdict(request.settings),
                       request.prompt, request.max_tokens) for request in requests]
        fits = [len(request.prompt) < voice.model.decoder.context_length for request in requests]
        new = [number for number, key in enumerate(keys) if fits[number] and journal.find(key) is None]
        answers = engine.run([requests[number] for number in new])
        for number, answer in zip(new, answers, strict=True):
            journal.keep(keys[number], [answer.text, "" if answer.finish_reason == "stop" else CUT_OFF])
        return [Reply(*journal.find(key)) if fit else Reply("", TOO_LONG) for key, fit in zip(keys, fits, strict=True)]

    return speak
