"""A batch of blocks, and the targets of next-token prediction.

Guarantee: a target is the next token of the same stretch of one document, never of another document, and in a dialogue
never a token that is not to be learned.
"""

import itertools
from dataclasses import dataclass, replace

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
    borders: torch.Tensor | None = None         # int32 (stretches + 1,): where each begins, and where the last ends

    @property
    def token_count(self) -> int:
        """Positions that the model reads, padding included."""
        return self.tokens.numel()

    def to(self, device: torch.device) -> "Batch":
        """The same batch with its tensors on `device`.

        To CUDA they are copied from pinned memory, in the order of the device's other work, which the host does not wait for.
        Elsewhere they are there when this returns: a copy still under way would read pageable memory after it was freed (wrong
        ids on MPS, pytorch#139550).
        """
        here = self.tokens.device
        if here.type == device.type and device.index in (None, here.index):
            return self
        pinned = device.type == "cuda"
        tensors = (self.tokens, self.targets, self.borders_on(torch.device("cpu")))
        tokens, targets, borders = ((tensor.pin_memory() if pinned else tensor).to(device, non_blocking=pinned)
                                    for tensor in tensors)
        return replace(self, tokens=tokens, targets=targets, borders=borders)

    def borders_on(self, device: torch.device) -> torch.Tensor:
        """`borders`, made of `lengths` where they are not there yet."""
        if self.borders is not None and self.borders.device == device:
            return self.borders
        return torch.tensor((0, *itertools.accumulate(self.lengths)), dtype=torch.int32).to(device)


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
