"""Training by several processes: the same batches, the same weights but for rounding, and checkpoints that any number takes up."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from tests.model.test_blocks import small_mixture
from tests.paths import ROOT
from textmill.base.accelerators import ACCELERATORS, accelerator_named
from textmill.model import ModelError
from textmill.model.training.processes import Processes

pytestmark = pytest.mark.slow

SETTINGS = {"steps": 6, "batch": 1, "accumulate": 4, "warmup": 1, "save_every": 3, "validation_every": 3, "lr": 0.003}


def train(count: int, blocks: Path, home: Path, **changes) -> subprocess.CompletedProcess[str]:
    settings = home.parent / "settings.json"
    settings.write_text(json.dumps({"train": SETTINGS | changes}))
    launched = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count), "-m"] if count > 1 else []
    return subprocess.run([sys.executable, *(launched or ["-m"]), "textmill", *(["--"] if launched else []), "train", "--blocks", str(blocks), "--run", str(home),
                           "--settings", str(settings), "--device", "cpu"], cwd=ROOT, capture_output=True, text=True,
                          env=os.environ | {"OMP_NUM_THREADS": "1"})


def weights(home: Path, step: int) -> dict[str, torch.Tensor]:
    found = load_file(home / f"step-{step:08d}" / "model.safetensors") | load_file(home / f"step-{step:08d}" / "optimizer.safetensors")
    return {name: tensor.float() for name, tensor in found.items()}


@pytest.mark.parametrize("shard", [False, True])
def test_two_processes_train_as_one_and_one_goes_on_where_two_stopped(shard, tmp_path):
    blocks = small_mixture(tmp_path / "blocks")
    alone = train(1, blocks, tmp_path / "one")
    assert alone.returncode == 0, alone.stderr
    both = train(2, blocks, tmp_path / "two", shard=shard)
    assert both.returncode == 0, both.stderr
    assert "cpu in" in both.stderr and ", 2 processes" in both.stderr
    assert both.stdout.count("train: validation ") == 1, "the first process alone speaks"
    assert [json.loads(line)["step"] for line in (tmp_path / "two/log.jsonl").read_text().splitlines() if '"loss"' in line] == [1, 2, 3, 4, 5, 6]
    expected, found = weights(tmp_path / "one", 3), weights(tmp_path / "two", 3)
    assert expected.keys() == found.keys()
    for name, tensor in expected.items():       # Muon makes directions of rounding in bfloat16 as long as those of the gradient
        assert (tensor - found[name]).norm() <= 0.2 * tensor.norm() + 1e-6, name
    losses = [[line["loss"] for line in map(json.loads, (tmp_path / run / "log.jsonl").read_text().splitlines()) if "loss" in line]
              for run in ("one", "two")]
    assert losses[1] == pytest.approx(losses[0], rel=2e-3) and losses[0][-1] < losses[0][0]
    for path in (tmp_path / "two/step-00000006").iterdir():
        path.unlink()
    (tmp_path / "two/step-00000006").rmdir()
    again = train(1, blocks, tmp_path / "two", batch=2, accumulate=2)
    assert again.returncode == 0 and "from step 3" in again.stderr, again.stderr
    assert (tmp_path / "two/step-00000006/SHA256SUMS").is_file()


def test_batches_that_do_not_divide_are_a_sentence(tmp_path):
    refused = train(2, small_mixture(tmp_path / "blocks"), tmp_path / "run", accumulate=3)
    assert refused.returncode
    assert ("an update has 3 batches for 2 processes; set `accumulate` to a multiple of 2 (and `batch` to so much less, for the same "
            "update)") in " ".join(refused.stderr.split())


def test_every_batch_is_one_process_and_in_order():
    shares = [Processes(rank, 3).share(list(range(6))) for rank in range(3)]
    assert shares == [[0, 3], [1, 4], [2, 5]]
    with pytest.raises(ModelError):
        Processes(0, 4).share(list(range(6)))


@pytest.mark.parametrize(("name", "key"), [("NVIDIA H200", "h200"), ("NVIDIA H100 80GB HBM3", "h100"), ("NVIDIA H100 PCIe", "h100-pcie"),
                                           ("NVIDIA A100-SXM4-80GB", "a100"), ("NVIDIA GeForce RTX 4090", "rtx-4090"), ("NVIDIA L4", "l4"),
                                           ("Quadro T1000", None)])
def test_a_card_is_known_by_what_its_driver_calls_it(name, key):
    assert accelerator_named(name) is (ACCELERATORS[key] if key else None)
