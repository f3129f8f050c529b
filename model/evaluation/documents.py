"""Loss per document: what each held-out document costs a model, folded from the blocks that hold its pieces.

The measure is that of `training/validate.py`: nats of targets that stand for text, over ln 2 times their bytes. A target
belongs to the document whose span it is predicted in, so the sums over documents are the sums over blocks.
"""

import hashlib
import math
from collections.abc import Sequence, Set
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from textmill.base.blocks_format import NO_TARGET, TOKENIZER_FILES
from textmill.model import ModelError
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.blocks import Blocks, PackedMixture
from textmill.model.device import autocast, precision_of
from textmill.model.training.checkpoint import load_model, trained
from textmill.model.training.validate import token_bytes


@dataclass(frozen=True)
class Documents:
    """Documents in the order in which blocks hold them first, and what they cost; all columns are of one length."""

    ids: list[str]
    entries: list[str]          # of the recipe
    nats: np.ndarray            # float64
    bytes: np.ndarray           # int64: of text that was predicted

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def bits_per_byte(self) -> np.ndarray:
        """Of each document."""
        return self.nats / (math.log(2) * self.bytes)

    def take(self, rows: np.ndarray) -> "Documents":
        """These rows only, in this order."""
        ids, entries = ([column[row] for row in rows] for column in (self.ids, self.entries))
        return Documents(ids, entries, self.nats[rows], self.bytes[rows])


@torch.no_grad()
def documents_of(model: Decoder, split: Blocks, sizes: torch.Tensor, batch: int = 8, limit: int | None = None,
                 wanted: Set[str] | None = None) -> Documents:
    """Every document of the first `limit` blocks (all, where None), `wanted` ids only where given; `sizes` from token_bytes.

    A document of two entries is two. Those without a byte to predict are left out.
    """
    device, precision = model.device, precision_of(model.device)
    masking = model.masking(precision, split.length)
    sums: dict[tuple[str, str], list[float]] = {}
    stop = len(split) if limit is None else min(limit, len(split))
    for first in range(0, stop, batch):
        numbers: Sequence[int] = range(first, min(first + batch, stop))
        block_spans = [split.spans(number) for number in numbers]
        if wanted is not None:
            kept = [n for n, spans in enumerate(block_spans) if not wanted.isdisjoint(spans.field("id").to_pylist())]
            numbers, block_spans = [numbers[n] for n in kept], [block_spans[n] for n in kept]
            if not numbers:
                continue
        blocks = split.read(numbers)
        there = blocks.to(device)
        with autocast(device, precision):
            nats = model(there.tokens, there.targets, masking(there)).cpu().double()
        target_bytes = torch.where(blocks.targets == NO_TARGET, 0, sizes[blocks.targets.clamp(min=0)])
        costs = [np.concatenate([np.zeros((len(numbers), 1)), np.cumsum(values.double().numpy(), axis=1)], axis=1)
                 for values in (nats * (target_bytes > 0), target_bytes)]
        for row, (entry, spans) in enumerate(zip(blocks.entries, block_spans, strict=True)):
            columns = (spans.field(name).to_pylist() for name in ("id", "start", "end"))
            for id_, start, end in zip(*columns, strict=True):
                if wanted is None or id_ in wanted:
                    total = sums.setdefault((id_, entry), [0.0, 0.0])
                    for n, cost in enumerate(costs):
                        total[n] += cost[row, end] - cost[row, start]
    held = {key: total for key, total in sums.items() if total[1] > 0}
    return Documents([id_ for id_, _ in held], [entry for _, entry in held], np.array([nats for nats, _ in held.values()]),
                     np.array([size for _, size in held.values()], np.int64))


def open_for(run: str | Path, mixture: PackedMixture, device: torch.device) -> tuple[Decoder, torch.Tensor]:
    """A trained model and its bytes per id, to be evaluated on these blocks. ModelError where it cannot read them."""
    checkpoint, home = trained(Path(run))
    model = load_model(checkpoint, device).eval()
    tokenizer = home / TOKENIZER_FILES[0]
    if not tokenizer.is_file() or hashlib.sha256(tokenizer.read_bytes()).hexdigest() != mixture.train.tokenizer_sha256:
        raise ModelError(f"{checkpoint} was trained with another tokenizer than {mixture.folder} was packed with; "
                         "name the blocks it was trained on, or pack with its tokenizer")
    if model.context_length < mixture.train.length:
        raise ModelError(f"{checkpoint} reads {model.context_length:,} tokens and blocks of {mixture.folder} have "
                         f"{mixture.train.length:,}; pack shorter ones")
    if not len(mixture.validation):
        raise ModelError(f"{mixture.folder} holds nothing out; raise `validation` of the mixture and pack again")
    return model, token_bytes(mixture.tokenizer, mixture.train.vocab_size)
