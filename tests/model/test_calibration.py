"""Calibration: a model that is right as often as it says has no error, and abstaining trades answers for mistakes."""

import json
import random

import pytest
import torch

from tests.model.test_evaluation import trained  # noqa: F401
from textmill.cli import main
from textmill.model.evaluation.calibration import Judgement, abstaining, expected_error, judgements, reliability, risk_coverage
from textmill.model.evaluation.tasks import Item
from textmill.model.generation.language_model import LanguageModel

pytestmark = pytest.mark.slow


def test_the_error_is_the_distance_between_confidence_and_right():
    uniform = random.Random(1)
    honest = [Judgement(confidence, uniform.random() < confidence) for confidence in (uniform.random() for _ in range(20_000))]
    boastful = [Judgement(0.95, number % 2 == 0) for number in range(100)]
    assert expected_error(reliability(honest)) < 0.02 and expected_error(reliability(boastful)) == pytest.approx(0.45)
    bins = reliability([Judgement(1.0, True), Judgement(0.91, False), Judgement(0.35, True)])
    assert [(each.low, each.answers, each.accuracy) for each in bins] == [(0.3, 1, 1.0), (0.9, 2, 0.5)]


def test_abstaining_below_a_bound():
    judged = [Judgement(0.9, True), Judgement(0.8, True), Judgement(0.8, False), Judgement(0.3, False)]
    assert risk_coverage(judged) == [(0.9, 0.25, 0.0), (0.8, 0.75, pytest.approx(1 / 3)), (0.3, 1.0, 0.5)]
    assert abstaining(judged, 0.85) == (0.85, 0.25, 0.0) and abstaining(judged, 0.95) == (0.95, 0.0, 0.0)


def test_confidence_of_a_model_that_can_count(trained, tmp_path, capsys):  # noqa: F811
    """Its alphabet goes on or it does not: sure and right of the letter that comes next, unsure of two that never come."""
    model = LanguageModel.load(trained / "run", torch.device("cpu"))
    sure, unsure = judgements(model, [Item("ABCDEFG___I", ["H", "?"], 0), Item("ABCDEFG___I", ["!", "?"], 0)])
    assert sure.right and sure.confidence > 0.9 and 0.5 <= unsure.confidence <= 1
    path = tmp_path / "items.jsonl"
    path.write_text("".join(json.dumps({"question": f"{chr(65 + n)}___{chr(67 + n)}", "choices": ["!", chr(66 + n)], "answer": 1}) + "\n" for n in range(20)))
    arguments = ["evaluate", "--run", str(trained / "run"), "--tasks", str(path), "--device", "cpu", "--calibration"]
    assert main(arguments) == 0
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("confidence ") and said[-6] == "answered  wrong  abstaining below" and said[-1].startswith("    100% ")
    assert main([*arguments, "--abstain", "0.5"]) == 0
    assert capsys.readouterr().out.splitlines()[-1].startswith("abstaining below 50%: 100.0% answered, ")
