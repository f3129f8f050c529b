"""Supervised fine-tuning: the size of the start, the bytes of an undisturbed run after a kill, an early end, and what does not fit."""

import json
import shutil
from dataclasses import replace

import pytest
import torch
from safetensors.torch import load_file

from tests.model.test_blocks import LENGTH, small_mixture
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.posttraining.finetune import finetune
from textmill.model.posttraining.settings import FineTuneSettings
from textmill.model.training.checkpoint import latest, load_model
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings

pytestmark = pytest.mark.slow
CPU = torch.device("cpu")
PRETRAINING = TrainSettings(steps=4, batch=2, warmup=1, validation_every=4, save_every=4, optimizer="adamw", lr=0.01, shape="2x64")
SETTINGS = FineTuneSettings(steps=12, batch=2, warmup=1, validation_every=2, save_every=2, lr=0.01, optimizer="adamw", patience=None)


@pytest.fixture
def start(tmp_path):
    pretrain(small_mixture(tmp_path / "blocks"), tmp_path / "run", PRETRAINING, CPU)
    return tmp_path / "run"


def validations(home) -> list[float]:
    return [line["validation"] for line in map(json.loads, (home / "log.jsonl").read_text().splitlines()) if "validation" in line]


def test_a_model_goes_on_in_its_own_size_and_a_killed_run_ends_with_the_same_bytes(start, tmp_path):
    blocks = small_mixture(tmp_path / "dialogues", blocks=16)
    finetune(start, blocks, tmp_path / "whole", SETTINGS, CPU)
    before, after = (load_model(latest(home), CPU) for home in (start, tmp_path / "whole"))
    assert [weight.shape for weight in after.parameters()] == [weight.shape for weight in before.parameters()]
    figures = validations(tmp_path / "whole")
    assert figures[-1] < figures[0] - 0.5               # it learns
    shutil.copytree(tmp_path / "whole", tmp_path / "cut")
    for checkpoint in sorted((tmp_path / "cut").glob("step-*"))[-1:]:
        shutil.rmtree(checkpoint)
    assert finetune(start, blocks, tmp_path / "cut", SETTINGS, CPU).startswith("finetune: validation")
    weights = [load_file(latest(tmp_path / name) / "model.safetensors") for name in ("whole", "cut")]
    assert all(torch.equal(weights[0][name], weights[1][name]) for name in weights[0])
    with pytest.raises(ModelError, match="starting weights have changed"):
        finetune(tmp_path / "whole", blocks, tmp_path / "cut", SETTINGS, CPU)


def test_it_ends_where_held_out_text_is_predicted_no_better(start, tmp_path):
    still = replace(SETTINGS, lr=1e-12, patience=2, steps=40)           # nothing is learned, so nothing gets better
    blocks = small_mixture(tmp_path / "dialogues")
    finetune(start, blocks, tmp_path / "tuned", still, CPU)
    assert latest(tmp_path / "tuned").name == "step-00000004"
    assert finetune(start, blocks, tmp_path / "tuned", still, CPU).startswith("finetune: up to date; ")


def test_longer_blocks_than_the_model_reads_are_refused(start, tmp_path):
    blocks = small_mixture(tmp_path / "long", length=2 * LENGTH)
    with pytest.raises(ModelError, match=f"blocks of {2 * LENGTH} tokens and .* reads {LENGTH}; pack shorter ones"):
        finetune(start, blocks, tmp_path / "tuned", SETTINGS, CPU)
    with pytest.raises(ModelError, match=r"there is no layers\.2; the layers are 0 to 1"):
        finetune(start, tmp_path / "blocks", tmp_path / "tuned", replace(SETTINGS, freeze=("layers.2",)), CPU)


def test_low_rank_differences_are_trained_alone_and_merged_where_a_checkpoint_is_loaded(start, tmp_path):
    finetune(start, tmp_path / "blocks", tmp_path / "tuned", replace(SETTINGS, lora=4), CPU)
    stored = load_file(latest(tmp_path / "tuned") / "model.safetensors")
    assert any("parametrizations" in name for name in stored)
    before, after = (load_model(latest(home), CPU).state_dict() for home in (start, tmp_path / "tuned"))
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed and all("layers" in name and "norm" not in name for name in changed)


def test_the_word_takes_blocks_from_anywhere(start, tmp_path, capsys):
    settings = tmp_path / "settings.yaml"
    settings.write_text("finetune: {steps: 2, batch: 1, validation_every: 1, save_every: 1}\n")
    arguments = ["finetune", "--from", str(start), "--blocks", str(tmp_path / "blocks"), "--run", str(tmp_path / "tuned"),
                 "--config", str(settings), "--device", "cpu"]
    assert main(arguments) == 0 and capsys.readouterr().out.startswith("finetune: validation ")
    assert main(arguments) == 0 and capsys.readouterr().out.startswith("finetune: up to date; ")
    assert main(arguments[:5]) == 2 and "--blocks needs --run" in capsys.readouterr().err
