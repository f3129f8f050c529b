"""Keys and values of the texts being generated: a row for each, as long as the longest needs.

Heads of keys are never copied for the queries of their group: those go through attention as so many queries of one head.
Lengths go in steps of 64 positions. Attention over padded keys gives the same bits as over fewer of them (measured, and held
by a test), so a row does not depend on the length of others.
"""

from collections.abc import Callable, Sequence

import torch
from torch.nn import functional as F

STEP = 64

Attention = Callable[[int, torch.Tensor, torch.Tensor, torch.Tensor], torch.Tensor]


def padded(length: int) -> int:
    """The length in whole steps."""
    return -(-length // STEP) * STEP


class KeyValues:
    """Keys and values (rows, heads, positions, width) of every layer; room grows with what is asked for."""

    def __init__(self, layers: int, heads: int, width: int, longest: int, window: int | None, dtype: torch.dtype,
                 device: torch.device):
        self.longest, self.window = padded(longest), window
        self.visible = torch.zeros(0)
        self.stored = torch.zeros(layers, 2, 0, heads, STEP, width, dtype=dtype, device=device)

    def reserve(self, rows: int, length: int) -> None:
        """Make room for so many rows of so many positions."""
        layers, _, had, heads, long, width = self.stored.shape
        if rows <= had and length <= long:
            return
        rows = max(had, rows)
        if length > long:
            long = min(self.longest, max(2 * long, padded(length)))
        grown = self.stored.new_zeros(layers, 2, rows, heads, long, width)
        grown[:, :, :had, :, :self.stored.shape[4]] = self.stored
        self.stored = grown

    def part(self, row: int, start: int, stop: int) -> torch.Tensor:
        """A copy of what a row holds from one position to another."""
        return self.stored[:, :, row, :, start:stop].clone()

    def put(self, row: int, start: int, part: torch.Tensor) -> None:
        """Such a copy into a row."""
        self.stored[:, :, row, :, start:start + part.shape[3]] = part

    def move(self, source: int, target: int, length: int) -> None:
        """The first `length` positions of a row into another."""
        self.stored[:, :, target, :, :length] = self.stored[:, :, source, :, :length]

    def mask(self, positions: Sequence[int], length: int) -> torch.Tensor:
        """What is added to the scores (rows, 1, 1, length) of a token at each of these positions: 0 or -inf."""
        if len(self.visible) < 2 * length:          # by distance: what lies too far back, what is seen, what comes after
            after, seen = torch.full((2 * length,), -torch.inf), torch.zeros(2 * length)
            if self.window is not None:
                seen[:-self.window] = -torch.inf
            self.visible = torch.cat([seen, after]).to(self.stored)
        middle = len(self.visible) // 2
        rows = [self.visible[middle - 1 - position:middle - 1 - position + length] for position in positions]
        return (rows[0][None] if len(rows) == 1 else torch.stack(rows))[:, None, None]

    def reorder(self, rows: Sequence[int], length: int) -> None:
        """Give the first rows what these rows hold in their first `length` positions."""
        self.stored[:, :, :len(rows), :, :length] = self.stored[:, :, list(rows), :, :length]

    def reading(self, row: int, start: int, count: int, bias: torch.Tensor | None = None) -> Attention:
        """Attention of `count` tokens of one row that begin at `start`, over themselves and all before.

        `bias` (heads of queries, distances) is added to the scores."""
        stop = start + count
        ahead = torch.arange(stop, device=self.stored.device) - torch.arange(start, stop, device=self.stored.device)[:, None]
        allowed = ahead <= 0
        if self.window is not None:
            allowed &= ahead > -self.window
        mask = allowed
        if bias is not None:
            mask = bias[:, (-ahead).clamp(min=0)].masked_fill(~allowed, -torch.inf)

        def attend(layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
            stored = self.stored[layer, :, row:row + 1]
            stored[0, 0, :, start:stop], stored[1, 0, :, start:stop] = keys.transpose(0, 1), values.transpose(0, 1)
            heads, width = keys.shape[1:]
            group = queries.shape[1] // heads
            grouped = queries.reshape(count, heads, group, width).permute(1, 2, 0, 3).reshape(1, heads, group * count, width)
            output = F.scaled_dot_product_attention(grouped, stored[0, :, :, :stop], stored[1, :, :, :stop],
                                                    attn_mask=(mask.repeat(group, 1) if bias is None else
                                                               mask.reshape(1, heads, group * count, stop)))
            return output.view(heads, group, count, width).permute(2, 0, 1, 3).reshape(count, -1)

        return attend

    def stepping(self, positions: torch.Tensor, length: int) -> Attention:
        """Attention of one token of each of the first rows, at `positions` (rows,), over the first `length` places.

        Nothing here waits for the device, so that it can be recorded as a CUDA graph."""
        rows = len(positions)
        ahead = torch.arange(length, device=positions.device) - positions[:, None]
        hidden = ahead > 0 if self.window is None else (ahead > 0) | (ahead <= -self.window)
        mask = torch.zeros(rows, length, dtype=self.stored.dtype, device=positions.device)
        mask = mask.masked_fill_(hidden, -torch.inf)[:, None, None]
        numbers = torch.arange(rows, device=positions.device)

        def attend(layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
            stored = self.stored[layer]
            stored[:, numbers, :, positions] = torch.stack((keys, values), 1)
            keys, values = stored[:, :rows, :, :length].unbind()
            grouped = queries.reshape(rows, keys.shape[1], -1, keys.shape[3])
            return F.scaled_dot_product_attention(grouped, keys, values, attn_mask=mask).flatten(1)

        return attend
