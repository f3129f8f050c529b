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
from textmill.model.generation.key_values import Attention, KeyValues
from textmill.model.generation.products import Product
from textmill.model.generation.small_steps import LARGEST, Cached, GPT2Steps, Qwen3Steps


class Passes:
    """A decoder and the keys and values of the texts that it goes through, in `rows` counted from 0."""

    def __init__(self, decoder: Decoder):
        self.decoder, self.device = decoder, decoder.device
        _, heads, width = decoder.heads
        self.cache = KeyValues(len(decoder.decoder_layers), heads, width, decoder.context_length, decoder.window,
                               torch.float32, self.device)
        kind, steps = KINDS.get(type(decoder), (None, None))
        small = self.device.type == "cpu" and sum(weight.numel() for weight in decoder.parameters()) <= LARGEST
        with torch.inference_mode():
            self.layers = None if kind is None else kind(decoder)
            self.small = steps(decoder) if steps is not None and small else None

    @torch.inference_mode()
    def read(self, row: int, ids: Sequence[int], start: int, logits: bool = True) -> torch.Tensor | None:
        """Take ids of a row that stand from `start` on; the logits (vocabulary,) after the last of them where asked for."""
        tokens = torch.tensor(ids, device=self.device)
        if self.layers is None:
            attend = OneRow(self.cache, row, start)
            hidden = self.decoder.hidden(tokens[None], attend, start)[0, -1:]
            return F.linear(hidden, self.decoder.output())[0].float() if logits else None
        positions = torch.arange(start, start + len(ids), device=self.device)
        hidden = self.layers.hidden(tokens, positions, self.cache.reading(row, start, len(ids)))
        return self.layers.head(hidden[-1:])[0].float() if logits else None

    @torch.inference_mode()
    def step(self, ids: Sequence[int], positions: Sequence[int]) -> torch.Tensor:
        """The logits (rows, vocabulary) after one token more of each of the first rows, at these positions."""
        if self.small is not None:
            with np.errstate(over="ignore"):
                return torch.from_numpy(self.small(ids, Cached(self.cache, positions)))
        if self.layers is None:
            each = (self.read(row, [ids[row]], positions[row]) for row in range(len(ids)))
            return torch.stack([logits for logits in each if logits is not None])
        places = torch.tensor(positions, device=self.device)
        attend = self.cache.stepping(places, max(positions))
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

    def __init__(self, decoder: Any):
        self.embedding = decoder.embed_tokens.weight
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
            self.layers.append((Product(projections * before), weights[:, paired], Product(attention.o_proj.weight),
                                Product(mlp.gate_proj.weight * after), Product(mlp.up_proj.weight * after),
                                Product(mlp.down_proj.weight)))
        self.head = Product(decoder.output() * decoder.norm.weight)
        cosines, sines = decoder.rotary
        self.rotary = torch.complex(cosines[:, :half].float(), sines[:, :half].float())
        self.eps = torch.tensor(decoder.norm.eps, device=decoder.device)

    def hidden(self, tokens: torch.Tensor, positions: torch.Tensor, attend: Attention) -> torch.Tensor:
        """The last layer's output (n, width), normed but for the weights."""
        x = self.embedding[tokens]
        angles = self.rotary[positions][:, None]
        pairs = (len(x), sum(self.turned), self.width // 2, 2)
        for number, (projections, weights, output, gate, up, down) in enumerate(self.layers):
            heads, values = projections(normed(x, self.eps)).view(len(x), -1, self.width).split(self.parts, 1)
            heads = torch.view_as_complex((normed(heads, self.eps) * weights).view(pairs)) * angles
            queries, keys = torch.view_as_real(heads).flatten(2).split(self.turned, 1)
            x = output.plus(attend(number, queries, keys, values), x)
            y = normed(x, self.eps)
            x = down.plus(up.times(y, gate.silu(y)), x)
        return normed(x, self.eps)


class GPT2Layers:
    """GPT-2's layers over tokens (n,) at positions (n,)."""

    def __init__(self, decoder: Any):
        self.embedding, self.positions = decoder.wte.weight, decoder.wpe.weight
        self.layers = [(layer.ln_1, Product(layer.attn.c_attn.weight, layer.attn.c_attn.bias),
                        Product(layer.attn.c_proj.weight, layer.attn.c_proj.bias), layer.ln_2,
                        Product(layer.mlp.c_fc.weight, layer.mlp.c_fc.bias),
                        Product(layer.mlp.c_proj.weight, layer.mlp.c_proj.bias)) for layer in decoder.h]
        self.norm, self.head, self.heads = decoder.ln_f, Product(decoder.output()), decoder.heads

    def hidden(self, tokens: torch.Tensor, positions: torch.Tensor, attend: Attention) -> torch.Tensor:
        """The last layer's output (n, width), normed."""
        x = self.embedding[tokens] + self.positions[positions]
        for number, (before, projections, output, after, widen, narrow) in enumerate(self.layers):
            queries, keys, values = projections(before(x)).view(len(x), 3, self.heads.queries, -1).unbind(1)
            x = output.plus(attend(number, queries, keys, values), x)
            x = narrow.plus(widen.gelu(after(x)), x)
        return self.norm(x)


def normed(x: torch.Tensor, eps: torch.Tensor) -> torch.Tensor:
    """Numbers x over their root mean square along the last dimension, without weights."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x * torch.addcmul(eps, length, length, value=1 / x.shape[-1]).rsqrt_()


KINDS: dict[type[Decoder], tuple[Any, Any]] = {Qwen3: (Qwen3Layers, Qwen3Steps), GPT2: (GPT2Layers, GPT2Steps),
                                               SinusoidalGPT2: (GPT2Layers, GPT2Steps)}
