"""Choice of the tokenizer of a run."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TokenizerName:
    """Under data/tokenizers: the one chosen on the command line, else the one that the mixture names."""

    name: str
