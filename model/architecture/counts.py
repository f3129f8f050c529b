"""Sizes of decoders by arithmetic: parameters, FLOPs and stored activations of a shape, without building the model or torch.

Guarantee: they are those of the modules (tests/model/test_estimate.py counts both for every shape and architecture).
"""

from collections.abc import Callable
from typing import NamedTuple

from textmill.model.architecture.shapes import Shape

QUERIES = 256           # computed at a time where attention goes by distance (`distance.py`)


class Parameters(NamedTuple):
    """The parameters of a decoder by part, all layers together."""

    embedding: int
    positions: int
    attention: int      # its matrices
    mlp: int            # its matrices
    vectors: int        # norms and biases
    output: int         # 0 where it is the embedding
    frozen: int = 0     # of them all: what is not trained
    routers: int = 0    # of experts
    idle: int = 0       # of `mlp`: the experts that a token does not go through

    @property
    def total(self) -> int:
        return self.embedding + self.positions + self.layers + self.vectors + self.output + self.routers

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
        return self.layers - self.idle + self.routers + (self.output or self.embedding)


class Activations(NamedTuple):
    """Numbers that one layer keeps of a token for going backward: in the type of its products, and in float32.

    Of attention, which keeps no scores but where a bias is learned, these are inputs, keys and values repeated for each head
    of queries, and outputs. Biases by distance are counted as in blocks that are one document: shorter ones keep less.
    """

    working: float
    float32: float
    masks: float = 0        # in the type of products, once for all layers


class Counts(NamedTuple):
    """The arithmetic of an architecture."""

    shape: Callable[[Shape], Shape]                         # with what the architecture fixes
    parameters: Callable[[Shape, int, int], Parameters]     # of such a shape, ids of the vocabulary, tokens of a block
    activations: Callable[[Shape, int], Activations]        # and tokens of a block


def qwen3(shape: Shape, vocabulary: int, block: int) -> Parameters:
    """Of `qwen3.Qwen3`."""
    width, queries, keys = shape.width, shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    embedding = vocabulary * width
    return Parameters(embedding, 0, shape.layers * 2 * width * (queries + keys), shape.layers * 3 * width * shape.mlp,
                      shape.layers * 2 * (width + shape.head_width) + width, 0 if shape.tied else embedding)


def qwen3_activations(shape: Shape, block: int) -> Activations:
    """Both streams and what is normed of them; projections, turned heads, repeated keys and values, outputs twice; SwiGLU."""
    queries, keys = shape.heads * shape.head_width, shape.kv_heads * shape.head_width
    repeated = 2 * queries if shape.heads > shape.kv_heads else 0
    return Activations(4 * shape.width + 4 * queries + 3 * keys + repeated + 4 * shape.mlp,
                       2 * shape.heads + shape.kv_heads + 2)


def qwen3_moe(shape: Shape, vocabulary: int, block: int) -> Parameters:
    """Of `qwen3_moe.Qwen3Moe`."""
    expert = shape.layers * 3 * shape.width * shape.expert_mlp
    return qwen3(shape, vocabulary, block)._replace(mlp=(shape.experts + shape.shared) * expert,
                                                    routers=shape.layers * shape.width * shape.experts,
                                                    idle=(shape.experts - shape.active) * expert)


def qwen3_moe_activations(shape: Shape, block: int) -> Activations:
    """Of experts, each its inputs and outputs beside what a dense block keeps; the router in float32, its choices as int64."""
    dense = qwen3_activations(shape._replace(mlp=(shape.active + shape.shared) * shape.expert_mlp), block)
    return Activations(dense.working + 2 * shape.active * shape.width,
                       dense.float32 + shape.width + shape.experts + 10 * shape.active)


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


def gpt2_relative(shape: Shape, vocabulary: int, block: int) -> Parameters:
    """Of `relative.RelativeGPT2`: 32 buckets of distances for each head."""
    return gpt2(shape, vocabulary, block)._replace(positions=32 * shape.heads)


def gpt2_alibi(shape: Shape, vocabulary: int, block: int) -> Parameters:
    """Of `alibi.AlibiGPT2`: no positions, no biases."""
    return gpt2(shape, vocabulary, block)._replace(positions=0, vectors=(2 * shape.layers + 1) * shape.width)


def gpt2_activations(shape: Shape, block: int) -> Activations:
    """What is normed, queries, keys and values, outputs twice, the MLP before and after GELU; both streams are float32."""
    return Activations(15 * shape.width, 2 * shape.width + shape.heads + 4)


def gpt2_relative_activations(shape: Shape, block: int) -> Activations:
    """With gradients of the bias torch keeps every probability, in float32, and the scaled keys."""
    plain, keys = gpt2_activations(shape, block), keys_seen(block)
    return Activations(plain.working + shape.width, plain.float32 + shape.heads * keys, 4.5 * keys)


def gpt2_alibi_activations(shape: Shape, block: int) -> Activations:
    """The penalties, once for all layers."""
    return gpt2_activations(shape, block)._replace(masks=shape.heads * keys_seen(block))


def keys_seen(block: int) -> float:
    """Keys that a query of a document as long as the block is computed with, on average, some queries at a time."""
    return (block + min(block, QUERIES)) / 2


COUNTS = {
    "qwen3": Counts(lambda shape: shape, qwen3, qwen3_activations),
    "qwen3-moe": Counts(lambda shape: shape, qwen3_moe, qwen3_moe_activations),
    "gpt2": Counts(gpt2_shape, gpt2, gpt2_activations),
    "gpt2-sinusoidal": Counts(gpt2_shape, gpt2_sinusoidal, gpt2_activations),
    "gpt2-relative": Counts(gpt2_shape, gpt2_relative, gpt2_relative_activations),
    "gpt2-alibi": Counts(gpt2_shape, gpt2_alibi, gpt2_alibi_activations),
}


class DecoderSize:
    """The size of a decoder of this architecture (a key of COUNTS) and shape, for a vocabulary and blocks of so many tokens."""

    def __init__(self, architecture: str, shape: Shape, vocabulary: int, block: int):
        counts = COUNTS[architecture]
        self.architecture, self.vocabulary, self.block = architecture, vocabulary, block
        self.shape = counts.shape(shape)
        self.parameters = counts.parameters(self.shape, vocabulary, block)
        self.activations = counts.activations(self.shape, block)       # of a layer and token

    @property
    def attention_flops(self) -> int:
        """FLOPs of attention in training on a token, 12·L·d·T: d the width of all heads of queries, T the block.

        So nanoGPT and PaLM (Chowdhery et al. 2022) count it, whatever causal and document masks leave out of the block. With a
        sliding window T is the window."""
        seen = min(self.block, self.shape.window or self.block)
        return 12 * self.shape.layers * self.shape.heads * self.shape.head_width * seen

    @property
    def flops_per_token(self) -> int:
        """FLOPs of training on a token: 6 for each parameter that it is multiplied with, and attention's."""
        return 6 * self.parameters.multiplied + self.attention_flops

    @property
    def cache_per_token(self) -> int:
        """Numbers of the key-value cache for a token of a text."""
        return 2 * self.shape.layers * self.shape.kv_heads * self.shape.head_width
