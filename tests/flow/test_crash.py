"""kill -9 of driver or worker at seeded moments over the flow, then run again: the bytes of a run never killed.

Stages and tools one by one, in other ways too: tests/kill.py.
"""

import json
import random
import shutil
from pathlib import Path

import pytest

from tests.command_line import DATASETS, STAGES, command, hashes, put_sample, run, run_all
from tests.kill import HOWS, MISSED, disturb, kills, targets
from textmill.pipelines.contract.storage import Folder

pytestmark = pytest.mark.slow

# A stage that writes Parquet by workers, one that looks at the whole corpus first, one that writes files, one that writes
# streams; what lies between them has the same way of writing as extract.
MOMENTS = (("extract", "kill"), ("extract", "worker"), ("dedup", "kill"), ("dedup", "worker"), ("tokenizer", "kill"),
           ("pack", "kill"))


def test_killed_and_resumed(milled, tmp_path):
    whole, killed = milled[0], put_sample(tmp_path)
    random_moment = random.Random(20)
    for stage in STAGES:
        seconds = json.loads((Folder(str(whole)) / DATASETS[stage]).read("_run.json"))["seconds"] + 1      # a second to start
        for victim in [victim for name, victim in MOMENTS if name == stage]:
            after = random_moment.uniform(0.4, 0.9) * seconds
            while disturb(command(stage, killed, 2), victim, after, random.Random(stage)) == MISSED:    # once more, sooner
                shutil.rmtree(killed / DATASETS[stage])
                after *= 0.8
        finish(stage, killed)
    assert hashes(killed) == hashes(whole)
    assert all(": up to date, " in line for line in run_all(killed))


def finish(stage: str, data: Path) -> None:
    ran = run(stage, data, 2)
    assert ran.returncode == 0, f"{stage}: {ran.stdout}{ran.stderr}"


# One way each for what the flow above does not kill; all ways, many times: `python -m tests.kill`.
@pytest.mark.parametrize(("name", "how"), [
    ("measure", "worker"), ("screen", "term"), ("tokenizer", "kill"), ("report", "kill"), ("takedown", "stop"),
    ("background", "term"), ("classifier", "kill"), ("dedup-only", "kill"), ("fetch", "kill"), ("curate", "memory")])
def test_disturbed_and_run_again(milled, tmp_path, name, how):
    assert how in HOWS
    with targets() as found:
        (said,) = kills(found[name], milled[0], tmp_path, [how], f"{name} 7", pause=1.0)
    assert said.startswith(how)
