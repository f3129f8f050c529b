"""BPE training: the same texts in any order, on any number of threads, give the same `tokenizer.json`.

The trainer is Hugging Face's. It first counts the pieces of text between the cuts of the pattern, so the order of the
texts is gone before the first merge; the next merge is the pair that occurs most often, and of several the one whose
left, then right, part got the smaller id. Its own ids follow Unicode order: `tokenizer_json` numbers them anew.

Memory: the trainer holds each distinct piece once, which is bounded by `sample_bytes`. Which texts to take when there
are more is decided by `chosen`, never by their order.
"""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path

from tokenizers import Regex, Tokenizer, models, pre_tokenizers, trainers

from textmill.tokenizer.bpe import (
    PATTERNS,
    TokenizerError,
    character_of_byte,
    tokenizer_json,
)
from textmill.tokenizer.files import standard_files, write_files
from textmill.tokenizer.special import SPECIAL_TOKENS, special_token_problems

# The trainer counts pairs in 32 signed bits. A text of n bytes has fewer than n pairs, so no count can overflow.
LARGEST_SAMPLE = (1 << 31) - 1


@dataclass(frozen=True)
class TokenizerSettings:
    """Settings of training. A merge has to occur twice.

    `qwen2` is the default pattern: single digits cost no part of a small vocabulary for the 1,110 numbers of up to
    three digits, and nanochat's runs (0.969 bits per byte with single digits, 0.972 with up to three) agree.
    """

    vocab_size: int = 8192
    """Bytes, merges and special tokens together."""
    pattern: str = "qwen2"
    """Where a text is cut before merging: a name that llama.cpp knows."""
    special_tokens: list[str] = field(default_factory=lambda: list(SPECIAL_TOKENS))
    """Ids after the merges, in this order."""
    max_pretoken_bytes: int = 256
    """Of what lies between two cuts, in training only: time is quadratic in the longest (100,000 letters `a` take 2.7 s uncut
    and 8 ms cut at 256)."""
    sample_bytes: int = 256_000_000
    """Of text to train on; of more, texts are chosen by the hash of their ids."""

    def problems(self) -> Iterator[str]:
        """One sentence for each value that cannot be."""
        smallest = 256 + len(self.special_tokens)
        if self.vocab_size < smallest:
            yield f"vocab_size is {self.vocab_size}; 256 bytes and the special tokens already need {smallest}"
        if self.vocab_size >= 1 << 24:
            yield f"vocab_size is {self.vocab_size}; give less than {1 << 24}"
        if self.pattern not in PATTERNS:
            yield f"pattern is {self.pattern!r}; llama.cpp knows {', '.join(PATTERNS)}"
        yield from special_token_problems(self.special_tokens)
        if not 16 <= self.max_pretoken_bytes <= 4096:
            yield f"max_pretoken_bytes is {self.max_pretoken_bytes}; give 16 to 4096, as time is quadratic in it"
        if not 1 <= self.sample_bytes <= LARGEST_SAMPLE:
            yield f"sample_bytes is {self.sample_bytes}; give 1 to {LARGEST_SAMPLE}, what the trainer can count"


def chosen(id: str, share: float) -> bool:
    """Whether the text `id` is in a sample of `share` (0 to 1) of all texts, by its hash alone.

    The order and the other texts do not matter; a sample of a larger share contains the smaller one."""
    hashed = int.from_bytes(blake2b(id.encode(), digest_size=8, person=b"bpe sample").digest())
    return hashed < int(share * 2**64)


def train(texts: Iterable[str] | Iterable[list[str]], training: TokenizerSettings) -> str:
    """The text of `tokenizer.json`, trained on `texts` (strings, or batches of them, which is faster).

    Raises TokenizerError where the settings cannot be, and where the texts hold too little for `vocab_size`.
    """
    if problems := list(training.problems()):
        raise TokenizerError("\n".join(problems))
    trained = Tokenizer(models.BPE())
    # After ByteLevel a character stands for a byte, and none of them is a line end: `.{1,n}` cuts after n bytes.
    trained.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(PATTERNS[training.pattern]), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        pre_tokenizers.Split(Regex(f".{{1,{training.max_pretoken_bytes}}}"), "isolated"),
    ])
    ordinary = training.vocab_size - len(training.special_tokens)
    trained.train_from_iterator(texts, trainers.BpeTrainer(
        vocab_size=ordinary, min_frequency=2, special_tokens=[], show_progress=False,
        initial_alphabet=character_of_byte))
    if trained.get_vocab_size() < ordinary:
        reached = trained.get_vocab_size() + len(training.special_tokens)
        raise TokenizerError(f"the texts give only {reached} tokens, vocab_size asks for {training.vocab_size}; "
                             f"lower vocab_size to {reached} or give more text")
    merges = [(left, right) for left, right in json.loads(trained.to_str())["model"]["merges"]]
    return tokenizer_json(merges, training.pattern, training.special_tokens)


def write_tokenizer(folder: Path, text: str) -> None:
    """Write `tokenizer.json` (`text`, from `train`) and the files that describe it into `folder`, each atomically.

    `tokenizer.json` comes last, so its presence means all are complete."""
    write_files(folder, standard_files(text))
