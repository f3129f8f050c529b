"""GPT-2 with relative positions: instead of a position table, a learned bias on the scores by distance, as in T5.

Distances fall into buckets, one each for the near ones and ever wider ones for the far; a bucket has a number for each head,
the same in all layers (Raffel et al. 2020). transformers has no decoder of this kind, so it is not exported.
"""

import math
from typing import Any, ClassVar

import torch
from torch import nn

from textmill.model.architecture.attention import Attend
from textmill.model.architecture.gpt2 import GPT2
from textmill.model.architecture.shapes import Shape

BUCKETS, FARTHEST = 32, 128         # T5's


class RelativeGPT2(GPT2):
    """GPT-2 with T5's relative position bias."""

    BIASED: ClassVar[bool] = True
    SIGNATURE: ClassVar[dict[str, str]] = {"model_type": "gpt2", "positions": "relative"}

    buckets: torch.Tensor

    @classmethod
    def configuration(cls, shape: Shape, vocab_size: int, context_length: int, end_of_text: int) -> dict[str, Any]:
        return super().configuration(shape, vocab_size, context_length, end_of_text) | {
            "relative_attention_num_buckets": BUCKETS, "relative_attention_max_distance": FARTHEST}

    def add_positions(self, config: dict[str, Any]) -> None:
        buckets = bucket_of(torch.arange(config["n_positions"]), config["relative_attention_num_buckets"],
                            config["relative_attention_max_distance"])
        self.register_buffer("buckets", buckets, persistent=False)
        self.relative_attention_bias = nn.Embedding(config["relative_attention_num_buckets"], config["n_head"])

    def hidden(self, tokens: torch.Tensor, attend: Attend, start: int = 0) -> torch.Tensor:
        learned = self.relative_attention_bias(self.buckets[:start + tokens.shape[1]]).T

        def biased(layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                   bias: torch.Tensor | None = None) -> torch.Tensor:
            return attend(layer, queries, keys, values, learned)

        return self.through_layers(self.wte(tokens), biased)

    def not_exportable(self) -> str | None:
        return "transformers has no decoder with T5's relative positions"


def bucket_of(distances: torch.Tensor, buckets: int, farthest: int) -> torch.Tensor:
    """The bucket of each distance back (0 or more): half of them hold one distance each, the rest grow up to `farthest`."""
    exact = buckets // 2
    growth = torch.log(distances.clamp(min=1).float() / exact) / math.log(farthest / exact)
    far = exact + (growth * (buckets - exact)).to(torch.int64)
    return torch.where(distances < exact, distances, far.clamp(max=buckets - 1))
