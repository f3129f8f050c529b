"""Searching and certainty: beam search is exhaustive where it is wide enough, the best is the best, and costs are counted."""

import itertools
import math
from dataclasses import replace

import pytest
import torch

from tests.model.generation import END, language_model, sharper
from tests.model.test_blocks import LETTER_A
from textmill.model import ModelError
from textmill.model.generation.certainty import agreement, certainty
from textmill.model.generation.engine import Engine
from textmill.model.generation.request import Request
from textmill.model.generation.robustness import changes
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.generation.scoring import score
from textmill.model.generation.search import (
    beam_search,
    best_of,
    first_valid,
    mean_logprob,
    seeded,
    self_consistency,
    until_valid,
)

torch.set_num_threads(1)
LETTERS = (LETTER_A, LETTER_A + 1, LETTER_A + 2)


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return sharper(language_model(tmp_path_factory.mktemp("model")), 3)


def only(*ids: int) -> SamplingSettings:
    """Logits of all other ids far below."""
    return SamplingSettings(1.0, logit_bias={n: -1e4 for n in range(300) if n not in ids})


@torch.no_grad()
def exhaustive(model, prompt: tuple[int, ...], length: int, power: float) -> list[tuple[float, tuple[int, ...]]]:
    """Every text of three letters up to a length with its score, by the decoder itself."""
    found, allowed = [], [*LETTERS, END]
    for count in range(length + 1):
        for letters in itertools.product(LETTERS, repeat=count):
            ids = (*prompt, *letters, *((END,) if count < length else ()))
            tokens = torch.tensor([ids])
            logits = model.decoder.logits(tokens, model.decoder.cache(1, len(ids)))[0]
            others = torch.ones(300, dtype=torch.bool)
            others[allowed] = False
            logs = logits.masked_fill(others, -1e4).log_softmax(-1)
            total = sum(float(logs[n - 1, ids[n]]) for n in range(len(prompt), len(ids)))
            found.append((total / (len(ids) - len(prompt)) ** power, letters))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_a_wide_beam_is_exhaustive(model, power):
    prompt = (END, 7, 9)
    expected = exhaustive(model, prompt, 3, power)
    found, generated = beam_search(Engine(model), Request(prompt, only(*LETTERS, END), 3), 30, power)
    for hypothesis, (value, letters) in zip(found, expected, strict=False):
        assert hypothesis.tokens == letters and hypothesis.score == pytest.approx(value, abs=1e-4)
    assert len(found) == 30 and generated <= 1 + 30 + 30
    narrow, cost = beam_search(Engine(model), Request(prompt, only(*LETTERS, END), 3), 2, power)
    assert narrow[0].score <= found[0].score + 1e-9 and cost <= 1 + 2 + 2


def test_one_beam_is_greedy_and_minimum_lengths_hold(model):
    greedy, = Engine(model).run([Request((END, 5), SamplingSettings(0.0), 12, stop_ids=frozenset())])
    found, _ = beam_search(Engine(model), Request((END, 5), SamplingSettings(), 12, stop_ids=frozenset()), 1)
    assert found[0].tokens == tuple(greedy.tokens)
    long, _ = beam_search(Engine(model), Request((END,), only(*LETTERS, END), 5, min_tokens=4), 40)
    assert min(len(each.tokens) for each in long) == 4
    with pytest.raises(ModelError, match="beams must be 1 or more"):
        beam_search(Engine(model), Request((END,)), 0)
    with pytest.raises(ModelError, match="no constraint and no stop texts"):
        beam_search(Engine(model), Request((END,), stop=("x",)), 2)


def test_the_best_of_several_is_the_best_and_costs_all(model):
    request = Request((END, 4), SamplingSettings(1.0), 8, stop_ids=frozenset())
    chosen = best_of(Engine(model), request, 10)
    alone = [score(model, answer.text) for answer in chosen.answers]
    assert len(alone) == 10 and chosen.generated == 80 and chosen.scores == sorted(chosen.scores, reverse=True)
    assert mean_logprob(chosen.answer) == chosen.scores[0] == max(mean_logprob(answer) for answer in chosen.answers)
    longest = best_of(Engine(model), request, 10, lambda answer: answer.tokens.count(answer.tokens[0]))
    assert longest.scores[0] == max(answer.tokens.count(answer.tokens[0]) for answer in longest.answers)
    assert [each.settings.seed for each in seeded(request, 3)] == [1, 2, 3]


def test_the_most_frequent_final_answer_wins(model):
    """Drawn from A, B and C: the most frequent of 60 draws is the likeliest of the three; one draw need not be."""
    request = Request((END, 4), only(*LETTERS), 1)
    chosen = self_consistency(Engine(model), request, 60, lambda text: text)
    with torch.no_grad():
        logits = model.decoder.logits(torch.tensor([[END, 4]]), model.decoder.cache(1, 2))[0, -1]
    assert chosen.answer.text == chosen.agreement.text == "ABC"[int(logits[list(LETTERS)].argmax())]
    assert chosen.agreement.votes == sum(answer.text == chosen.agreement.text for answer in chosen.answers) and chosen.generated == 60
    found = agreement(chosen.answers, lambda text: None if text == "A" else "same")
    assert found.votes == sum(answer.text != "A" for answer in chosen.answers) and 0 <= found.pairs <= 1
    with pytest.raises(ModelError, match="none of the answers has a final answer"):
        agreement(chosen.answers, lambda text: None)


def test_drawing_until_valid_stops_there(model):
    request = Request((END, 4), only(*LETTERS), 1)
    one_by_one = until_valid(Engine(model), request, lambda text: text == "B", 200)
    assert one_by_one.answer.text == "B" and one_by_one.generated == len(one_by_one.answers)
    assert all(answer.text != "B" for answer in one_by_one.answers[:-1])
    assert until_valid(Engine(model), request, lambda text: text == "D", 5)[:1] == (None,)
    longer = replace(request, max_tokens=40, stop_ids=frozenset())
    engine = Engine(model, rows=4)
    race = first_valid(engine, replace(longer, stop=("B",)), lambda text: len(text) < 5, 8)
    assert race.answer is not None and len(race.answer.text) < 5 and engine.idle and race.generated < 8 * 40
    assert {answer.finish_reason for answer in race.answers} >= {"stop"}
    assert first_valid(Engine(model), request, lambda text: False, 3).answer is None


def test_certainty_is_of_the_tokens_probabilities(model):
    answer, = Engine(model).run([Request((END,), SamplingSettings(1.0), 10, stop_ids=frozenset(), top_logprobs=0)])
    found = certainty(answer.scores)
    probabilities = [math.exp(each) for each in answer.logprobs]
    assert found.lowest == pytest.approx(min(probabilities)) and found.mean == pytest.approx(math.prod(probabilities) ** 0.1)
    assert 0 < found.entropy <= found.highest_entropy <= math.log(300)
    with pytest.raises(ModelError, match="without scores has no certainty"):
        certainty([])


def test_harmless_changes_are_measured_against_the_prompt_as_it_is(model):
    text, found = changes(Engine(model), "The river's end.", 10)
    assert text == Engine(model).run([Request(model.ids("The river's end."), SamplingSettings(0.0), 10)])[0].text
    assert [each.name for each in found][:2] == ["a space before", "a line break before"] and len(found) == 7
    assert all(0 <= each.likeness <= 1 and 0 < each.variation <= 1 for each in found)
    assert "curly quotation marks" not in [each.name for each in changes(Engine(model), "plain", 3)[1]]
