"""A batch of blocks, and the targets of next-token prediction.

Guarantee: a target is the next token of the same stretch of one document, never of another document.
"""

from dataclasses import dataclass

import numpy as np
import torch

from textmill.base.blocks_format import NO_TARGET


@dataclass(frozen=True)
class Batch:
    """Blocks side by side, and where their documents are."""

    tokens: torch.Tensor             # int64 (blocks, length)
    targets: torch.Tensor            # int64 (blocks, length), NO_TARGET where nothing is to be predicted
    lengths: tuple[int, ...]         # of the stretches that attend to themselves only; they cover all positions in order
    entries: tuple[str, ...]         # of the recipe, one per block
    target_count: int

    @property
    def token_count(self) -> int:
        """Positions that the model reads, padding included."""
        return self.tokens.numel()

    def to(self, device: torch.device) -> "Batch":
        """The same batch with its tensors on `device`, where they are when this returns.

        They come from pageable memory, which a copy still under way would read after it was freed: wrong ids on MPS
        (pytorch#139550).
        """
        return Batch(self.tokens.to(device), self.targets.to(device), self.lengths, self.entries, self.target_count)


def next_tokens(tokens: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> tuple[np.ndarray, tuple[int, ...]]:
    """Targets (same shape as tokens) and the lengths of the stretches between all starts, ends and block borders.

    `tokens` is int64 (blocks, length); stretch n covers positions [starts[n], ends[n]) of the flattened tokens.
    """
    flat = tokens.ravel()
    change = np.zeros(len(flat) + 1, np.int64)
    np.add.at(change, starts, 1)
    np.add.at(change, ends - 1, -1)                       # a stretch's last token has nothing to predict
    targets = np.where(np.cumsum(change[:-1]) > 0, np.roll(flat, -1), NO_TARGET).reshape(tokens.shape)
    borders = np.arange(0, len(flat) + 1, tokens.shape[1])
    edges = np.unique(np.concatenate([starts, ends, borders]))
    return targets, tuple(np.diff(edges).tolist())
