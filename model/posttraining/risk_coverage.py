"""Risk and coverage of what models answer and refuse (El-Yaniv and Wiener 2010), before and after they learned restraint.

Coverage is the share of questions that are answered, risk the share of the answers that are wrong. A model answers greedily; a
refusal abstains, and among answers those with the higher mean probability of a token come first. Beyond what a model answers,
its curve goes on with its refusals as wrong. Intervals are of 95 % of bootstrap samples of the questions, the same for both.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from textmill.model.evaluation.calibration import Cut, Judgement, risk_coverage
from textmill.model.evaluation.figures import ROUNDS
from textmill.model.generation.certainty import certainty
from textmill.model.generation.language_model import LanguageModel
from textmill.model.posttraining.questions import Question, answers_to
from textmill.model.posttraining.restraint import RestrainSettings
from textmill.tokenizer.encoder import Encoder

COVERAGES = (0.1, 0.2, 0.3, 0.4, 0.6, 0.8)


class Outcome(NamedTuple):
    """What a model did with a question."""

    refused: bool
    right: bool
    confidence: float       # geometric mean of the probabilities of its answer's tokens


class Interval(NamedTuple):
    """A figure and its interval; NaN where there is nothing to take it of."""

    value: float
    low: float
    high: float


def outcomes(model: LanguageModel, encoder: Encoder, questions: Sequence[Question],
             settings: RestrainSettings) -> list[Outcome]:
    """Of the model's likeliest answer to each question."""
    found = []
    for question, (answer,) in answers_to(model, encoder, questions, 1, 0.0, settings.max_tokens, settings.seed):
        confidence = certainty(answer.scores).mean if answer.scores else 0.0
        refused = answer.finish_reason == "stop" and settings.refuses(answer.text)
        found.append(Outcome(refused, question.is_answer(answer) and not refused, confidence))
    return found


def curve(found: Sequence[Outcome]) -> list[Cut]:
    """Risk by coverage, of the most confident answers first; to the coverage that the model has."""
    return risk_coverage([Judgement(each.confidence, each.right) for each in found if not each.refused], len(found))


def coverage(found: Sequence[Outcome]) -> float:
    """The share that is answered."""
    return sum(not each.refused for each in found) / len(found)


def risk_at(cuts: Sequence[Cut], share: float) -> float:
    """Risk where as many of the most confident answers are given as make up this coverage; NaN where it refuses more."""
    return next((cut.risk for cut in cuts if cut.coverage >= share - 1e-9), math.nan)


def area(cuts: Sequence[Cut], until: float) -> float:
    """The mean risk over coverages up to `until`; NaN where that is none."""
    total, before = 0.0, 0.0
    for cut in cuts:
        total += cut.risk * (min(cut.coverage, until) - before)
        before = min(cut.coverage, until)
    return total / before if before else math.nan


def figures_of(found: Sequence[Outcome], common: float) -> dict[str, float]:
    """All figures of a model by the names that they are shown with; `common` is a coverage that both models have."""
    cuts, right = curve(found), sum(each.right for each in found) / len(found)
    return {"answered": coverage(found), "wrong of those answered": cuts[-1].risk if cuts else math.nan, "right of all": right,
            **{f"wrong at a coverage of {share:.0%}": risk_at(cuts, share) for share in COVERAGES},
            f"wrong at a coverage of {common:.1%}": risk_at(cuts, common),
            f"mean risk to a coverage of {common:.1%}": area(cuts, common),
            "mean risk (AURC), refusals last and wrong": area([*cuts, Cut(0.0, 1.0, 1 - right)], 1.0)}


def changes(before: Sequence[Outcome], after: Sequence[Outcome]) -> dict[str, float]:
    """What became of the questions that were right before, and of the others."""
    pairs = list(zip(before, after, strict=True))
    was_right, was_wrong = ([is_ for was, is_ in pairs if was.right == so and not was.refused] for so in (True, False))
    refusals = [was for was, is_ in pairs if is_.refused]
    return {"refused, though right before": share([each.refused for each in was_right]),
            "right, where right before": share([each.right for each in was_right]),
            "refused, where wrong before": share([each.refused for each in was_wrong]),
            "right, where wrong before": share([each.right for each in was_wrong]),
            "right before, of what is refused": share([each.right for each in refusals])}


def share(values: Sequence[bool]) -> float:
    """Of true ones; NaN of none."""
    return sum(values) / len(values) if values else math.nan


Figures = dict[str, tuple[Interval, ...]]


def compare(before: Sequence[Outcome], after: Sequence[Outcome]) -> tuple[Figures, Figures]:
    """The figures of each model, and those of both together, by the names that they are shown with."""
    common, random = min(coverage(before), coverage(after)), np.random.default_rng(1)
    drawn = [list(range(len(before))), *random.integers(0, len(before), (ROUNDS, len(before))).tolist()]
    of_each, of_both = [], []
    for numbers in drawn:
        was, is_ = ([found[number] for number in numbers] for found in (before, after))
        of_each.append((figures_of(was, common), figures_of(is_, common)))
        of_both.append(changes(was, is_))
    return ({name: tuple(interval([pair[side][name] for pair in of_each]) for side in (0, 1)) for name in of_each[0][0]},
            {name: (interval([values[name] for values in of_both]),) for name in of_both[0]})


def interval(values: Sequence[float]) -> Interval:
    """Of a figure, which comes first, and what it is in each sample."""
    samples = [value for value in values[1:] if not math.isnan(value)]
    low, high = np.quantile(samples, [0.025, 0.975]).tolist() if samples else (math.nan, math.nan)
    return Interval(values[0], low, high)


def lines(names: tuple[str, str], figures: Figures, together: Figures, questions: int) -> Iterator[str]:
    """The figures for a terminal."""
    yield f"{questions:,} questions; in brackets 95 % intervals"
    yield f"{'':<44}{'before: ' + names[0]:>26}{'after: ' + names[1]:>26}"
    for name, values in (figures | together).items():
        yield f"{name:<44}" + "".join(f"{shown(value):>26}" for value in (values if len(values) > 1 else [None, values[0]]))


def lines_by_kind(kinds: Sequence[str], before: Sequence[Outcome], after: Sequence[Outcome]) -> Iterator[str]:
    """For each kind of question: how many are right before; answered, and wrong of those, after."""
    yield f"{'kind':<16}{'questions':>10}{'right before':>14}{'answered after':>16}{'wrong of those':>16}{'right after':>13}"
    for kind in dict.fromkeys(kinds):
        was, is_ = ([each for each, its in zip(found, kinds, strict=True) if its == kind] for found in (before, after))
        wrong_ones = share([not each.right for each in is_ if not each.refused])
        yield (f"{(kind or 'other')[:15]:<16}{len(was):>10,}{share([each.right for each in was]):>14.1%}{coverage(is_):>16.1%}"
               f"{'-' if math.isnan(wrong_ones) else f'{wrong_ones:.1%}':>16}{share([each.right for each in is_]):>13.1%}")


def shown(value: Interval | None) -> str:
    """A figure in per cent."""
    if value is None:
        return ""
    if math.isnan(value.value):
        return "-"
    return f"{value.value:.1%} ({value.low:.1%} to {value.high:.1%})"


def as_json(figures: Figures, together: Figures, found: Mapping[str, Sequence[Outcome]]) -> dict[str, Any]:
    """The figures and the curves as plain values; null for what is not there."""
    def plain(values: Interval) -> list[float | None]:
        return [None if math.isnan(value) else value for value in values]

    sides = tuple(found)
    return {"questions": len(found[sides[0]]),
            "figures": {name: dict(zip(sides, map(plain, values), strict=True)) for name, values in figures.items()},
            "both": {name: plain(values[0]) for name, values in together.items()},
            "curves": {side: [[cut.coverage, cut.risk] for cut in curve(some)] for side, some in found.items()}}
