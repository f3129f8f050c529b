"""Causal attention that never crosses a document, on any device.

Three ways to one result: a loop of PyTorch's fused attention over documents (any device; on a CPU 2.6 times faster than
a dense mask, measured at 1024 tokens and 4 documents); matrix products inside documents (`document_attention.py`, for
training in bfloat16 on a CPU); and FlexAttention with a block mask (CUDA; chosen only after it agreed with the loop on that
device, forward and backward). A fourth, for decoding, is the cache (`cache.py`). Windows and biases by distance take the loop
another way (`distance.py`); Flex knows windows.

All take and give tensors of (blocks, length, heads, head width); keys and values may have fewer heads than queries.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import torch
from torch.nn import functional as F

from textmill.model.architecture.distance import ByDistance
from textmill.model.architecture.document_attention import LONGEST, DocumentAttention
from textmill.model.data.batch import Batch


class Attend(Protocol):
    """Attention of a layer; `bias` (heads, distances) is added to the scores of keys that lie so far back."""

    def __call__(self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                 bias: torch.Tensor | None = None) -> torch.Tensor: ...


Masking = Callable[[Batch], Attend]         # a batch on its device


class Heads(NamedTuple):
    """The division of attention: heads of queries, heads of keys and values, and the width of each."""

    queries: int
    keys: int
    width: int


def by_document(batch: Batch, window: int | None = None) -> Attend:
    """Attention inside each stretch of `batch.lengths`, one after the other; a query sees the `window` last tokens."""
    lengths = list(batch.lengths)
    products = batch.tokens.device.type == "cpu" and max(lengths) <= LONGEST
    by_distance = ByDistance(lengths, None if window is not None and max(lengths) <= window else window)

    def attend(layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
               bias: torch.Tensor | None = None) -> torch.Tensor:
        group = queries.shape[2] // keys.shape[2]
        keys, values = (repeat_heads(x, group) for x in (keys, values))
        if by_distance.window is not None or bias is not None:
            return by_distance(queries.flatten(0, 1), keys.flatten(0, 1), values.flatten(0, 1), bias).view(queries.shape)
        if products and queries.dtype == torch.bfloat16 and torch.is_grad_enabled():
            flat: list[torch.Tensor] = [x.flatten(0, 1) for x in (queries, keys, values)]
            return DocumentAttention.apply(*flat, lengths).view(queries.shape)
        documents = zip(*(x.flatten(0, 1).split(lengths) for x in (queries, keys, values)), strict=True)
        outputs = []
        for document in documents:
            query, key, value = (x.transpose(0, 1)[None] for x in document)
            outputs.append(F.scaled_dot_product_attention(query, key, value, is_causal=True)[0].transpose(0, 1))
        return torch.cat(outputs).view(queries.shape)

    return attend


class Flex:
    """The same by FlexAttention: one kernel for the whole batch, blocks of the mask that are empty are skipped."""

    def __init__(self, compiled: bool = True, window: int | None = None):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        self.window = window

        self.kernel: Any = torch.compile(flex_attention) if compiled else flex_attention
        self.mask: Any = torch.compile(create_block_mask) if compiled else create_block_mask

    def __call__(self, batch: Batch) -> Attend:
        window, loop = self.window, by_document(batch, self.window)
        blocks, length = batch.tokens.shape
        lengths = torch.tensor(batch.lengths, device=batch.tokens.device)
        document = torch.arange(len(batch.lengths), device=batch.tokens.device)
        document = document.repeat_interleave(lengths, output_size=blocks * length).view(blocks, length)

        def allowed(block: Any, head: Any, query: Any, key: Any) -> Any:
            inside = (query >= key) & (document[block, query] == document[block, key])
            return inside if window is None else inside & (query - key < window)

        mask = self.mask(allowed, blocks, None, length, length, device=str(batch.tokens.device))

        def attend(layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                   bias: torch.Tensor | None = None) -> torch.Tensor:
            if bias is not None:
                return loop(layer, queries, keys, values, bias)
            group = queries.shape[2] // keys.shape[2]
            heads_first = (x.transpose(1, 2) for x in (queries, keys, values))
            return self.kernel(*heads_first, block_mask=mask, enable_gqa=group > 1).transpose(1, 2)

        return attend


def choose_masking(device: torch.device, dtype: torch.dtype, length: int, heads: int, kv_heads: int, head_width: int,
                   window: int | None = None) -> Masking:
    """FlexAttention where a trial of the shape to be used agrees with the loop, else the loop."""
    loop = by_document if window is None else partial(by_document, window=window)
    if device.type != "cuda":
        return loop
    try:
        flex = Flex(window=window)
        if agree(flex, loop, device, dtype, length, heads, kv_heads, head_width):
            return flex
    except Exception:           # a missing compiler, an unknown card, a bug of a release: the loop is right everywhere
        return loop
    return loop


def agree(first: Masking, second: Masking, device: torch.device, dtype: torch.dtype, length: int, heads: int,
          kv_heads: int, head_width: int) -> bool:
    """Whether two ways give the same outputs and gradients on two blocks of uneven documents, to the type's precision."""
    cut = length // 3
    tokens = torch.zeros(2, length, dtype=torch.int64, device=device)
    batch = Batch(tokens, tokens, (cut, length - cut, 1, length - 1), ("", ""), 0)
    results = []
    for way in (first, second):
        random = torch.Generator().manual_seed(0)
        inputs = [torch.randn(2, length, count, head_width, generator=random).to(device, dtype).requires_grad_()
                  for count in (heads, kv_heads, kv_heads)]
        output = way(batch)(0, *inputs)
        output.float().square().sum().backward()
        results.append([output.detach(), *(x.grad for x in inputs)])
    tolerance = 2e-2 if dtype == torch.bfloat16 else 1e-4
    return all((a.float() - b.float()).abs().max() <= tolerance * b.float().abs().max()
               for a, b in zip(*results, strict=True))


def repeat_heads(x: torch.Tensor, group: int) -> torch.Tensor:
    """Each of the heads (blocks, length, heads, width) `group` times in a row: one for every query of its group."""
    return x if group == 1 else x.repeat_interleave(group, dim=2)
