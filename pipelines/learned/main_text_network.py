"""The main-text model in PyTorch, for training: the same networks as pipelines/extract/pages/model.py has in whole numbers."""

import io
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from textmill.pipelines.extract.pages.blocks import Blocks
from textmill.pipelines.extract.pages.elements import Elements
from textmill.pipelines.extract.pages.model import KINDS, LAYERS, WEIGHT, Context, block_words

HIDDEN, SUMMARY = 32, 24
SEEN = 7                # of Context.around
DROPPED, WORDS_DROPPED, PAGE_DROPPED = 0.3, 0.3, 0.5    # without them it learns the hosts by heart (measured)
TABLES = ("near", "path", "text", "page")


class Inputs(NamedTuple):
    """What a network is given of a page; `keep` and `kind` are what it should say, the kind None where it is not known."""

    dense: np.ndarray
    words: dict[str, list[list[int]]]       # by table; of the page one list, of the others one for each block
    context: Context
    size: np.ndarray
    keep: np.ndarray
    kind: int | None


class Pages(NamedTuple):
    """The inputs of several pages, one after the other."""

    dense: torch.Tensor
    words: dict[str, tuple[torch.Tensor, torch.Tensor]]
    ranges: list[tuple[torch.Tensor, torch.Tensor]]
    before: torch.Tensor        # place of the neighbour, -1 at a page's end
    after: torch.Tensor
    place: torch.Tensor
    page: torch.Tensor          # of each block
    size: torch.Tensor
    keep: torch.Tensor
    kind: torch.Tensor          # -1 where it is not known

    def sums(self, values: torch.Tensor) -> torch.Tensor:
        """The sum of a value of blocks for each page."""
        return values.new_zeros(len(self.kind), *values.shape[1:]).index_add(0, self.page, values)


def context_inputs(page: Blocks) -> tuple[Context, np.ndarray]:
    """What blocks see around them, and their sizes in words."""
    return Context.of(Elements.of(page)), block_words(page).astype(np.float32)


def together(pages: Sequence[Inputs]) -> Pages:
    """Some pages as one."""
    counts = [len(one.size) for one in pages]
    starts = list(accumulate(counts, initial=0))[:-1]
    order = [(np.arange(count), start, count) for count, start in zip(counts, starts, strict=True)]

    def joined(values: list[np.ndarray]) -> torch.Tensor:
        return torch.from_numpy(np.concatenate(values))

    words = {}
    for name in TABLES:
        rows = [row for one in pages for row in one.words[name]]
        words[name] = (torch.tensor([number for row in rows for number in row], dtype=torch.long),
                       torch.tensor(list(accumulate(map(len, rows), initial=0))[:-1], dtype=torch.long))
    return Pages(
        joined([one.dense for one in pages]), words,
        [(joined([one.context.ranges[number][0] + start for one, start in zip(pages, starts, strict=True)]),
          joined([one.context.ranges[number][1] + start for one, start in zip(pages, starts, strict=True)]))
         for number in range(len(pages[0].context.ranges))],
        joined([np.where(at > 0, at - 1 + start, -1) for at, start, _ in order]),
        joined([np.where(at < count - 1, at + 1 + start, -1) for at, start, count in order]),
        joined([one.context.place + start for one, start in zip(pages, starts, strict=True)]),
        joined([np.full(count, number) for number, count in enumerate(counts)]),
        joined([one.size for one in pages]), joined([one.keep for one in pages]),
        torch.tensor([-1 if one.kind is None else one.kind for one in pages]))


class Network(nn.Module):
    """Scores of blocks, and the logits of the kinds of their pages. `mean` and `spread` are those of the dense features."""

    def __init__(self, sizes: dict[str, int], mean: torch.Tensor, spread: torch.Tensor):
        super().__init__()
        self.mean, self.spread = mean, spread
        self.dense = nn.Linear(len(mean), HIDDEN)
        self.near, self.path, self.text = (nn.EmbeddingBag(sizes[name], HIDDEN, mode="sum", padding_idx=0)
                                           for name in ("names", "names", "text"))
        self.page = nn.EmbeddingBag(sizes["page"], SUMMARY, mode="sum", padding_idx=0)
        self.summary, self.kind = nn.Linear(2 * HIDDEN, SUMMARY), nn.Linear(SUMMARY, len(KINDS))
        self.deep = nn.ModuleList([nn.Linear(SEEN * HIDDEN + SUMMARY, HIDDEN) for _ in range(LAYERS)])
        self.out, self.drop = nn.Linear(HIDDEN, 1), nn.Dropout(DROPPED)
        for name in TABLES:
            table = getattr(self, name)
            nn.init.normal_(table.weight, 0, 0.02)
            table.weight.data[0] = 0

    def forward(self, pages: Pages) -> tuple[torch.Tensor, torch.Tensor]:
        seen = self.dense((pages.dense - self.mean) / self.spread)
        for name in ("near", "path", "text"):
            seen = seen + self.words(name, pages)
        hidden = self.drop(functional.relu(seen))
        mean = pages.sums(hidden) / pages.sums(torch.ones(len(hidden)))[:, None]
        heavy = pages.sums(hidden * pages.size[:, None]) / pages.sums(pages.size)[:, None]
        said = self.words("page", pages)
        if self.training:
            said = said * (torch.rand(len(said), 1) >= PAGE_DROPPED)
        summary = self.drop(functional.relu(self.summary(torch.cat([mean, heavy], 1)) + said))
        for layer in self.deep:
            hidden = self.drop(functional.relu(layer(torch.cat([self.around(hidden, pages), summary[pages.page]], 1))))
        return self.out(hidden)[:, 0], self.kind(summary)

    def words(self, name: str, pages: Pages) -> torch.Tensor:
        """The sum of each row's words; in training some of them are left out."""
        ids, starts = pages.words[name]
        if self.training:
            ids = ids * (torch.rand(len(ids)) >= WORDS_DROPPED)
        table: nn.EmbeddingBag = getattr(self, name)
        return table(ids, starts)

    def around(self, hidden: torch.Tensor, pages: Pages) -> torch.Tensor:
        """As Context.around, of several pages."""
        padded = functional.pad(hidden, (0, 0, 0, 1))       # -1 is the row of zeros
        sums = functional.pad(hidden.cumsum(0), (0, 0, 1, 0))
        means = [(sums[stop] - sums[start]) / (stop - start)[:, None] for start, stop in pages.ranges]
        places = int(pages.place.max()) + 1
        alike = hidden.new_zeros(places, hidden.shape[1]).index_add(0, pages.place, hidden)
        counts = hidden.new_zeros(places).index_add(0, pages.place, torch.ones(len(hidden))).clamp(min=1)
        return torch.cat([hidden, padded[pages.before], padded[pages.after], *means, (alike / counts[:, None])[pages.place]], 1)


def stored(networks: Sequence[Network], tables: dict[str, dict[str, int]]) -> bytes:
    """The model's file: weights as whole numbers in 1/1024, of each network, and the words of its tables in order."""
    arrays: dict[str, list[np.ndarray]] = {}
    for network in networks:
        values = {name: value.numpy() for name, value in network.state_dict().items()}
        # The features come as they are: their mean and spread go into the weights.
        values["dense.weight"] = values["dense.weight"] / network.spread.numpy()
        values["dense.bias"] = values["dense.bias"] - values["dense.weight"] @ network.mean.numpy()
        for name, value in values.items():
            *layer, part = name.split(".")
            whole = np.clip(np.round(value * WEIGHT), -32767, 32767).astype(np.int16)
            transposed = whole if part == "bias" or layer[0] in TABLES else whole.T
            arrays.setdefault("".join(layer) + ("_bias" if part == "bias" else ""), []).append(transposed)
    file = io.BytesIO()
    words: dict[str, Any] = {f"{name}_words": np.frombuffer("\n".join(of).encode(), np.uint8) for name, of in tables.items()}
    all_: dict[str, Any] = {name: np.stack(of) for name, of in arrays.items()} | words
    np.savez_compressed(file, **all_)
    return file.getvalue()
