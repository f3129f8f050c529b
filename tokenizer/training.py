"""BPE training: the same texts in any order, or the same counts of them, give the same `tokenizer.json`.

Texts are counted (`pretokens`), counts are learned from (`merging`). Memory is bounded by `most_pretokens`, not by the texts.
Which texts are counted, where there are more than `sample_bytes`, is decided by `chosen`, never by their order.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from types import MappingProxyType
from typing import Any

import pyarrow as pa

from textmill.tokenizer.balance import read_parallel, search_parity, stated_weights
from textmill.tokenizer.bpe import TokenizerError, character_of_byte, tokenizer_json
from textmill.tokenizer.files import standard_files, write_files
from textmill.tokenizer.merging import learn_merges
from textmill.tokenizer.pretokens import Weights, count_pretokens, frequent, weighted
from textmill.tokenizer.scripts import script_bytes
from textmill.tokenizer.settings import Balance, TokenizerSettings


def chosen(id: str, share: float) -> bool:
    """Whether the text `id` is in a sample of `share` (0 to 1) of all texts, by its hash alone.

    The order and the other texts do not matter; a sample of a larger share contains the smaller one."""
    hashed = int.from_bytes(blake2b(id.encode(), digest_size=8, person=b"bpe sample").digest())
    return hashed < int(share * 2**64)


@dataclass(frozen=True)
class Trained:
    """A tokenizer, and the record of its training."""

    json: str
    """The text of `tokenizer.json`."""
    record: dict[str, Any]
    """Plain values: what it learned from, and what balancing languages did."""


def train(texts: Iterable[str] | Iterable[list[str]], training: TokenizerSettings) -> str:
    """The text of `tokenizer.json`, trained on texts or batches of them, whatever their languages.

    Raises TokenizerError where the settings cannot be, and where the texts hold too little for `vocab_size`.
    """
    if problems := list(training.problems()):
        raise TokenizerError("\n".join(problems))
    lists = ([each] if isinstance(each, str) else each for each in texts)
    batches = ((pa.array(batch, pa.string()), pa.nulls(len(batch), pa.string())) for batch in lists)
    return train_from_counts(count_pretokens(batches, training.pattern, training.max_pretoken_bytes), training)


def train_balanced(pieces: Iterable[pa.Table], sizes: Mapping[str, int], training: TokenizerSettings) -> Trained:
    """A tokenizer of the pieces of a table of counts (`pretokens.merged`), languages weighted as `training.balance` says.

    `sizes`: bytes of each language, "" where it is unknown."""
    balance = training.balance
    weights: Weights = {language or None: weight for language, weight in stated_weights(sizes, balance).items()}
    pretokens = frequent(pieces, training.most_pretokens, weights)
    record: dict[str, Any] = {
        "bytes": dict(sorted(sizes.items())), "script": script_bytes(pretokens.counts),
        "pretokens": {"distinct": pretokens.distinct, "left_out": pretokens.rarer, "occurrences": pretokens.occurrences,
                      "occurrences_left_out": pretokens.occurrences_left_out}}
    if balance.parity is None:
        text = train_from_counts(pretokens.counts, training, weights)
    else:
        rounds = list(search_parity(lambda tried: train_from_counts(pretokens.counts, training, tried), sizes,
                                    read_parallel(Path(balance.parity)), balance))
        best = min(rounds, key=lambda one: (max(one.worst, balance.premium), one.tokens[balance.reference]))
        text, weights = best.tokenizer, best.weights
        record["parity"] = {"rounds": [one.record() for one in rounds], "chosen": rounds.index(best) + 1}
    return Trained(text, record | {"weights": {language or "": round(weight, 4) for language, weight in weights.items()}})


def train_from_counts(counts: pa.Table, training: TokenizerSettings, weights: Weights = MappingProxyType({})) -> str:
    """The text of `tokenizer.json`, from a table of counts. TokenizerError where they hold too little for `vocab_size`."""
    wanted = training.vocab_size - len(training.special_tokens) - 256
    merges = learn_merges(*weighted(counts, weights), wanted)
    if len(merges) < wanted:
        reached = training.vocab_size - wanted + len(merges)
        raise TokenizerError(f"the texts give only {reached} tokens ({len(merges)} merges), vocab_size asks for "
                             f"{training.vocab_size}; lower vocab_size to {reached} or give more text")
    spellings = list(character_of_byte)
    pairs = []
    for left, right in merges:
        pairs.append((spellings[left], spellings[right]))
        spellings.append(spellings[left] + spellings[right])
    return tokenizer_json(pairs, training.pattern, training.special_tokens)


def fairness(record: Mapping[str, Any], balance: Balance) -> str:
    """A clause on the search for parity in the record of a training, "" where there was none."""
    if "parity" not in record:
        return ""
    first, best = record["parity"]["rounds"][0], record["parity"]["rounds"][record["parity"]["chosen"] - 1]
    cost = best["tokens"][balance.reference] / first["tokens"][balance.reference] - 1
    reached = "" if best["worst"] <= balance.premium else f" (asked for {balance.premium:.2f}: the vocabulary allows no less)"
    return (f"at most {best['worst']:.2f} times the tokens of {balance.reference} for the same sentences{reached}, "
            f"{first['worst']:.2f} without balance; {balance.reference} pays {cost:+.1%}")


def write_tokenizer(folder: Path, text: str) -> None:
    """Write `tokenizer.json` (`text`, from `train`) and the files that describe it into `folder`, each atomically.

    `tokenizer.json` comes last, so its presence means all are complete."""
    write_files(folder, standard_files(text))
