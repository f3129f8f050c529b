"""The main-text model in PyTorch, for training: the same network as pipelines/extract/pages/model.py has in whole numbers."""

import io
from itertools import accumulate
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from textmill.pipelines.extract.pages.model import KINDS, WEIGHT

HIDDEN, SUMMARY = 32, 24
DROPPED, WORDS_DROPPED, PAGE_DROPPED = 0.3, 0.3, 0.5    # without them it learns the hosts by heart (measured)


class Network(nn.Module):
    """Scores of the blocks of one page, and the logits of its kind."""

    def __init__(self, sizes: dict[str, int]):
        super().__init__()
        self.dense = nn.Linear(sizes["dense"], HIDDEN)
        self.near, self.path = (nn.EmbeddingBag(sizes["names"], HIDDEN, mode="sum", padding_idx=0) for _ in range(2))
        self.text = nn.EmbeddingBag(sizes["text"], HIDDEN, mode="sum", padding_idx=0)
        self.page = nn.EmbeddingBag(sizes["page"], SUMMARY, mode="sum", padding_idx=0)
        self.summary, self.kind = nn.Linear(2 * HIDDEN, SUMMARY), nn.Linear(SUMMARY, len(KINDS))
        self.two, self.three = (nn.Linear(5 * HIDDEN + SUMMARY, HIDDEN) for _ in range(2))
        self.out, self.drop = nn.Linear(HIDDEN, 1), nn.Dropout(DROPPED)
        for table in (self.near, self.path, self.text, self.page):
            nn.init.normal_(table.weight, 0, 0.02)
            table.weight.data[0] = 0

    def forward(self, one: dict[str, Any]) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.dense(torch.from_numpy(one["dense"]))
        for name in ("near", "path", "text"):
            seen = seen + self.words(getattr(self, name), one[name])
        hidden, size = self.drop(functional.relu(seen)), torch.from_numpy(one["size"])
        heavy = (hidden * (size / size.sum())[:, None]).sum(0)
        said = self.words(self.page, [one["page"]])[0]
        if self.training and torch.rand(()) < PAGE_DROPPED:
            said = said * 0
        summary = self.drop(functional.relu(self.summary(torch.cat([hidden.mean(0), heavy])) + said))
        for layer in (self.two, self.three):
            around = self.around(hidden, one["ranges"])
            hidden = self.drop(functional.relu(layer(torch.cat([around, summary.expand(len(around), -1)], 1))))
        return self.out(hidden)[:, 0], self.kind(summary)

    def words(self, table: nn.EmbeddingBag, rows: list[list[int]]) -> torch.Tensor:
        """The sum of each row's words; in training some of them are left out."""
        ids = torch.tensor([number for row in rows for number in row], dtype=torch.long)
        if self.training:
            ids = ids * (torch.rand(len(ids)) >= WORDS_DROPPED)
        return table(ids, torch.tensor([0, *accumulate(map(len, rows))][:-1], dtype=torch.long))

    def around(self, hidden: torch.Tensor, ranges: list[tuple[np.ndarray, np.ndarray]]) -> torch.Tensor:
        sums = functional.pad(hidden.cumsum(0), (0, 0, 1, 0))
        means = [(sums[stop] - sums[start]) / torch.from_numpy(stop - start)[:, None] for start, stop in ranges]
        before, after = functional.pad(hidden[:-1], (0, 0, 1, 0)), functional.pad(hidden[1:], (0, 0, 0, 1))
        return torch.cat([hidden, before, after, *means], 1)


def stored(network: Network, tables: dict[str, dict[str, int]]) -> bytes:
    """The model's file: weights as whole numbers in 1/1024, and the words of its tables in order."""
    arrays = {}
    for name, value in network.state_dict().items():
        layer, _, part = name.partition(".")
        whole = np.clip(np.round(value.numpy() * WEIGHT), -32767, 32767).astype(np.int16)
        table = layer in ("near", "path", "text", "page")
        arrays[f"{layer}_bias" if part == "bias" else layer] = whole if table or part == "bias" else whole.T
    for name, words in tables.items():
        arrays[f"{name}_words"] = np.frombuffer("\n".join(words).encode(), np.uint8)
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)
    return file.getvalue()
