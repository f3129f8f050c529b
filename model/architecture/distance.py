"""Attention by distance: sliding windows, and biases that depend on how far back a key lies; never across a document.

Computed some queries at a time against the keys that they may see, by torch's fused attention with a mask, on any device:
with a window the work grows with the length of a document and not with its square. Linear biases (ALiBi, Press et al. 2022)
and learned ones (T5, Raffel et al. 2020) are one table: a number for each head and distance.
"""

import torch
from torch.nn import functional as F

from textmill.model.architecture.counts import QUERIES


class ByDistance:
    """Attention inside stretches of these lengths; a query sees the `window` last keys, its own among them (None: all).

    The masks of a bias are made for the first layer that has it, and serve the others."""

    def __init__(self, lengths: list[int], window: int | None):
        self.lengths, self.window = lengths, window
        self.bias: torch.Tensor | None = None
        self.masks: dict[int, torch.Tensor] = {}

    def __call__(self, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                 bias: torch.Tensor | None = None) -> torch.Tensor:
        """For queries, keys and values (positions, heads, width), as many of each; `bias` may have a gradient."""
        if bias is not self.bias:
            self.bias, self.masks = bias, {}
        outputs, start = [], 0
        for length in self.lengths:
            for first in range(start, start + length, QUERIES):
                last = min(first + QUERIES, start + length)
                seen = start if self.window is None else max(start, first - self.window + 1)
                if first not in self.masks:
                    distances = torch.arange(first, last, device=queries.device)[:, None]
                    distances = distances - torch.arange(seen, last, device=queries.device)
                    self.masks[first] = mask_of(distances, self.window, bias, queries.dtype)
                query, key, value = (x.transpose(0, 1)[None] for x in (queries[first:last], keys[seen:last], values[seen:last]))
                output = F.scaled_dot_product_attention(query, key, value, attn_mask=self.masks[first])
                outputs.append(output[0].transpose(0, 1))
            start += length
        return torch.cat(outputs)


def mask_of(distances: torch.Tensor, window: int | None, bias: torch.Tensor | None, dtype: torch.dtype) -> torch.Tensor:
    """What fused attention takes for these distances (queries, keys), negative to later keys: truth values, or numbers to add.

    Numbers are (1, heads, queries, keys): with three dimensions torch would take the way that keeps all scores."""
    allowed = distances >= 0
    if window is not None:
        allowed &= distances < window
    if bias is None:
        return allowed
    added = bias[:, distances.clamp(min=0, max=bias.shape[1] - 1)]
    return added.masked_fill(~allowed, -torch.inf).to(dtype)[None]
