"""Post-training from end to end in small: reward model, DPO, GRPO and PPO on the common Run, each gone on with after a kill."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from textmill.base.blocks_format import NO_TARGET
from textmill.model import ModelError
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.shapes import Shape
from textmill.model.generation.language_model import LanguageModel
from textmill.model.posttraining.comparisons import answer_row, read_comparisons
from textmill.model.posttraining.pairs import order
from textmill.model.posttraining.policy import train_policy
from textmill.model.posttraining.prefer import train_prefer
from textmill.model.posttraining.reward import calibration_error, load_reward, train_reward
from textmill.model.posttraining.rows import Row, batch_of, log_probabilities
from textmill.model.posttraining.settings import GrpoSettings, PpoSettings, PreferSettings, RewardSettings
from textmill.model.posttraining.start import start_from
from textmill.model.posttraining.tasks import KINDS, Task, generate, is_right
from textmill.model.training.checkpoint import State, latest, load_model, save
from textmill.model.training.settings import RunSettings
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.training import TokenizerSettings, train, write_tokenizer

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
torch.set_num_threads(1)
SHAPE = Shape(layers=2, width=64, heads=2, head_width=32, kv_heads=2, mlp=128, tied=True)
KIND = ("last word",)


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A run whose model was taught answers of mixed quality: the last word, or as often the first."""
    home = tmp_path_factory.mktemp("start")
    tasks = list(generate(600, 1, held_out=False, kinds=KIND))
    texts = [f"{task.prompt} {task.answer}" for task in tasks]
    write_tokenizer(home, train(texts, TokenizerSettings(420)))
    encoder = Encoder.load(home)
    model = build(ARCHITECTURES["qwen3"].configuration(SHAPE, encoder.vocab_size, 128, encoder.end_of_text))
    model.initialise(1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    rows = [answer_row([{"role": "user", "content": task.prompt}],
                       task.answer if n % 2 else task.prompt.split(": ")[1].split()[0].rstrip("?"), encoder, "") for n, task in enumerate(tasks)]
    for step in range(240):
        batch = batch_of([rows[(step * 24 + n) % len(rows)] for n in range(24)], encoder.end_of_text)
        (-log_probabilities(model, batch).sum() / batch.target_count).backward()
        optimizer.step()
        optimizer.zero_grad()
    save(home, State(RunSettings(steps=1), {}, 1, 1, 1.0), model, [])
    return home


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("comparisons") / "comparisons.jsonl"
    lines = [{"prompt": task.prompt, "chosen": task.answer, "rejected": task.prompt.split(": ")[1].split()[0].rstrip("?")}
             for task in generate(400, 2, held_out=False, kinds=KIND)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines if line["chosen"] != line["rejected"]))
    return path


def figures(home: Path) -> list[float]:
    return [line["validation"] for line in map(json.loads, (home / "log.jsonl").read_text().splitlines()) if "validation" in line]


def test_tasks_are_of_the_seed_computed_and_split_by_prompt():
    assert list(generate(70, 3, False)) == list(generate(70, 3, False)) != list(generate(70, 4, False))
    learned, kept = ({task.prompt for task in generate(2000, 5, held_out)} for held_out in (False, True))
    assert not learned & kept and kept
    for task in generate(700, 6, True):
        assert is_right(task, f" {task.answer.upper()}. ") and not is_right(task, task.answer + "x") and not is_right(task, "")
    assert {task.kind for task in generate(7, 1, False)} == set(KINDS)
    assert is_right(Task("", "", "cat, dog"), "cat,  dog") and not is_right(Task("", "", "cat, dog"), "dog, cat")


def test_rows_learn_the_answer_alone_and_are_padded_apart():
    batch = batch_of([Row((1, 2, 3), (4, 5)), Row((6,), (7,))], 0)
    assert batch.tokens.tolist() == [[1, 2, 3, 4, 5], [6, 7, 0, 0, 0]] and batch.lengths == (5, 2, 3)
    assert batch.targets.tolist() == [[NO_TARGET, NO_TARGET, 4, 5, NO_TARGET], [7] + [NO_TARGET] * 4] and batch.target_count == 3


def test_every_comparison_once_a_pass_in_another_order_each():
    taken = [number for step in range(10) for batch in order(20, step, 2, 2, seed=1) for number in batch]
    assert sorted(taken[:20]) == sorted(taken[20:]) == list(range(20)) and taken[:20] != taken[20:]
    assert order(20, 3, 2, 2, 1) == order(20, 3, 2, 2, 1) != order(20, 3, 2, 2, 2)


@pytest.mark.parametrize(("line", "said"), [
    ({"prompt": "a", "chosen": "b", "rejected": "b"}, "chosen and rejected are equal"),
    ({"prompt": "a", "chosen": "b"}, "has no prompt with a chosen and a rejected answer"),
    ({"prompt": [{"role": "assistant", "content": "x"}], "chosen": "b", "rejected": "c"}, "messages that end before the assistant"),
    ({"prompt": [{"role": "clown", "content": "x"}], "chosen": "b", "rejected": "c"}, "unknown role 'clown'"),
    ({"prompt": "a", "chosen": "b", "rejected": "c", "margin": -1}, "margin is -1"),
    ({"prompt": "word " * 300, "chosen": "b", "rejected": "c"}, "no comparison to learn from .1 are longer than 128 tokens")])
def test_wrong_comparisons_get_their_sentence(start, tmp_path, line, said):
    (tmp_path / "pairs.jsonl").write_text(json.dumps(line))
    with pytest.raises(ModelError, match=said):
        read_comparisons(tmp_path / "pairs.jsonl", start_from(start).encoder, 128, 0.5)
    (tmp_path / "pairs.jsonl").write_text("{")
    with pytest.raises(ModelError, match="line 1: is no JSON"):
        read_comparisons(tmp_path / "pairs.jsonl", start_from(start).encoder, 128, 0.5)


def test_a_reward_model_ranks_held_out_pairs_and_goes_on_to_the_same_bytes(start, comparisons, tmp_path):
    settings = RewardSettings(steps=120, epochs=None, batch=16, lr=0.003, validation_every=40, save_every=40, optimizer="adamw")
    summary = train_reward(start, comparisons, tmp_path / "reward", settings, CPU)
    assert summary.startswith("reward: validation 0.5000 → ") and max(figures(tmp_path / "reward")) > 0.6
    train_reward(start, comparisons, tmp_path / "other", settings, CPU)
    shutil.rmtree(tmp_path / "other/step-00000120")
    train_reward(start, comparisons, tmp_path / "other", settings, CPU)
    assert ((tmp_path / "other/step-00000120/model.safetensors").read_bytes()
            == (tmp_path / "reward/step-00000120/model.safetensors").read_bytes())
    load_reward(latest(tmp_path / "reward"), CPU)
    with pytest.raises(ModelError, match="it is a reward model, which gives scores and no text"):
        load_model(latest(tmp_path / "reward"), CPU)
    with pytest.raises(ModelError, match="holds no reward model"):
        load_reward(latest(start), CPU)


def test_calibration_is_the_gap_between_chance_and_what_comes_true():
    assert calibration_error(torch.tensor([20.0] * 10)) == pytest.approx(0, abs=1e-3)
    assert calibration_error(torch.tensor([20.0] * 5 + [-20.0] * 5)) == pytest.approx(0.5, abs=1e-3)


@pytest.mark.parametrize("method", ["dpo", "ipo"])
def test_preferring_moves_towards_the_chosen_answers(start, comparisons, tmp_path, method):
    settings = PreferSettings(steps=40, epochs=None, batch=16, lr=0.001, validation_every=40, save_every=40, optimizer="adamw", method=method)
    train_prefer(start, comparisons, tmp_path / method, settings, CPU)
    before, after = figures(tmp_path / method)
    assert before == 0.5 and after > 0.8
    assert accuracy(start) + 0.05 < accuracy(tmp_path / method)


def accuracy(run: Path) -> float:
    """Share of held-out tasks whose right answer is likelier than the first word."""
    model, encoder = LanguageModel.load(run, CPU).decoder, Encoder.load(run)
    right = total = 0
    for task in generate(60, 9, held_out=True, kinds=KIND):
        first = task.prompt.split(": ")[1].split()[0].rstrip("?")
        if first == task.answer:
            continue
        rows = [answer_row([{"role": "user", "content": task.prompt}], text, encoder, "") for text in (task.answer, first)]
        with torch.no_grad():
            chances = log_probabilities(model, batch_of(rows, encoder.end_of_text)).sum(1)
        right, total = right + bool(chances[0] > chances[1]), total + 1
    return right / total


@pytest.mark.parametrize("settings", [
    GrpoSettings(steps=48, lr=0.0003, batch=32, prompts=8, answers=8, max_tokens=8, validation_every=16, save_every=24, optimizer="adamw"),
    PpoSettings(steps=96, lr=0.001, batch=32, prompts=16, answers=4, passes=2, max_tokens=8, validation_every=32, save_every=48, optimizer="adamw")],
    ids=["grpo", "ppo"])
def test_reinforcement_chooses_what_is_rewarded_and_goes_on_to_the_same_bytes(start, tmp_path, settings):
    summary = train_policy(start, tmp_path / "run", settings, CPU, KIND)
    assert "of held-out tasks right" in summary
    found = figures(tmp_path / "run")
    assert max(found[1:]) > found[0] + 0.08, found
    half = settings.save_every
    train_policy(start, tmp_path / "other", settings, CPU, KIND)
    shutil.rmtree(tmp_path / f"other/step-{settings.steps:08d}")
    assert (tmp_path / f"other/step-{half:08d}").is_dir()
    train_policy(start, tmp_path / "other", settings, CPU, KIND)
    last = f"step-{settings.steps:08d}"
    assert load_file(tmp_path / "other" / last / "model.safetensors").keys() == load_file(tmp_path / "run" / last / "model.safetensors").keys()
    assert (tmp_path / "other" / last / "model.safetensors").read_bytes() == (tmp_path / "run" / last / "model.safetensors").read_bytes()
    load_model(latest(tmp_path / "run"), CPU)


def test_a_model_that_leaves_its_language_is_stopped(start, tmp_path):
    settings = GrpoSettings(steps=64, lr=0.05, batch=32, prompts=8, answers=8, max_tokens=8, validation_every=8, save_every=8, kl=0.0, warmup=0,
                            optimizer="adamw", most_kl=0.5)
    with pytest.raises(ModelError, match=r"nats a token away from the model it started from, and most_kl is 0.5: it has left its language"):
        train_policy(start, tmp_path / "run", settings, CPU, KIND)


def test_settings_that_cannot_be_are_named():
    assert list(replace(GrpoSettings(), batch=48).problems()) == ["batch: a round has 128 answers, which 48 does not divide"]
    assert "give multiples of 8" in next(replace(GrpoSettings(), save_every=12).problems())
    assert not list(PpoSettings().problems()) and not list(GrpoSettings().problems()) and not list(PreferSettings().problems())
