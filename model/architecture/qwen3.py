"""Qwen3: the bundled architecture, so that a trained model is a `Qwen3ForCausalLM` as it stands.

Pre-RMSNorm (eps 1e-6), RMSNorm over each head's queries and keys, rotary positions (halves rotated, as in transformers),
grouped queries, SwiGLU, no biases. Positions count from the start of the block: rotary attention depends on distances
only, so restarting them at each document would change nothing. Modules carry the names they have in transformers.
"""

from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from textmill.model.architecture.attention import Attend, Heads
from textmill.model.architecture.decoder import STD, Decoder
from textmill.model.architecture.float8 import Float8Linear, product
from textmill.model.architecture.norm import RMSNorm, rotary_norm
from textmill.model.architecture.shapes import Shape
from textmill.model.device import working_type

THETA = 100_000.0       # base of the rotary positions: nanochat's, tuned for blocks of 2k to 8k tokens


class Qwen3(Decoder):
    """Yang et al. 2025, "Qwen3 Technical Report", dense."""

    SIGNATURE: ClassVar[dict[str, str]] = {"model_type": "qwen3"}
    LAYERS, CONTEXT = "num_hidden_layers", "max_position_embeddings"
    RESIDUAL = ("o_proj.weight", "down_proj.weight")

    rotary: torch.Tensor

    @classmethod
    def configuration(cls, shape: Shape, vocab_size: int, context_length: int, end_of_text: int) -> dict[str, Any]:
        return cls.SIGNATURE | {
            "architectures": ["Qwen3ForCausalLM"], "torch_dtype": "float32", "initializer_range": STD,
            "vocab_size": vocab_size, "bos_token_id": end_of_text, "eos_token_id": end_of_text,
            "hidden_size": shape.width, "num_hidden_layers": shape.layers, "intermediate_size": shape.mlp,
            "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_width,
            "max_position_embeddings": context_length, "rope_theta": THETA, "rms_norm_eps": 1e-6, "hidden_act": "silu",
            "attention_bias": False, "attention_dropout": 0.0,
            "use_sliding_window": shape.window is not None, "tie_word_embeddings": shape.tied,
        } | ({} if shape.window is None else {"sliding_window": shape.window, "max_window_layers": 0})

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        width = config["hidden_size"]
        self.embed_tokens = nn.Embedding(config["vocab_size"], width)
        self.layers = nn.ModuleList(Qwen3Layer(config, layer, self.feed_forward(config))
                                    for layer in range(config["num_hidden_layers"]))
        self.norm = RMSNorm(width, eps=config["rms_norm_eps"])
        self.lm_head = None if config["tie_word_embeddings"] else nn.Linear(width, config["vocab_size"], bias=False)
        table = rotary(config["max_position_embeddings"], config["head_dim"], config["rope_theta"])
        self.register_buffer("rotary", table, persistent=False)

    @staticmethod
    def feed_forward(config: dict[str, Any]) -> nn.Module:
        """The feed-forward block of a layer."""
        return Qwen3MLP(config["hidden_size"], config["intermediate_size"])

    @property
    def decoder_layers(self) -> nn.ModuleList:
        return self.layers

    @property
    def context_length(self) -> int:
        return int(self.config["max_position_embeddings"])

    @property
    def heads(self) -> Heads:
        return Heads(self.config["num_attention_heads"], self.config["num_key_value_heads"], self.config["head_dim"])

    def hidden(self, tokens: torch.Tensor, attend: Attend, start: int = 0) -> torch.Tensor:
        x = self.embed_tokens(tokens)
        x = x.to(working_type(x))               # the residual stream is as wide as what is added to it
        positions = self.rotary[:, start:start + tokens.shape[1], None]
        for layer in self.layers:
            x = self.through(layer, x, positions, attend)
        return self.norm(x)

    def output(self) -> torch.Tensor:
        return self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def published(self) -> dict[str, torch.Tensor]:
        return {name if name.startswith("lm_head.") else f"model.{name}": weight
                for name, weight in self.state_dict().items()}


class Qwen3Layer(nn.Module):
    """Attention, then the gated MLP, each added to the stream."""

    def __init__(self, config: dict[str, Any], layer: int, feed_forward: nn.Module):
        super().__init__()
        width, eps = config["hidden_size"], config["rms_norm_eps"]
        self.input_layernorm = RMSNorm(width, eps=eps)
        self.self_attn = Qwen3Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(width, eps=eps)
        self.mlp = feed_forward

    def forward(self, x: torch.Tensor, positions: torch.Tensor, attend: Attend) -> torch.Tensor:
        x = x + self.self_attn(self.input_layernorm(x), positions, attend)
        return x + self.mlp(self.post_attention_layernorm(x))


class Qwen3Attention(nn.Module):
    """Grouped-query attention with rotary positions and RMSNorm on every head's queries and keys."""

    def __init__(self, config: dict[str, Any], layer: int):
        super().__init__()
        self.layer, self.head_width = layer, config["head_dim"]
        width, eps = config["hidden_size"], config["rms_norm_eps"]
        self.queries, self.keys = config["num_attention_heads"], config["num_key_value_heads"]
        queries, keys = self.queries * self.head_width, self.keys * self.head_width
        self.q_proj = nn.Linear(width, queries, bias=False)
        self.k_proj = nn.Linear(width, keys, bias=False)
        self.v_proj = nn.Linear(width, keys, bias=False)
        self.o_proj = nn.Linear(queries, width, bias=False)
        self.q_norm = RMSNorm(self.head_width, eps=eps)
        self.k_norm = RMSNorm(self.head_width, eps=eps)

    def forward(self, x: torch.Tensor, positions: torch.Tensor, attend: Attend) -> torch.Tensor:
        projected = join(x, self.q_proj, self.k_proj, self.v_proj).unflatten(-1, (-1, self.head_width))
        turned, values = projected.split([self.queries + self.keys, self.keys], dim=-2)
        weights = torch.cat([self.q_norm.weight.expand(self.queries, -1), self.k_norm.weight.expand(self.keys, -1)])
        queries, keys = rotary_norm(turned, weights, positions, self.q_norm.eps).split([self.queries, self.keys], dim=-2)
        return self.o_proj(attend(self.layer, queries, keys, values).flatten(-2))


class Qwen3MLP(nn.Module):
    """SwiGLU feed-forward block, without biases."""

    def __init__(self, width: int, inner: int):
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        gate, up = join(x, self.gate_proj, self.up_proj).chunk(2, dim=-1)
        return self.down_proj(F.silu(gate) * up)


def join(x: torch.Tensor, *projections: nn.Linear) -> torch.Tensor:
    """The outputs of several projections of x, side by side: in training as one product, decoding without copies of weights."""
    if not torch.is_grad_enabled():
        return torch.cat([project(x) for project in projections], dim=-1)
    weights = torch.cat([project.weight.to(working_type(x)) for project in projections])
    return product(x, weights) if isinstance(projections[0], Float8Linear) else F.linear(x, weights)


def rotary(length: int, head_width: int, theta: float) -> torch.Tensor:
    """Cosines and sines (2, length, head width) of Su et al. 2021, each frequency standing in both halves."""
    frequencies = theta ** -(torch.arange(0, head_width, 2, dtype=torch.int64).float() / head_width)
    angles = torch.outer(torch.arange(length).float(), frequencies).repeat(1, 2)
    return torch.stack([angles.cos(), angles.sin()])

