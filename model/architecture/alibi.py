"""GPT-2 with ALiBi: no positions but a linear penalty on distance, steeper from head to head (Press et al. 2022).

A trained model is an `MptForCausalLM`, so it is GPT-2 as MPT has it: no biases, exact GELU. Modules carry the names they have
in transformers.
"""

import math
from typing import Any, ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from textmill.model.architecture.attention import Attend, Heads
from textmill.model.architecture.decoder import STD, Decoder
from textmill.model.architecture.shapes import Shape

STEEPEST = 8            # slopes are powers of two down to 2^-8


class AlibiGPT2(Decoder):
    """MPT (MosaicML 2023). Of a Shape it leaves `kv_heads`, `mlp` and `tied` unread: they are fixed, as in GPT-2."""

    BIASED: ClassVar[bool] = True
    SIGNATURE: ClassVar[dict[str, str]] = {"model_type": "mpt"}
    LAYERS, CONTEXT = "n_layers", "max_seq_len"
    RESIDUAL = ("out_proj.weight", "down_proj.weight")

    bias: torch.Tensor

    @classmethod
    def configuration(cls, shape: Shape, vocab_size: int, context_length: int, end_of_text: int) -> dict[str, Any]:
        return cls.SIGNATURE | {
            "architectures": ["MptForCausalLM"], "torch_dtype": "float32", "initializer_range": STD,
            "vocab_size": vocab_size, "bos_token_id": end_of_text, "eos_token_id": end_of_text,
            "d_model": shape.width, "n_layers": shape.layers, "n_heads": shape.heads, "expansion_ratio": 4,
            "max_seq_len": context_length, "layer_norm_epsilon": 1e-5, "no_bias": True, "learned_pos_emb": False,
            "attn_config": {"alibi": True, "alibi_bias_max": STEEPEST}, "tie_word_embeddings": True,
        } | ({} if shape.window is None else {"use_sliding_window": True, "sliding_window": shape.window})

    def __init__(self, config: dict[str, Any]):
        super().__init__(config)
        width, eps = config["d_model"], config["layer_norm_epsilon"]
        if width % config["n_heads"]:
            raise ValueError(f"a width of {width} cannot be divided among {config['n_heads']} heads")
        self.wte = nn.Embedding(config["vocab_size"], width)
        self.blocks = nn.ModuleList(AlibiLayer(width, config["n_heads"], eps, layer) for layer in range(config["n_layers"]))
        self.norm_f = nn.LayerNorm(width, eps=eps, bias=False)
        distances = torch.arange(config["max_seq_len"])
        self.register_buffer("bias", -slopes(config["n_heads"])[:, None] * distances, persistent=False)

    @property
    def decoder_layers(self) -> nn.ModuleList:
        return self.blocks

    @property
    def context_length(self) -> int:
        return int(self.config["max_seq_len"])

    @property
    def heads(self) -> Heads:
        heads = self.config["n_heads"]
        return Heads(heads, heads, self.config["d_model"] // heads)

    def hidden(self, tokens: torch.Tensor, attend: Attend, start: int = 0) -> torch.Tensor:
        x, bias = self.wte(tokens), self.bias[:, :start + tokens.shape[1]]
        for layer in self.blocks:
            x = self.through(layer, x, attend, bias)
        return self.norm_f(x)

    def output(self) -> torch.Tensor:
        return self.wte.weight

    def published(self) -> dict[str, torch.Tensor]:
        return {f"transformer.{name}": weight for name, weight in self.state_dict().items()}

    def not_exportable(self) -> str | None:
        return None if self.window is None else "transformers' MPT has no sliding window"


class AlibiLayer(nn.Module):
    """Attention, then the MLP, each added to the stream."""

    def __init__(self, width: int, heads: int, eps: float, layer: int):
        super().__init__()
        self.norm_1 = nn.LayerNorm(width, eps=eps, bias=False)
        self.attn = AlibiAttention(width, heads, layer)
        self.norm_2 = nn.LayerNorm(width, eps=eps, bias=False)
        self.ffn = AlibiMLP(width)

    def forward(self, x: torch.Tensor, attend: Attend, bias: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm_1(x), attend, bias)
        return x + self.ffn(self.norm_2(x))


class AlibiAttention(nn.Module):
    """Multi-head attention whose scores fall with distance, with one fused projection of queries, keys and values."""

    def __init__(self, width: int, heads: int, layer: int):
        super().__init__()
        self.layer, self.heads = layer, heads
        self.Wqkv = nn.Linear(width, 3 * width, bias=False)
        self.out_proj = nn.Linear(width, width, bias=False)

    def forward(self, x: torch.Tensor, attend: Attend, bias: torch.Tensor) -> torch.Tensor:
        queries, keys, values = self.Wqkv(x).unflatten(-1, (3, self.heads, -1)).unbind(-3)
        return self.out_proj(attend(self.layer, queries, keys, values, bias).flatten(-2))


class AlibiMLP(nn.Module):
    """Feed-forward block with GELU, four times as wide inside."""

    def __init__(self, width: int):
        super().__init__()
        self.up_proj = nn.Linear(width, 4 * width, bias=False)
        self.down_proj = nn.Linear(4 * width, width, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.down_proj(F.gelu(self.up_proj(x)))


def slopes(heads: int) -> torch.Tensor:
    """The slope of each head: 2^(-8 n / heads) for n from 1; of a number that is no power of two, every other of the next."""
    power = 1 << math.ceil(math.log2(heads))
    every = 2.0 ** (-STEEPEST / power * torch.arange(1, power + 1))
    return every if power == heads else torch.cat([every[1::2], every[::2]])[:heads]
