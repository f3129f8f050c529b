"""Export to GGUF: a checkpoint as one file that llama.cpp opens, weights in float32, with the tokenizer.

Guarantees: the file has the ids, special tokens and chat template of the tokenizer, and every text begins with end-of-text, as
in training; the same checkpoint gives the same bytes. Names and layouts are those of llama.cpp's own converter.
"""

import os
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from textmill.model import ModelError
from textmill.model.architecture.decoder import Decoder
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.export.tokenizer import chat_template_of
from textmill.model.training.checkpoint import load_model, trained
from textmill.tokenizer.bpe import TokenizerError
from textmill.tokenizer.files import add_vocabulary

Tensors = Iterator[tuple[str, torch.Tensor]]
QWEN3 = {"input_layernorm": "attn_norm", "post_attention_layernorm": "ffn_norm", "self_attn.q_proj": "attn_q",
         "self_attn.k_proj": "attn_k", "self_attn.v_proj": "attn_v", "self_attn.o_proj": "attn_output",
         "self_attn.q_norm": "attn_q_norm", "self_attn.k_norm": "attn_k_norm", "mlp.gate_proj": "ffn_gate",
         "mlp.up_proj": "ffn_up", "mlp.down_proj": "ffn_down", "mlp.gate": "ffn_gate_inp"}
GPT2 = {"ln_1": "attn_norm", "ln_2": "ffn_norm", "attn.c_attn": "attn_qkv", "attn.c_proj": "attn_output",
        "mlp.c_fc": "ffn_up", "mlp.c_proj": "ffn_down"}
WHOLE = {"embed_tokens": "token_embd", "norm": "output_norm", "lm_head": "output", "wte": "token_embd", "wpe": "position_embd",
         "ln_f": "output_norm"}


def export_gguf(run: str | Path, to: str | Path) -> str:
    """Write the file `to`; the summary line. ModelError where llama.cpp has no such model, or the file is there already."""
    if find_spec("gguf") is None:
        raise ModelError("GGUF is written by the package gguf, which is not installed; pip install gguf")
    from gguf import GGUFWriter

    (checkpoint, home), target = trained(Path(run)), Path(to)
    if target.exists():
        raise ModelError(f"{to} is there already; name another file with --to")
    model = load_model(checkpoint, torch.device("cpu")).eval()
    kind = str(model.config["model_type"])
    if kind not in SIZES or model.not_exportable() or model.window is not None:
        reason = model.not_exportable() or f"llama.cpp has no {kind} with these settings that this could be"
        raise ModelError(f"{checkpoint} cannot be exported to GGUF: {reason}")
    tokenizer = open_tokenizer(home, model.vocab_size)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        writer = GGUFWriter(unfinished, kind.replace("_", ""))
        writer.add_name(target.stem)
        SIZES[kind](writer, model.config)
        add_vocabulary(writer, tokenizer.to_str(), chat_template_of(home), begins=True)
        count = 0
        for name, tensor in tensors(model):
            writer.add_tensor(name, tensor.detach().float().contiguous().numpy())
            count += 1
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        unfinished.replace(target)
    except TokenizerError as error:
        raise ModelError(f"{home}: {error}") from None
    finally:
        unfinished.unlink(missing_ok=True)
    return f"export: {target} written for llama.cpp as {kind}, {count} tensors in float32, {target.stat().st_size:,} bytes"


def tensors(model: Decoder) -> Tensors:
    """The weights under llama.cpp's names; experts of a layer in one tensor."""
    experts: dict[str, list[torch.Tensor]] = {}
    for name, weight in model.state_dict().items():
        module, _, kind = name.rpartition(".")
        if module in WHOLE:
            yield f"{WHOLE[module]}.{kind}", weight
            continue
        _, layer, inside = module.split(".", 2)
        if inside.startswith("mlp.experts."):
            part = inside.rpartition(".")[2].removesuffix("_proj")
            experts.setdefault(f"blk.{layer}.ffn_{part}_exps.weight", []).append(weight)
        elif kind != "balance":
            yield f"blk.{layer}.{(QWEN3 | GPT2)[inside]}.{kind}", weight
    yield from ((name, torch.stack(parts)) for name, parts in experts.items())


def qwen3_sizes(writer: Any, config: dict[str, Any]) -> None:
    """The sizes of Qwen3."""
    writer.add_context_length(config["max_position_embeddings"])
    writer.add_embedding_length(config["hidden_size"])
    writer.add_block_count(config["num_hidden_layers"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(config["num_attention_heads"])
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])


def qwen3_moe_sizes(writer: Any, config: dict[str, Any]) -> None:
    """The sizes of Qwen3 with experts."""
    qwen3_sizes(writer, config)
    writer.add_expert_count(config["num_experts"])
    writer.add_expert_used_count(config["num_experts_per_tok"])
    writer.add_expert_feed_forward_length(config["moe_intermediate_size"])


def gpt2_sizes(writer: Any, config: dict[str, Any]) -> None:
    """The sizes of GPT-2."""
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_block_count(config["n_layer"])
    writer.add_feed_forward_length(4 * config["n_embd"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])


SIZES: dict[str, Callable[[Any, dict[str, Any]], None]] = {"qwen3": qwen3_sizes, "qwen3_moe": qwen3_moe_sizes,
                                                           "gpt2": gpt2_sizes}
