"""Named sizes, each a configuration in Hugging Face's form: the model is built from it, and it is exported as it is.

Widths and counts from our reference on small models: row widths divisible by 256 where a size allows it (so that
k-quants apply) and heads of 64 or 128 (what inference servers support).
"""

from typing import Any, Literal, NamedTuple

Architecture = Literal["qwen3", "gpt2", "gpt2-sinusoidal"]

THETA = 100_000.0       # base of the rotary positions: nanochat's, tuned for blocks of 2k to 8k tokens


class Shape(NamedTuple):
    """A decoder's size; `kv_heads` and `mlp` belong to qwen3 only (GPT-2 has one key per head and an MLP of 4 widths)."""

    layers: int
    width: int
    heads: int
    head_width: int
    kv_heads: int
    mlp: int
    tied: bool          # the output matrix is the embedding


SHAPES = {
    "ci": Shape(layers=4, width=128, heads=2, head_width=64, kv_heads=2, mlp=384, tied=True),
    "10m": Shape(layers=8, width=256, heads=4, head_width=64, kv_heads=2, mlp=768, tied=True),
    "40m": Shape(layers=10, width=512, heads=8, head_width=64, kv_heads=4, mlp=1536, tied=True),
    "124m": Shape(layers=12, width=768, heads=6, head_width=128, kv_heads=3, mlp=2048, tied=False),
    "350m": Shape(layers=24, width=1024, heads=8, head_width=128, kv_heads=4, mlp=2816, tied=False),
}


def configuration(architecture: Architecture, shape: Shape, vocab_size: int, block: int, end_of_text: int) -> dict[str, Any]:
    """The `config.json` of this model for transformers: Qwen3ForCausalLM or GPT2LMHeadModel."""
    both = {
        "vocab_size": vocab_size, "bos_token_id": end_of_text, "eos_token_id": end_of_text, "torch_dtype": "float32",
        "initializer_range": 0.02,
    }
    if architecture == "qwen3":
        return both | {
            "architectures": ["Qwen3ForCausalLM"], "model_type": "qwen3",
            "hidden_size": shape.width, "num_hidden_layers": shape.layers, "intermediate_size": shape.mlp,
            "num_attention_heads": shape.heads, "num_key_value_heads": shape.kv_heads, "head_dim": shape.head_width,
            "max_position_embeddings": block, "rope_theta": THETA, "rms_norm_eps": 1e-6, "hidden_act": "silu",
            "attention_bias": False, "attention_dropout": 0.0, "use_sliding_window": False,
            "tie_word_embeddings": shape.tied,
        }
    return both | {
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2",
        "n_embd": shape.width, "n_layer": shape.layers, "n_head": shape.heads, "n_inner": None, "n_positions": block,
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5,
        "attn_pdrop": 0.0, "embd_pdrop": 0.0, "resid_pdrop": 0.0,
        "tie_word_embeddings": True, "positions": "sinusoidal" if architecture == "gpt2-sinusoidal" else "learned",
    }
