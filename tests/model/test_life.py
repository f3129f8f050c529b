"""The report of a life: its figures against ones computed another way, the same each time, and a page that stays harmless.

And `assistant`: the words it runs exist with the options it gives them, in an order in which each has what it reads.
"""

import json
import shutil
import xml.etree.ElementTree as ElementTree
from dataclasses import replace

import pytest
import torch

from tests.command_line import refused
from tests.model.served import write_run
from textmill.cli import MILL, main
from textmill.cli.assistant import assistant_steps
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.generation.language_model import LanguageModel
from textmill.model.judging.life import Exam, OfKind, Phase, life, measure, tasks_of
from textmill.model.judging.life_page import as_json, lines, page, picture
from textmill.model.posttraining.comparisons import prompt_ids
from textmill.model.posttraining.reward import RewardModel
from textmill.model.posttraining.rollouts import draw, end_of
from textmill.model.posttraining.rows import batch_of, log_probabilities
from textmill.model.posttraining.start import start_from
from textmill.model.posttraining.tasks import KINDS, demonstration, generate, has_form, is_right, mistake

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
torch.set_num_threads(1)
HOSTILE = "<script>alert(1)</script>\" onload=\"x"


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs of other weights, read by one tokenizer."""
    home = tmp_path_factory.mktemp("runs")
    return {name: start_from(write_run(home / name, seed=seed)) for name, seed in (("first", 1), ("second", 2))}


def phase(name: str, answer: str = "ten") -> Phase:
    kinds = {kind: OfKind(0.25, 0.5, 0.75, 1.0) for kind in KINDS}
    return Phase(name, "run/step-1", {"pretraining text": 2.5, "dialogues": 1.5}, kinds, 3.5, 0.25, 0.1, 0.0, [answer] * len(KINDS))


def test_a_mistake_has_the_form_of_an_answer_and_is_wrong_and_a_share_of_demonstrations_shows_it():
    tasks = list({task.prompt: task for task in generate(3000, 4, held_out=False)}.values())
    for task in tasks:
        assert has_form(task, task.answer) and has_form(task, mistake(task)) and not is_right(task, mistake(task))
        assert mistake(task) == mistake(task) and not has_form(task, task.answer + " and so on?!")
        assert demonstration(task, 0) == task.answer and demonstration(task, 1) == mistake(task)
    wrong = sum(not is_right(task, demonstration(task, 0.3)) for task in tasks)
    assert 0.25 < wrong / len(tasks) < 0.35


def test_distance_is_the_mean_difference_of_log_probabilities_of_what_is_drawn(runs):
    exam = Exam(tasks_of(("last word", "dates"), 3), answers=2, max_tokens=6)
    compared = runs["first"].model(CPU).eval()
    assert measure("first", runs["first"], exam, compared, CPU).kl == pytest.approx(0, abs=1e-6)
    found = measure("second", runs["second"], exam, compared, CPU)
    model, begin = runs["second"].model(CPU).eval(), runs["second"]
    prompts = [prompt_ids([{"role": "user", "content": task.prompt}], begin.encoder, "") for task in exam.tasks]
    drawn = draw(LanguageModel(model, open_tokenizer(begin.home, model.vocab_size), begin.checkpoint), exam.tasks, prompts, 2, 6, 1.0, 1,
                 end_of(begin.encoder))
    distances, tokens = 0.0, 0
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for each in drawn:                  # row by row, without padding
            batch = batch_of([each.row], 0)
            distances += float((log_probabilities(model, batch) - log_probabilities(compared, batch)).sum())
            tokens += len(each.row.answer)
    assert found.kl == pytest.approx(distances / tokens, rel=0.02) and found.tokens == tokens / len(drawn)


def test_a_life_has_the_same_figures_each_time_and_a_phase_beside_itself_wins_half(runs):
    reward = RewardModel(runs["first"].model(CPU)).eval()
    torch.nn.init.normal_(reward.score.weight, generator=torch.Generator().manual_seed(1))
    exam = Exam(tasks_of(("sorting", "tables"), 2), answers=2, max_tokens=4, reward=reward)
    starts = {"a": runs["first"], "b": runs["second"], "again": runs["first"]}
    phases = life(starts, exam, "a", CPU)
    assert as_json(phases) == as_json(life(starts, exam, "a", CPU))
    assert [each.name for each in phases] == ["a", "b", "again"]
    assert phases[0].win is None and phases[2].win.share == 0.5 and phases[2].win.ties == len(exam.tasks)
    assert replace(phases[2], name="a", win=None) == phases[0]
    for each in phases:
        assert all(0 <= value <= 1 for kind in each.kinds.values() for value in kind) and list(each.kinds) == ["sorting", "tables"]


def test_the_page_the_picture_and_the_lines_hold_what_was_measured_and_stay_harmless():
    tasks = [next(generate(1, 1, True, (kind,))) for kind in KINDS]
    phases = [phase("base"), replace(phase("sft", HOSTILE), bits={"dialogues": 1.25}, kl=0.0)]
    shown = page(phases, tasks, range(len(tasks)))
    assert "<script" not in shown and 'onload="' not in shown and "&lt;script&gt;" in shown and "http" not in shown.replace("http://www.w3.org", "")
    ElementTree.fromstring(picture(phases))
    assert all(len(line) <= 80 for line in lines(phases))
    told = "\n".join(lines(phases))
    assert "base" in told and "1.250" in told and "0.25" in told
    figures = json.loads(as_json(phases))
    assert figures[0]["kinds"]["sorting"] == {"greedy": 0.25, "drawn": 0.5, "chosen": 0.75, "form": 1.0} and "answers" not in figures[0]


def test_wrong_phases_get_their_sentence(runs, tmp_path, capsys):
    first = str(runs["first"].home)
    for given, said in ((["base"], "'base' is not NAME=RUN"), ([f"a={first}", f"a={first}"], "two phases have the same name"),
                        ([f"a={first}", "--against", "b"], "there is no such phase; there are a")):
        assert main(["life", *given, "--to", str(tmp_path)]) == 2 and said in capsys.readouterr().err
    shutil.copytree(first, tmp_path / "other")
    (tmp_path / "other/tokenizer.json").write_text((tmp_path / "other/tokenizer.json").read_text() + "\n")
    assert "b reads another tokenizer than a" in refused(capsys, "life", f"a={first}", f"b={tmp_path / 'other'}", "--to", str(tmp_path / "life"))
    assert "there is no" in refused(capsys, "assistant", "--data", str(tmp_path / "none"))


def test_the_word_writes_the_report(runs, tmp_path, capsys):
    given = [f"{name}={start.home}" for name, start in runs.items()]
    assert main(["life", *given, "--count", "1", "--draws", "2", "--task", "dates", "--to", str(tmp_path / "life"), "--device", "cpu"]) == 0
    assert "held-out tasks, share right:" in capsys.readouterr().out
    assert {path.name for path in (tmp_path / "life").iterdir()} == {"life.json", "life.svg", "life.html"}


def test_every_step_of_the_assistant_is_a_word_with_these_options(tmp_path):
    begin = tmp_path / "data/checkpoints/demo"
    begin.mkdir(parents=True)
    steps, written = assistant_steps(begin, tmp_path / "home", ["--set=seed=1"], "--device=cpu"), {str(begin)}
    for word, *given in steps:
        context = MILL.commands[word].make_context(word, list(given), resilient_parsing=False)
        assert context.params
        read = [value for option, _, value in (each.partition("=") for each in given) if option in ("--from", "--reward")]
        assert all(str(tmp_path / value) in written for value in read), word
        written |= {value for option, _, value in (each.partition("=") for each in given) if option == "--run"}
    assert [word for word, *_ in steps][3:] == ["finetune", "finetune", "comparisons", "reward", "prefer", "grpo", "ppo", "life"]
