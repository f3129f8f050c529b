"""Factual restraint: what becomes a refusal, where the rows go, and risk by coverage counted by hand."""

import json
import math
import re
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
import torch

from tests.command_line import refused
from tests.model.test_posttraining import KIND, start
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.generation.answer import Answer
from textmill.model.generation.language_model import LanguageModel
from textmill.model.generation.request import Request
from textmill.model.posttraining.questions import Question, answers_to, read_questions
from textmill.model.posttraining.restraint import RestrainSettings, restrained, write_restrained
from textmill.model.posttraining.risk_coverage import Outcome, area, as_json, compare, curve, figures_of, lines, risk_at
from textmill.model.posttraining.risk_coverage_picture import picture
from textmill.model.posttraining.start import start_from
from textmill.model.posttraining.tasks import generate

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
torch.set_num_threads(1)
__all__ = ["start"]             # a fixture
QUESTION = Question([{"role": "user", "content": "What is the last word of: a b?"}], "b", "last word", None)


def said(*texts: str, ended: bool = True) -> list[Answer]:
    """Answers of these texts, as the engine finishes them."""
    answers = []
    for text in texts:
        answer = Answer(Request((0,)), [text.encode()])
        answer.append(0)
        answer.finish("stop" if ended else "length")
        answers.append(answer)
    return answers


@pytest.mark.parametrize(("answers", "share", "agreement", "refuses"), [
    (said("b", "B.", " b", "c"), 0.75, 0.75, False),            # agrees with the answer
    (said("b", "c", "b", "a"), 0.5, 0.5, False),
    (said("c", "c", "c", "b"), 0.25, 0.75, True),               # contradicts it
    (said("a", "c", "d", "b"), 0.25, 0.25, True),               # disagrees
    (said("b", "b", "b", "b", ended=False), 0, 1, True)])       # came to no end
def test_a_demonstration_stays_where_the_answers_are_right_and_else_becomes_a_refusal(answers, share, agreement, refuses):
    row = restrained(QUESTION, answers, RestrainSettings())
    assert (row["share_right"], row["agreement"], row["refused"]) == (share, agreement, refuses)
    assert row["messages"] == [*QUESTION.messages, {"role": "assistant", "content": "I do not know." if refuses else "b"}]


def test_a_refusal_is_in_the_language_of_the_row():
    settings = RestrainSettings(refusals={"de": "Ich weiß es nicht."}, known=1.0)
    for language, text in (("de", "Ich weiß es nicht."), ("fr", "I do not know."), (None, "I do not know.")):
        row = restrained(QUESTION._replace(language=language), said("c"), settings)
        assert row["messages"][-1]["content"] == text and row.get("language") == language
        assert settings.refuses(f" {text.upper()}") and not settings.refuses(text + " But b")
    assert list(RestrainSettings(known=0, refusal=" . ").problems()) == [
        "known: a share above 0 and at most 1, is 0", "refusal and refusals: a text is empty; say how not knowing is said"]


@pytest.fixture(scope="module")
def questions(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("questions") / "questions.jsonl"
    lines_ = [{"prompt": task.prompt, "response": task.answer, "kind": task.kind} for task in generate(24, 3, held_out=True, kinds=KIND)]
    lines_[1] = {"messages": [{"role": "user", "content": lines_[1]["prompt"]}, {"role": "assistant", "content": lines_[1]["response"]}]}
    path.write_text("".join(json.dumps(line) + "\n" for line in (*lines_, lines_[0])))
    return path


def test_questions_are_read_once_each_and_drawn_for_by_themselves(start, questions, tmp_path):
    read = read_questions(questions)
    assert len(read) == len({question.id for question in read}) <= 24 and {question.kind for question in read} == {"last word", ""}
    model, encoder = LanguageModel.load(start, CPU), start_from(start).encoder
    drawn = {question.id: [answer.text for answer in answers] for question, answers in answers_to(model, encoder, read, 3, 1.0, 8, 1)}
    (question, answers), = answers_to(model, encoder, [read[7]], 3, 1.0, 8, 1)
    assert [answer.text for answer in answers] == drawn[question.id] and len({tuple(each) for each in drawn.values()}) > 3
    for number, (line, message) in enumerate([("{", "is no JSON"), ('{"prompt": "a"}', "has no prompt with a response"), ("", "has no questions")]):
        path = tmp_path / f"{number}.jsonl"
        path.write_text(line)
        with pytest.raises(ModelError, match=message):
            read_questions(path)


def test_the_words_write_rows_that_extract_reads_and_compare_two_runs(start, questions, tmp_path, capsys):
    model, encoder, settings = LanguageModel.load(start, CPU), start_from(start).encoder, RestrainSettings(samples=4, max_tokens=8)
    told = list(write_restrained(model, encoder, read_questions(questions), tmp_path / "direct.jsonl", settings))
    common = ["--questions", str(questions), "--set", "restrain.samples=4", "--set", "restrain.max_tokens=8"]
    path = tmp_path / "raw/restrained/restrained.jsonl"
    assert main(["restrain", "--from", str(start), *common, "--to", str(path)]) == 0
    assert path.read_bytes() == (tmp_path / "direct.jsonl").read_bytes() and [each.name for each in path.parent.iterdir()] == [path.name]
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    count = sum(row["refused"] for row in rows)
    assert 0 < count < len(rows) and all(row["refused"] == (row["share_right"] < 0.5) for row in rows)
    assert told[0] == f"restrain: {len(rows)} questions, {count} ({count / len(rows):.0%}) refused, in {tmp_path / 'direct.jsonl'}"
    capsys.readouterr()
    assert main(["extract", "--alone", "--data", str(tmp_path), "--workers", "1"]) == 0
    assert f"{len(rows)} dialogues (messages {len(rows)})" in capsys.readouterr().out
    common = [*common, "--set", "restrain.known=1"]
    assert main(["risk-coverage", "--before", str(start), "--after", str(start), *common, "--to", str(tmp_path / "p.svg")]) == 0
    shown = capsys.readouterr().out
    assert re.search(r"^answered +100.0% \(100.0% to 100.0%\) +100.0% \(100.0% to 100.0%\)$", shown, re.MULTILINE)
    assert re.search(r"^refused, though right before +0.0% \(0.0% to 0.0%\)$", shown, re.MULTILINE)
    assert ET.parse(tmp_path / "p.svg").getroot().tag.endswith("svg")
    assert main(["risk-coverage", "--before", str(start), "--after", str(start), *common, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["questions"] == len(rows) and found["curves"]["before"] == found["curves"]["after"]
    assert refused(capsys, "restrain", "--from", str(start), "--questions", str(tmp_path / "none"), "--to", str(path)).startswith(
        f"restrain: {tmp_path}/none cannot be read")


RIGHT, WRONG, REFUSED = (lambda c: Outcome(False, True, c)), (lambda c: Outcome(False, False, c)), Outcome(True, False, 0.9)


def test_risk_and_coverage_by_hand():
    found = [RIGHT(0.9), RIGHT(0.8), WRONG(0.7), RIGHT(0.7), WRONG(0.1)]
    assert [(cut.coverage, cut.risk) for cut in curve(found)] == [(0.2, 0), (0.4, 0), (0.8, 0.25), (1, 0.4)]
    assert risk_at(curve(found), 0.3) == 0 and risk_at(curve(found), 0.5) == 0.25
    assert area(curve(found), 1) == pytest.approx(0.4 * 0.25 + 0.2 * 0.4) and area(curve(found), 0.5) == pytest.approx(0.1 * 0.25 / 0.5)
    careful = [RIGHT(0.9), RIGHT(0.8), REFUSED, RIGHT(0.7), REFUSED]
    figures = figures_of(careful, 0.6)
    assert (figures["answered"], figures["wrong of those answered"], figures["right of all"]) == (0.6, 0, 0.6)
    assert math.isnan(figures["wrong at a coverage of 80%"]) and figures["wrong at a coverage of 60.0%"] == 0
    assert figures["mean risk (AURC), refusals last and wrong"] == pytest.approx(0.4 * 0.4)
    assert figures_of([REFUSED, REFUSED], 0)["answered"] == 0 and math.isnan(figures_of([REFUSED], 0)["wrong of those answered"])


def test_what_changed_has_intervals_and_shows():
    before = [RIGHT(0.9), RIGHT(0.8), WRONG(0.7), WRONG(0.6)] * 25
    after = [RIGHT(0.9), REFUSED, REFUSED, WRONG(0.6)] * 25
    each, both = compare(before, after)
    assert each["answered"][0] == (1, 1, 1) and each["answered"][1].value == 0.5 and 0.35 < each["answered"][1].low < 0.45
    assert [both[name][0].value for name in both] == [0.5, 0.5, 0.5, 0, 0.5]
    low, high = both["refused, though right before"][0][1:]
    assert 0.25 < low < 0.45 and 0.55 < high < 0.75
    shown = list(lines(("a", "b"), each, both, 100))
    assert shown[0].startswith("100 questions") and next(line for line in shown if "of 80%" in line).endswith(" -")
    plain = as_json(each, both, {"before": before, "after": after})
    json.dumps(plain, allow_nan=False)
    assert plain["figures"]["wrong at a coverage of 80%"]["after"] == [None, None, None]
    drawn = ET.fromstring(picture({"before": curve(before), "after <b>": curve(after), "none": curve([REFUSED])}))
    assert "after <b>" in "".join(drawn.itertext())
