"""Checkpoints and runs: no flipped bit goes unseen, the one before is used, and a run is made longer or begins with weights."""

import errno
import json
import os
import re
import stat
from dataclasses import replace
from random import Random
from threading import Event

import pytest
import torch
from safetensors.torch import load_file

from tests.command_line import refused
from tests.model.test_blocks import LENGTH, small_mixture, write_split
from textmill.cli import main
from textmill.model import ModelError
from textmill.model.architecture.build import ARCHITECTURES, build
from textmill.model.architecture.shapes import SHAPES
from textmill.model.data.blocks import Blocks, PackedMixture
from textmill.model.training.checkpoint import best, latest, load_model, load_state, write
from textmill.model.training.checkpoint_files import FILES, SUMS, checkpoints, damage, sha256_of, sums
from textmill.model.training.freeze import freeze
from textmill.model.training.optimizers import OPTIMIZERS
from textmill.model.training.pretrain import pretrain
from textmill.model.training.settings import TrainSettings
from textmill.model.training.validate import Validation

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


def test_the_best_by_validation_is_kept_beside_the_last(blocks, tmp_path, monkeypatch, capsys):
    """Of values 3, 2, 1, 4, 5, 6 after steps 1 to 6; the first look is before step 1. Where more is better, the last is it."""
    def run(home, **more) -> list[str]:
        values = iter([9.0, 3.0, 2.0, 1.0, 4.0, 5.0, 6.0])
        monkeypatch.setattr("textmill.model.training.pretrain.bits_per_byte", lambda *_: Validation(next(values), {}))
        settings = replace(SETTINGS, steps=6, validation_every=1, save_every=1, keep_checkpoints=2)
        run.summary = pretrain(blocks, home, replace(settings, **more), CPU)
        return sorted(path.name for path in home.glob("step-*"))

    home = tmp_path / "run"
    assert run(home) == [f"step-{step:08d}" for step in (3, 5, 6)]
    assert run.summary.endswith(f"best in {home / 'step-00000003'}, checkpoint in {home / 'step-00000006'}")
    assert latest(home) == home / "step-00000006"
    assert main(["sample", "--run", str(home / "step-00000003"), "--prompt", "A", "--tokens", "2", "--device", "cpu"]) == 0
    assert main(["export", "--run", str(home / "step-00000003"), "--to", str(tmp_path / "hf")]) == 0
    assert run(tmp_path / "rarely", save_every=4) == ["step-00000004", "step-00000006"]
    assert "best in" in run.summary
    values = {path: json.loads((path / "state.json").read_text())["validation_end"] for path in checkpoints(home)}
    assert list(values.values()) == [1.0, 5.0, 6.0] and best(list(values), "lower") == home / "step-00000003"
    assert best(list(values), "higher") == home / "step-00000006"
    flip(home / "step-00000003/state.json", 3)
    assert best(list(values), "lower") == home / "step-00000005"
    capsys.readouterr()
    assert "step-00000003 is damaged (state.json is not what was written); name another checkpoint" in refused(
        capsys, "export", "--run", str(home / "step-00000003"), "--to", str(tmp_path / "other"))


def test_a_checkpoint_of_an_earlier_version_is_taken_up(blocks, tmp_path):
    """Its state says nothing of the step of the validation, and its settings nothing of what came since."""
    pretrain(blocks, tmp_path / "run", SETTINGS, CPU)
    checkpoint = latest(tmp_path / "run")
    state = json.loads((checkpoint / "state.json").read_text())
    for name in ("init", "freeze", "window", "experts", "experts_per_token", "shared_expert"):
        del state["plan"][name]
    del state["validation_step"]
    (checkpoint / "state.json").write_text(json.dumps(state))
    (checkpoint / SUMS).write_text("".join(sums(checkpoint)))
    assert pretrain(blocks, tmp_path / "run", SETTINGS, CPU).startswith("train: up to date")
    assert pretrain(blocks, tmp_path / "run", replace(SETTINGS, steps=6), CPU).startswith("train: validation ")


def test_training_goes_on_while_a_checkpoint_is_written(blocks, tmp_path, monkeypatch):
    """The first checkpoint's writer waits until two more updates have begun, and writes the weights of its own step."""
    begun, waited = Event(), []

    def slowly(run, copy):
        if copy.state.step == 2:
            waited.append(begun.wait(60))
        return write(run, copy)

    def step(self, number, batch, accumulate):
        if number == 3:
            begun.set()
        return read(self, number, batch, accumulate)

    read = Blocks.step
    settings = replace(SETTINGS, save_every=2, keep_checkpoints=2)
    pretrain(blocks, tmp_path / "plain", settings, CPU)
    monkeypatch.setattr("textmill.model.training.run.write", slowly)
    monkeypatch.setattr(Blocks, "step", step)
    pretrain(blocks, tmp_path / "run", settings, CPU)
    assert waited == [True]
    for name in ("step-00000002", "step-00000004"):
        for file in ("model.safetensors", "optimizer.safetensors"):
            assert (tmp_path / "run" / name / file).read_bytes() == (tmp_path / "plain" / name / file).read_bytes()


def test_what_goes_wrong_with_a_checkpoint_ends_the_run_as_a_sentence(blocks, tmp_path, monkeypatch, capsys):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device", "disk")

    monkeypatch.setattr("textmill.model.training.checkpoint.save_tensors", full)
    settings = tmp_path / "settings.json"
    settings.write_text('{"train": {"steps": 4, "save_every": 2, "optimizer": "adamw"}}')
    message = refused(capsys, "train", "--blocks", str(blocks), "--run", str(tmp_path / "run"), "--settings", str(settings), "--device", "cpu")
    assert message.splitlines()[-1].startswith("train: no space left on the disk of disk; free some and run the same command again")


@pytest.mark.parametrize("architecture", ["qwen3", "gpt2", "gpt2-relative"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_frozen_parts_stay_and_all_else_is_trained(blocks, tmp_path, architecture, optimizer, capsys):
    plain = replace(SETTINGS, architecture=architecture, optimizer=optimizer)
    pretrain(blocks, tmp_path / "start", plain, CPU)
    settings = replace(plain, init=str(tmp_path / "start"), freeze=("embedding", "layers.1-2", "layers.3"))
    pretrain(blocks, tmp_path / "run", settings, CPU)
    before, after = (load_file(latest(tmp_path / run) / "model.safetensors") for run in ("start", "run"))
    changed = {name for name in before if not before[name].equal(after[name])}
    frozen = {name for name in before if any(part in name for part in (".1.", ".2.", ".3.", "embed_tokens", "wte", "wpe", "relative_"))}
    assert changed == before.keys() - frozen and changed and frozen
    numbers = sum(before[name].numel() for name in frozen)
    assert f"starting from {tmp_path / 'start/step-00000004'}, {numbers:,} frozen" in said(capsys)
    assert not any(name in key for key in load_file(latest(tmp_path / "run") / "optimizer.safetensors") for name in frozen)
    assert pretrain(blocks, tmp_path / "run", settings, CPU).startswith("train: up to date")
    with pytest.raises(ModelError, match="another kind"):
        pretrain(blocks, tmp_path / "run", replace(settings, freeze=("embedding",)), CPU)


def test_the_head_is_frozen_alone_where_it_is_no_embedding(blocks):
    model = build(ARCHITECTURES["qwen3"].configuration(SHAPES["ci"]._replace(tied=False), 300, 32, 299))
    freeze(model, ["head"])
    assert [name for name, weight in model.named_parameters() if not weight.requires_grad] == ["lm_head.weight"]
    freeze(model, ["embedding"])
    assert [name for name, weight in model.named_parameters() if not weight.requires_grad] == ["embed_tokens.weight", "lm_head.weight"]
    model = build(ARCHITECTURES["qwen3"].configuration(SHAPES["ci"], 300, 32, 299))
    freeze(model, ["head", "layers.0-3"])
    assert [name for name, weight in model.named_parameters() if weight.requires_grad] == ["norm.weight"]
    assert [each.names for each in OPTIMIZERS["muon"](model, 0.1, 0.1)] == [["norm.weight"]]
    model.norm.weight.requires_grad_(False)
    with pytest.raises(ModelError, match=r"freeze: layers.0 are all of the model, so nothing is left to train; name less"):
        freeze(model, ["layers.0"])
    assert list(replace(SETTINGS, freeze=("layers.4", "layers.2-1", "norm", "layers.0-3")).problems()) == [
        "freeze: there is no layers.4; the layers are 0 to 3", "freeze: there is no layers.2-1; the layers are 0 to 3",
        "freeze: 'norm' is no part; give embedding, head, layers.0 or layers.0-3"]


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
