"""Attention inside documents as one call for a whole batch: kernels for accelerators, and the trial that chooses among them.

Each kernel takes from a batch what it needs as tensors (`layout`), and makes of these a layer's attention (`attend`), so
that a compiler can take the whole model with its attention as one graph whose shapes do not depend on the documents. All
give what the loop over documents gives (`attention.by_document`); the trial holds them to it on the device at hand, forward
and backward, and takes the fastest.
"""

import inspect
import time
from functools import partial
from typing import Any, NamedTuple

import torch
from torch.nn import functional as F

from textmill.base.errors import first_line
from textmill.model.architecture.attention import Attend, Heads, Masking, by_document, repeat_heads
from textmill.model.data.batch import Batch

ROUNDS = 5              # of a trial's timing, after one that is not counted


class Kernel:
    """A way of attention; `kernel(batch)` is the batch's `Attend`, as of any Masking."""

    def __init__(self, window: int | None = None):
        self.window = window

    def __call__(self, batch: Batch) -> Attend:
        return self.attend(self.layout(batch))

    def unmade(self, batch: Batch) -> "Unmade":
        """The same, to be made inside of what is compiled."""
        return Unmade(self, self.layout(batch))

    def layout(self, batch: Batch) -> torch.Tensor:
        """The number of its document for each position, int32 (blocks, length)."""
        borders = batch.borders_on(batch.tokens.device)
        positions = torch.arange(batch.tokens.numel(), dtype=torch.int32, device=borders.device)
        return torch.bucketize(positions, borders[1:], right=True, out_int32=True).view(batch.tokens.shape)

    def attend(self, layout: torch.Tensor) -> Attend:
        """The attention of a batch with this layout."""
        raise NotImplementedError


class Unmade(NamedTuple):
    """A batch's attention before it is made: the kernel and the layout of the documents."""

    kernel: Kernel
    layout: torch.Tensor


class Flex(Kernel):
    """FlexAttention (torch; Dong et al. 2024): tiles of the mask that are empty are skipped."""

    def __init__(self, window: int | None = None, compiled: bool = True):
        from torch.nn.attention.flex_attention import create_block_mask, flex_attention

        super().__init__(window)
        self.kernel: Any = torch.compile(flex_attention) if compiled else flex_attention
        self.mask: Any = torch.compile(create_block_mask) if compiled else create_block_mask

    def attend(self, layout: torch.Tensor) -> Attend:
        window, (blocks, length) = self.window, layout.shape

        def allowed(block: Any, head: Any, query: Any, key: Any) -> Any:
            inside = (query >= key) & (layout[block, query] == layout[block, key])
            return inside if window is None else inside & (query - key < window)

        mask = self.mask(allowed, blocks, None, length, length, device=layout.device.type)

        def attend(layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                   bias: torch.Tensor | None = None) -> torch.Tensor:
            _no_bias(bias)
            heads_first = (x.transpose(1, 2) for x in (queries, keys, values))
            grouped = queries.shape[2] > keys.shape[2]
            return self.kernel(*heads_first, block_mask=mask, enable_gqa=grouped).transpose(1, 2)

        return attend


class Varlen(Kernel):
    """FlashAttention over sequences of any lengths, laid end to end (torch's `varlen_attn`; Dao 2024)."""

    def __init__(self, window: int | None = None):
        from torch.nn.attention.varlen import varlen_attn

        super().__init__(window)
        takes = inspect.signature(varlen_attn).parameters       # torch 2.10 says is_causal, later ones window_size
        causal = {"window_size": (-1 if window is None else window - 1, 0)} if "window_size" in takes else {"is_causal": True}
        if window is not None and "window_size" not in takes:
            raise NotImplementedError("this torch has no windows in varlen_attn")
        self.grouped = "enable_gqa" in takes
        self.kernel: Any = partial(varlen_attn, **causal)

    def layout(self, batch: Batch) -> torch.Tensor:
        """Where each document begins, and where the last ends, int32 (documents + 1,)."""
        borders = batch.borders_on(batch.tokens.device)
        torch._dynamo.mark_dynamic(borders, 0)
        return borders

    def attend(self, layout: torch.Tensor) -> Attend:
        def attend(layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                   bias: torch.Tensor | None = None) -> torch.Tensor:
            _no_bias(bias)
            group = queries.shape[2] // keys.shape[2]
            longest = queries.shape[1]          # a document ends with its block
            grouped = {"enable_gqa": True} if group > 1 and self.grouped else {}
            if not self.grouped:
                keys, values = repeat_heads(keys, group), repeat_heads(values, group)
            flat = (x.flatten(0, 1) for x in (queries, keys, values))
            return self.kernel(*flat, layout, layout, longest, longest, **grouped).view(queries.shape)

        return attend


class Dense(Kernel):
    """Torch's fused attention with the whole mask, (blocks, 1, length, length) truth values: any device, any compiler."""

    def attend(self, layout: torch.Tensor) -> Attend:
        positions = torch.arange(layout.shape[1], device=layout.device)
        distances = positions[:, None] - positions
        allowed = (layout[:, :, None] == layout[:, None, :]) & (distances >= 0)
        if self.window is not None:
            allowed &= distances < self.window
        allowed = allowed[:, None]

        def attend(layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                   bias: torch.Tensor | None = None) -> torch.Tensor:
            _no_bias(bias)
            group = queries.shape[2] // keys.shape[2]
            keys, values = repeat_heads(keys, group), repeat_heads(values, group)
            query, key, value = (x.transpose(1, 2) for x in (queries, keys, values))
            return F.scaled_dot_product_attention(query, key, value, attn_mask=allowed).transpose(1, 2)

        return attend


KERNELS: dict[str, type[Kernel]] = {"flex": Flex, "varlen": Varlen, "dense": Dense}


class Choice(NamedTuple):
    """The attention of a run; `why` says in words why it is not a kernel where one was to be had or asked for."""

    masking: Masking
    name: str
    why: str = ""


def choose_masking(device: torch.device, dtype: torch.dtype, length: int, heads: Heads, window: int | None = None,
                   biased: bool = False, wanted: str = "auto") -> Choice:
    """The kernel called `wanted`, or the fastest for such blocks; the loop where none gives on this device what the loop gives.

    `biased`: attention has biases by distance, which only the loop knows."""
    loop: Masking = by_document if window is None else partial(by_document, window=window)
    names = (wanted,) if wanted in KERNELS else () if wanted == "loop" or device.type != "cuda" else ("flex", "varlen")
    if biased and names:
        return Choice(loop, "loop", "only the loop knows biases by distance")
    tried: dict[str, tuple[float, Kernel]] = {}
    failed = []
    for name in names:
        try:
            kernel = KERNELS[name](window)
            if agree(kernel, loop, device, dtype, length, *heads):
                tried[name] = timed(kernel, device, dtype, length, heads), kernel
            else:
                failed.append(f"{name} disagrees with the loop")
        except Exception as error:      # a missing compiler, an unknown card, a bug of a release: the loop is right everywhere
            failed.append(f"{name}: {first_line(error)}")
    if not tried:
        return Choice(loop, "loop", "; ".join(failed))
    best = min(tried, key=lambda name: tried[name][0])
    return Choice(tried[best][1], best, "; ".join(failed))


def agree(first: Masking, second: Masking, device: torch.device, dtype: torch.dtype, length: int, heads: int,
          kv_heads: int, head_width: int) -> bool:
    """Whether two ways give the same outputs and gradients on two blocks of uneven documents, to the type's precision."""
    batch, results = trial_batch(length, device), []
    for way in (first, second):
        inputs = trial_inputs(device, dtype, length, Heads(heads, kv_heads, head_width))
        output = way(batch)(0, *inputs)
        output.float().square().sum().backward()
        results.append([output.detach(), *(x.grad for x in inputs)])
    tolerance = 2e-2 if dtype == torch.bfloat16 else 1e-4
    return all((a.float() - b.float()).abs().max() <= tolerance * b.float().abs().max()
               for a, b in zip(*results, strict=True))


def timed(way: Masking, device: torch.device, dtype: torch.dtype, length: int, heads: Heads) -> float:
    """Seconds of attention forward and backward on the trial's blocks."""
    batch, begin = trial_batch(length, device), 0.0
    for round_ in range(ROUNDS + 1):
        if round_ == 1:
            _wait(device)
            begin = time.perf_counter()
        inputs = trial_inputs(device, dtype, length, heads)
        way(batch)(0, *inputs).float().square().sum().backward()
    _wait(device)
    return time.perf_counter() - begin


def trial_batch(length: int, device: torch.device) -> Batch:
    """Two blocks of two documents each."""
    cut, tokens = length // 3, torch.zeros(2, length, dtype=torch.int64, device=device)
    return Batch(tokens, tokens, (cut, length - cut, 1, length - 1), ("", ""), 0)


def trial_inputs(device: torch.device, dtype: torch.dtype, length: int, heads: Heads) -> list[torch.Tensor]:
    """Queries, keys and values for the trial's blocks, seeded."""
    random = torch.Generator().manual_seed(0)
    return [torch.randn(2, length, count, heads.width, generator=random).to(device, dtype).requires_grad_()
            for count in (heads.queries, heads.keys, heads.keys)]


def _no_bias(bias: torch.Tensor | None) -> None:
    if bias is not None:
        raise NotImplementedError("only the loop knows biases by distance")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
