"""The bundled decoder: Qwen3's architecture, so that a trained model is a `Qwen3ForCausalLM` as it stands.

Pre-RMSNorm (eps 1e-6), RMSNorm over each head's queries and keys, rotary positions (halves rotated, as in transformers),
grouped queries, SwiGLU, no biases. Positions count from the start of the block: rotary attention depends on distances
only, so restarting them at each document would change nothing. Modules carry the names they have in transformers.
"""

from abc import abstractmethod
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.utils.checkpoint import checkpoint

from textmill.model.architecture.attention import Attend
from textmill.model.data.blocks import NO_TARGET

LOGITS = 1 << 23        # logits held at a time, 32 MiB as float32; beyond, they are computed once more going backward
STD = 0.02              # of the initial weights (GPT-2)


class Decoder(nn.Module):
    """What both architectures share: from token ids to logits, or to the loss at each position."""

    def __init__(self, config: dict[str, Any]):
        super().__init__()
        self.config = config        # in the form of transformers, `model/architecture/shapes.py`

    @abstractmethod
    def hidden(self, tokens: torch.Tensor, attend: Attend, start: int = 0) -> torch.Tensor:
        """The last layer's output (rows, length, width), normed; tokens (rows, length) stand from position `start` on."""

    @abstractmethod
    def output(self) -> torch.Tensor:
        """The matrix (vocabulary, width) that turns hidden states into logits."""

    @abstractmethod
    def published(self) -> dict[str, torch.Tensor]:
        """The weights under the names and in the layout of transformers."""

    def logits(self, tokens: torch.Tensor, attend: Attend, start: int = 0) -> torch.Tensor:
        """(rows, length, vocabulary), float32."""
        return F.linear(self.hidden(tokens, attend, start), self.output()).float()

    def forward(self, tokens: torch.Tensor, targets: torch.Tensor, attend: Attend) -> torch.Tensor:
        """Nats of each target, float32 (rows, length); 0 where there is no target."""
        hidden, wanted = self.hidden(tokens, attend).flatten(0, 1), targets.flatten()
        rows = max(1, LOGITS // len(self.output()))
        if len(hidden) <= rows:
            return _nats(hidden, self.output(), wanted).view(targets.shape)
        parts = [checkpoint(_nats, part, self.output(), aim, use_reentrant=False)
                 for part, aim in zip(hidden.split(rows), wanted.split(rows), strict=True)]
        return torch.cat(parts).view(targets.shape)

    def initialise(self, seed: int) -> None:
        """Seeded weights: normal, and zero where a layer adds to the residual stream, so that it starts as the identity."""
        random = torch.Generator().manual_seed(seed)
        with torch.no_grad():
            for name, weight in self.named_parameters():
                if weight.dim() < 2 or not weight.requires_grad:
                    continue
                if name.endswith(("o_proj.weight", "down_proj.weight", "c_proj.weight")):
                    weight.zero_()
                else:
                    weight.normal_(0, STD, generator=random)


def _nats(hidden: torch.Tensor, head: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return F.cross_entropy(F.linear(hidden, head).float(), targets, ignore_index=NO_TARGET, reduction="none")


class Qwen3(Decoder):
    """Yang et al. 2025, "Qwen3 Technical Report", dense."""

    rotary: torch.Tensor

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        width = config["hidden_size"]
        self.embed_tokens = nn.Embedding(config["vocab_size"], width)
        self.layers = nn.ModuleList(Qwen3Layer(config, layer) for layer in range(config["num_hidden_layers"]))
        self.norm = RMSNorm(width, eps=config["rms_norm_eps"])
        self.lm_head = None if config["tie_word_embeddings"] else nn.Linear(width, config["vocab_size"], bias=False)
        table = rotary(config["max_position_embeddings"], config["head_dim"], config["rope_theta"])
        self.register_buffer("rotary", table, persistent=False)

    def hidden(self, tokens: torch.Tensor, attend: Attend, start: int = 0) -> torch.Tensor:
        x = self.embed_tokens(tokens)
        positions = self.rotary[:, start:start + tokens.shape[1], None]
        for layer in self.layers:
            x = layer(x, positions, attend)
        return self.norm(x)

    def output(self) -> torch.Tensor:
        return self.embed_tokens.weight if self.lm_head is None else self.lm_head.weight

    def published(self) -> dict[str, torch.Tensor]:
        return {name if name.startswith("lm_head.") else f"model.{name}": weight
                for name, weight in self.state_dict().items()}


class Qwen3Layer(nn.Module):
    """Attention, then the gated MLP, each added to the stream."""

    def __init__(self, config: dict[str, Any], layer: int):
        super().__init__()
        width, eps = config["hidden_size"], config["rms_norm_eps"]
        self.input_layernorm = RMSNorm(width, eps=eps)
        self.self_attn = Qwen3Attention(config, layer)
        self.post_attention_layernorm = RMSNorm(width, eps=eps)
        self.mlp = Qwen3MLP(width, config["intermediate_size"])

    def forward(self, x: torch.Tensor, positions: torch.Tensor, attend: Attend) -> torch.Tensor:
        x = x + self.self_attn(self.input_layernorm(x), positions, attend)
        return x + self.mlp(self.post_attention_layernorm(x))


class Qwen3Attention(nn.Module):
    def __init__(self, config: dict[str, Any], layer: int):
        super().__init__()
        self.layer, self.head_width = layer, config["head_dim"]
        width, eps = config["hidden_size"], config["rms_norm_eps"]
        queries = config["num_attention_heads"] * self.head_width
        keys = config["num_key_value_heads"] * self.head_width
        self.q_proj = nn.Linear(width, queries, bias=False)
        self.k_proj = nn.Linear(width, keys, bias=False)
        self.v_proj = nn.Linear(width, keys, bias=False)
        self.o_proj = nn.Linear(queries, width, bias=False)
        self.q_norm = RMSNorm(self.head_width, eps=eps)
        self.k_norm = RMSNorm(self.head_width, eps=eps)

    def forward(self, x: torch.Tensor, positions: torch.Tensor, attend: Attend) -> torch.Tensor:
        queries, keys, values = (project(x).unflatten(-1, (-1, self.head_width))
                                 for project in (self.q_proj, self.k_proj, self.v_proj))
        queries = rotate(self.q_norm(queries), positions).to(values.dtype)      # norms leave autocast as float32
        keys = rotate(self.k_norm(keys), positions).to(values.dtype)
        return self.o_proj(attend(self.layer, queries, keys, values).flatten(-2))


class Qwen3MLP(nn.Module):
    def __init__(self, width: int, inner: int):
        super().__init__()
        self.gate_proj = nn.Linear(width, inner, bias=False)
        self.up_proj = nn.Linear(width, inner, bias=False)
        self.down_proj = nn.Linear(inner, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class RMSNorm(nn.RMSNorm):
    """In float32, whatever autocast gives: an input of another type than the weight leaves the fused kernel."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.rms_norm(x.float(), self.normalized_shape, self.weight, self.eps)


def rotary(length: int, head_width: int, theta: float) -> torch.Tensor:
    """Cosines and sines (2, length, head width) of Su et al. 2021, each frequency standing in both halves."""
    frequencies = theta ** -(torch.arange(0, head_width, 2, dtype=torch.int64).float() / head_width)
    angles = torch.outer(torch.arange(length).float(), frequencies).repeat(1, 2)
    return torch.stack([angles.cos(), angles.sin()])


def rotate(x: torch.Tensor, positions: torch.Tensor) -> torch.Tensor:
    """Heads (rows, length, heads, width) turned by their positions (2, length, 1, width)."""
    first, second = x.chunk(2, dim=-1)
    return x * positions[0] + torch.cat([-second, first], dim=-1) * positions[1]
