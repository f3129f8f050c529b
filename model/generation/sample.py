"""A trained model with its tokenizer, and continuations of a prompt by it.

Guarantees: the same model, prompt, settings and seed give the same text; a prompt is text throughout, and all that the
model says is shown: it ends at end-of-text or any other special token.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from tokenizers import Tokenizer

from textmill.model import ModelError
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.tokenizer import document_ids, open_tokenizer, special_ids
from textmill.model.generation.decode import decode
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.training.checkpoint import load_model, trained


@dataclass(frozen=True)
class LanguageModel:
    """A decoder and the tokenizer that it was trained with."""

    decoder: Decoder
    tokenizer: Tokenizer
    checkpoint: Path            # that it was loaded from

    @staticmethod
    def load(run: str | Path, device: torch.device) -> "LanguageModel":
        """From a checkpoint, or the latest in a run's folder, ready to generate. ModelError where none is, or no tokenizer."""
        checkpoint, home = trained(Path(run))
        decoder = load_model(checkpoint, device).eval()
        return LanguageModel(decoder, open_tokenizer(home, decoder.vocab_size), checkpoint)

    def continuations(self, prompt: str, count: int, tokens: int, settings: SamplingSettings) -> list[str]:
        """`count` texts that begin with the prompt, each of at most `tokens` tokens more. ModelError where that cannot be."""
        check(count, tokens, settings)
        ids = document_ids(self.tokenizer, prompt, self.decoder.end_of_text)
        rows = decode(self.decoder, ids, count, tokens, settings, special_ids(self.tokenizer))
        return [self.tokenizer.decode(ids[1:] + row, skip_special_tokens=False) for row in rows]


def sample(run: str | Path, prompt: str, count: int, tokens: int, settings: SamplingSettings,
           device: torch.device) -> list[str]:
    """Continuations of a prompt by the model in a run's folder."""
    check(count, tokens, settings)                              # before a model is loaded for nothing
    return LanguageModel.load(run, device).continuations(prompt, count, tokens, settings)


def check(count: int, tokens: int, settings: SamplingSettings) -> None:
    """ModelError naming everything that is wrong with what is asked for."""
    problems = [*settings.problems(), *(["count and tokens must be 1 or more"] if min(count, tokens) < 1 else [])]
    if problems:
        raise ModelError("; ".join(problems))
