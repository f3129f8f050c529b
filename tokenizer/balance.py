"""Weights of languages in training, so that a vocabulary is fair to those with less text.

A language whose text counts for more gets more of the merges. What fairness costs the others is always told. The search
for parity is a reweighting between trainings; parity-aware BPE (Foroutan et al. 2025) chooses the language of each merge
instead.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pyarrow as pa

from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.pretokens import Weights
from textmill.tokenizer.settings import Balance
from textmill.tokenizer.texts import read_texts

_STEP = 4.0         # power of the excess by which a weight grows in a round: a premium is about the tenth root of a weight
_LARGEST_STEP = 4.0


@dataclass(frozen=True)
class Round:
    """One training of the search: its weights, the tokenizer, and each language's tokens for the parallel text."""

    weights: Weights
    tokenizer: str
    tokens: Mapping[str, int]
    reference: str

    @property
    def premiums(self) -> dict[str, float]:
        """Tokens of each language over those of the reference."""
        return {language: tokens / self.tokens[self.reference] for language, tokens in self.tokens.items()}

    @property
    def worst(self) -> float:
        """The highest premium."""
        return max(self.premiums.values())

    def record(self) -> dict[str, Any]:
        """Plain values."""
        return {"worst": round(self.worst, 4), "mean": round(sum(self.premiums.values()) / len(self.premiums), 4),
                "tokens": dict(sorted(self.tokens.items()))}


def stated_weights(sizes: Mapping[str, int], balance: Balance) -> dict[str, float]:
    """Weights that give each language its share by `shares` and `exponent`; the sum of the bytes stays the same.

    TokenizerError where a language with a share has no text."""
    if missing := sorted(language for language in balance.shares if not sizes.get(language)):
        languages = ", ".join(sorted(language for language in sizes if language))
        raise TokenizerError(f"balance.shares names {', '.join(missing)}, and no text is in that language; there is text in "
                             f"{languages or 'none'}")
    if balance.exponent == 1 and not balance.shares:
        return dict.fromkeys(sizes, 1.0)
    total = sum(sizes.values())
    powers = {language: (size / total) ** balance.exponent
              for language, size in sizes.items() if size and language not in balance.shares}
    rest = 1 - sum(balance.shares.values()) if powers else 0
    shares = {language: rest * power / sum(powers.values()) for language, power in powers.items()} | balance.shares
    return {language: share / sum(shares.values()) * total / sizes[language] for language, share in shares.items()}


def sample_shares(sizes: Mapping[str, int], balance: Balance, budget: int) -> dict[str, float]:
    """Of each language, the share of its bytes to take so that all together are at most `budget`.

    Languages get it by `stated_weights`; one with less text than that gives all it has, and the rest goes to the others."""
    if sum(sizes.values()) <= budget:
        return dict.fromkeys(sizes, 1.0)
    shares = dict.fromkeys(sizes, 0.0)
    open_ = {language: size for language, size in sizes.items() if size}
    while open_ and budget > 0:
        named = {language: share for language, share in balance.shares.items() if language in open_}
        weights = stated_weights(open_, replace(balance, shares=named))
        parts = {language: weights[language] * size / sum(open_.values()) * budget for language, size in open_.items()}
        whole = [language for language, part in parts.items() if part >= open_[language]]
        for language in whole or parts:
            shares[language] = min(1.0, parts[language] / open_[language])
        if not whole:
            break
        budget -= sum(open_.pop(language) for language in whole)
    return shares


def search_parity(learn: Callable[[Weights], str], sizes: Mapping[str, int], parallel: Mapping[str, pa.StringArray],
                  balance: Balance) -> Iterator[Round]:
    """Rounds of the search for weights by which each language needs at most `balance.premium` times the reference's tokens.

    The first has the stated weights; it ends where the premium is reached by all languages above `balance.above`. `learn`
    trains with weights and gives the text of tokenizer.json; `parallel` has the same sentences in each language."""
    total = sum(sizes.values())
    languages = [language for language, size in sizes.items()
                 if language in parallel and (size >= balance.above * total or language == balance.reference)]
    if balance.reference not in languages:
        raise TokenizerError(f"balance.parity needs {balance.reference!r} in the texts and in {balance.parity}; name another "
                             "language as balance.reference")
    weights: dict[str | None, float] = {language or None: weight for language, weight in stated_weights(sizes, balance).items()}
    for _ in range(balance.rounds):
        tokenizer = learn(weights)
        encoder = Encoder(tokenizer)
        tried = Round(dict(weights), tokenizer, {language: len(encoder.encode(parallel[language]).values)
                                                 for language in languages}, balance.reference)
        yield tried
        if tried.worst <= balance.premium:
            return
        for language, premium in tried.premiums.items():
            if premium > balance.premium:
                weights[language] *= min((premium / balance.premium) ** _STEP, _LARGEST_STEP)


def read_parallel(path: Path) -> dict[str, pa.StringArray]:
    """The sentences of each language in a file of rows with `language` and `text`; TokenizerError where numbers differ."""
    sentences: dict[str, list[str]] = {}
    for batch in read_texts(path, "text"):
        for text, language in zip(batch.texts, batch.languages, strict=True):
            if language is None:
                raise TokenizerError(f"{path}: has a row without `language`; give it in each, beside `text`")
            sentences.setdefault(language, []).append(text)
    numbers = {language: len(of) for language, of in sorted(sentences.items())}
    if len(set(numbers.values())) > 1:
        fewest, most = min(numbers, key=lambda one: numbers[one]), max(numbers, key=lambda one: numbers[one])
        raise TokenizerError(f"{path}: has {numbers[fewest]:,} sentences in {fewest} and {numbers[most]:,} in {most}; give the "
                             "same ones in each language")
    return {language: pa.array(of, pa.string()) for language, of in sorted(sentences.items())}
