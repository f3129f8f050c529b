"""Steps of small models on a CPU, in NumPy.

One token of a model of a few million weights takes less time than torch takes to begin its operations: of 0.7 ms for a token of
size `ci`, 0.5 ms were that. NumPy begins one in a quarter of the time. Products go row by row, as a matrix by a vector, so a
text has the same bits alone and beside others; no sum over keys depends on how many there are beyond a text's own.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from textmill.model.generation.key_values import KeyValues, padded

LARGEST = 16 << 20      # weights: in a model of more, several rows at once matter more, which torch multiplies faster
BLOCK = 512 << 10       # bytes

Array = np.ndarray[Any, np.dtype[Any]]


def array(tensor: torch.Tensor) -> Array:
    """The numbers of a tensor, in order."""
    result: Array = np.ascontiguousarray(tensor.detach().float().numpy())
    return result


class Matrix:
    """A matrix (outputs, inputs) in blocks that fit a core's cache, each of which all rows go through in turn."""

    def __init__(self, weight: torch.Tensor):
        numbers = array(weight)
        self.outputs, size = len(numbers), max(16, BLOCK // (4 * numbers.shape[1]) // 16 * 16)
        self.blocks = [(slice(start, start + size), numbers[start:start + size]) for start in range(0, self.outputs, size)]

    def __call__(self, x: Array) -> Array:
        """The products of rows x (rows, inputs), each by itself."""
        result = np.empty((len(x), self.outputs), np.float32)
        for part, block in self.blocks:
            for row, numbers in zip(result, x, strict=True):
                np.dot(block, numbers, out=row[part])
        return result


def normed(x: Array, eps: np.float32) -> Array:
    """Numbers x over their length along the last dimension; the root of its size is in the weights after it."""
    result: Array = x / np.sqrt(np.vecdot(x, x) + eps)[..., None]
    return result


class Cached:
    """Attention of one token of each of the first rows over all before it, in the memory of `KeyValues`."""

    def __init__(self, cache: KeyValues, positions: Sequence[int]):
        self.positions = np.array(positions)
        self.rows, self.length = np.arange(len(positions)), padded(max(positions) + 1)
        self.mask = cache.mask(positions, self.length).numpy()
        self.stored = cache.stored.numpy()

    def __call__(self, layer: int, queries: Array, keys: Array, values: Array) -> Array:
        """Queries, scaled, keys and values (rows, heads, width) of the tokens; the heads' outputs (rows, heads x width)."""
        stored = self.stored[layer]
        stored[0, self.rows, :, self.positions], stored[1, self.rows, :, self.positions] = keys, values
        rows, heads, width = keys.shape
        seen = stored[:, :rows, :, :self.length]
        scores = np.matmul(queries.reshape(rows, heads, -1, width), seen[0].swapaxes(2, 3))
        scores += self.mask
        scores -= scores.max(-1, keepdims=True)
        np.exp(scores, out=scores)
        # einsum adds in one order however many zeros follow; sum() would not.
        output = np.matmul(scores, seen[1]) / np.einsum("rhgl->rhg", scores)[..., None]
        return output.reshape(rows, -1)


class Qwen3Steps:
    """Qwen3, as `passes.Qwen3Layers` lays out its weights."""

    def __init__(self, decoder: Any):
        queries, keys, self.width = decoder.heads
        self.queries, self.turned = queries, queries + keys
        half, width = self.width // 2, decoder.config["hidden_size"]
        paired = torch.arange(self.width).view(2, half).T.flatten()
        self.embedding = array(decoder.embed_tokens.weight)
        self.eps, self.of_heads = (np.float32(size * decoder.norm.eps) for size in (width, self.width))
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
            self.layers.append((Matrix(projections * before), array(weights[:, paired]), Matrix(attention.o_proj.weight),
                                Matrix(gates * after), Matrix(mlp.down_proj.weight)))
        self.head = Matrix(decoder.output() * decoder.norm.weight * width ** 0.5)
        cosines, sines = (array(table[:, :half]) for table in decoder.rotary)
        self.rotary = (cosines + 1j * sines).astype(np.complex64)

    def __call__(self, ids: Sequence[int], attend: Cached) -> Array:
        x = self.embedding[list(ids)]
        angles, cut = self.rotary[attend.positions][:, None], self.turned * self.width
        for number, (projections, weights, output, gates, down) in enumerate(self.layers):
            projected = projections(normed(x, self.eps))
            heads = normed(projected[:, :cut].reshape(len(x), self.turned, self.width), self.of_heads)
            heads *= weights
            pairs = heads.view(np.complex64)
            pairs *= angles
            values = projected[:, cut:].reshape(len(x), -1, self.width)
            x += output(attend(number, heads[:, :self.queries], heads[:, self.queries:], values))
            both = gates(normed(x, self.eps))
            gate, up = both[:, :both.shape[1] // 2], both[:, both.shape[1] // 2:]
            x += down(gate / (1 + np.exp(-gate)) * up)
        return self.head(normed(x, self.eps))


class GPT2Steps:
    """GPT-2, with learned positions or sinusoidal ones."""

    def __init__(self, decoder: Any):
        heads, _, self.width = decoder.heads
        self.embedding, self.positions, self.heads = array(decoder.wte.weight), array(decoder.wpe.weight), heads
        self.layers = []
        for layer in decoder.h:
            norms = (layer.ln_1.weight, layer.ln_1.bias, layer.ln_2.weight, layer.ln_2.bias)
            products = (layer.attn.c_attn, layer.attn.c_proj, layer.mlp.c_fc, layer.mlp.c_proj)
            self.layers.append(([array(tensor) for tensor in norms],
                                [(Matrix(module.weight), array(module.bias)) for module in products]))
        self.norm, self.bias, self.head = array(decoder.ln_f.weight), array(decoder.ln_f.bias), Matrix(decoder.output())
        self.eps = np.float32(decoder.ln_f.eps * decoder.config["n_embd"])
        self.root = np.float32(decoder.config["n_embd"] ** 0.5)

    def __call__(self, ids: Sequence[int], attend: Cached) -> Array:
        x = self.embedding[list(ids)] + self.positions[attend.positions]
        slope, scale = np.float32((2 / np.pi) ** 0.5), np.float32(self.width ** -0.5)
        for number, ((before, before_bias, after, after_bias), products) in enumerate(self.layers):
            (projections, bias), (output, output_bias), (wide, wide_bias), (narrow, end) = products
            projected = projections(self.centred(x) * before + before_bias) + bias
            queries, keys, values = projected.reshape(len(x), 3, self.heads, self.width).swapaxes(0, 1)
            x += output(attend(number, queries * scale, keys, values)) + output_bias
            inner = wide(self.centred(x) * after + after_bias) + wide_bias
            inner *= np.float32(0.5) * (1 + np.tanh(slope * (inner + np.float32(0.044715) * inner * inner * inner)))
            x += narrow(inner) + end
        return self.head(self.centred(x) * self.norm + self.bias)

    def centred(self, x: Array) -> Array:
        """Numbers x less their mean, over their standard deviation."""
        x = x - x.mean(-1, keepdims=True)
        return normed(x, self.eps) * self.root
