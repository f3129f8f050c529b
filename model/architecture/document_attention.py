"""Causal attention inside documents by matrix products, for training in bfloat16 on CPUs.

A document's queries are taken some at a time, against the keys up to them, and their softmax is kept for going backward:
half of a dense one. There a product of matrices runs several times faster than torch's fused attention computes, which makes
scores anew going backward: 1.4 to 2 times faster over both (measured, AVX-512 BF16, documents of 300 to 2048 tokens).
"""

from collections.abc import Iterator
from typing import Any

import torch

QUERIES = 256           # at a time
LONGEST = 2048          # tokens of a document: what is kept grows with its square, 4 MiB a head and layer here


class DocumentAttention(torch.autograd.Function):
    """Attention of queries, keys and values, each (positions, heads, width), inside stretches of these lengths."""

    @staticmethod
    def forward(context: Any, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                lengths: list[int]) -> torch.Tensor:
        scaled, output, kept = queries * queries.shape[-1] ** -0.5, torch.empty_like(queries), []
        future = torch.full((QUERIES, QUERIES), -torch.inf, dtype=queries.dtype).triu(1)
        for rows, seen, size in _parts(lengths):
            scores = torch.bmm(_heads(scaled, rows), _heads(keys, seen).mT)
            scores[..., -size:] += future[:size, :size]
            weights = scores.softmax(-1)
            output[rows] = torch.bmm(weights, _heads(values, seen)).transpose(0, 1)
            kept.append(weights)
        context.lengths = lengths
        context.save_for_backward(scaled, keys, values, output, *kept)
        return output

    @staticmethod
    def backward(context: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        scaled, keys, values, output, *kept = context.saved_tensors
        gradient = gradients[0]
        shares = (gradient.float() * output).sum(-1, keepdim=True).to(gradient.dtype)
        to_queries = torch.empty_like(scaled)
        to_keys, to_values = (torch.zeros(x.shape, dtype=torch.float32) for x in (keys, values))
        for weights, (rows, seen, _) in zip(kept, _parts(context.lengths), strict=True):
            arriving = _heads(gradient, rows)
            to_values[seen] += torch.bmm(weights.mT, arriving).transpose(0, 1)
            scores = torch.bmm(arriving, _heads(values, seen).mT).sub_(_heads(shares, rows)).mul_(weights)
            to_queries[rows] = torch.bmm(scores, _heads(keys, seen)).transpose(0, 1)
            to_keys[seen] += torch.bmm(scores.mT, _heads(scaled, rows)).transpose(0, 1)
        return to_queries.mul_(scaled.shape[-1] ** -0.5), to_keys.to(keys.dtype), to_values.to(values.dtype), None


def _parts(lengths: list[int]) -> Iterator[tuple[slice, slice, int]]:
    """Some queries of a document at a time: their positions, those they may see, and how many they are."""
    start = 0
    for length in lengths:
        for first in range(start, start + length, QUERIES):
            last = min(first + QUERIES, start + length)
            yield slice(first, last), slice(start, last), last - first
        start += length


def _heads(x: torch.Tensor, positions: slice) -> torch.Tensor:
    return x[positions].transpose(0, 1)
