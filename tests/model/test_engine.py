"""The engine: the bits of a text do not depend on what else is generated, and texts end where they should."""

from dataclasses import replace

import pytest
import torch

from tests.model.generation import END, language_model
from textmill.model import ModelError
from textmill.model.architecture.build import ARCHITECTURES
from textmill.model.generation.answer import Answer
from textmill.model.generation.engine import Engine
from textmill.model.generation.passes import Passes
from textmill.model.generation.prefixes import STRETCH
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings

torch.set_num_threads(1)
FREE = SamplingSettings(1.0)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return language_model(tmp_path_factory.mktemp("model"))


def request(length: int, seed: int = 1, tokens: int = 30, **more) -> Request:
    prompt = (END, *torch.randint(END, (length - 1,), generator=torch.Generator().manual_seed(length)).tolist())
    return Request(prompt, replace(FREE, seed=seed), tokens, stop_ids=frozenset(), **more)


@pytest.fixture(params=["small", "large"])
def steps(request, monkeypatch):
    """Steps as a small model takes them, and as a large one does."""
    if request.param == "large":
        monkeypatch.setattr("textmill.model.generation.passes.LARGEST", 0)


@pytest.mark.parametrize("window", [None, 6])
@pytest.mark.parametrize("architecture", ARCHITECTURES)
@torch.inference_mode()
def test_passes_give_the_decoders_logits(architecture, window, steps, tmp_path):
    model = language_model(tmp_path, architecture, 200, window=window).decoder
    tokens = torch.randint(END, (1, 150), generator=torch.Generator().manual_seed(1))
    expected = model.logits(tokens, model.cache(1, 150))[0]
    ids, passes = tokens[0].tolist(), Passes(model)
    passes.cache.reserve(2, 151)
    torch.testing.assert_close(passes.read(1, ids[:70], 0), expected[69], atol=1e-5, rtol=1e-4)
    torch.testing.assert_close(passes.read(1, ids[70:100], 70), expected[99], atol=1e-5, rtol=1e-4)
    passes.cache.move(1, 0, 100)
    for place in range(100, 150):
        for row in passes.step([ids[place]] * 2, [place] * 2):
            torch.testing.assert_close(row, expected[place], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ["qwen3", "gpt2", "gpt2-relative"])
def test_a_text_has_the_same_bits_alone_and_beside_others(architecture, steps, tmp_path):
    """Prompts of 1 to 140 tokens, more of them than rows, so that they join and leave at every moment."""
    model = language_model(tmp_path, architecture)
    requests = [request(length, seed, tokens=5 + length % 37, top_logprobs=3)
                for seed, length in enumerate((1, 2, 63, 64, 65, 100, 128, 129, 140, 7, 7, 70))]
    together = Engine(model, rows=5).run(requests)
    for each, answer in zip(requests, together, strict=True):
        alone = Engine(model, rows=1, room=0).run([each])[0]
        assert alone.tokens == answer.tokens and alone.scores == answer.scores and len(alone.tokens) == each.max_tokens


@pytest.mark.parametrize("architecture", ["qwen3", "gpt2"])
@torch.inference_mode()
def test_passes_in_bfloat16_are_near(architecture, tmp_path):
    """As on CUDA, but for its graph."""
    model = language_model(tmp_path, architecture, 200).decoder
    ids = torch.randint(END, (60,), generator=torch.Generator().manual_seed(1)).tolist()
    expected = model.logits(torch.tensor([ids]), model.cache(1, 60))[0]
    passes = Passes(model, dtype=torch.bfloat16)
    passes.cache.reserve(2, 64)
    assert passes.cache.stored.dtype == torch.bfloat16
    assert (passes.read(1, ids[:50], 0) - expected[49]).abs().max() < 0.05 * expected.abs().max()
    passes.cache.move(1, 0, 50)
    for place in range(50, 60):
        assert (passes.step([ids[place]] * 2, [place] * 2)[1] - expected[place]).abs().max() < 0.05 * expected.abs().max()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
@pytest.mark.parametrize("architecture", ["qwen3", "gpt2"])
def test_a_recorded_step_gives_the_same_text_alone_and_beside_others(architecture, tmp_path):
    model = language_model(tmp_path, architecture)
    model.decoder.to("cuda")
    requests = [request(length, seed, tokens=9) for seed, length in enumerate((1, 63, 64, 100, 7, 7, 70))]
    together = Engine(model, rows=4).run(requests)
    assert [answer.tokens for answer in together] == [Engine(model, rows=4, room=0).run([each])[0].tokens for each in requests]
    assert Engine(model, rows=4).passes.recorded is not None


def test_prompts_that_begin_the_same_are_read_once_and_say_the_same(model):
    engine = Engine(model)
    first, again = request(2 * STRETCH + 9), request(2 * STRETCH + 9, seed=2)
    longer = replace(first, prompt=(*first.prompt, 5, 6, 7))
    answers = engine.run([first, again, longer])
    assert [answer.cached for answer in answers] == [0, 2 * STRETCH + 9, 2 * STRETCH]
    fresh = [Engine(model, room=0).run([each])[0] for each in (first, again, longer)]
    assert [answer.tokens for answer in answers] == [answer.tokens for answer in fresh] and fresh[1].cached == 0
    small = Engine(model, room=1000)
    small.run([first, again])
    assert small.prefixes.used <= 1000 and not small.prefixes.kept


def test_rows_join_and_leave_at_any_step(model):
    engine = Engine(model, rows=2)
    short, long, waiting = (engine.add(request(9, seed, tokens)) for seed, tokens in ((1, 2), (2, 9), (3, 4)))
    assert {id(answer) for answer in engine.step()} == {id(short), id(long)} and not engine.idle
    assert short.finish_reason == "length" and waiting.tokens == []
    engine.step()
    assert len(waiting.tokens) == 2 and [row.answer for row in engine.running] == [long, waiting]
    engine.cancel(long)
    assert long.finish_reason == "cancelled"
    engine.step()
    assert [row.answer for row in engine.running] == [waiting] and len(long.tokens) == 3
    while not engine.idle:
        engine.step()
    assert waiting.tokens == Engine(model).run([request(9, 3, 4)])[0].tokens
    queued = engine.add(request(9))
    engine.cancel(queued)
    assert engine.step() == [] and engine.idle and queued.usage == (9, 0, 0)


def answer_of(text: bytes, at_once: int, **how) -> tuple[Answer, list[str]]:
    """An answer of these bytes, `at_once` a token, and what was read after each."""
    pieces = [text[start:start + at_once] for start in range(0, len(text), at_once)]
    answer = Answer(Request((0,), **how), pieces)
    read = []
    for number in range(len(pieces)):
        if answer.finish_reason is None:
            answer.append(number)
            read.append(answer.read())
    answer.finish(answer.finish_reason or "length")
    return answer, [*read, answer.read()]


@pytest.mark.parametrize("at_once", [1, 2, 3, 5, 50])
def test_a_stream_has_whole_characters_and_no_stop_text(at_once):
    text = "né 水🦊 end STOP more"
    answer, read = answer_of(text.encode(), at_once, stop=("STOP", "STO!", "OP"))
    assert (answer.text, answer.finish_reason, answer.stop) == ("né 水🦊 end ", "stop", "STOP")
    assert "".join(read) == answer.text and not any("\ufffd" in part for part in read)
    answer, read = answer_of(text.encode()[:9], at_once, stop=("STOP",))
    assert answer.text == "né 水\ufffd" == "".join(read)
    answer, read = answer_of(b"so STO", at_once, stop=("STOP",))
    assert answer.text == "so STO" == "".join(read) and answer.finish_reason == "length"
    answer, _ = answer_of(b"STOP STOP on", 1, stop=("STOP",), min_tokens=5)
    assert (answer.text, answer.stop) == ("STOP ", "STOP")


def test_a_minimum_length_forbids_the_end(model):
    ends = SamplingSettings(logit_bias={END: 1e4})
    answer, = Engine(model).run([Request((END, 5), ends, 20, min_tokens=7)])
    assert (len(answer.tokens), END in answer.tokens, answer.finish_reason, answer.usage.generated) == (7, False, "stop", 8)


@pytest.mark.parametrize(("wrong", "problem"), [
    ({"prompt": ()}, "the prompt is empty"), ({"prompt": (300,)}, "ids outside 0 to 299"), ({"max_tokens": 0}, "max_tokens must be 1"),
    ({"prompt": (1,) * 400}, "the prompt has 400 tokens and the model reads 400"), ({"min_tokens": 31}, "min_tokens must be 0 to 30"),
    ({"stop": ("",)}, "a stop text is empty"), ({"top_logprobs": 301}, "top_logprobs must be 0 to 300"),
    ({"settings": SamplingSettings(logit_bias={300: 1.0})}, "logit_bias has the id 300"),
    ({"settings": SamplingSettings(min_p=0.0, repetition_penalty=0)}, "min_p must be above 0.*; repetition_penalty must be above 0")])
def test_what_cannot_be_answered_is_a_sentence(model, wrong, problem):
    with pytest.raises(ModelError, match=problem):
        Engine(model).add(replace(request(5), **wrong))
