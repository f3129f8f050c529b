"""Steps of small models on a CPU, in NumPy.

One token of a model of a few million weights takes less time than torch takes to begin its operations: of 0.7 ms for a token of
size `ci`, 0.5 ms were that. NumPy begins one in a quarter of the time. Products go row by row, as a matrix by a vector, so a
text has the same bits alone and beside others; sums over keys do not depend on how many there are beyond a text's own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from textmill.model.generation.key_values import STEP, KeyValues

LARGEST = 16 << 20      # weights: of more than that a step is long enough for torch, which multiplies several rows at once faster

Array = np.ndarray[Any, np.dtype[Any]]


def array(tensor: torch.Tensor) -> Array:
    """The numbers of a tensor, in order."""
    result: Array = np.ascontiguousarray(tensor.detach().float().numpy())
    return result


def product(matrix: Array, x: Array) -> Array:
    """Rows of x (rows, inputs) by a matrix (outputs, inputs), each for itself."""
    result = np.empty((len(x), len(matrix)), np.float32)
    for row, numbers in zip(result, x, strict=True):
        np.dot(matrix, numbers, out=row)
    return result


def normed(x: Array, eps: float) -> Array:
    """Numbers x over their length along the last dimension; the root of its size is in the weights after it."""
    return x / np.sqrt(np.einsum("...d,...d->...", x, x) + np.float32(x.shape[-1] * eps))[..., None]


class Cached:
    """Attention of one token of each of the first rows over all before it, in the memory of `KeyValues`."""

    def __init__(self, cache: KeyValues, positions: Sequence[int]):
        self.stored = cache.stored.numpy()
        self.positions = np.array(positions)
        self.rows = np.arange(len(positions))
        self.length = -(-(max(positions) + 1) // STEP) * STEP
        distances = self.positions[:, None] - np.arange(self.length)
        allowed = distances >= 0
        if cache.window is not None:
            allowed &= distances < cache.window
        self.mask = np.where(allowed, np.float32(0), np.float32(-np.inf))[:, None, None]

    def __call__(self, layer: int, queries: Array, keys: Array, values: Array) -> Array:
        """Queries (rows, heads, width), scaled already, over the keys and values with those given."""
        stored_keys, stored_values = self.stored[layer]
        stored_keys[self.rows, :, self.positions] = keys
        stored_values[self.rows, :, self.positions] = values
        rows, heads, width = keys.shape
        grouped = queries.reshape(rows, heads, -1, width)
        scores = np.matmul(grouped, stored_keys[:rows, :, :self.length].swapaxes(2, 3))
        scores += self.mask
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        # einsum adds in one order however many zeros follow; sum() would not.
        output = np.matmul(scores, stored_values[:rows, :, :self.length]) / np.einsum("rhgl->rhg", scores)[..., None]
        return output.reshape(rows, -1)


class Qwen3Steps:
    """Qwen3, as `passes.Qwen3Layers` lays out its weights."""

    def __init__(self, decoder: Any):
        queries, keys, self.width = decoder.heads
        self.queries, self.turned = queries, queries + keys
        half, width = self.width // 2, decoder.config["hidden_size"]
        paired = torch.arange(self.width).view(2, half).T.flatten()
        self.embedding, self.eps = array(decoder.embed_tokens.weight), decoder.norm.eps
        self.layers = []
        for layer in decoder.layers:
            attention, mlp = layer.self_attn, layer.mlp
            before, after = (norm.weight * width ** 0.5 for norm in (layer.input_layernorm, layer.post_attention_layernorm))
            turned = torch.cat([attention.q_proj.weight, attention.k_proj.weight]).view(self.turned, self.width, -1)
            projections = torch.cat([turned[:, paired].flatten(0, 1), attention.v_proj.weight])
            # The scale of scores, 1 / sqrt(width), and the root that `normed` leaves to the weights cancel out for queries.
            weights = torch.cat([attention.q_norm.weight.expand(queries, -1),
                                 attention.k_norm.weight.expand(keys, -1) * self.width ** 0.5])
            gates = torch.cat([mlp.gate_proj.weight, mlp.up_proj.weight])
            self.layers.append((array(projections * before), array(weights[:, paired]), array(attention.o_proj.weight),
                                array(gates * after), array(mlp.down_proj.weight)))
        self.head = array(decoder.output() * decoder.norm.weight * width ** 0.5)
        cosines, sines = (array(table[:, :half]) for table in decoder.rotary)
        self.rotary = (cosines + 1j * sines).astype(np.complex64)

    def __call__(self, ids: Sequence[int], attend: Cached) -> Array:
        x = self.embedding[list(ids)]
        angles, cut = self.rotary[attend.positions][:, None], self.turned * self.width
        for number, (projections, weights, output, gates, down) in enumerate(self.layers):
            projected = product(projections, normed(x, self.eps))
            heads = normed(projected[:, :cut].reshape(len(x), self.turned, self.width), self.eps)
            heads *= weights
            pairs = heads.view(np.complex64)
            pairs *= angles
            values = projected[:, cut:].reshape(len(x), -1, self.width)
            x += product(output, attend(number, heads[:, :self.queries], heads[:, self.queries:], values))
            both = product(gates, normed(x, self.eps))
            gate, up = both[:, :both.shape[1] // 2], both[:, both.shape[1] // 2:]
            x += product(down, gate / (1 + np.exp(-gate)) * up)
        return product(self.head, normed(x, self.eps))


class GPT2Steps:
    """GPT-2, with learned positions or sinusoidal ones."""

    def __init__(self, decoder: Any):
        heads, _, self.width = decoder.heads
        self.embedding, self.positions, self.heads = array(decoder.wte.weight), array(decoder.wpe.weight), heads
        self.layers = [tuple(array(tensor) for module in (layer.ln_1, layer.attn.c_attn, layer.attn.c_proj, layer.ln_2,
                                                          layer.mlp.c_fc, layer.mlp.c_proj)
                             for tensor in (module.weight, module.bias)) for layer in decoder.h]
        self.norm, self.head, self.eps = (array(decoder.ln_f.weight), array(decoder.ln_f.bias)), array(decoder.output()), decoder.ln_f.eps

    def __call__(self, ids: Sequence[int], attend: Cached) -> Array:
        x = self.embedding[list(ids)] + self.positions[attend.positions]
        scale, width = np.float32(self.width ** -0.5), np.float32((2 / np.pi) ** 0.5)
        for number, layer in enumerate(self.layers):
            before, before_bias, projections, bias, output, output_bias, after, after_bias, wide, wide_bias, narrow, end = layer
            projected = product(projections, self.centred(x) * before + before_bias) + bias
            queries, keys, values = projected.reshape(len(x), 3, self.heads, self.width).swapaxes(0, 1)
            x += product(output, attend(number, queries * scale, keys, values)) + output_bias
            inner = product(wide, self.centred(x) * after + after_bias) + wide_bias
            inner *= np.float32(0.5) * (1 + np.tanh(width * (inner + np.float32(0.044715) * inner * inner * inner)))
            x += product(narrow, inner) + end
        return product(self.head, self.centred(x) * self.norm[0] + self.norm[1])

    def centred(self, x: Array) -> Array:
        """Numbers x less their mean, over their standard deviation."""
        x = x - np.einsum("rd->r", x)[:, None] / np.float32(x.shape[1])
        return x / np.sqrt(np.einsum("rd,rd->r", x, x) / np.float32(x.shape[1]) + np.float32(self.eps))[:, None]
