"""Rows of a prompt and its answer, side by side: what every method of post-training gives a model to read.

Positions count from the start of a row, which is padded at its end; the padding attends to itself and has no target.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from textmill.base.blocks_format import NO_TARGET
from textmill.model import ModelError
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.batch import Batch


@dataclass(frozen=True)
class Row:
    """Ids of a prompt, and of an answer with its end."""

    prompt: tuple[int, ...]
    answer: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.prompt) + len(self.answer)


def batch_of(rows: Sequence[Row], pad: int) -> Batch:
    """The rows as one batch; targets are the tokens of the answers."""
    length = max(map(len, rows))
    tokens, targets = np.full((len(rows), length), pad, np.int64), np.full((len(rows), length), NO_TARGET, np.int64)
    lengths: list[int] = []
    for number, row in enumerate(rows):
        start, end = len(row.prompt), len(row)
        tokens[number, :end] = row.prompt + row.answer
        targets[number, start - 1:end - 1] = row.answer
        lengths += [end, length - end] if end < length else [end]
    count = int(np.count_nonzero(targets != NO_TARGET))
    return Batch(torch.from_numpy(tokens), torch.from_numpy(targets), tuple(lengths), ("",) * len(rows), count)


def log_probabilities(model: Decoder, batch: Batch) -> torch.Tensor:
    """Of every target, float32 (rows, length); 0 where there is none."""
    nats: torch.Tensor = model(batch.tokens, batch.targets, by_document(batch, model.window))
    return -nats


def check_lengths(rows: Sequence[Row], context: int, name: str) -> None:
    """ModelError where a row is longer than what the model reads."""
    for row in rows:
        if len(row) > context:
            raise ModelError(f"{name} has {len(row)} tokens and the model reads {context}; shorten it, or leave it out")
