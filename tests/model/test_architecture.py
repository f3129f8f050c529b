"""The architectures: attention stays inside documents, back-ends agree, and transformers gives the same logits."""

import math
import re

import pytest
import torch
from torch.nn import functional as F

from tests.paths import ROOT
from textmill.base.blocks_format import NO_TARGET
from textmill.base.strict import SettingsError, parse
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.cross_entropy import cross_entropy
from textmill.model.architecture.decoder import Decoder
from textmill.model.architecture.kernels import Dense, Flex, agree
from textmill.model.architecture.norm import Norm, rotary_norm
from textmill.model.architecture.qwen3 import rotary
from textmill.model.architecture.shapes import SHAPES, Shape
from textmill.model.data.batch import Batch
from textmill.model.export.hugging_face import check
from textmill.model.training.optimizers import OPTIMIZERS
from textmill.model.training.settings import TrainSettings, in_steps, learning_rate

GROUPED = Shape(layers=2, width=32, heads=4, head_width=16, kv_heads=2, mlp=48, tied=False)
torch.set_num_threads(1)


def small_model(architecture: str, shape: Shape = GROUPED, block: int = 48, seed: int = 1) -> Decoder:
    model = build(ARCHITECTURES[architecture].configuration(shape, 300, block, 299))
    assert type(model) is ARCHITECTURES[architecture]
    model.initialise(seed)
    with torch.no_grad():                                       # so that no layer is the identity
        for weight in model.parameters():
            if weight.requires_grad:
                weight += 0.1 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(weight.numel()))
    return model.eval()


def batch_of(tokens: torch.Tensor, lengths: tuple[int, ...]) -> Batch:
    return Batch(tokens, tokens.roll(-1, 1), lengths, ("web",) * len(tokens), tokens.numel())


@pytest.mark.parametrize(("window", "reached"), [(None, 20), (4, 17)])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_a_document_does_not_see_another_one_or_the_future(architecture, window, reached):
    """With a window of 4, each of the two layers reaches three tokens further."""
    model = small_model(architecture, GROUPED._replace(window=window))
    tokens = torch.randint(299, (2, 48), generator=torch.Generator().manual_seed(3))
    attend = model.masking(torch.float32, 48)(batch_of(tokens, (20, 28, 48)))
    before = model.logits(tokens, attend)
    changed = tokens.clone()
    changed[0, 10] = (changed[0, 10] + 1) % 299
    differs = (model.logits(changed, attend) - before).abs().amax(-1) > 0
    assert differs.nonzero().tolist() == [[0, position] for position in range(10, reached)]


@torch.no_grad()
def test_the_loop_is_a_dense_mask():
    queries, keys, values = (torch.randn(2, 12, heads, 8, generator=torch.Generator().manual_seed(heads)) for heads in (4, 2, 2))
    document = torch.tensor([[0] * 5 + [1] * 7, [2] * 12])
    allowed = (document[:, :, None] == document[:, None, :]) & torch.ones(12, 12, dtype=torch.bool).tril()
    keys4, values4 = (x.repeat_interleave(2, dim=2) for x in (keys, values))
    scores = torch.einsum("bqhd,bkhd->bhqk", queries, keys4) / math.sqrt(8)
    expected = torch.einsum("bhqk,bkhd->bqhd", scores.masked_fill(~allowed[:, None], -torch.inf).softmax(-1), values4)
    batch = batch_of(torch.zeros(2, 12, dtype=torch.int64), (5, 7, 12))
    torch.testing.assert_close(by_document(batch)(0, queries, keys, values), expected)
    torch.testing.assert_close(Flex(compiled=False)(batch)(0, queries, keys, values), expected)
    torch.testing.assert_close(Dense()(batch)(0, queries, keys, values), expected)


def test_attention_by_products_is_the_loop():
    """In bfloat16 and with gradients a CPU takes matrix products; in float32 the fused loop. One document spans two parts."""
    batch = batch_of(torch.zeros(1, 900, dtype=torch.int64), (300, 1, 599))
    inputs = [torch.randn(1, 900, heads, 16, generator=torch.Generator().manual_seed(heads)).bfloat16() for heads in (4, 2, 3)]
    inputs[2] = inputs[2][:, :, :2]
    results = []
    for dtype in (torch.bfloat16, torch.float32):
        leaves = [x.to(dtype).requires_grad_() for x in inputs]
        output = by_document(batch)(0, *leaves)
        results.append([output, *torch.autograd.grad(output.float().square().sum(), leaves)])
    assert "DocumentAttention" in str(results[0][0].grad_fn.next_functions)
    for products, loop in zip(*results, strict=True):
        assert (products.float() - loop).abs().max() < 0.02 * loop.abs().max()


def test_a_back_end_that_differs_is_found_out():
    def wrong(batch):
        return lambda layer, queries, keys, values: by_document(batch)(layer, queries, keys, values) * 1.01

    def crossing(batch):
        return by_document(batch_of(batch.tokens, (batch.tokens.shape[1],) * 2))

    cpu = torch.device("cpu")
    assert agree(by_document, by_document, cpu, torch.float32, 30, 4, 2, 16)
    assert not agree(wrong, by_document, cpu, torch.float32, 30, 4, 2, 16)
    assert not agree(crossing, by_document, cpu, torch.float32, 30, 4, 2, 16)


@pytest.mark.parametrize("window", [None, 6])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_cached_and_uncached_logits_agree(architecture, window):
    model = small_model(architecture, GROUPED._replace(window=window))
    tokens = torch.randint(299, (1, 40), generator=torch.Generator().manual_seed(4))
    whole = model.logits(tokens, model.masking(torch.float32, 40)(batch_of(tokens, (40,))))
    cache, parts = model.cache(1, 40), []
    for part in tokens.split([17, 1, 1, 5, 16], dim=1):
        parts.append(model.logits(part, cache, cache.position))
        cache.position += part.shape[1]
    torch.testing.assert_close(torch.cat(parts, 1), whole, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("tied", [True, False])
@pytest.mark.parametrize(("architecture", "window"), [*((name, None) for name in ARCHITECTURES if name != "gpt2-relative"),
                                                      ("qwen3", 7), ("qwen3-moe", 7)])
def test_transformers_gives_the_same_logits(architecture, window, tied, tmp_path):
    pytest.importorskip("transformers")
    import json

    from safetensors.torch import save_file

    model = small_model(architecture, GROUPED._replace(tied=tied, window=window))
    assert model.not_exportable() is None
    save_file({k: v.contiguous() for k, v in model.published().items()}, tmp_path / "model.safetensors", metadata={"format": "pt"})
    (tmp_path / "config.json").write_text(json.dumps(model.config))
    assert check(tmp_path, model) < 1e-5


def test_loss_in_parts_is_the_loss_at_once(monkeypatch):
    model = small_model("qwen3")
    tokens = torch.randint(299, (2, 48), generator=torch.Generator().manual_seed(5))
    batch = batch_of(tokens, (48, 48))
    targets = batch.targets.masked_fill(tokens % 7 == 0, NO_TARGET)
    results = []
    for limit in (1 << 27, 300 * 10):
        monkeypatch.setattr("textmill.model.architecture.cross_entropy.LOGITS", limit)
        model.zero_grad()
        nats = model(tokens, targets, by_document(batch))
        nats.sum().backward()
        results.append((nats.detach(), model.lm_head.weight.grad.clone()))
    assert (results[0][0][targets == NO_TARGET] == 0).all()
    for once, parts in zip(*results, strict=True):
        torch.testing.assert_close(parts, once)


def test_gradients_written_by_hand_are_those_of_autograd():
    random = torch.Generator().manual_seed(6)
    x, heads, weight, head = (torch.randn(shape, generator=random, dtype=torch.float64).float().requires_grad_()
                              for shape in ((2, 5, 8), (2, 5, 3, 8), (3, 8), (11, 8)))
    positions = rotary(9, 8, 100.0)[:, 4:, None]
    targets = torch.tensor([3, 10, NO_TARGET, 0, 3, 7, 7, NO_TARGET, 1, 2])
    factors = torch.rand(10, generator=random)

    def norm(x, weight):
        return x * (x.square().mean(-1, keepdim=True) + 1e-6).rsqrt() * weight

    def rotate(x):
        first, second = x.chunk(2, dim=-1)
        return x * positions[0] + torch.cat([-second, first], dim=-1) * positions[1]

    def nats(x, head):
        return F.cross_entropy(F.linear(x, head), targets, ignore_index=NO_TARGET, reduction="none") * factors

    pairs = [(Norm.apply(x, weight[0], 1e-6), norm(x, weight[0]), (x, weight)),
             (rotary_norm(heads, weight, positions, 1e-6), rotate(norm(heads, weight)), (heads, weight)),
             (cross_entropy(x.flatten(0, 1), head, targets) * factors, nats(x.flatten(0, 1), head), (x, head))]
    for ours, plain, inputs in pairs:
        torch.testing.assert_close(ours, plain)
        scale = torch.randn(ours.shape, generator=random)
        for a, b in zip(*(torch.autograd.grad((y * scale).sum(), inputs) for y in (ours, plain)), strict=True):
            torch.testing.assert_close(a, b)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.no_grad()
def test_initial_weights_are_of_the_seed_and_layers_begin_as_the_identity(architecture):
    models = [build(ARCHITECTURES[architecture].configuration(SHAPES["ci"], 300, 64, 299)) for _ in range(3)]
    for model, seed in zip(models, (1, 1, 2), strict=True):
        model.initialise(seed)
    first, same, other = models
    assert all(weight.equal(same.state_dict()[name]) for name, weight in first.state_dict().items())
    assert not first.output().equal(other.output())
    tokens = torch.arange(6)[None]
    through_layers = other.hidden(tokens, other.cache(1, 6))
    del other.decoder_layers[:]
    assert through_layers.equal(other.hidden(tokens, other.cache(1, 6)))


@pytest.mark.parametrize(("name", "vocabulary", "millions"), [("ci", 4096, 1.38), ("10m", 8192, 8.4), ("40m", 16384, 39.8), ("124m", 32768, 128), ("350m", 32768, 350)])
def test_sizes_are_what_their_names_say(name, vocabulary, millions):
    with torch.device("meta"):
        model = build(ARCHITECTURES["qwen3"].configuration(SHAPES[name], vocabulary, 2048, 0))
    assert sum(weight.numel() for weight in model.parameters()) / 1e6 == pytest.approx(millions, rel=0.03)


def test_the_rate_rises_stays_and_falls():
    settings = TrainSettings(steps=10, warmup=2, decay=0.5, lr=3.0)
    assert [round(learning_rate(step, settings), 3) for step in range(10)] == [1.0, 2.0, 3.0, 3.0, 3.0, 3.0, 2.4, 1.8, 1.2, 0.6]
    cosine = TrainSettings(steps=10, warmup=1, decay=1.0, lr=4.0, schedule="cosine")
    assert [round(learning_rate(step, cosine), 3) for step in (0, 1, 5, 9)] == [2.0, round(2 * (1 + math.cos(math.pi / 10)), 3), 2.0,
                                                                                round(2 * (1 + math.cos(math.pi * 0.9)), 3)]


def test_muon_takes_the_layers_matrices_and_norms_do_not_decay():
    model = small_model("qwen3")
    muon, adamw = OPTIMIZERS["muon"](model, 0.01, 0.1)
    assert len(muon.names) == 2 * 7 and all(".self_attn." in name or ".mlp." in name for name in muon.names)
    assert adamw.names[:2] == ["embed_tokens.weight", "lm_head.weight"]
    assert [group["weight_decay"] for group in adamw.optimizer.param_groups] == [0.1, 0.0]
    assert sorted(muon.names + adamw.names) == sorted(name for name, _ in model.named_parameters())


@pytest.mark.parametrize(("key", "table"), [("shape", SHAPES), ("architecture", ARCHITECTURES), ("optimizer", OPTIMIZERS)])
def test_the_shipped_settings_list_what_there_is(key, table):
    (comment,) = re.findall(rf"^  {key}: +\S+ +# (?:.*: )?(.*)", (ROOT / "settings.yaml").read_text("utf-8"), re.MULTILINE)
    assert sorted(comment.split(", ")) == sorted(table)


def test_settings_name_all_their_problems():
    with pytest.raises(SettingsError) as error:
        parse(TrainSettings, {"shape": "7b", "epochs": 1, "lr": 0, "decay": 2.0}, "settings.yaml: train")
    assert [problem.removeprefix("settings.yaml: train: ").split(":")[0].split(",")[0] for problem in error.value.problems] == [
        "shape", "give either steps or epochs", "lr", "decay"]
    assert in_steps(TrainSettings(steps=None, epochs=1.5, batch=2, accumulate=2), 10).steps == 4
