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
    """Targets (int64, same shape as tokens) and the lengths of the stretches between all starts, ends and block borders.

    `tokens` has shape (blocks, length); stretch n covers positions [starts[n], ends[n]) of the flattened tokens, in order and
    without overlap. `learned` says of each of these whether it may be a target (bool); None: all may.
    """
    flat = tokens.ravel()
    targets = np.empty(len(flat), np.int64)
    targets[:-1] = flat[1:]
    targets[ends - 1] = NO_TARGET           # a stretch's last token has nothing to predict
    targets[places(np.append(0, ends), np.append(starts, len(flat)))] = NO_TARGET
    if learned is not None:
        targets[:-1][~learned[1:]] = NO_TARGET
    borders = np.arange(0, len(flat) + 1, tokens.shape[1])
    edges = np.unique(np.concatenate([starts, ends, borders]))
    return targets.reshape(tokens.shape), tuple(np.diff(edges).tolist())


def places(starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """Every place in the ranges [start, end), one range after the other."""
    sizes = ends - starts
    return np.arange(int(sizes.sum())) + np.repeat(starts - (np.cumsum(sizes) - sizes), sizes)
