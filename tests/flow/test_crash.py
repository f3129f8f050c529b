"""kill -9 of driver or worker at seeded moments over the flow, then run again: the bytes of a run never killed."""

import json
import os
import random
import shutil
import signal
import subprocess
from pathlib import Path

import psutil
import pytest

from tests.command_line import DATASETS, ROOT, STAGES, command, hashes, put_sample, run, run_all

pytestmark = pytest.mark.slow

# A stage that writes Parquet by workers, one that looks at the whole corpus first, one that writes files, one that writes
# streams; what lies between them has the same way of writing as extract.
MOMENTS = (("extract", "driver"), ("extract", "worker"), ("dedup", "driver"), ("dedup", "worker"), ("tokenizer", "driver"),
           ("pack", "driver"))


def test_killed_and_resumed(milled, tmp_path):
    whole, killed = milled[0], put_sample(tmp_path)
    random_moment = random.Random(20)
    for stage in STAGES:
        seconds = json.loads((whole / DATASETS[stage] / "_run.json").read_text())["seconds"] + 1      # a second to start
        for victim in [victim for name, victim in MOMENTS if name == stage]:
            after = random_moment.uniform(0.4, 0.9) * seconds
            while not kill(stage, killed, victim, after):           # it ended before: once more, sooner
                shutil.rmtree(killed / DATASETS[stage])
                after *= 0.8
        finish(stage, killed)
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
