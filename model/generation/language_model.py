"""A trained model with its tokenizer: what generates, scores and is asked."""

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from tokenizers import Tokenizer

from textmill.model.architecture.decoder import Decoder
from textmill.model.data.tokenizer import document_ids, open_tokenizer, special_ids
from textmill.model.generation.closing import Order
from textmill.model.training.checkpoint import load_model, trained
from textmill.tokenizer.bpe import token_bytes

if TYPE_CHECKING:
    from llguidance import LLTokenizer


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

    def ids(self, text: str) -> tuple[int, ...]:
        """The ids that training would read of a document that begins so. ModelError where half a character is in it."""
        return tuple(document_ids(self.tokenizer, text, self.decoder.end_of_text))

    @cached_property
    def special(self) -> frozenset[int]:
        """The ids that stand for no text; end-of-text among them."""
        return frozenset({self.decoder.end_of_text, *special_ids(self.tokenizer)})

    @cached_property
    def pieces(self) -> list[bytes]:
        """The bytes of every id; of a special token those of its name."""
        added = self.tokenizer.get_added_tokens_decoder()
        return [piece or (added[number].content.encode() if number in added else b"")
                for number, piece in enumerate(token_bytes(self.tokenizer.to_str()))]

    @cached_property
    def closing_order(self) -> Order:
        """The ids in the order in which the shortest end of a constrained answer is looked for."""
        return Order([b"" if number in self.special else piece for number, piece in enumerate(self.pieces)])

    @cached_property
    def guidance(self) -> "LLTokenizer":
        """The vocabulary as llguidance takes it."""
        from llguidance import LLTokenizer, TokenizerWrapper

        return LLTokenizer(TokenizerWrapper(Vocabulary(self)), eos_token=self.decoder.end_of_text)


class Vocabulary:
    """The vocabulary under the names that llguidance asks for."""

    def __init__(self, model: LanguageModel):
        self.tokenizer, self.tokens, self.special_token_ids = model.tokenizer, model.pieces, sorted(model.special)
        self.bos_token_id = self.eos_token_id = model.decoder.end_of_text

    def __call__(self, text: bytes) -> list[int]:
        return list(self.tokenizer.encode(text.decode("utf-8", "replace"), add_special_tokens=False).ids)
