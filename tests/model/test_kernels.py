"""Kernels that take a batch's attention in one call, compilation of the whole model, 8-bit products, recomputation.

What needs a card is skipped without one, and run there by `make bench-gpu`.
"""

import pytest
import torch

from tests.model.test_architecture import GROUPED, batch_of, small_model
from textmill.model import ModelError
from textmill.model.architecture.attention import Heads, by_document
from textmill.model.architecture.float8 import Float8Linear, product, use_float8
from textmill.model.architecture.kernels import KERNELS, Dense, Flex, Kernel, agree, choose_masking
from textmill.model.architecture.shapes import Shape
from textmill.model.training.compilation import compile_model
from textmill.model.training.loop import next_token_loss

pytestmark = pytest.mark.slow

CPU, HEADS = torch.device("cpu"), Heads(4, 2, 16)
CARD = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no CUDA card here")
WIDE = Shape(layers=2, width=64, heads=4, head_width=16, kv_heads=2, mlp=96, tied=True)


def batches(length=128):
    random = torch.Generator().manual_seed(1)
    tokens = torch.randint(299, (2, length), generator=random)
    return [batch_of(tokens, lengths) for lengths in ((50, length - 50, length), (length, 1, 9, length - 10))]


def gradients(model, loss, batch, precision=torch.float32):
    model.zero_grad()
    with torch.autocast(model.device.type, precision, enabled=precision != torch.float32):
        total = loss(model, batch.to(model.device))
    total.backward()
    return [float(total.detach()), *(weight.grad.clone() for weight in model.parameters())]


def test_a_batch_is_laid_out_by_documents():
    batch = batch_of(torch.zeros(2, 6, dtype=torch.int64), (2, 4, 6))
    assert Kernel().layout(batch).tolist() == [[0, 0, 1, 1, 1, 1], [2] * 6]
    assert batch.borders_on(CPU).tolist() == [0, 2, 6, 12]
    assert batch.to(CPU) is batch


class Wrong(Dense):
    def attend(self, layout):
        right = super().attend(layout)
        return lambda *given, **more: right(*given, **more) * 1.01


class Broken(Dense):
    def attend(self, layout):
        raise RuntimeError("no kernel image is available\nfor this card")


@pytest.mark.parametrize(("kernel", "why"), [(Wrong, "dense disagrees with the loop"), (Broken, "dense: no kernel image is available")])
def test_a_kernel_that_errs_is_not_taken_and_the_reason_is_said(kernel, why, monkeypatch):
    monkeypatch.setitem(KERNELS, "dense", kernel)
    choice = choose_masking(CPU, torch.float32, 48, HEADS, wanted="dense")
    assert choice.masking is by_document and (choice.name, choice.why) == ("loop", why)


def test_the_choice_of_attention():
    assert choose_masking(CPU, torch.float32, 48, HEADS) == (by_document, "loop", "")
    dense = choose_masking(CPU, torch.float32, 48, HEADS, window=7, wanted="dense")
    assert isinstance(dense.masking, Dense) and dense.masking.window == 7 and dense.name == "dense" and not dense.why
    assert small_model("gpt2-alibi").choose_masking(torch.float32, 48, "flex").why == "only the loop knows biases by distance"
    assert "varlen" in choose_masking(CPU, torch.float32, 48, HEADS, wanted="varlen").why        # it is for cards


def test_a_model_is_compiled_once_for_all_batches_and_gives_the_same():
    """Whole: a break in the graph would raise; and another layout of documents makes no second graph."""
    model, loss = small_model("qwen3", WIDE, block=128), next_token_loss(Dense())
    plain = [gradients(model, loss, batch) for batch in batches()]
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    assert compile_model(model, Dense(), batches()[0], torch.float32, True).startswith("compiled in ")
    compiled = [gradients(model, loss, batch) for batch in batches()]
    assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
    for one, other in zip(plain, compiled, strict=True):
        assert one[0] == pytest.approx(other[0], rel=1e-5)
        for a, b in zip(one[1:], other[1:], strict=True):
            torch.testing.assert_close(a, b, rtol=1e-3, atol=1e-3)
    torch._dynamo.reset()


@pytest.mark.filterwarnings("ignore:flex_attention called without torch.compile")
def test_flex_attention_is_one_graph_with_the_model():
    """Traced whole, and run as it stands: for CPUs torch makes no backward, and of some shapes no code that compiles."""
    model, batch = small_model("qwen3", WIDE, block=128), batches()[0]
    with torch.no_grad():
        expected = next_token_loss(by_document)(model, batch)
        model.compile(fullgraph=True, dynamic=False, backend="eager")
        torch.testing.assert_close(next_token_loss(Flex(compiled=False))(model, batch), expected)
    torch._dynamo.reset()


def test_what_cannot_be_compiled_goes_on_and_says_why(monkeypatch):
    batch = batches()[0]
    model = small_model("qwen3", WIDE, block=128)
    assert compile_model(model, by_document, batch, torch.float32, None) == ""       # nothing asked for on a CPU
    assert compile_model(model, by_document, batch, torch.float32, True) == "not compiled: attention is a loop over documents"
    mixture = small_model("qwen3-moe", WIDE, block=128)
    assert compile_model(mixture, Dense(), batch, torch.float32, True).startswith("not compiled: what its experts get")
    monkeypatch.setattr("torch._inductor.config.cpp.cxx", ("/no/such/compiler",))
    torch._dynamo.reset()
    assert compile_model(model, Dense(), batch, torch.float32, True).startswith("not compiled (")
    assert gradients(model, next_token_loss(Dense()), batch)[0] > 0
    torch._dynamo.reset()


@pytest.mark.parametrize("architecture", ["qwen3", "gpt2", "gpt2-alibi", "qwen3-moe"])
def test_recomputed_layers_give_the_same_gradients_and_keep_less(architecture):
    model, batch, kept = small_model(architecture, WIDE, block=128), batches()[0], []
    results = []
    for model.recompute in (False, True):
        total = [0]

        def count(tensor, total=total):
            total[0] += tensor.numel()
            return tensor

        with torch.autograd.graph.saved_tensors_hooks(count, lambda tensor: tensor):
            results.append(gradients(model, next_token_loss(by_document), batch))
        kept.append(total[0])
    assert results[0][0] == results[1][0]
    assert all(a.equal(b) for a, b in zip(results[0][1:], results[1][1:], strict=True))


def test_products_in_8_bits_are_near_those_in_32():
    random = torch.Generator().manual_seed(2)
    x = torch.randn(4, 16, 96, generator=random, requires_grad=True)
    weight = (0.1 * torch.randn(48, 96, generator=random)).requires_grad_()
    results = [[output, *torch.autograd.grad(output.float().square().sum(), (x, weight))]
               for output in (product(x, weight), x @ weight.T)]
    for ours, exact in zip(*results, strict=True):
        assert 0 < (ours.float() - exact).norm() < 0.08 * exact.norm()
    assert results[0][0].dtype == torch.bfloat16 and results[0][0].shape == (4, 16, 48)


def test_a_model_in_8_bits_trains_as_it_would_and_is_the_same_model():
    losses = []
    for float8 in (False, True):
        model = small_model("qwen3", WIDE, block=128)
        names = list(model.state_dict())
        if float8:
            use_float8(model)
            assert sum(isinstance(module, Float8Linear) for module in model.modules()) == 2 * 7
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(10):
            total = next_token_loss(by_document)(model, batches()[0])
            total.backward()
            optimizer.step()
            optimizer.zero_grad()
        losses.append(float(total.detach()))
        assert list(model.state_dict()) == names
        with torch.no_grad():
            losses.append(float(next_token_loss(by_document)(model, batches()[0])))
    assert losses[2] / 256 == pytest.approx(losses[0] / 256, abs=0.1) and losses[0] < 0.9 * 256 * 5.7
    with pytest.raises(ModelError, match=r"float8: self_attn.q_proj is \(64, 40\), and sizes have to be multiples of 16"):
        use_float8(small_model("qwen3", GROUPED._replace(width=40)))


@CARD
@pytest.mark.parametrize("window", [None, 100])
@pytest.mark.parametrize("name", KERNELS)
def test_every_kernel_gives_what_the_loop_gives_on_a_card(name, window):
    from functools import partial

    card = torch.device("cuda")
    loop = by_document if window is None else partial(by_document, window=window)
    assert agree(KERNELS[name](window), loop, card, torch.bfloat16, 512, 4, 2, 64)


@CARD
@pytest.mark.parametrize("name", KERNELS)
def test_a_model_compiled_on_a_card_gives_the_same(name):
    model = small_model("qwen3", WIDE, block=128).cuda()
    kernel = KERNELS[name]()
    plain = gradients(model, next_token_loss(by_document), batches()[0], torch.bfloat16)
    assert compile_model(model, kernel, batches()[0], torch.bfloat16, None).startswith("compiled")
    for batch in batches():
        compiled = gradients(model, next_token_loss(kernel), batch, torch.bfloat16)
    compiled = gradients(model, next_token_loss(kernel), batches()[0], torch.bfloat16)
    assert compiled[0] == pytest.approx(plain[0], rel=0.01)
    torch._dynamo.reset()
