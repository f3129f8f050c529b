"""The tokenizer beside a model: text to ids as training read it.

Guarantees: a document begins with end-of-text and is plain bytes from there on, so `<|endoftext|>` in a text spells 13
characters and is never the id that separates documents.
"""

from collections.abc import Sequence
from pathlib import Path

from tokenizers import Tokenizer

from textmill.base.blocks_format import TOKENIZER_FILES
from textmill.model import ModelError
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.encoder import read_tokenizer


def open_tokenizer(folder: Path, vocab_size: int) -> Tokenizer:
    """The tokenizer in a run's folder. ModelError where there is none, or one of other than `vocab_size` ids."""
    path = folder / TOKENIZER_FILES[0]
    try:
        tokenizer = read_tokenizer(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError, TokenizerError) as error:
        raise ModelError(f"{path} cannot be read ({error}); copy it from the blocks") from None
    if tokenizer.get_vocab_size() != vocab_size:
        raise ModelError(f"{path} has {tokenizer.get_vocab_size():,} tokens and the model {vocab_size:,}; "
                         "copy the one of the blocks that the model was trained on")
    return tokenizer


def shared_ids(first: Sequence[int], second: Sequence[int]) -> int:
    """How many ids two texts begin with in common."""
    pairs = enumerate(zip(first, second, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(first), len(second)))


def document_ids(tokenizer: Tokenizer, text: str, end_of_text: int) -> list[int]:
    """The ids that training would read of a document that begins so. ModelError where half a character is in the text."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ModelError("the text has bytes that are not UTF-8; write it in UTF-8") from None
    return [end_of_text, *tokenizer.encode(text, add_special_tokens=False).ids]


def special_ids(tokenizer: Tokenizer) -> set[int]:
    """The ids that stand for no text: a document ends where a model says one."""
    return {number for number, token in tokenizer.get_added_tokens_decoder().items() if token.special}
