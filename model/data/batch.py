"""A batch of blocks, and the targets of next-token prediction.

Guarantee: a target is the next token of the same stretch of one document, never of another document, and in a dialogue
never a token that is not to be learned.
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


def next_tokens(tokens: np.ndarray, starts: np.ndarray, ends: np.ndarray,
                learned: np.ndarray | None = None) -> tuple[np.ndarray, tuple[int, ...]]:
    """Targets (same shape as tokens) and the lengths of the stretches between all starts, ends and block borders.

    `tokens` is int64 (blocks, length); stretch n covers positions [starts[n], ends[n]) of the flattened tokens. `learned` says
    of each of these whether it may be a target (bool); None: all may.
    """
    flat = tokens.ravel()
    predicts = covered(len(flat), starts, ends - 1)       # a stretch's last token has nothing to predict
    if learned is not None:
        predicts[:-1] &= learned[1:]
    targets = np.where(predicts, np.roll(flat, -1), NO_TARGET).reshape(tokens.shape)
    borders = np.arange(0, len(flat) + 1, tokens.shape[1])
    edges = np.unique(np.concatenate([starts, ends, borders]))
    return targets, tuple(np.diff(edges).tolist())


def covered(length: int, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """bool[length]: which places lie in one of the stretches [start, end)."""
    change = np.zeros(length + 1, np.int64)
    np.add.at(change, starts, 1)
    np.add.at(change, ends, -1)
    return np.cumsum(change[:-1]) > 0
