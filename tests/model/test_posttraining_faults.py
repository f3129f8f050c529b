"""Faults of post-training: wrong data ends in a sentence, and a run that was killed at any moment ends with the same bytes."""

import json
import multiprocessing
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from tokenizers import Tokenizer

from tests.command_line import refused
from tests.model.served import write_run
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.classification.labelled import read_labelled
from textmill.model.classification.settings import HeadSettings
from textmill.model.classification.train import train_head
from textmill.model.posttraining.comparisons import read_comparisons
from textmill.model.posttraining.policy import train_policy
from textmill.model.posttraining.prefer import train_prefer
from textmill.model.posttraining.reward import open_reward, train_reward
from textmill.model.posttraining.rollouts import Drawn
from textmill.model.posttraining.settings import GrpoSettings, PpoSettings, PreferSettings, RewardSettings
from textmill.model.posttraining.start import start_from
from textmill.model.training.checkpoint import latest, load_state

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
torch.set_num_threads(1)
OFTEN = {"optimizer": "adamw", "lr": 0.01, "warmup": 0}
SETTINGS = {
    "reward": RewardSettings(steps=20, epochs=None, batch=4, validation_every=10, save_every=2, **OFTEN),
    "dpo": PreferSettings(steps=20, epochs=None, batch=4, validation_every=10, save_every=2, **OFTEN),
    "grpo": GrpoSettings(steps=16, prompts=4, answers=4, batch=8, max_tokens=6, validation_every=16, save_every=2, **OFTEN),
    "ppo": PpoSettings(steps=16, prompts=4, answers=2, passes=2, batch=8, max_tokens=6, validation_every=16, save_every=2, **OFTEN),
    "head": HeadSettings(steps=20, epochs=None, frozen=False, batch=4, keep_checkpoints=20, validation_every=10, save_every=2, **OFTEN)}


@pytest.fixture(scope="module")
def start(tmp_path_factory) -> Path:
    """A run that nobody trained."""
    return write_run(tmp_path_factory.mktemp("start") / "run")


@pytest.fixture(scope="module")
def comparisons(tmp_path_factory) -> Path:
    return written(tmp_path_factory.mktemp("comparisons") / "pairs.jsonl", [pair(number) for number in range(90)])


@pytest.fixture(scope="module")
def reward(start, comparisons, tmp_path_factory) -> Path:
    """The run of a reward model."""
    home = tmp_path_factory.mktemp("reward") / "reward"
    train_reward(start, comparisons, home, RewardSettings(steps=1, epochs=None, **OFTEN), CPU)
    return home


def pair(number: int, prompt: str = "the river") -> dict[str, str]:
    return {"prompt": f"{prompt} {number}", "chosen": f"runs {number % 7}", "rejected": f"sleeps {number % 5}"}


def written(path: Path, lines: list[dict]) -> Path:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return path


def wider(run: Path, folder: Path) -> Path:
    """A copy of a run whose tokenizer has an id more than its weights."""
    shutil.copytree(run, folder)
    tokenizer = Tokenizer.from_file(str(run / "tokenizer.json"))
    tokenizer.add_special_tokens(["<|more|>"])
    tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def vowels(drawn: list[Drawn]) -> torch.Tensor:
    """A reward that random answers differ by."""
    return torch.tensor([sum(letter in "aeiou" for letter in each.text) / (1 + len(each.text)) for each in drawn])


def trained(method: str, start: Path, comparisons: Path, home: Path) -> None:
    """One run of a method, in a process of its own; what it shows is not shown."""
    sys.stderr = open(os.devnull, "w")          # noqa: SIM115   # to the end of the process
    settings = SETTINGS[method]
    if isinstance(settings, RewardSettings):
        train_reward(start, comparisons, home, settings, CPU)
    elif isinstance(settings, PreferSettings):
        train_prefer(start, comparisons, home, settings, CPU)
    elif isinstance(settings, HeadSettings):
        texts = read_labelled(comparisons, "prompt", "rejected", None, False, settings.held_out, settings.development)
        train_head(start, texts, home, settings, CPU, {"file": comparisons.name, "columns": ["prompt", "rejected"]})
    else:
        train_policy(start, home, settings, CPU, ("last word",), vowels, "vowels")


@pytest.mark.parametrize("method", SETTINGS)
def test_killed_at_any_moment_and_started_again_gives_the_same_bytes(method, start, comparisons, tmp_path):
    """Before the first checkpoint, right after one, and some time after: each time the next process goes on."""
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__])
    draw, killed, at = random.Random(method), tmp_path / "killed", []

    def begun(home: Path) -> multiprocessing.Process:
        process = processes.Process(target=trained, args=(method, start, comparisons, home))
        process.start()
        return process

    whole = begun(tmp_path / "whole")
    whole.join()
    assert whole.exitcode == 0
    for after in (0.0, draw.uniform(0, 0.02), draw.uniform(0, 0.3)):
        process, before = begun(killed), latest(killed)
        while process.is_alive() and after and latest(killed) == before:
            time.sleep(0.002)
        time.sleep(after or draw.uniform(0, 0.2))
        process.kill()
        process.join()
        at.append((process.exitcode, 0 if (checkpoint := latest(killed)) is None else load_state(checkpoint, type(SETTINGS[method])).step))
    assert at[1][0] == -signal.SIGKILL and 0 < at[1][1] < SETTINGS[method].steps, at
    last = begun(killed)
    last.join()
    assert last.exitcode == 0
    for name in ("model.safetensors", "optimizer.safetensors"):
        ends = [latest(home) / name for home in (tmp_path / "whole", killed)]
        assert ends[0].parent.name == f"step-{SETTINGS[method].steps:08d}" and ends[0].read_bytes() == ends[1].read_bytes(), (name, at)
    if method == "head":
        assert (tmp_path / "whole/head.json").read_bytes() == (killed / "head.json").read_bytes()
    assert (latest(killed) / "model.safetensors").read_bytes() != (latest(start) / "model.safetensors").read_bytes()


@pytest.mark.parametrize("word", ["prefer", "reward", "grpo", "ppo", "judge", "sample"])
def test_a_reward_model_is_no_start(word, reward, comparisons, tmp_path, capsys):
    arguments = {"judge": ["--judge", str(reward), "--pairs", str(comparisons), "--to", str(tmp_path / "out")], "sample": ["--run", str(reward)]}
    others = ["--from", str(reward), "--run", str(tmp_path / "new"), *(["--comparisons", str(comparisons)] if word in ("prefer", "reward") else [])]
    said = refused(capsys, word, *arguments.get(word, others), "--device", "cpu")
    assert "(it is a reward model, which gives scores and no text); name the run that it was trained from" in said
    assert not (tmp_path / "new").exists()


def test_a_run_that_gives_text_is_no_reward_model(start, comparisons, tmp_path, capsys):
    for arguments in (["grpo", "--from", str(start), "--run", str(tmp_path / "new")], ["judge", "--pairs", str(comparisons), "--to", str(tmp_path / "out")]):
        said = refused(capsys, *arguments, "--reward", str(start), "--device", "cpu")
        assert "holds no reward model (it gives text and no rewards); train one with `textmill reward`" in said


def test_another_vocabulary_is_a_sentence(start, reward, comparisons, tmp_path, capsys):
    """Of the tokenizer beside the weights, of a reward model, and of what is trained on."""
    with pytest.raises(ModelError, match="has 325 tokens and the model 324; copy the one of the blocks"):
        train_prefer(wider(start, tmp_path / "start"), comparisons, tmp_path / "new", SETTINGS["dpo"], CPU)
    with pytest.raises(ModelError, match="has 325 tokens and the model 324"):
        train_reward(tmp_path / "start", comparisons, tmp_path / "new", SETTINGS["reward"], CPU)
    with pytest.raises(ModelError, match="has 325 tokens and the model 324"):
        open_reward(wider(reward, tmp_path / "reward"), CPU)
    other = tmp_path / "other"
    shutil.copytree(reward, other)
    tokenizer = json.loads((other / "tokenizer.json").read_text())
    vocabulary = tokenizer["model"]["vocab"]
    vocabulary["!"], vocabulary["?"] = vocabulary["?"], vocabulary["!"]
    (other / "tokenizer.json").write_text(json.dumps(tokenizer))
    said = refused(capsys, "grpo", "--from", str(start), "--run", str(tmp_path / "new"), "--reward", str(other), "--device", "cpu")
    assert "reads another tokenizer than" in said and "its rewards mean nothing for it; train one from" in said
    assert not (tmp_path / "new").exists()


def test_prompts_longer_than_the_context_are_counted(start, tmp_path, capsys):
    """Of comparisons in the first line, of prompts to answer among what is left out; what is left is learned from."""
    long = written(tmp_path / "pairs.jsonl", [*(pair(number) for number in range(60)), *(pair(number, "river " * 5000) for number in range(3))])
    data = read_comparisons(long, start_from(start).encoder, 4000, 0.2)
    assert data.too_long == 3 and data.words.endswith(", 3 too long") and len(data.learned) + len(data.held_out) == 60
    prompts = written(tmp_path / "prompts.jsonl", [{"prompt": "river " * 5000}, {"prompt": "the river"}])
    assert main(["judge", "--prompts", str(prompts), "--from", str(start), "--to", str(tmp_path / "out"), "--device", "cpu",
                 "--set", "judge.max_tokens=2", "--set", "judge.answers=2"]) == 0
    assert "the prompt is too long 2" in capsys.readouterr().out
