"""Calibration: how far a model's probabilities say how often it is right, by multiple choice and cloze.

The confidence in an answer is its share of the choices' probabilities. Reliability compares it with the share that is right, in
ten steps of confidence; the expected calibration error (ECE, Guo et al. 2017) is the mean distance, weighed by answers. Who
abstains below a bound answers fewer questions (coverage) with fewer mistakes (risk).
"""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from textmill.model.device import precision_of
from textmill.model.evaluation.tasks import Item, log_probability, parts
from textmill.model.generation.language_model import LanguageModel

STEPS = 10


class Judgement(NamedTuple):
    """A question's answer: the model's confidence in it, and whether it is right."""

    confidence: float
    right: bool


class Bin(NamedTuple):
    """The answers of a step of confidence."""

    low: float
    high: float
    answers: int
    confidence: float       # mean
    accuracy: float         # share that is right


class Cut(NamedTuple):
    """What abstaining below a bound of confidence leaves."""

    bound: float
    coverage: float         # share of questions that are answered
    risk: float             # share of those that are wrong


def judgements(model: LanguageModel, items: Sequence[Item]) -> Iterator[Judgement]:
    """The model's likeliest choice of each item, by the log-probability of the whole choice."""
    masking = model.decoder.masking(precision_of(model.decoder.device), model.decoder.context_length)
    for item in items:
        logs = [log_probability(model, masking, *parts(item, choice)) for choice in item.choices]
        best = max(range(len(logs)), key=logs.__getitem__)
        yield Judgement(1 / sum(math.exp(log - logs[best]) for log in logs), best == item.answer)


def reliability(judged: Sequence[Judgement]) -> list[Bin]:
    """The steps of confidence that have answers."""
    bins = []
    for step in range(STEPS):
        inside = [each for each in judged if min(int(each.confidence * STEPS), STEPS - 1) == step]
        if inside:
            confidence, right = (sum(column) / len(inside) for column in zip(*inside, strict=True))
            bins.append(Bin(step / STEPS, (step + 1) / STEPS, len(inside), confidence, right))
    return bins


def expected_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error."""
    return sum(each.answers * abs(each.accuracy - each.confidence) for each in bins) / sum(each.answers for each in bins)


def risk_coverage(judged: Sequence[Judgement], of: int | None = None) -> list[Cut]:
    """For each confidence that occurs, from the highest down: what abstaining below it leaves; coverage is of `of` questions.

    `of` is None where all questions are judged."""
    ordered = sorted(judged, key=lambda each: -each.confidence)
    cuts, wrong, questions = [], 0, len(ordered) if of is None else of
    for number, each in enumerate(ordered, 1):
        wrong += not each.right
        if number == len(ordered) or ordered[number].confidence < each.confidence:
            cuts.append(Cut(each.confidence, number / questions, wrong / number))
    return cuts


def abstaining(judged: Sequence[Judgement], bound: float) -> Cut:
    """What abstaining below a bound leaves; no risk where nothing is answered."""
    answered = [each for each in judged if each.confidence >= bound]
    return Cut(bound, len(answered) / len(judged), sum(not each.right for each in answered) / max(1, len(answered)))


def lines(judged: Sequence[Judgement], bound: float | None) -> Iterator[str]:
    """The reliability table, the error, and risk at some coverages or at the bound, for a terminal."""
    bins = reliability(judged)
    yield "confidence     answers  mean confidence  right"
    for each in bins:
        yield f"{each.low:4.0%} to {each.high:4.0%} {each.answers:9,} {each.confidence:16.1%} {each.accuracy:6.1%}"
    yield f"expected calibration error {expected_error(bins):.3f} over {len(judged):,} answers"
    if bound is not None:
        cut = abstaining(judged, bound)
        yield f"abstaining below {bound:.0%}: {cut.coverage:.1%} answered, {cut.risk:.1%} of them wrong"
        return
    yield "answered  wrong  abstaining below"
    cuts = risk_coverage(judged)
    for share in (0.2, 0.4, 0.6, 0.8, 1.0):
        cut = next(each for each in cuts if each.coverage >= share)
        yield f"{cut.coverage:8.0%} {cut.risk:6.1%} {cut.bound:17.1%}"
