"""Passes of a decoder for generation: reading a prompt, and one step of several texts.

Qwen3 and GPT-2 have passes of their own over reordered weights: queries, keys and values by one product, the norms' weights in
the matrices after them, residuals, gates and activations inside the products. Every other architecture takes its own
`hidden`, a text after the other. Either way a text gets the same bits alone and beside others, on a CPU.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F

from textmill.model.architecture.decoder import Decoder
from textmill.model.architecture.gpt2 import GPT2, SinusoidalGPT2
from textmill.model.architecture.qwen3 import Qwen3
from textmill.model.generation.key_values import Attention, KeyValues, padded
from textmill.model.generation.products import Product
from textmill.model.generation.recorded_step import RecordedStep
from textmill.model.generation.small_steps import LARGEST, Cached, GPT2Steps, Qwen3Steps

SIXTEEN = 16


class Passes:
    """A decoder and the keys and values of the texts that it goes through, in `rows` counted from 0."""

    def __init__(self, decoder: Decoder, rows: int = 1, dtype: torch.dtype | None = None):
        """For up to `rows` texts where that has to be known before: on CUDA. `dtype`: float32 on a CPU, bfloat16 on CUDA."""
        self.decoder, self.device = decoder, decoder.device
        cuda = self.device.type == "cuda"
        kind, steps = KINDS.get(type(decoder), (None, None))
        if dtype is None or kind is None:
            dtype = torch.bfloat16 if cuda and kind is not None else torch.float32
        _, heads, width = decoder.heads
        self.cache = KeyValues(len(decoder.decoder_layers), heads, width, decoder.context_length, decoder.window, dtype,
                               self.device)
        small = not cuda and dtype == torch.float32 and sum(weight.numel() for weight in decoder.parameters()) <= LARGEST
        with torch.inference_mode():
            self.layers = None if kind is None else kind(decoder, dtype)
            self.small = steps(decoder) if steps is not None and small and self.device.type == "cpu" else None
            self.recorded = RecordedStep(self.layers, self.cache, rows) if cuda and self.layers is not None else None

    @torch.inference_mode()
    def read(self, row: int, ids: Sequence[int], start: int, logits: bool = True) -> torch.Tensor | None:
        """Take ids of a row that stand from `start` on; the logits (vocabulary,) after the last of them where asked for."""
        if self.layers is None:
            attend = OneRow(self.cache, row, start)
            hidden = self.decoder.hidden(torch.tensor(ids, device=self.device)[None], attend, start)[0, -1:]
            return F.linear(hidden, self.decoder.output())[0].float() if logits else None
        # In whole sixteens: oneDNN needs milliseconds to prepare for a new number of rows. Nothing before sees what is added.
        count = -(-len(ids) // SIXTEEN) * SIXTEEN
        self.cache.reserve(row + 1, start + count)
        tokens = torch.tensor([*ids, *[0] * (count - len(ids))], device=self.device)
        positions = torch.arange(start, start + count, device=self.device).clamp_(max=self.decoder.context_length - 1)
        hidden = self.layers.hidden(tokens, positions, self.cache.reading(row, start, count))
        return self.layers.head(hidden[len(ids) - 1:len(ids)])[0].float() if logits else None

    @torch.inference_mode()
    def step(self, ids: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """The logits (rows, vocabulary) after one token more of each of the first rows, at these positions."""
        if self.small is not None:
            with np.errstate(over="ignore"):
                return torch.from_numpy(self.small(ids, Cached(self.cache, positions)))
        if self.recorded is not None:
            return self.recorded(ids, positions)
        if self.layers is None:
            each = (self.read(row, [ids[row]], positions[row]) for row in range(len(ids)))
            return torch.stack([logits for logits in each if logits is not None])
        places = torch.tensor(positions, device=self.device)
        attend = self.cache.stepping(places, padded(max(positions) + 1))
        return self.layers.head(self.layers.hidden(torch.tensor(ids, device=self.device), places, attend)).float()


class OneRow:
    """Attention of one row as a decoder's own layers call it; takes the place of `Attend`."""

    def __init__(self, cache: KeyValues, row: int, start: int):
        self.cache, self.row, self.start = cache, row, start

    def __call__(self, layer: int, queries: torch.Tensor, keys: torch.Tensor, values: torch.Tensor,
                 bias: torch.Tensor | None = None) -> torch.Tensor:
        attend = self.cache.reading(self.row, self.start, queries.shape[1], bias)
        return attend(layer, queries[0], keys[0], values[0]).view(queries.shape)


class Qwen3Layers:
    """Qwen3's layers over tokens (n,) at positions (n,).

    The two numbers that rotary positions turn together stand side by side in a head, so that turning is one complex product."""

    def __init__(self, decoder: Any, dtype: torch.dtype):
        self.embedding = decoder.embed_tokens.weight.to(dtype)
        queries, keys, self.width = decoder.heads
        self.parts = [queries + keys, keys]
        self.turned = [queries, keys]
        half = self.width // 2
        paired = torch.arange(self.width, device=decoder.device).view(2, half).T.flatten()
        self.layers = []
        for layer in decoder.layers:
            attention, mlp = layer.self_attn, layer.mlp
            before, after = layer.input_layernorm.weight, layer.post_attention_layernorm.weight
            turned = torch.cat([attention.q_proj.weight, attention.k_proj.weight]).view(queries + keys, self.width, -1)
            projections = torch.cat([turned[:, paired].flatten(0, 1), attention.v_proj.weight])
            weights = torch.cat([attention.q_norm.weight.expand(queries, -1), attention.k_norm.weight.expand(keys, -1)])
            products = (projections * before, attention.o_proj.weight, mlp.gate_proj.weight * after,
                        mlp.up_proj.weight * after, mlp.down_proj.weight)
            self.layers.append((weights[:, paired], [Product(weight, dtype=dtype) for weight in products]))
        self.head = Product(decoder.output() * decoder.norm.weight, dtype=dtype)
        cosines, sines = decoder.rotary
        self.rotary = torch.complex(cosines[:, :half].float(), sines[:, :half].float())
        self.eps = torch.tensor(decoder.norm.eps, device=decoder.device)

    def hidden(self, tokens: torch.Tensor, positions: torch.Tensor, attend: Attention) -> torch.Tensor:
        """The last layer's output (n, width), normed but for the weights."""
        x = self.embedding[tokens]
        angles = self.rotary[positions][:, None]
        pairs = (len(x), sum(self.turned), self.width // 2, 2)
        for number, (weights, (projections, output, gate, up, down)) in enumerate(self.layers):
            heads, values = projections(normed(x, self.eps)).view(len(x), -1, self.width).split(self.parts, 1)
            heads = torch.view_as_complex((normed(heads, self.eps) * weights).float().view(pairs)) * angles
            queries, keys = torch.view_as_real(heads).flatten(2).to(x.dtype).split(self.turned, 1)
            x = output.plus(attend(number, queries, keys, values), x)
            y = normed(x, self.eps)
            x = down.plus(up.times(y, gate.silu(y)), x)
        return normed(x, self.eps)


class GPT2Layers:
    """GPT-2's layers over tokens (n,) at positions (n,)."""

    def __init__(self, decoder: Any, dtype: torch.dtype):
        self.embedding, self.positions = decoder.wte.weight.to(dtype), decoder.wpe.weight.to(dtype)
        self.layers = []
        for layer in decoder.h:
            products = (layer.attn.c_attn, layer.attn.c_proj, layer.mlp.c_fc, layer.mlp.c_proj)
            self.layers.append((layer.ln_1, layer.ln_2, [Product(each.weight, each.bias, dtype) for each in products]))
        self.norm, self.head, self.heads = decoder.ln_f, Product(decoder.output(), dtype=dtype), decoder.heads

    def hidden(self, tokens: torch.Tensor, positions: torch.Tensor, attend: Attention) -> torch.Tensor:
        """The last layer's output (n, width), normed."""
        x = self.embedding[tokens] + self.positions[positions]
        for number, (before, after, (projections, output, widen, narrow)) in enumerate(self.layers):
            queries, keys, values = projections(layer_norm(x, before)).view(len(x), 3, self.heads.queries, -1).unbind(1)
            x = output.plus(attend(number, queries, keys, values), x)
            x = narrow.plus(widen.gelu(layer_norm(x, after)), x)
        return layer_norm(x, self.norm)


def normed(x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """Numbers x over their root mean square along the last dimension, without weights, computed in float32."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True, dtype=torch.float32)
    return (x * torch.addcmul(eps, length, length, value=1 / x.shape[-1]).rsqrt_()).to(x.dtype)


def layer_norm(x: torch.Tensor, norm: torch.nn.LayerNorm) -> torch.Tensor:
    """A LayerNorm of the decoder, computed in float32."""
    return F.layer_norm(x.float(), norm.normalized_shape, norm.weight, norm.bias, norm.eps).to(x.dtype)


KINDS: dict[type[Decoder], tuple[Any, Any]] = {Qwen3: (Qwen3Layers, Qwen3Steps), GPT2: (GPT2Layers, GPT2Steps),
                                               SinusoidalGPT2: (GPT2Layers, GPT2Steps)}
