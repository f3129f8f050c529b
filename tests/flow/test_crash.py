"""kill -9 of driver or worker at seeded moments over all stages, then run again: the bytes of a run never killed."""

import os
import random
import shutil
import signal
import subprocess
import time
from pathlib import Path

import psutil
import pytest

from tests.command_line import DATASETS, ROOT, STAGES, command, hashes, put_sample, run, run_all

KILLS = 20


@pytest.mark.timeout(900)
def test_killed_at_twenty_moments_and_resumed(tmp_path):
    whole, killed = put_sample(tmp_path / "whole"), put_sample(tmp_path / "killed")
    seconds = {}
    for stage in STAGES:
        start = time.monotonic()
        ran = run(stage, whole, 2)
        assert ran.returncode == 0, ran.stderr
        seconds[stage] = time.monotonic() - start
    rng, current = random.Random(20), STAGES[0]
    for n in range(KILLS):
        stage = STAGES[n * len(STAGES) // KILLS]
        if stage != current:
            finish(current, killed)
            current = stage
        after = rng.uniform(0.4, 0.9) * seconds[stage]
        while not kill(stage, killed, "worker" if n % 2 else "driver", after):      # it ended before: once more, sooner
            shutil.rmtree(killed / DATASETS[stage])
            after *= 0.8
    finish(current, killed)
    assert hashes(killed) == hashes(whole)
    assert all(": up to date, " in line for line in run_all(killed))


def finish(stage: str, data: Path) -> None:
    ran = run(stage, data, 2)
    assert ran.returncode == 0, f"{stage}: {ran.stdout}{ran.stderr}"


def kill(stage: str, data: Path, victim: str, after: float) -> bool:
    """Start a stage with two workers and kill the driver, or one of its worker processes; whether it lived until then."""
    driver = psutil.Popen(command(stage, data, 2), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    try:
        driver.wait(after)
        return False
    except psutil.TimeoutExpired:
        pass
    workers = [p for p in driver.children(recursive=True) if "textmill.pipelines.engines.worker" in " ".join(p.cmdline())]
    target = random.Random(stage).choice(sorted(workers, key=lambda p: p.pid)) if victim == "worker" and workers else driver
    os.kill(target.pid, signal.SIGKILL)
    said, _ = driver.communicate(timeout=60)        # a driver whose worker died ends by itself
    assert "Traceback" not in said, said
    if target is not driver:
        assert driver.returncode == 0 or "worker process died" in said, said
    _gone, alive = psutil.wait_procs(workers, timeout=30)
    assert not alive, f"workers outlived their driver: {alive}"
    return True
