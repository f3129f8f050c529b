"""Validation by bits per byte: on held-out blocks, per entry of the mixture, and overall by the shares of the recipe.

The measure does not depend on the tokenizer: the nats of all targets that stand for text, over ln 2 times the bytes they
stand for. Bytes are counted from the token itself in tokenizer.json and never by decoding it, which replaces the halves
of a character and gave others wrong figures (nanochat#693). Special tokens have no bytes and do not count.
"""

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

import torch

from textmill.base.blocks_format import NO_TARGET
from textmill.model import ModelError
from textmill.model.architecture.attention import Masking
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.batch import Batch
from textmill.model.device import autocast

# GPT-2's alphabet: printable bytes of Latin-1 stand for themselves, the rest for the characters from U+0100 on.
_PRINTABLE = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
BYTE_LEVEL = frozenset(chr(byte) for byte in _PRINTABLE) | {chr(0x100 + n) for n in range(256 - len(_PRINTABLE))}


LARGEST = 1 << 24       # ids of a tokenizer
SMALL = 50_000          # bytes of text: on fewer, a figure is of a few documents and not of their kind


class Size(NamedTuple):
    """The text behind a figure."""

    documents: int
    bytes: int

    def __str__(self) -> str:
        digits = 1 if self.bytes < 10_000 else 0
        return f"{self.documents:,} document{'' if self.documents == 1 else 's'}, {self.bytes / 1000:,.{digits}f} kB"


class Validation(NamedTuple):
    """One look at held-out data: the figure that a run is known by; what it is for each entry, and of how much text."""

    value: float
    entries: dict[str, float]
    sizes: dict[str, Size] = {}     # noqa: RUF012   # never written to


def token_bytes(tokenizer: Path, vocab_size: int) -> torch.Tensor:
    """Bytes of text each id stands for, int64 (vocab_size,). ModelError where the tokenizer is not a byte-level one."""
    try:
        loaded = json.loads(tokenizer.read_text("utf-8"))
        vocabulary, added = loaded["model"]["vocab"], loaded["added_tokens"]
        numbers = [*vocabulary.values(), *(token["id"] for token in added)]
        if wrong := [number for number in numbers if type(number) is not int or not 0 <= number < LARGEST]:
            raise ValueError(f"{wrong[0]!r} is no id")
        sizes = [0] * max(vocab_size, 1 + max(numbers))
        for token, number in vocabulary.items():
            sizes[number] = len(token)                  # one character of the alphabet is one byte
        special = {token["id"] for token in added}
        for token in added:
            sizes[token["id"]] = 0 if token["special"] else len(token["content"].encode())
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ModelError(f"{tokenizer} is not a tokenizer of Hugging Face's form ({error!r}); make it again") from None
    strange = next((token for token, n in vocabulary.items() if n not in special and not BYTE_LEVEL.issuperset(token)), None)
    if strange is not None:
        raise ModelError(f"{tokenizer} is not byte-level (token {strange!r}); blocks need a byte-level tokenizer")
    return torch.tensor(sizes)


@torch.no_grad()
def bits_per_byte(model: Decoder, batches: Iterable[Batch], masking: Masking, sizes: torch.Tensor, device: torch.device,
                  precision: torch.dtype, shares: Mapping[str, float] | None = None,
                  documents: Mapping[str, int] | None = None) -> Validation:
    """Overall and per entry (sorted by name); `sizes` from token_bytes, `documents` held out of each entry.

    Overall is the mean of the entries, weighed by `shares` (where they do not know an entry: by bytes of text)."""
    nats: Counter[str] = Counter()
    text_bytes: Counter[str] = Counter()
    for batch in batches:
        on_device = batch.to(device)
        with autocast(device, precision):
            losses = model(on_device.tokens, on_device.targets, masking(on_device)).cpu().double()
        target_bytes = torch.where(batch.targets == NO_TARGET, 0, sizes[batch.targets.clamp(min=0)])
        rows = zip(batch.entries, (losses * (target_bytes > 0)).sum(1).tolist(), target_bytes.sum(1).tolist(), strict=True)
        for entry, loss, size in rows:
            nats[entry] += loss
            text_bytes[entry] += size
    if not text_bytes.total():
        raise ModelError("the validation blocks hold no text to predict; raise the share `validation` of the mixture")
    entries = {entry: nats[entry] / (math.log(2) * text_bytes[entry]) for entry in sorted(text_bytes) if text_bytes[entry]}
    weights = shares if shares and shares.keys() >= entries.keys() else text_bytes
    overall = sum(weights[entry] * entries[entry] for entry in entries) / sum(weights[entry] for entry in entries)
    return Validation(overall, entries, {entry: Size((documents or {}).get(entry, 0), text_bytes[entry]) for entry in entries})
