"""A step of all rows as one CUDA graph.

The shapes never change: always all rows, always the whole length of the context. So the graph is recorded once and replayed for
every token, no operation waits for Python, and a row gets the same bits whatever stands in the others.
"""

from collections.abc import Sequence
from typing import Any

import torch

from textmill.model.generation.key_values import KeyValues

WARM = 3        # passes before recording, in which libraries choose their kernels


class RecordedStep:
    """The logits (rows, vocabulary) after a token of each row, by layers with `hidden` and `head`, on CUDA."""

    def __init__(self, layers: Any, cache: KeyValues, rows: int):
        cache.reserve(rows, cache.longest)
        self.ids = torch.zeros(rows, dtype=torch.int64, device=cache.stored.device)
        self.positions = torch.zeros_like(self.ids)

        def step() -> torch.Tensor:
            attend = cache.stepping(self.positions, cache.longest)
            logits: torch.Tensor = layers.head(layers.hidden(self.ids, self.positions, attend))
            return logits.float()

        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(WARM):
                step()
        torch.cuda.current_stream().wait_stream(stream)
        self.graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(self.graph):
            self.logits = step()

    def __call__(self, ids: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """For the first rows; what others hold stays as it is but for their first place, which nothing has read yet."""
        count, rest = len(ids), len(self.ids) - len(ids)
        self.ids.copy_(torch.tensor([*ids, *[0] * rest]))
        self.positions.copy_(torch.tensor([*positions, *[0] * rest]))
        self.graph.replay()
        return self.logits[:count].clone()
