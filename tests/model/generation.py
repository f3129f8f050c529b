"""Small models for tests of generation: one that nobody trained, and one that says what a table tells it to."""

from pathlib import Path

import torch
from tokenizers import Tokenizer

from tests.model.test_architecture import GROUPED, small_model
from tests.model.test_blocks import write_tokenizer
from textmill.model.generation.language_model import LanguageModel

END = 299


def language_model(folder: Path, architecture: str = "qwen3", block: int = 400, seed: int = 1, window: int | None = None) -> LanguageModel:
    """A model of random weights that reads `block` tokens, and a tokenizer of 300 ids; 299 ends a text."""
    write_tokenizer(folder)
    model = small_model(architecture, GROUPED._replace(window=window), block, seed)
    return LanguageModel(model, Tokenizer.from_file(str(folder / "tokenizer.json")), folder)


def sharper(model: LanguageModel, factor: float) -> LanguageModel:
    """The model with logits `factor` times as large."""
    with torch.no_grad():
        model.decoder.norm.weight *= factor
    return model
