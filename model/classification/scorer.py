"""Scorer: a trained head as a function from a text to a number between 0 and 1.

For classes it is the probability of those that count as positive, for scores the place between the lowest and the highest
label. Guarantee: a text's score depends on that text alone, and on a CPU is the same to the bit whatever came before; it has
DIGITS decimals, so that CPUs which add in another order agree but for texts on an edge.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer

from textmill.base.errors import first_line
from textmill.model import ModelError
from textmill.model.architecture.build import build
from textmill.model.classification.head import HeadModel, features_of, one_thread, read_ids
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.training.checkpoint_files import CONFIG, WEIGHTS

DIGITS = 6


class Scorer:
    """A head with its tokenizer and what its card says. One thread uses it."""

    def __init__(self, model: HeadModel, tokenizer: Tokenizer, card: Mapping[str, Any], positive: Sequence[str]):
        self.model, self.tokenizer, self.card = model, tokenizer, card
        self.window, settings = int(card["window"]), card["settings"]
        self.max_tokens, self.pooling = int(settings["max_tokens"]), str(settings["pooling"])
        self.positive = [card["classes"].index(name) for name in positive] if card["kind"] == "classes" else []

    @torch.inference_mode()
    def outputs(self, text: str) -> torch.Tensor:
        """The head's outputs, float64 (outputs,)."""
        ids = read_ids(self.tokenizer, text, self.model.decoder.end_of_text, self.max_tokens)
        found = features_of(self.model, ids, self.window, self.pooling).double()
        return self.model.head.weight.double() @ found + self.model.head.bias.double()

    def score(self, texts: Sequence[str]) -> list[float]:
        """Of each text."""
        with one_thread():
            return [self._score(text) for text in texts]

    def _score(self, text: str) -> float:
        found = self.outputs(text)
        if self.card["kind"] == "scores":
            low, high = self.card["span"]
            value = (min(high, max(low, float(found[0]))) - low) / ((high - low) or 1)
        else:
            value = float((found / self.card["temperature"]).softmax(0)[self.positive].sum())
        return round(value, DIGITS)


def load_scorer(folder: Path, card: Mapping[str, Any], positive: Sequence[str]) -> Scorer:
    """The head whose weights, configuration and tokenizer lie in a folder. ModelError where they do not belong together."""
    try:
        outputs = len(card["classes"]) if card["kind"] == "classes" else 1
        model = HeadModel(build(json.loads((folder / CONFIG).read_text("utf-8"))), outputs)
        model.load_state_dict(load_file(folder / WEIGHTS))
        return Scorer(model.eval(), open_tokenizer(folder, model.decoder.vocab_size), card, positive)
    except (OSError, ValueError, RuntimeError, KeyError, TypeError) as error:
        raise ModelError(f"{folder} holds no trained head ({first_line(error)}); train one with `textmill head`") from None
