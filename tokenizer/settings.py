"""Settings of tokenizer training."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar

from textmill.tokenizer.patterns import PATTERNS
from textmill.tokenizer.special import SPECIAL_TOKENS, special_token_problems


@dataclass(frozen=True)
class Balance:
    """How much each language's text counts. A language gets about the share of the vocabulary that its text has in training."""

    exponent: float = 1.0
    """Each language's share of the bytes is raised to this power (Conneau & Lample 2019 take 0.5): 1 leaves the texts as they
    are, at 0 every language counts alike."""
    shares: dict[str, float] = field(default_factory=dict)
    """Of the bytes, by language code; languages not named have the rest, by `exponent`."""
    parity: str | None = None
    """A file of the same sentences in several languages, rows with `language` and `text`.

    Weights are searched until no language needs more than `premium` times the tokens of `reference` for them."""
    premium: float = 1.5
    """The multiple to reach; where the vocabulary does not allow it, the search ends at the lowest it finds."""
    above: float = 0.01
    """Of all bytes: languages with a smaller share have no part in the search."""
    reference: str = "en"
    """The language that others are compared with."""
    rounds: int = 10
    """Of the search, at most; each trains once."""

    def problems(self) -> Iterator[str]:
        """One sentence for each value that cannot be."""
        if not 0 <= self.exponent <= 1:
            yield f"balance.exponent is {self.exponent}; give 0 (every language alike) to 1 (as the texts are)"
        if any(not 0 < share <= 1 for share in self.shares.values()) or sum(self.shares.values()) > 1 + 1e-9:
            yield "balance.shares are shares of the bytes: give each more than 0 and all together at most 1"
        if self.shares and self.parity:
            yield "balance has both shares and parity; give one of them, as parity searches the shares"
        if not 1 <= self.premium <= 100:
            yield f"balance.premium is {self.premium}; give 1 (as many tokens as {self.reference}) to 100"
        if not 0 <= self.above < 1:
            yield f"balance.above is {self.above}; give a share of the bytes, 0 to below 1"
        if not 1 <= self.rounds <= 100:
            yield f"balance.rounds is {self.rounds}; give 1 to 100"


@dataclass(frozen=True)
class TokenizerSettings:
    """Settings of training. A merge has to occur twice."""

    vocab_size: int = 8192
    """Bytes, merges and special tokens together."""
    pattern: str = "gpt-4o"
    """Where a text is cut before merging: a name that llama.cpp knows."""
    special_tokens: list[str] = field(default_factory=lambda: list(SPECIAL_TOKENS))
    """Ids after the merges, in this order."""
    max_pretoken_bytes: int = 256
    """Of what lies between two cuts, in training only: longer ones are counted in pieces of this size."""
    sample_bytes: int = 4_000_000_000
    """Of text to count; of more, texts are chosen by the hash of their ids."""
    most_pretokens: int = 2_000_000
    """Distinct ones to learn from, the most frequent: memory is about 1 kB each."""
    balance: Balance = field(default_factory=Balance)
    """How much the text of each language counts."""

    choices: ClassVar = {"pattern": tuple(PATTERNS)}

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
            yield f"max_pretoken_bytes is {self.max_pretoken_bytes}; give 16 to 4096"
        if self.sample_bytes < 1:
            yield f"sample_bytes is {self.sample_bytes}; give at least 1"
        if not 1000 <= self.most_pretokens <= 1 << 27:
            yield f"most_pretokens is {self.most_pretokens}; give 1000 to {1 << 27}"
