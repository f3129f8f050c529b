"""Run and loop with losses that are not pretraining's: what post-training will need, without a line of theirs copied."""

import json
import math
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.model.preference import SETTINGS, PreferenceSettings, train_dpo, train_reward
from tests.model.test_blocks import small_mixture
from tests.paths import ROOT
from textmill.model import ModelError
from textmill.model.training.checkpoint import latest, load_state
from textmill.model.training.optimizers import OPTIMIZERS, NamedOptimizer
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings

CPU = torch.device("cpu")
torch.set_num_threads(1)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def start(tmp_path_factory):
    """The checkpoint of a pretrained model."""
    folder = tmp_path_factory.mktemp("start")
    pretrain(small_mixture(folder / "blocks"), folder / "run", TrainSettings(steps=2, lr=0.01), CPU)
    return latest(folder / "run")


def logged(home) -> list[dict]:
    return [line for line in map(json.loads, (home / "log.jsonl").read_text().splitlines()) if "seconds" not in line]


def test_a_reward_model_learns_and_its_run_is_one_like_any_other(start, tmp_path):
    home = tmp_path / "run"
    summary = train_reward(start, home)
    state = load_state(latest(home), PreferenceSettings)
    assert summary.startswith("reward: validation 0.0000 → ") and " of pairs ranked right, 5,120 tokens, " in summary
    assert state.validation_end > 0.9 and state.sources == {"pairs": "of the seed", "start": start.name}
    lines = logged(home)
    assert lines[1]["loss"] == pytest.approx(math.log(2)), "per pair, whatever the batches are"
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 21))
    assert [line["step"] for line in lines if "validation" in line] == [0, 10, 20]
    assert sorted(path.name for path in home.iterdir()) == ["log.jsonl", "step-00000018", "step-00000020", "tokenizer.json", "tokenizer_config.json"]
    weights = load_file(latest(home) / "model.safetensors")
    assert weights["score.weight"].any() and "decoder.embed_tokens.weight" in weights
    assert train_reward(start, home).startswith("reward: up to date; validation 0.0000 → ")
    with pytest.raises(ModelError, match=r"another kind \(beta was 0.1, is 0.2\)"):
        train_reward(start, home, replace(SETTINGS, beta=0.2))


def test_a_reward_model_killed_and_started_again_gives_the_same_bytes(start, tmp_path):
    command = [sys.executable, "-m", "tests.model.preference", str(start.parent)]
    quiet = {"cwd": ROOT, "env": os.environ | {"OMP_NUM_THREADS": "1"}, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run([*command, str(tmp_path / "whole")], check=True, **quiet)
    process = subprocess.Popen([*command, str(tmp_path / "killed")], **quiet)
    while not list((tmp_path / "killed").glob("step-*")) and process.poll() is None:
        time.sleep(0.002)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert 0 < load_state(latest(tmp_path / "killed"), PreferenceSettings).step < 20
    subprocess.run([*command, str(tmp_path / "killed")], check=True, **quiet)
    for name in ("model.safetensors", "optimizer.safetensors", "decoder.json"):
        assert (tmp_path / "killed/step-00000020" / name).read_bytes() == (tmp_path / "whole/step-00000020" / name).read_bytes(), name
    assert logged(tmp_path / "killed") == logged(tmp_path / "whole")


def test_dpo_moves_the_policy_away_from_its_frozen_reference(start, tmp_path):
    summary = train_dpo(start, tmp_path / "run")
    lines = logged(tmp_path / "run")
    assert summary.startswith("dpo: validation 0.0000 → ")
    assert lines[1]["loss"] == pytest.approx(math.log(2)) and lines[-2]["loss"] < 0.6
    before, after = (load_file(checkpoint / "model.safetensors") for checkpoint in (start, latest(tmp_path / "run")))
    assert before.keys() == after.keys() and not before["embed_tokens.weight"].equal(after["embed_tokens.weight"])


def test_an_optimizer_is_a_function_and_a_line(start, tmp_path, monkeypatch):
    def sgd(model, lr, weight_decay):
        named = list(model.named_parameters())
        return [NamedOptimizer(torch.optim.SGD([weight for _, weight in named], lr, momentum=0.9), [name for name, _ in named])]

    monkeypatch.setitem(OPTIMIZERS, "sgd", sgd)
    settings = replace(SETTINGS, optimizer="sgd", steps=4)
    assert list(settings.problems()) == []
    train_reward(start, tmp_path / "run", settings)
    assert "score.weight/momentum_buffer" in load_file(latest(tmp_path / "run") / "optimizer.safetensors")
