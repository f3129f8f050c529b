"""Drawing: each processor and their combinations give the distribution that a plain computation gives, by chi-square."""

import math
import random
from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from tests.model.generation import END, language_model
from textmill.model import ModelError
from textmill.model.generation.distribution import Batch, next_token
from textmill.model.generation.engine import Engine
from textmill.model.generation.request import Request
from textmill.model.generation.sampling import SamplingSettings
from textmill.model.generation.scoring import score

torch.set_num_threads(1)
DRAWS = 4000
LOGITS = torch.randn(1, 40, generator=torch.Generator().manual_seed(7)) * 1.5
IN_PROMPT = [3, 5, 8, 13]
COUNTS = {1: 1, 5: 2, 21: 4}
WAYS = [{}, {"temperature": 0.5}, {"temperature": 2.0}, {"top_k": 1}, {"top_k": 7}, {"top_p": 0.3}, {"top_p": 0.9}, {"min_p": 0.1}, {"typical_p": 0.2},
        {"typical_p": 0.8}, {"repetition_penalty": 1.7}, {"repetition_penalty": 0.6}, {"presence_penalty": 1.2}, {"frequency_penalty": 0.7},
        {"logit_bias": {2: 3.0, 4: -100.0}}, {"temperature": 0.7, "top_k": 20, "top_p": 0.8}, {"temperature": 1.5, "top_p": 0.9, "min_p": 0.05},
        {"top_k": 12, "typical_p": 0.7}, {"repetition_penalty": 1.3, "presence_penalty": 0.5, "frequency_penalty": -0.4, "temperature": 0.9},
        {"logit_bias": {0: 2.0}, "repetition_penalty": 1.2, "temperature": 0.8, "top_k": 15, "top_p": 0.95, "min_p": 0.02, "typical_p": 0.9}]


def expected(logits: list[float], settings: SamplingSettings, forbidden: frozenset[int] = frozenset()) -> np.ndarray:
    """The distribution by its definition, a step after the other, in plain Python and in the order that is documented."""
    values = [value + settings.logit_bias.get(n, 0) for n, value in enumerate(logits)]
    for n in {*IN_PROMPT, *COUNTS}:
        values[n] = values[n] / settings.repetition_penalty if values[n] > 0 else values[n] * settings.repetition_penalty
    for n, count in COUNTS.items():
        values[n] -= settings.presence_penalty + settings.frequency_penalty * count
    values = [-math.inf if n in forbidden else value / settings.temperature for n, value in enumerate(values)]

    def chances() -> list[float]:
        largest = max(values)
        weights = [math.exp(value - largest) for value in values]
        return [weight / sum(weights) for weight in weights]

    def keep(kept: set[int]) -> list[float]:
        return [value if n in kept else -math.inf for n, value in enumerate(values)]

    def reaching(order: list[int], p: float) -> set[int]:
        kept, total, now = set(), 0.0, chances()
        for n in order:
            if total < p:
                kept.add(n)
            total += now[n]
        return kept

    likeliest = sorted(range(len(values)), key=lambda n: -values[n])
    if settings.top_k:
        values = keep(set(likeliest[:settings.top_k]))
    if settings.top_p:
        values = keep(reaching(likeliest, settings.top_p))
    if settings.min_p:
        values = keep({n for n, chance in enumerate(chances()) if chance >= settings.min_p * max(chances())})
    if settings.typical_p:
        now = chances()
        entropy = -sum(chance * math.log(chance) for chance in now if chance)
        surprise = sorted((n for n in range(len(now)) if now[n]), key=lambda n: abs(-math.log(now[n]) - entropy))
        values = keep(reaching(surprise, settings.typical_p))
    return np.array(chances())


def state(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    in_prompt, counts = torch.zeros(rows, 40, dtype=torch.bool), torch.zeros(rows, 40)
    in_prompt[:, IN_PROMPT] = True
    for number, count in COUNTS.items():
        counts[:, number] = count
    return in_prompt, counts


@pytest.mark.parametrize("way", WAYS, ids=str)
def test_draws_follow_the_distribution(way):
    settings = SamplingSettings(**{"temperature": 1.0} | way)
    forbidden = torch.zeros(1, 40, dtype=torch.bool)
    forbidden[0, [9, 11]] = True
    batch, uniform = Batch([settings], 40, torch.device("cpu")), random.Random(1)
    adjusted = batch.adjusted(LOGITS, *state(1), forbidden).expand(DRAWS, 40)
    ids, narrowed = batch.draw(adjusted, [uniform.random() for _ in range(DRAWS)])
    chances = expected(LOGITS[0].tolist(), settings, frozenset({9, 11}))
    np.testing.assert_allclose(narrowed[0].softmax(-1).numpy(), chances, atol=1e-5)
    drawn = np.bincount(ids.numpy(), minlength=40)
    assert (drawn[chances == 0] == 0).all()
    if (chances > 0).sum() > 1:
        assert chisquare(drawn[chances > 0], DRAWS * chances[chances > 0]).pvalue > 1e-3


def test_a_row_is_narrowed_alone_as_among_others():
    """Every way in one batch, with greedy rows between: each row has the bits that it has in a batch of its own."""
    everything = [SamplingSettings(**{"temperature": 1.0} | way) for way in WAYS] + [SamplingSettings(0.0, top_k=3)]
    logits = torch.randn(len(everything), 40, generator=torch.Generator().manual_seed(2))
    uniform = [random.Random(n).random() for n in range(len(everything))]
    batch = Batch(everything, 40, torch.device("cpu"))
    ids, narrowed = batch.draw(batch.adjusted(logits, *state(len(everything))), uniform)
    for row, settings in enumerate(everything):
        alone = Batch([settings], 40, torch.device("cpu"))
        adjusted = alone.adjusted(logits[row:row + 1], *state(1))
        id_, of_row = alone.draw(adjusted, uniform[row:row + 1])
        assert id_ == ids[row] and (not settings.temperature or of_row[0].softmax(-1).equal(narrowed[row].softmax(-1)))


def test_a_wide_nucleus_and_a_narrow_one_are_cut_alike():
    """Of 3,000 tokens the first 256 are looked at first: a nucleus of more must not end there, nor a row beside one of fewer."""
    logits = torch.randn(2, 3000, generator=torch.Generator().manual_seed(3)) * 0.2
    logits[1, 7] = 20
    kept = Batch([SamplingSettings(1.0, top_p=0.9), SamplingSettings(1.0, top_p=0.5)], 3000, torch.device("cpu")).narrowed(logits) > -torch.inf
    chances = logits[0].softmax(-1).sort(descending=True).values.double()
    assert int(kept[0].sum()) == int((chances.cumsum(-1) - chances < 0.9).sum()) > 2000 and kept[1].nonzero().tolist() == [[7]]


def test_the_ends_of_the_unit_interval_draw_tokens_that_can_be():
    logits = torch.tensor([-torch.inf, 0.0, 0.0, -torch.inf])
    batch = Batch([SamplingSettings(1.0)], 4, torch.device("cpu"))
    for uniform, token in ((0.0, 1), (0.49, 1), (0.51, 2), (1 - 2 ** -53, 2)):
        assert batch.draw(logits[None], [uniform])[0].tolist() == [token]


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return language_model(tmp_path_factory.mktemp("model"))


def test_the_engine_draws_from_what_the_model_says(model):
    """The first token of 1,500 answers, with penalties of the prompt, by chi-square; and scores are those of a given text."""
    settings = SamplingSettings(0.7, top_k=6, repetition_penalty=1.5)
    requests = [Request((END, 7, 7, 9), replace(settings, seed=n), 1, stop_ids=frozenset(), top_logprobs=2) for n in range(1500)]
    answers = Engine(model, rows=64).run(requests)
    with torch.no_grad():
        tokens = torch.tensor([[END, 7, 7, 9]])
        logits = model.decoder.logits(tokens, model.decoder.cache(1, 4))[0, -1]
    batch, in_prompt = Batch([settings], 300, torch.device("cpu")), torch.zeros(1, 300, dtype=torch.bool)
    in_prompt[0, [END, 7, 9]] = True
    chances = batch.narrowed(batch.adjusted(logits[None], in_prompt, torch.zeros(1, 300)))[0].softmax(-1)
    drawn = Counter(answer.tokens[0] for answer in answers)
    kept = chances.nonzero()[:, 0].tolist()
    assert set(drawn) <= set(kept) and len(kept) == 6
    assert chisquare([drawn[n] for n in kept], [1500 * float(chances[n]) / float(chances[kept].double().sum()) for n in kept]).pvalue > 1e-3
    first = answers[0].scores[0]
    assert first.logprob == pytest.approx(float(logits.log_softmax(-1)[first.id]), abs=1e-5)
    assert first.drawn == pytest.approx(float(chances[first.id].log()), abs=1e-5)


def test_penalties_count_the_answer_as_it_grows(model):
    """A penalty that outweighs all logits lets no token come twice; a reward lets one come for ever."""
    none_twice, = Engine(model).run([Request((END,), SamplingSettings(0.0, presence_penalty=1e4), 200, stop_ids=frozenset())])
    assert len(set(none_twice.tokens)) == 200
    one, = Engine(model).run([Request((END,), SamplingSettings(0.0, frequency_penalty=-1e4), 50, stop_ids=frozenset())])
    assert len(set(one.tokens)) == 1


def test_a_given_text_is_scored_as_it_is_said(model):
    answer, = Engine(model).run([Request(model.ids("the river"), SamplingSettings(1.0, seed=4, logit_bias=dict.fromkeys(range(128, 256), -100.0)), 30, top_logprobs=4)])
    scores = score(model, answer.text, "the river", top=4)
    if model.ids("the river" + answer.text) == (*model.ids("the river"), *answer.tokens):
        for said, given in zip(answer.scores, scores, strict=True):
            assert (said.id, said.logprob) == (given.id, pytest.approx(given.logprob, abs=1e-4)) and said.entropy == pytest.approx(given.entropy, abs=1e-3)
    assert sum(each.logprob for each in score(model, "the river runs")) == pytest.approx(
        sum(each.logprob for each in score(model, "the river")) + sum(each.logprob for each in score(model, " runs", "the river")), abs=1e-3)
    with pytest.raises(ModelError, match="the text has 401 tokens and the model reads 400"):
        score(model, "?" * 400)


def test_damaged_weights_are_a_sentence():
    with pytest.raises(ModelError, match="chances that are no numbers"):
        next_token(torch.tensor([1.0, math.nan]), SamplingSettings(), 0.5)
