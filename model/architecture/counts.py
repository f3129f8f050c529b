"""Sizes of decoders by arithmetic: parameters, FLOPs and stored activations of a shape, without building the model or torch.

Guarantee: they are those of the modules (tests/model/test_estimate.py counts both for every shape and architecture).
"""

from collections.abc import Callable
from typing import NamedTuple

from textmill.model.architecture.shapes import Shape


class Parameters(NamedTuple):
    """The parameters of a decoder by part, all layers together."""

    embedding: int
    positions: int
    attention: int      # its matrices
    mlp: int            # its matrices
    vectors: int        # norms and biases
    output: int         # 0 where it is the embedding
    frozen: int = 0     # of them all: what is not trained

    @property
    def total(self) -> int:
        return self.embedding + self.positions + self.layers + self.vectors + self.output

    @property
    def trained(self) -> int:
        return self.total - self.frozen

    @property
    def layers(self) -> int:
        """The matrices of the layers: what Muon updates."""
        return self.attention + self.mlp

    @property
    def multiplied(self) -> int:
        """What a token is multiplied with: the layers' matrices and the output's, which the embedding may be."""
        return self.layers + (self.output or self.embedding)


class Activations(NamedTuple):
    """Numbers that one layer keeps of a token for going backward: in the type of its products, and in float32.

    Of attention, which keeps no scores, these are inputs, keys and values repeated for each head of queries, and outputs.
    """

    working: int
    float32: int


class Counts(NamedTuple):
    """The arithmetic of an architecture."""

    shape: Callable[[Shape], Shape]                         # with what the architecture fixes
    parameters: Callable[[Shape, int, int], Parameters]     # of such a shape, ids of the vocabulary, tokens of a block
    activations: Callable[[Shape], Activations]


def qwen3(shape: Shape, vocabulary: int, block: int) -> Parameters:
    """Of `qwen3.Qwen3`."""
    width, queries, keys = shape.width, shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    embedding = vocabulary * width
    return Parameters(embedding, 0, shape.layers * 2 * width * (queries + keys), shape.layers * 3 * width * shape.mlp,
                      shape.layers * 2 * (width + shape.head_width) + width, 0 if shape.tied else embedding)


def qwen3_activations(shape: Shape) -> Activations:
    """Both streams and what is normed of them; projections, turned heads, repeated keys and values, outputs twice; SwiGLU."""
    queries, keys = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    repeated = 2 * queries if shape.heads > shape.kv_heads else 0
    return Activations(4 * shape.width + 4 * queries + 3 * keys + repeated + 4 * shape.mlp,
                       2 * shape.heads + shape.kv_heads + 2)


def gpt2_shape(shape: Shape) -> Shape:
    """As many heads of keys as of queries, as wide together as the stream; an MLP four times as wide; tied."""
    return shape._replace(head_width=shape.width // shape.heads, kv_heads=shape.heads, mlp=4 * shape.width, tied=True)


def gpt2(shape: Shape, vocabulary: int, block: int) -> Parameters:
    """Of `gpt2.GPT2`."""
    width = shape.width
    return Parameters(vocabulary * width, block * width, shape.layers * 4 * width * width, shape.layers * 8 * width * width,
                      (shape.layers * 13 + 2) * width, 0)


def gpt2_sinusoidal(shape: Shape, vocabulary: int, block: int) -> Parameters:
    """Of `gpt2.SinusoidalGPT2`, whose table of positions is not trained."""
    plain = gpt2(shape, vocabulary, block)
    return plain._replace(frozen=plain.positions)


def gpt2_activations(shape: Shape) -> Activations:
    """What is normed, queries, keys and values, outputs twice, the MLP before and after GELU; both streams are float32."""
    return Activations(15 * shape.width, 2 * shape.width + shape.heads + 4)


COUNTS = {
    "qwen3": Counts(lambda shape: shape, qwen3, qwen3_activations),
    "gpt2": Counts(gpt2_shape, gpt2, gpt2_activations),
    "gpt2-sinusoidal": Counts(gpt2_shape, gpt2_sinusoidal, gpt2_activations),
}


class DecoderSize:
    """The size of a decoder of this architecture (a key of COUNTS) and shape, for a vocabulary and blocks of so many tokens."""

    def __init__(self, architecture: str, shape: Shape, vocabulary: int, block: int):
        counts = COUNTS[architecture]
        self.architecture, self.vocabulary, self.block = architecture, vocabulary, block
        self.shape = counts.shape(shape)
        self.parameters = counts.parameters(self.shape, vocabulary, block)
        self.activations = counts.activations(self.shape)       # of a layer and token

    @property
    def attention_flops(self) -> int:
        """FLOPs of attention in training on a token, 12·L·d·T: d the width of all heads of queries, T the block.

        So nanoGPT and PaLM (Chowdhery et al. 2022) count it, whatever causal and document masks leave out of the block."""
        return 12 * self.shape.layers * self.shape.heads * self.shape.head_width * self.block

    @property
    def flops_per_token(self) -> int:
        """FLOPs of training on a token: 6 for each parameter that it is multiplied with, and attention's."""
        return 6 * self.parameters.multiplied + self.attention_flops

    @property
    def cache_per_token(self) -> int:
        """Numbers of the key-value cache for a token of a text."""
        return 2 * self.shape.layers * self.shape.kv_heads * self.shape.head_width
