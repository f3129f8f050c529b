"""Checkpoints and runs: no flipped bit goes unseen, the one before is used, and a run is made longer or begins with weights."""

import json
import os
import re
import stat
from dataclasses import replace
from random import Random

import pytest
import torch
from safetensors.torch import load_file

from tests.command_line import refused
from tests.model.test_blocks import LENGTH, small_mixture, write_split
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.data.blocks import PackedMixture
from textmill.model.training.checkpoint import latest, load_model, load_state
from textmill.model.training.checkpoint_files import FILES, SUMS, damage, sha256_of
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings

pytestmark = pytest.mark.slow

CPU = torch.device("cpu")
torch.set_num_threads(1)
SETTINGS = TrainSettings(steps=4, batch=2, accumulate=1, warmup=1, validation_every=2, save_every=2, optimizer="adamw", lr=0.01)


@pytest.fixture
def blocks(tmp_path):
    return small_mixture(tmp_path / "blocks")


def flip(path, bit: int) -> None:
    data = bytearray(path.read_bytes())
    data[bit // 8] ^= 1 << bit % 8
    path.write_bytes(data)


def said(capsys) -> str:
    return capsys.readouterr().err


def test_every_flipped_bit_is_named_by_its_file(blocks, tmp_path):
    pretrain(blocks, tmp_path / "run", SETTINGS, CPU)
    checkpoint, dice = latest(tmp_path / "run"), Random(1)
    assert sorted(path.name for path in checkpoint.iterdir()) == sorted([*FILES, SUMS])
    for name in (*FILES, SUMS):
        bits = 8 * (checkpoint / name).stat().st_size
        for bit in range(bits) if name == SUMS else [0, bits - 1, *(dice.randrange(bits) for _ in range(20))]:
            flip(checkpoint / name, bit)
            problem = damage(checkpoint)
            assert problem and (name == SUMS or problem == f"{name} is not what was written"), (name, bit, problem)
            flip(checkpoint / name, bit)
        assert damage(checkpoint) is None
        (checkpoint / name).rename(tmp_path / "away")
        assert damage(checkpoint) == f"{name} cannot be read: No such file or directory"
        (tmp_path / "away").rename(checkpoint / name)


@pytest.mark.parametrize("name", FILES)
def test_a_damaged_checkpoint_is_passed_over_and_the_run_ends_as_it_would_have(blocks, tmp_path, name, capsys):
    home, longer = tmp_path / "run", replace(SETTINGS, steps=6, save_every=2)
    pretrain(blocks, tmp_path / "whole", longer, CPU)
    pretrain(blocks, home, longer, CPU)
    flip(home / "step-00000006" / name, 800)
    said(capsys)
    with pytest.warns(UserWarning, match=rf"step-00000006 is damaged \({name} is not what was written\); the checkpoint before it"):
        summary = pretrain(blocks, home, longer, CPU)
    assert "from step 4" in said(capsys) and summary.endswith("step-00000006")
    assert latest(home) == home / "step-00000006"
    for file in ("model.safetensors", "optimizer.safetensors", "decoder.json"):
        assert (home / "step-00000006" / file).read_bytes() == (tmp_path / "whole/step-00000006" / file).read_bytes()
    for checkpoint in home.glob("step-*"):
        flip(checkpoint / name, 800)
    with pytest.warns(UserWarning), pytest.raises(ModelError, match=rf"cannot be taken up \({name} is not what was written\)"):
        pretrain(blocks, home, longer, CPU)
    with pytest.warns(UserWarning):
        assert pretrain(blocks, home, longer, CPU, replace_run=True).startswith("train: validation ")


@pytest.mark.parametrize(("key", "value"), [("num_hidden_layers", 10**9), ("num_hidden_layers", 500), ("max_position_embeddings", 1 << 40),
                                            ("hidden_size", 1 << 22), ("intermediate_size", 10**30), ("vocab_size", 299)])
def test_a_strangers_configuration_costs_no_memory_and_is_a_sentence(blocks, tmp_path, key, value):
    """Its checksums fit. Before, a billion layers were built one after the other."""
    pretrain(blocks, tmp_path / "run", replace(SETTINGS, steps=1), CPU)
    checkpoint = latest(tmp_path / "run")
    config = json.loads((checkpoint / "decoder.json").read_text()) | {key: value}
    (checkpoint / "decoder.json").write_text(json.dumps(config))
    (checkpoint / SUMS).write_text("".join(f"{sha256_of(checkpoint / name)}  {name}\n" for name in FILES))
    with pytest.raises(ModelError, match=r"holds no model that can be read \((its weights are not those of its decoder|\w+ is \d+, and at most)"):
        load_model(latest(tmp_path / "run"), CPU)


@pytest.mark.parametrize(("state", "problem"), [("[" * 100_000, "recursion"), ('{"step": "4"}', "step is '4'"), ('{"seconds": null}', "seconds is None"),
                                                ('{"validation_end": []}', "validation_end is"), ('{"tokens": true}', "tokens is True")])
def test_a_strangers_state_is_a_sentence(blocks, tmp_path, state, problem):
    pretrain(blocks, tmp_path / "run", replace(SETTINGS, steps=1), CPU)
    path = latest(tmp_path / "run") / "state.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | json.loads(state)) if state.startswith("{") else state)
    (path.parent / SUMS).write_text("".join(f"{sha256_of(path.parent / name)}  {name}\n" for name in FILES))
    with pytest.raises(ModelError, match=f"cannot be taken up .*{problem}"):
        pretrain(blocks, tmp_path / "run", SETTINGS, CPU)


def test_sampling_and_export_use_the_one_before_too(blocks, tmp_path, capsys):
    pretrain(blocks, tmp_path / "run", SETTINGS, CPU)
    flip(tmp_path / "run/step-00000004/model.safetensors", 8000)
    said(capsys)
    assert main(["sample", "--run", str(tmp_path / "run"), "--prompt", "A", "--tokens", "2", "--device", "cpu"]) == 0
    assert "step-00000004 is damaged (model.safetensors is not what was written); the checkpoint before it is used" in said(capsys)


@pytest.mark.parametrize(("umask", "mode"), [(0o022, 0o644), (0o077, 0o600), (0o002, 0o664)])
def test_files_are_as_readable_as_the_umask_says(blocks, tmp_path, umask, mode):
    before = os.umask(umask)
    try:
        pretrain(blocks, tmp_path / "run", replace(SETTINGS, steps=1), CPU)
        assert main(["export", "--run", str(tmp_path / "run"), "--to", str(tmp_path / "hf")]) == 0
    finally:
        os.umask(before)
    files = [*latest(tmp_path / "run").iterdir(), *(tmp_path / "hf").iterdir()]
    assert {path.name: stat.S_IMODE(path.stat().st_mode) for path in files} == {path.name: mode for path in files}


def test_replace_removes_what_training_wrote_and_nothing_else(blocks, tmp_path):
    home = tmp_path / "run"
    pretrain(blocks, home, SETTINGS, CPU)
    own = ["notes.txt", "hf/model.safetensors", "step-by-step.md", "step-00000002/best.txt", "step-00000009/mine.txt"]
    for name in own:
        (home / name).parent.mkdir(exist_ok=True)
        (home / name).write_text("mine")
    pretrain(blocks, home, replace(SETTINGS, lr=0.02), CPU, replace_run=True)
    assert [(home / name).read_text() for name in own] == ["mine"] * len(own)
    assert load_state(latest(home), TrainSettings).settings.lr == 0.02
    assert [json.loads(line)["lr"] for line in (home / "log.jsonl").read_text().splitlines() if '"lr"' in line][1] == 0.02


@pytest.mark.parametrize(("keep", "kept"), [(1, [4]), (2, [3, 4]), (9, [1, 2, 3, 4])])
def test_the_last_checkpoints_are_kept(blocks, tmp_path, keep, kept):
    pretrain(blocks, tmp_path / "run", replace(SETTINGS, save_every=1, keep_checkpoints=keep), CPU)
    assert sorted(path.name for path in (tmp_path / "run").glob("*step*")) == [f"step-{step:08d}" for step in kept]


def test_a_run_is_made_longer_and_never_shorter(blocks, tmp_path, capsys):
    home = tmp_path / "run"
    pretrain(blocks, home, SETTINGS, CPU)
    assert pretrain(blocks, home, replace(SETTINGS, steps=8), CPU).startswith("train: validation ")
    assert "from step 4" in said(capsys)
    state = load_state(latest(home), TrainSettings)
    assert (state.step, state.settings.steps, state.tokens) == (8, 8, 8 * 2 * LENGTH)
    lines = [json.loads(line) for line in (home / "log.jsonl").read_text().splitlines()]
    assert [line["step"] for line in lines if "loss" in line] == list(range(1, 9))
    assert [line["step"] for line in lines if "validation" in line] == [0, 2, 4, 6, 8]
    assert pretrain(blocks, home, replace(SETTINGS, steps=8, validation_every=1, keep_checkpoints=1), CPU).startswith("train: up to date")
    with pytest.raises(ModelError, match=r"another kind \(steps was 8, is 6\)"):
        pretrain(blocks, home, replace(SETTINGS, steps=6), CPU)


@pytest.mark.parametrize("name", ["run", "run/step-00000004"])
def test_a_run_begins_with_the_weights_of_another(blocks, tmp_path, name, capsys):
    pretrain(blocks, tmp_path / "run", SETTINGS, CPU)
    ended = load_state(latest(tmp_path / "run"), TrainSettings).validation_end
    settings = tmp_path / "settings.json"
    settings.write_text('{"train": {"steps": 2, "batch": 2, "accumulate": 1, "lr": 1.0e-9, "optimizer": "adamw"}}')
    arguments = ["train", "--blocks", str(blocks), "--run", str(tmp_path / "tuned"), "--settings", str(settings), "--device", "cpu"]
    assert main([*arguments, "--from", str(tmp_path / name)]) == 0
    assert f"starting from {tmp_path / 'run/step-00000004'}" in said(capsys)
    state = load_state(latest(tmp_path / "tuned"), TrainSettings)
    assert state.validation_start == pytest.approx(ended, rel=1e-5) and state.step == 2
    weights = [load_file(latest(tmp_path / run) / "model.safetensors") for run in ("run", "tuned")]
    assert all((weights[0][name] - weights[1][name]).abs().max() < 1e-6 for name in weights[0])
    assert main([*arguments, "--from", str(tmp_path / name)]) == 0
    assert capsys.readouterr().out.startswith("train: up to date; ")
    assert "the starting weights have changed" in refused(capsys, *arguments)


def test_weights_to_begin_with_have_to_fit(blocks, tmp_path):
    start = tmp_path / "run"
    pretrain(blocks, start, SETTINGS, CPU)

    def refusal(settings=SETTINGS, blocks=blocks, start=start) -> str:
        with pytest.raises(ModelError) as error:
            pretrain(blocks, tmp_path / "tuned", settings, CPU, start=start)
        assert not (tmp_path / "tuned").exists()
        return str(error.value)

    other = "another architecture, shape or context than the settings and blocks ask for"
    assert other in refusal(replace(SETTINGS, architecture="gpt2")) and other in refusal(replace(SETTINGS, shape="10m"))
    assert "there is no checkpoint in" in refusal(start=tmp_path / "none")
    (start / "tokenizer.json").write_text("{}")
    assert "was trained with another tokenizer than" in refusal()
    (start / "tokenizer.json").unlink()
    assert "its ids may differ from those of" in refusal()
    flip(start / "step-00000004/model.safetensors", 9000)
    assert "step-00000004 is damaged (model.safetensors is not what was written)" in refusal(start=start / "step-00000004")


def test_rotary_weights_go_on_with_longer_blocks(blocks, tmp_path):
    pretrain(blocks, tmp_path / "run", SETTINGS, CPU)
    long = small_mixture(tmp_path / "long", length=2 * LENGTH)
    assert pretrain(long, tmp_path / "tuned", SETTINGS, CPU, start=tmp_path / "run").startswith("train: validation ")
    pretrain(blocks, tmp_path / "gpt2", replace(SETTINGS, architecture="gpt2"), CPU)
    with pytest.raises(ModelError, match="shape or context"):
        pretrain(long, tmp_path / "other", replace(SETTINGS, architecture="gpt2"), CPU, start=tmp_path / "gpt2")


def facts(blocks, **more: str) -> dict[str, str]:
    split = PackedMixture(blocks).train
    return {"schema": "1", "mixture": "small", "block": str(LENGTH), "vocab_size": "300", "end_of_text": "299",
            "tokenizer_sha256": split.tokenizer_sha256} | more


def test_without_validation_a_run_trains_and_says_so(blocks, tmp_path, capsys):
    write_split(blocks / "validation", [[]], facts(blocks))
    summary = pretrain(blocks, tmp_path / "run", SETTINGS, CPU)
    assert summary.startswith(f"train: no validation, {4 * 2 * LENGTH} tokens, ")
    assert "train: nothing is held out for validation, so there are figures of training only" in said(capsys)
    assert pretrain(blocks, tmp_path / "run", SETTINGS, CPU).startswith("train: up to date; no validation, ")


def test_figures_say_of_how_much_they_are_and_overall_goes_by_the_shares(blocks, tmp_path, capsys):
    rows = [([32 + n % 26] * LENGTH, "up" if n else "down", [(0, 9), (9, LENGTH)]) for n in range(4)]
    shared = facts(blocks, shares='{"up": 0.1, "down": 0.9}')
    for split in ("train", "validation"):
        write_split(blocks / split, [rows], shared)
    pretrain(blocks, tmp_path / "run", replace(SETTINGS, validation_blocks=3), CPU)
    lines = said(capsys)
    assert re.search(r"step 0 of 4, validation \d\.\d{4} bits per byte \(down \d\.\d{3} of 2 documents, 0\.0 kB; up \d\.\d{3} of 2 documents, 0\.1 kB\)",
                     lines)
    assert lines.count("less than 50 kB is held out of down (2 documents, 0.0 kB), up (2 documents, 0.1 kB), too little to compare runs by") == 1
    first = json.loads((tmp_path / "run/log.jsonl").read_text().splitlines()[0])
    assert first["validation"] == pytest.approx(0.9 * first["entries"]["down"] + 0.1 * first["entries"]["up"])
    assert first["documents"] == {"down": 2, "up": 2} and first["bytes"] == {"down": 30, "up": 60}


@pytest.mark.parametrize("architecture", ["qwen3", "gpt2"])
def test_transformers_takes_no_checkpoint_for_a_model_of_its_own(blocks, tmp_path, architecture):
    transformers = pytest.importorskip("transformers")
    pretrain(blocks, tmp_path / "run", replace(SETTINGS, architecture=architecture, steps=1), CPU)
    with pytest.raises((OSError, ValueError), match=r"config\.json|Unrecognized model"):
        transformers.AutoModelForCausalLM.from_pretrained(latest(tmp_path / "run"), local_files_only=True)
