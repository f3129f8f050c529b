"""GPT-2: LayerNorm before each part, learned or sinusoidal positions, GELU, tied output, biases.

A trained model is a `GPT2LMHeadModel`; a sinusoidal table (Vaswani et al. 2017) is written where the learned one stands
and is not trained. Modules carry the names they have in transformers, where the four matrices are stored transposed.
"""

from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from textmill.model.architecture.attention import Attend, Heads
from textmill.model.architecture.decoder import STD, Decoder
from textmill.model.architecture.shapes import Shape

TRANSPOSED = ("c_attn.weight", "c_proj.weight", "c_fc.weight")


class GPT2(Decoder):
    """Radford et al. 2019. Of a Shape it leaves `kv_heads`, `mlp` and `tied` unread: they are fixed."""

    SIGNATURE: ClassVar[dict[str, str]] = {"model_type": "gpt2", "positions": "learned"}
    LAYERS, CONTEXT = "n_layer", "n_positions"
    RESIDUAL = ("c_proj.weight",)

    @classmethod
    def configuration(cls, shape: Shape, vocab_size: int, context_length: int, end_of_text: int) -> dict[str, Any]:
        return cls.SIGNATURE | {
            "architectures": ["GPT2LMHeadModel"], "torch_dtype": "float32", "initializer_range": STD,
            "vocab_size": vocab_size, "bos_token_id": end_of_text, "eos_token_id": end_of_text,
            "n_embd": shape.width, "n_layer": shape.layers, "n_head": shape.heads, "n_inner": None,
            "n_positions": context_length, "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
            "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0, "tie_word_embeddings": True,
        } | ({} if shape.window is None else {"use_sliding_window": True, "sliding_window": shape.window})

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        width = config["n_embd"]
        self.wte = nn.Embedding(config["vocab_size"], width)
        self.add_positions(config)
        self.h = nn.ModuleList(GPT2Layer(config, layer) for layer in range(config["n_layer"]))
        self.ln_f = nn.LayerNorm(width, eps=config["layer_norm_epsilon"])

    def add_positions(self, config: dict[str, Any]) -> None:
        """Set up what tells positions: here a table that is added to the token embeddings."""
        self.wpe = nn.Embedding(config["n_positions"], config["n_embd"])

    @property
    def decoder_layers(self) -> nn.ModuleList:
        return self.h

    @property
    def context_length(self) -> int:
        return int(self.config["n_positions"])

    @property
    def heads(self) -> Heads:
        heads = self.config["n_head"]
        return Heads(heads, heads, self.config["n_embd"] // heads)

    def hidden(self, tokens: torch.Tensor, attend: Attend, start: int = 0) -> torch.Tensor:
        return self.through_layers(self.wte(tokens) + self.wpe.weight[start:start + tokens.shape[1]], attend)

    def through_layers(self, x: torch.Tensor, attend: Attend) -> torch.Tensor:
        """The last layer's output, normed, for embeddings (rows, length, width)."""
        for layer in self.h:
            x = self.through(layer, x, attend)
        return self.ln_f(x)

    def output(self) -> torch.Tensor:
        return self.wte.weight

    def published(self) -> dict[str, torch.Tensor]:
        return {f"transformer.{name}": weight.T.contiguous() if name.endswith(TRANSPOSED) else weight
                for name, weight in self.state_dict().items()}

    def not_exportable(self) -> str | None:
        return None if self.window is None else "transformers' GPT-2 has no sliding window"


class SinusoidalGPT2(GPT2):
    """GPT-2 with a fixed position table instead of a learned one."""

    SIGNATURE: ClassVar[dict[str, str]] = {"model_type": "gpt2", "positions": "sinusoidal"}

    def add_positions(self, config: dict[str, Any]) -> None:
        self.wpe = nn.Embedding.from_pretrained(sinusoids(config["n_positions"], config["n_embd"]), freeze=True)


class GPT2Layer(nn.Module):
    """Attention, then the MLP, each added to the stream."""

    def __init__(self, config: dict[str, Any], layer: int):
        super().__init__()
        width, eps = config["n_embd"], config["layer_norm_epsilon"]
        self.ln_1 = nn.LayerNorm(width, eps=eps)
        self.attn = GPT2Attention(width, config["n_head"], layer)
        self.ln_2 = nn.LayerNorm(width, eps=eps)
        self.mlp = GPT2MLP(width)

    def forward(self, x: torch.Tensor, attend: Attend) -> torch.Tensor:
        x = x + self.attn(self.ln_1(x), attend)
        return x + self.mlp(self.ln_2(x))


class GPT2Attention(nn.Module):
    """Multi-head attention with one fused projection of queries, keys and values, named as in `GPT2LMHeadModel`."""

    def __init__(self, width: int, heads: int, layer: int):
        super().__init__()
        self.layer, self.heads = layer, heads
        self.c_attn = nn.Linear(width, 3 * width)
        self.c_proj = nn.Linear(width, width)

    def forward(self, x: torch.Tensor, attend: Attend) -> torch.Tensor:
        queries, keys, values = self.c_attn(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        return self.c_proj(attend(self.layer, queries, keys, values).flatten(-2))


class GPT2MLP(nn.Module):
    """Feed-forward block with GELU, four times as wide inside."""

    def __init__(self, width: int):
        super().__init__()
        self.c_fc = nn.Linear(width, 4 * width)
        self.c_proj = nn.Linear(4 * width, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.c_proj(F.gelu(self.c_fc(x), approximate="tanh"))       # "gelu_new" in transformers


def sinusoids(length: int, width: int) -> torch.Tensor:
    """The fixed position table (length, width), scaled to the size of the initial embeddings it is added to."""
    frequencies = 10_000 ** -(torch.arange(0, width, 2).float() / width)
    angles = torch.outer(torch.arange(length).float(), frequencies)
    return torch.stack([angles.sin(), angles.cos()], dim=-1).flatten(1) * STD * 2 ** 0.5
