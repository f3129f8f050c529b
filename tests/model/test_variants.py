"""Variants of the architectures: windows, biases by distance, positions of T5 and ALiBi, and mixtures of experts."""

import json
import math
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.model.test_architecture import GROUPED, batch_of, small_model
from tests.model.test_blocks import small_mixture
from textmill.base.strict import SettingsError, parse
from textmill.model import ModelError
from textmill.model.architecture.alibi import slopes
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.kernels import Dense, Flex
from textmill.model.architecture.relative import bucket_of
from textmill.model.architecture.shapes import SHAPES
from textmill.model.export.hugging_face import export
from textmill.model.training.checkpoint import latest, load_model
from textmill.model.training.optimizers import OPTIMIZERS
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings

CPU = torch.device("cpu")
torch.set_num_threads(1)
SETTINGS = TrainSettings(steps=4, batch=2, warmup=1, validation_every=2, save_every=2, optimizer="adamw", lr=0.01)


def dense(queries, keys, values, lengths, window=None, bias=None):
    """Attention with the whole matrix of scores."""
    positions, document = torch.arange(len(queries)), torch.arange(len(lengths)).repeat_interleave(torch.tensor(lengths))
    distances = positions[:, None] - positions
    allowed = (document[:, None] == document) & (distances >= 0) & (distances < (window or len(queries)))
    scores = torch.einsum("qhd,khd->hqk", queries, keys) / math.sqrt(queries.shape[-1])
    if bias is not None:
        scores = scores + bias[:, distances.clamp(min=0)]
    return torch.einsum("hqk,khd->qhd", scores.masked_fill(~allowed, -torch.inf).softmax(-1), values)


@pytest.mark.parametrize("window", [None, 1, 7, 300, 10_000])
@pytest.mark.parametrize("biased", [False, True])
def test_windows_and_biases_are_those_of_a_dense_mask(window, biased):
    """Forward and backward, in documents longer and shorter than a window and than what is computed at a time."""
    random = torch.Generator().manual_seed(1)
    lengths = (600, 3, 297)
    inputs = [torch.randn(900, 2, 8, generator=random).requires_grad_() for _ in range(3)]
    bias = torch.randn(2, 900, generator=random).requires_grad_() if biased else None
    attend = by_document(batch_of(torch.zeros(1, 900, dtype=torch.int64), lengths), window)
    ours = attend(0, *(x[None] for x in inputs), bias)[0]
    expected = dense(*inputs, lengths, window, bias)
    torch.testing.assert_close(ours, expected, atol=1e-5, rtol=1e-5)
    scale, leaves = torch.randn(ours.shape, generator=random), [*inputs, *([bias] if biased else [])]
    for a, b in zip(*(torch.autograd.grad((y * scale).sum(), leaves) for y in (ours, expected)), strict=True):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_kernels_have_the_same_window():
    inputs = [torch.randn(2, 12, heads, 8, generator=torch.Generator().manual_seed(heads)) for heads in (4, 2, 2)]
    batch = batch_of(torch.zeros(2, 12, dtype=torch.int64), (5, 7, 12))
    expected = by_document(batch, 3)(0, *inputs)
    torch.testing.assert_close(Flex(compiled=False, window=3)(batch)(0, *inputs), expected)
    assert (expected - by_document(batch)(0, *inputs)).abs().max() > 0.1
    torch.testing.assert_close(Dense(window=3)(batch)(0, *inputs), expected)


def test_an_unlimited_window_is_no_other_computation():
    """So a model without one, or with short documents, keeps the speed it had."""
    batch = batch_of(torch.zeros(1, 12, dtype=torch.int64), (12,))
    x = torch.randn(1, 12, 2, 8).bfloat16().requires_grad_()
    assert small_model("qwen3").masking(torch.bfloat16, 12) is by_document
    for attend in (by_document(batch), by_document(batch, 12)):
        assert "DocumentAttention" in str(attend(0, x, x, x).grad_fn.next_functions)


def test_relative_positions_are_t5s():
    transformers = pytest.importorskip("transformers")
    from transformers.models.t5.modeling_t5 import T5Attention

    config = transformers.T5Config(d_model=32, d_kv=8, num_heads=4, is_decoder=True, relative_attention_num_buckets=32,
                                   relative_attention_max_distance=128)
    theirs = T5Attention(config, has_relative_attention_bias=True, layer_idx=0)
    expected = theirs.compute_bias(300, 300)[0]
    distances = torch.arange(300)
    ours = theirs.relative_attention_bias(bucket_of(distances, 32, 128)).T
    back = (distances[:, None] - distances).clamp(min=0)
    below = torch.ones(300, 300, dtype=torch.bool).tril()
    assert torch.where(below, ours[:, back], 0).equal(torch.where(below, expected, 0))


@torch.no_grad()
def test_relative_positions_are_added_to_the_scores_in_every_layer():
    model = small_model("gpt2-relative")
    tokens = torch.randint(299, (1, 48), generator=torch.Generator().manual_seed(2))
    logits = model.logits(tokens, by_document(batch_of(tokens, (20, 28))))

    def attend(layer, queries, keys, values, bias):
        assert bias.equal(model.relative_attention_bias.weight[bucket_of(torch.arange(48), 32, 128)].T)
        return dense(queries[0], keys[0], values[0], (20, 28), None, bias)[None]

    torch.testing.assert_close(model.logits(tokens, attend), logits, atol=1e-5, rtol=1e-5)
    model.relative_attention_bias.weight.zero_()
    assert (model.logits(tokens, by_document(batch_of(tokens, (20, 28)))) - logits).abs().max() > 0.01


@pytest.mark.parametrize("heads", [1, 2, 3, 6, 8, 12])
def test_slopes_are_those_of_mpt(heads):
    pytest.importorskip("transformers")
    from transformers.models.mpt.modeling_mpt import build_mpt_alibi_tensor

    theirs = build_mpt_alibi_tensor(heads, 5)[:, 0]
    assert (-slopes(heads)[:, None] * torch.arange(4, -1, -1)).equal(theirs)


@pytest.mark.parametrize("architecture", ["gpt2", "gpt2-alibi", "gpt2-relative"])
def test_a_window_that_transformers_lacks_is_refused_at_export(architecture):
    assert small_model(architecture, GROUPED._replace(window=8)).not_exportable()


@pytest.mark.parametrize("architecture", [name for name in ARCHITECTURES if name not in ("qwen3", "gpt2")])
def test_a_run_is_taken_up_with_the_same_bytes(architecture, tmp_path):
    blocks = small_mixture(tmp_path / "blocks")
    settings = replace(SETTINGS, architecture=architecture, window=5, experts=4, optimizer="muon")
    pretrain(blocks, tmp_path / "run", settings, CPU)
    shutil.copytree(tmp_path / "run", tmp_path / "again")
    shutil.rmtree(tmp_path / "again/step-00000004")
    pretrain(blocks, tmp_path / "again", settings, CPU)
    for name in ("model.safetensors", "optimizer.safetensors", "decoder.json"):
        assert (tmp_path / "again/step-00000004" / name).read_bytes() == (tmp_path / "run/step-00000004" / name).read_bytes()
    assert load_model(latest(tmp_path / "run"), CPU).window == 5


@torch.no_grad()
def test_a_token_goes_through_its_best_experts():
    """By hand, one token and one expert at a time."""
    model = small_model("qwen3-moe", GROUPED._replace(experts=6, active=3, shared=True))
    mixture = model.layers[0].mlp
    mixture.balance.copy_(torch.tensor([0.0, 0.5, 0.0, 0.0, -0.5, 0.0]))
    x = torch.randn(2, 9, 32, generator=torch.Generator().manual_seed(1))
    for row, output in zip(x.flatten(0, 1), mixture(x).flatten(0, 1), strict=True):
        probabilities = (mixture.gate.weight @ row).softmax(0)
        chosen = sorted(range(6), key=lambda n: -float(probabilities[n] + mixture.balance[n]))[:3]
        assert 1 in chosen and 4 not in chosen
        weights = probabilities[chosen] / probabilities[chosen].sum()
        expected = sum(weight * mixture.experts[n](row) for weight, n in zip(weights, chosen, strict=True)) + mixture.shared_expert(row)
        torch.testing.assert_close(output, expected, atol=1e-5, rtol=1e-4)


def loads(model, steps: int, balanced: bool) -> torch.Tensor:
    """Tokens of each expert in the last of so many updates, of a router that begins with a strong favourite."""
    torch.nn.init.normal_(model.layers[0].mlp.gate.weight, 0, 0.1, generator=torch.Generator().manual_seed(2))
    favourite = torch.randn(32, generator=torch.Generator().manual_seed(3))
    optimizers = [each.optimizer for each in OPTIMIZERS["adamw"](model, 1e-6, 0.0)]
    with torch.no_grad():
        model.layers[0].mlp.gate.weight[0] = 0.1 * favourite
    x = favourite + torch.randn(64, 32, generator=torch.Generator().manual_seed(4))
    for _ in range(steps):
        model.layers[0].mlp(x)
        last = model.layers[0].mlp.load.clone()
        for optimizer in optimizers if balanced else []:
            optimizer.step()
        model.layers[0].mlp.load.zero_()
    return last


def test_balance_brings_every_expert_into_use():
    model = small_model("qwen3-moe", GROUPED._replace(layers=1, experts=8, active=2))
    without = loads(model, 2, balanced=False)
    assert without[0] == 64 and without.sum() == 128
    with_balance = loads(model, 400, balanced=True)
    assert with_balance.max() < 40 and with_balance.min() > 0 and with_balance.sum() == 128


def test_balance_is_gone_at_the_end_and_is_refused_before(tmp_path):
    blocks = small_mixture(tmp_path / "blocks")
    settings = replace(SETTINGS, architecture="qwen3-moe", experts=4, steps=6, save_every=1, keep_checkpoints=9)
    pretrain(blocks, tmp_path / "run", settings, CPU)
    balances = [{name: weight for name, weight in load_file(folder / "model.safetensors").items() if name.endswith(".balance")}
                for folder in sorted((tmp_path / "run").glob("step-*"))]
    assert [len(each) for each in balances] == [SHAPES["ci"].layers] * 6
    assert any(weight.any() for weight in balances[1].values()) and not any(weight.any() for weight in balances[-1].values())
    sums = [value for name, value in load_file(latest(tmp_path / "run") / "optimizer.safetensors").items() if name.endswith(".balance/sum")]
    assert len(sums) == SHAPES["ci"].layers and any(value.any() for value in sums)
    for folder in sorted((tmp_path / "run").glob("step-*"))[2:]:
        shutil.rmtree(folder)
    with pytest.raises(ModelError, match="still chosen by the balance of training, which transformers' Qwen3Moe does not know; train it"):
        export(tmp_path / "run", tmp_path / "hf")
    pretrain(blocks, tmp_path / "shared", replace(settings, shared_expert=True, steps=1), CPU)
    with pytest.raises(ModelError, match="cannot be exported: transformers' Qwen3Moe has no shared expert"):
        export(tmp_path / "shared", tmp_path / "hf")
    assert not (tmp_path / "hf").exists()


def test_a_mixture_costs_what_the_dense_layer_does():
    dense_model, mixture = (build(ARCHITECTURES[name].configuration(SHAPES["ci"], 300, 64, 299)) for name in ("qwen3", "qwen3-moe"))
    inner = mixture.layers[0].mlp.experts[0].up_proj.out_features
    assert 2 * inner == dense_model.layers[0].mlp.up_proj.out_features
    assert mixture.hidden_matrices() and all(weight.shape[0] != 8 for weight in mixture.hidden_matrices())


def test_what_cannot_be_is_a_sentence():
    with pytest.raises(SettingsError) as error:
        parse(TrainSettings, {"experts": 4, "experts_per_token": 5, "window": 0}, "train")
    assert error.value.problems == ["train: window: must be above 0, is 0",
                                    "train: experts_per_token is 5, and there are 4 experts; give at most as many"]
    config = json.loads(json.dumps(small_model("qwen3", GROUPED._replace(window=8)).config))
    for wrong in (0, -3, True, "8"):
        with pytest.raises(ModelError, match=r"sliding_window is .*, and must be 1 or more"):
            build(config | {"sliding_window": wrong})
    with pytest.raises(ModelError, match="num_experts is 1000000, and at most 1024 can be"):
        build(small_model("qwen3-moe").config | {"num_experts": 1_000_000})
    with pytest.raises(ValueError, match="a width of 32 cannot be divided among 3333333 heads"):
        build(small_model("gpt2-alibi").config | {"n_heads": 3_333_333})
    with pytest.raises(ValueError, match="9 of 8 experts cannot be chosen"):
        build(small_model("qwen3-moe").config | {"num_experts_per_tok": 9})
