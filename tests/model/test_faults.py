"""Faults of a run: what is killed at any moment of a save, cut off, full or refused is gone on from, or ends in a sentence.

Others are with what they belong to: flipped bits, a full disk, strangers' states (test_checkpoint), a loss that is no number
(test_training), another number of processes (test_processes), a damaged checkpoint under sample and export.
"""

import json
import os
import shutil
import time
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from tests.model.test_blocks import small_mixture
from tests.model.test_training import CPU, SETTINGS
from textmill.model import ModelError
from textmill.model.training import checkpoint
from textmill.model.training.checkpoint import latest
from textmill.model.training.checkpoint_files import FILES
from textmill.model.training.pretrain import pretrain

pytestmark = pytest.mark.slow

RUN = replace(SETTINGS, steps=6, save_every=2, validation_every=6)
WEIGHTS = ("model.safetensors", "optimizer.safetensors", "decoder.json")


class Killed(BaseException):
    """What no `except` of ours catches, as no process outlives SIGKILL."""


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Blocks, and a run on them that nothing happened to."""
    folder = tmp_path_factory.mktemp("whole")
    small_mixture(folder / "blocks")
    pretrain(folder / "blocks", folder / "run", RUN, CPU)
    return folder


def ends_the_same(whole: Path, home: Path) -> None:
    assert pretrain(whole / "blocks", home, RUN, CPU).startswith("train: ")
    for name in WEIGHTS:
        assert (home / "step-00000006" / name).read_bytes() == (whole / "run/step-00000006" / name).read_bytes(), name
    assert not list(home.glob(".draft-*"))
    steps = [json.loads(line)["step"] for line in (home / "log.jsonl").read_text().splitlines() if '"loss"' in line]
    assert steps == [1, 2, 3, 4, 5, 6]


@pytest.mark.parametrize("moment", ["_write_json 1", "_write_json 2", "save_tensors 1", "save_tensors 2", "sums 1", "fsync 1", "fsync 5",
                                    "rename 1", "remove 1"])
@pytest.mark.parametrize("save", [1, 2, 3])
def test_killed_at_any_moment_of_a_save(whole, tmp_path, monkeypatch, moment, save):
    """In the first save, in one that has others before it, and in the last; of which the third removes the oldest."""
    name, number = moment.split()
    per_save = {"_write_json": 2, "save_tensors": 2, "sums": 1, "fsync": 5, "rename": 1, "remove": 1}[name]
    fatal = (save - 1) * per_save + int(number)
    if name == "remove":
        if save != 3:
            pytest.skip("nothing is removed in it")
        fatal = 1
    owner = {"fsync": os, "rename": Path}.get(name, checkpoint)
    real, calls = getattr(owner, name), [0]

    def killed(*given, **more):
        calls[0] += 1
        if calls[0] == fatal:
            if name == "save_tensors":              # some of the file is there
                real(*given, **more)
                given[0].write_bytes(given[0].read_bytes()[:1000])
            raise Killed
        return real(*given, **more)

    with monkeypatch.context() as patched:
        patched.setattr(owner, name, killed)
        with pytest.raises(Killed):
            pretrain(whole / "blocks", tmp_path / "run", RUN, CPU)
    ends_the_same(whole, tmp_path / "run")


@pytest.mark.parametrize("name", [*FILES, "SHA256SUMS"])
@pytest.mark.parametrize("left", [0, 100])
def test_a_file_of_the_newest_checkpoint_that_is_cut_off(whole, tmp_path, name, left):
    shutil.copytree(whole / "run", tmp_path / "run")
    path = tmp_path / "run/step-00000006" / name
    path.write_bytes(path.read_bytes()[:left])
    with pytest.warns(UserWarning, match="step-00000006 is damaged"):
        ends_the_same(whole, tmp_path / "run")


def test_memory_that_is_refused_names_the_knobs(whole, tmp_path, monkeypatch):
    def refused(*_):
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    pretrain(whole / "blocks", tmp_path / "run", replace(RUN, steps=2), CPU)
    monkeypatch.setattr(torch.Tensor, "backward", refused)
    with pytest.raises(ModelError, match=r"there is not enough memory for 2 blocks at a time: set `batch` to 1 and `accumulate` to 4, which "
                                         r"gives the same updates, or `recompute` to true; .*step-00000002 is kept"):
        pretrain(whole / "blocks", tmp_path / "run", RUN, CPU)
    monkeypatch.undo()
    halved = replace(RUN, batch=RUN.batch // 2, accumulate=RUN.accumulate * 2, recompute=True)
    assert pretrain(whole / "blocks", tmp_path / "run", halved, CPU).endswith("step-00000006")


def test_a_refusal_by_the_system_is_the_same_sentence(whole, tmp_path, monkeypatch):
    def refused(*_):
        raise RuntimeError("[enforce fail at alloc_cpu.cpp:117] DefaultCPUAllocator: can't allocate memory: you tried to allocate 8 bytes. "
                           "Error code 12 (Cannot allocate memory)")

    monkeypatch.setattr(torch.Tensor, "backward", refused)
    with pytest.raises(ModelError, match="not enough memory for 2 blocks at a time"):
        pretrain(whole / "blocks", tmp_path / "run", RUN, CPU)
    monkeypatch.setattr(torch.Tensor, "backward", lambda *_: (_ for _ in ()).throw(RuntimeError("shapes do not fit")))
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        pretrain(whole / "blocks", tmp_path / "other", RUN, CPU)


def test_an_infinite_gradient_ends_the_run_before_it_is_kept(whole, tmp_path, monkeypatch):
    real = torch.nn.utils.clip_grad_norm_
    calls = [0]

    def infinite(parameters, limit):
        calls[0] += 1
        return real(parameters, limit) * (float("inf") if calls[0] == 4 else 1)

    monkeypatch.setattr("torch.nn.utils.clip_grad_norm_", infinite)
    with pytest.raises(ModelError, match=r"not a number at step 4; the last good checkpoint is .*step-00000002"):
        pretrain(whole / "blocks", tmp_path / "run", RUN, CPU)
    assert latest(tmp_path / "run").name == "step-00000002"
    monkeypatch.undo()
    ends_the_same(whole, tmp_path / "run")


def test_blocks_of_another_tokenizer_or_changed_under_a_run(whole, tmp_path):
    shutil.copytree(whole / "blocks", tmp_path / "blocks")
    shutil.copytree(whole / "run", tmp_path / "run")
    small_mixture(tmp_path / "blocks", blocks=20)
    with pytest.raises(ModelError, match="the blocks have changed"):
        pretrain(tmp_path / "blocks", tmp_path / "run", replace(RUN, steps=8), CPU)
    (tmp_path / "blocks/tokenizer.json").write_text("{}")
    with pytest.raises(ModelError, match=r"is not the tokenizer that .* was packed with"):
        pretrain(tmp_path / "blocks", tmp_path / "new", RUN, CPU)


def test_clocks_that_go_backwards_change_nothing(whole, tmp_path, monkeypatch):
    """The system's clock is set back an hour at each look; files get times in disorder."""
    now = [time.time()]

    def back():
        now[0] -= 3600
        return now[0]

    monkeypatch.setattr(time, "time", back)
    ends_the_same(whole, tmp_path / "run")
    shutil.rmtree(tmp_path / "run/step-00000006")
    for age, path in enumerate(sorted((tmp_path / "run").glob("step-*"))):
        os.utime(path, (1e9 - age * 1e6, 1e9 - age * 1e6))
    ends_the_same(whole, tmp_path / "run")


def test_a_log_that_was_cut_off_in_a_line(whole, tmp_path):
    pretrain(whole / "blocks", tmp_path / "run", replace(RUN, steps=4), CPU)
    log = tmp_path / "run/log.jsonl"
    log.write_bytes(log.read_bytes()[:-9])
    assert pretrain(whole / "blocks", tmp_path / "run", RUN, CPU).endswith("step-00000006")
    for line in log.read_text().splitlines():
        json.loads(line)


def test_what_a_user_put_in_the_way_of_a_checkpoint_stays(whole, tmp_path):
    (tmp_path / "run/step-00000002").mkdir(parents=True)
    (tmp_path / "run/step-00000002/notes.txt").write_text("mine")
    (tmp_path / "run/step-00000004").write_text("a file of mine")
    with pytest.raises((ModelError, OSError)):
        pretrain(whole / "blocks", tmp_path / "run", RUN, CPU)
    assert (tmp_path / "run/step-00000004").read_text() == "a file of mine"
    assert (tmp_path / "run/step-00000002/notes.txt").read_text() == "mine"


def test_a_run_whose_folder_is_taken_away_ends_as_a_sentence(whole, tmp_path, monkeypatch, capsys):
    from textmill.cli import main

    real = checkpoint.write

    def gone(run, copy):
        shutil.rmtree(run)
        (run.parent / "run").write_text("a file where the folder was")
        return real(run, copy)

    monkeypatch.setattr("textmill.model.training.run.write", gone)
    settings = tmp_path / "settings.json"
    settings.write_text('{"train": {"steps": 4, "save_every": 2, "optimizer": "adamw"}}')
    assert main(["train", "--blocks", str(whole / "blocks"), "--run", str(tmp_path / "run"), "--settings", str(settings), "--device", "cpu"]) == 1
    assert "Traceback" not in capsys.readouterr().err
