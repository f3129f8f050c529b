"""GGUF: the file has the weights, sizes, tokenizer and template of the checkpoint, under llama.cpp's names."""

from pathlib import Path

import pytest
import torch

from tests.command_line import refused
from tests.model.test_architecture import GROUPED, small_model
from textmill.cli import main
from textmill.model.architecture.build import ARCHITECTURES
from textmill.model.training.checkpoint import State, save
from textmill.model.training.settings import TrainSettings
from textmill.tokenizer.special import SPECIAL_TOKENS
from textmill.tokenizer.training import TokenizerSettings, train, write_tokenizer

gguf = pytest.importorskip("gguf")


def run(folder: Path, architecture: str, **shape) -> Path:
    """A run's folder with a model of random weights and a tokenizer for chat of 300 ids, end-of-text last."""
    words = [f"the {noun} runs through a green valley é" for noun in ("river", "road", "train", "hare", "mountain")] * 9
    write_tokenizer(folder, train(words, TokenizerSettings(vocab_size=300, special_tokens=[*SPECIAL_TOKENS[1:], SPECIAL_TOKENS[0]])))
    save(folder, State(TrainSettings(), {"blocks": "b"}), small_model(architecture, GROUPED._replace(**shape)), [])
    return folder


@pytest.mark.parametrize("architecture", ["qwen3", "qwen3-moe", "gpt2", "gpt2-sinusoidal"])
def test_the_file_has_what_the_checkpoint_has(architecture, tmp_path, capsys):
    assert main(["export", "--run", str(run(tmp_path, architecture)), "--format", "gguf", "--to", str(tmp_path / "m.gguf")]) == 0
    assert "m.gguf written for llama.cpp as " in capsys.readouterr().out
    reader = gguf.GGUFReader(tmp_path / "m.gguf")
    model = small_model(architecture)
    tensors = {tensor.name: torch.from_numpy(tensor.data.copy()) for tensor in reader.tensors}
    assert sum(tensor.numel() for tensor in tensors.values()) == sum(weight.numel() for name, weight in model.state_dict().items() if "balance" not in name)
    arch = reader.fields["general.architecture"].contents()
    assert arch == {"qwen3-moe": "qwen3moe", "qwen3": "qwen3"}.get(architecture, "gpt2")
    assert tensors["token_embd.weight"].equal(getattr(model, "embed_tokens" if "qwen3" in architecture else "wte").weight)
    last = model.decoder_layers[1]
    if architecture == "qwen3-moe":
        assert tensors["blk.1.ffn_down_exps.weight"].equal(torch.stack([expert.down_proj.weight for expert in last.mlp.experts]))
        assert tensors["blk.1.ffn_gate_inp.weight"].equal(last.mlp.gate.weight)
    elif architecture == "qwen3":
        assert tensors["blk.1.attn_k_norm.weight"].equal(last.self_attn.k_norm.weight) and tensors["output.weight"].equal(model.lm_head.weight)
    else:
        assert tensors["blk.1.attn_qkv.bias"].equal(last.attn.c_attn.bias) and tensors["position_embd.weight"].equal(model.wpe.weight)
    assert reader.fields[f"{arch}.context_length"].contents() == 48 and reader.fields[f"{arch}.block_count"].contents() == 2
    assert reader.fields["tokenizer.ggml.add_bos_token"].contents() is True and reader.fields["tokenizer.ggml.bos_token_id"].contents() == 299
    assert "<|assistant|>" in reader.fields["tokenizer.chat_template"].contents()


def test_what_llama_cpp_has_no_model_of_is_refused(tmp_path, capsys):
    for architecture, shape, reason in (("gpt2-relative", {}, "transformers has no decoder"), ("gpt2-alibi", {}, "llama.cpp has no mpt"),
                                        ("qwen3", {"window": 7}, "llama.cpp has no qwen3 with these settings")):
        home = run(tmp_path / f"{architecture}{len(shape)}", architecture, **shape)
        assert reason in refused(capsys, "export", "--run", str(home), "--format", "gguf", "--to", str(tmp_path / "m.gguf"))
        assert not list(tmp_path.glob("*.gguf")) and not list(tmp_path.glob(".*.gguf*"))
    (tmp_path / "there.gguf").touch()
    assert "is there already" in refused(capsys, "export", "--run", str(home), "--format", "gguf", "--to", str(tmp_path / "there.gguf"))


def test_every_architecture_is_exported_or_refused():
    assert set(ARCHITECTURES) == {"qwen3", "qwen3-moe", "gpt2", "gpt2-sinusoidal", "gpt2-relative", "gpt2-alibi"}
