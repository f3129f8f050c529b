"""The estimate of a training run: its counts are those of the real modules, and its money is the arithmetic that it states."""

import subprocess
import sys

import pytest
import torch

from tests.command_line import refused
from tests.model.test_architecture import GROUPED, batch_of
from tests.paths import ROOT
from textmill.base.accelerators import ACCELERATORS, dollars, flops, hours
from textmill.cli import main
from textmill.model.architecture.attention import by_document
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.counts import COUNTS, DecoderSize
from textmill.model.architecture.shapes import SHAPES, Shape
from textmill.model.training.balance import Balance
from textmill.model.training.estimate import EstimateSettings, inference_memory, optimizer_memory, training_memory
from textmill.model.training.optimizers import OPTIMIZERS

torch.set_num_threads(1)
GPT3 = Shape(layers=96, width=12288, heads=96, head_width=128, kv_heads=96, mlp=4 * 12288, tied=True)
GPT3_FLOPS = 3.14e23       # FLOPs of GPT-3's training, as published


def decoder(architecture: str, shape: Shape, vocabulary: int = 1000, block: int = 256):
    return build(ARCHITECTURES[architecture].configuration(shape, vocabulary, block, 0))


def test_every_architecture_is_counted():
    assert COUNTS.keys() == ARCHITECTURES.keys()


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [*SHAPES.values(), GROUPED, GROUPED._replace(tied=True, layers=3)])
def test_parameters_and_memory_are_those_of_the_modules(architecture, shape):
    size = DecoderSize(architecture, shape, 1000, 256)
    with torch.device("meta"):
        model = decoder(architecture, shape)
        weights = list(model.parameters())
        assert size.parameters.total == sum(weight.numel() for weight in weights)
        assert size.parameters.layers == sum(weight.numel() for weight in model.hidden_matrices())
        memory = training_memory(size, 512, "adamw")
        assert memory["weights"] == sum(weight.nbytes for weight in weights)
        for name, optimizers in OPTIMIZERS.items():
            every = optimizers(model, 0.1, 0.1)
            for weight in weights:
                weight.grad = torch.empty_like(weight) if weight.requires_grad else None
            assert memory["gradients"] == sum(weight.grad.nbytes for weight in weights if weight.grad is not None)
            for each in every:
                each.optimizer.step()
            state = [value for each in every if not isinstance(each.optimizer, Balance) for values in each.optimizer.state.values() for value in values.values()]
            assert optimizer_memory(size, name) == sum(value.nbytes for value in state if value.dim())
    assert inference_memory(size, 3)["weights"] == sum(weight.numel() for weight in weights) * 2


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("shape", [GROUPED._replace(width=64), GROUPED._replace(kv_heads=4, layers=3, mlp=80)])
def test_activations_are_what_autograd_keeps(architecture, shape):
    """In float32, where attention is torch's fused kernel on every device, counted by storage."""
    length, vocabulary = 64, 1000
    model = decoder(architecture, shape, vocabulary, length)
    size = DecoderSize(architecture, shape, vocabulary, length)
    weights = {weight.untyped_storage().data_ptr() for weight in [*model.parameters(), *model.buffers()]}
    kept: dict[int, int] = {}
    alive = []

    def note(x: torch.Tensor) -> torch.Tensor:
        if (pointer := x.untyped_storage().data_ptr()) not in weights:
            kept[pointer] = x.untyped_storage().nbytes()
            alive.append(x)
        return x

    tokens = torch.randint(vocabulary, (1, length))
    with torch.autograd.graph.saved_tensors_hooks(note, lambda x: x):
        model(tokens, tokens, by_document(batch_of(tokens, (length,))))
    layer = size.activations
    expected = length * 4 * (shape.layers * (layer.working + layer.float32) + layer.masks + 2 * shape.width + vocabulary)
    joined = 4 * size.parameters.layers if "qwen3" in architecture else 0       # copies of q, k, v and of gate, up
    if architecture == "qwen3-moe":
        expected -= length * 4 * shape.layers * shape.width                     # its router's input is float32 already
    less = {"gpt2-relative": 0.95}.get(architecture, 1.0)                       # its masks are counted as in bfloat16
    assert less * expected <= sum(kept.values()) <= 1.01 * expected + joined


@torch.no_grad()
def test_the_cache_is_what_decoding_keeps():
    for architecture in ARCHITECTURES:
        model, size = decoder(architecture, GROUPED), DecoderSize(architecture, GROUPED, 1000, 256)
        cache = model.cache(2, 256)
        model.logits(torch.ones(2, 5, dtype=torch.int64), cache)
        assert sum(x.numel() for pair in cache.stored for x in pair) * 2 == inference_memory(size, 2)["cache"]


def test_flops_are_those_of_published_counts():
    """Our reference's figures for blocks of 2,048 (40m: 16,384 ids; 124m and 350m: 32,768), counted as nanoGPT counts."""
    for name, vocabulary, giga in (("40m", 16384, 0.365), ("124m", 32768, 0.845), ("350m", 32768, 2.50)):
        assert DecoderSize("qwen3", SHAPES[name], vocabulary, 2048).flops_per_token / 1e9 == pytest.approx(giga, rel=0.01)


def test_the_published_figures_of_gpt_3():
    """175 B parameters and 300 B tokens are 3.14e23 FLOPs (Brown et al. 2020, table D.1).

    "256 H100 for 236 days, 4.1 million dollars at 70 % and 2 dollars an hour" comes out in its two halves from 60 TFLOPs a
    second, which is the float32 rate of an H100 without tensor cores: 236 days at all of that rate, 4.1 millions at 70 %
    of it, where it takes 338 days. In bfloat16, as one trains, it is 21 days and a quarter of a million.
    """
    size = DecoderSize("gpt2", GPT3, 50257, 2048)
    assert size.parameters.total == pytest.approx(175e9, rel=0.003)
    assert flops(size.parameters.total, 300e9) == pytest.approx(GPT3_FLOPS, rel=0.002)
    without_tensor_cores = 60e12
    assert int(hours(GPT3_FLOPS, without_tensor_cores, 256, 1.0) / 24) == 236
    assert round(dollars(GPT3_FLOPS, without_tensor_cores, 2, 0.7) / 1e6, 1) == 4.2
    assert dollars(GPT3_FLOPS, without_tensor_cores, 2, 0.7) == pytest.approx(256 * 236 * 24 * 2 / 0.7, rel=0.003)
    assert round(hours(GPT3_FLOPS, without_tensor_cores, 256, 0.7) / 24) == 338
    h100 = ACCELERATORS["h100"]
    assert hours(GPT3_FLOPS, h100.peak, 256, 0.7) / 24 == pytest.approx(20.5, abs=0.05)
    assert dollars(GPT3_FLOPS, h100.peak, 2, 0.7) == pytest.approx(251_878, abs=500)


def test_a_width_brings_heads_and_a_wider_mlp():
    assert EstimateSettings(shape="10m", width=1024).sizes() == SHAPES["10m"]._replace(width=1024, heads=16, kv_heads=16, mlp=2752)
    assert EstimateSettings(shape="10m", heads=8, tied=False).sizes() == SHAPES["10m"]._replace(heads=8, kv_heads=8, tied=False)


def test_the_command_fits_80_columns_and_says_what_is_wrong(capsys):
    given = ["estimate", "--architecture", "gpt2", "--layers", "96", "--width", "12288", "--heads", "96", "--vocabulary", "50257",
             "--tokens", "300B", "--cards", "256", "--utilisation", "0.7", "--price", "2"]
    assert main(given) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert "parameters  175B" in lines and "in all      3.23e+23 FLOPs (6 N D: 3.14e+23)" in lines
    assert next(line for line in lines if " h100 " in line).split() == ["h100", "989", "80", "GB*", "164,720", "21.1", "days", "2.00",
                                                                        "259,025.05"]
    assert main(["estimate", "--shape", "ci"]) == 0
    assert "*" not in capsys.readouterr().out
    assert refused(capsys, "estimate", "--shape", "7b", "--accelerator", "h1", "--utilisation", "70", "--tokens", "0").splitlines() == [
        f"estimate: estimate: shape: '7b' is not one of {', '.join(SHAPES)}",
        f"estimate: estimate: accelerator: 'h1' is not one of {', '.join(ACCELERATORS)}",
        "estimate: estimate: tokens: must be above 0, is 0.0",
        "estimate: estimate: utilisation: a share of the peak rate, above 0 and at most 1, is 70.0"]


def test_it_needs_no_torch():
    code = ("import sys; from textmill.cli import main; main(['estimate']); "
            "print([name for name in ('torch', 'numpy', 'pyarrow', 'apache_beam') if name in sys.modules])")
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert ran.stdout.splitlines()[-1] == "[]", ran
