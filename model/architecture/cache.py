"""Key-value cache: attention of new positions over all positions seen so far."""

import torch
from torch.nn import functional as F

from textmill.model.architecture.attention import repeat_heads
from textmill.model.architecture.distance import mask_of


class Cache:
    """Keys and values of every layer, for decoding one token after the other; takes the place of `Attend`.

    Room for `length` positions of `rows` texts is taken at the first use; with a `window` only the last ones are seen.
    `position` counts what all layers have seen; the model's caller moves it on after a pass.
    """

    def __init__(self, layers: int, rows: int, length: int, window: int | None = None):
        self.position, self.rows, self.length, self.window = 0, rows, length, window
        self.stored: list[tuple[torch.Tensor, torch.Tensor] | None] = [None] * layers

    def __call__(self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                 bias: torch.Tensor | None = None) -> torch.Tensor:
        stop = self.position + keys.shape[1]
        stored = self.stored[layer]
        if stored is None:
            stored = self.stored[layer] = (keys.new_empty(self.rows, self.length, *keys.shape[2:]),
                                           values.new_empty(self.rows, self.length, *values.shape[2:]))
        stored[0][:, self.position:stop], stored[1][:, self.position:stop] = keys, values
        group = queries.shape[2] // keys.shape[2]
        key, value = (repeat_heads(x[:, :stop], group).transpose(1, 2) for x in stored)
        positions = torch.arange(stop, device=queries.device)
        mask = mask_of(positions[self.position:, None] - positions, self.window, bias, queries.dtype)
        return F.scaled_dot_product_attention(queries.transpose(1, 2), key, value, attn_mask=mask).transpose(1, 2)
