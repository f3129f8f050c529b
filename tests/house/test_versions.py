"""A pin on each stage's output: bytes that change without its VERSION being raised would be mixed with older ones."""

import hashlib
import json
import re
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.command_line import DATASETS, ROOT, manifest

PINS = ROOT / "tests/versions.json"


def digest(data: Path, dataset: str) -> str:
    """Of the bytes of all parts, kept and rejected, in order; their names are left out: they name library versions."""
    listed = manifest(data, dataset)
    return hashlib.sha256("".join(part["sha256"] for part in (*listed["parts"], *listed["rejected"])).encode()).hexdigest()


def pinned_libraries() -> dict[str, str]:
    pinned = re.findall(r"^([A-Za-z0-9_.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text().lower(), re.MULTILINE)
    return {name.replace("_", "-"): at for name, at in pinned}


@pytest.mark.parametrize("stage", DATASETS)
def test_bytes_change_only_with_the_version(milled, stage):
    data, _ = milled
    listed = manifest(data, DATASETS[stage])
    pins, lock = json.loads(PINS.read_text()), pinned_libraries()
    if other := [name for name in listed["made_from"]["libraries"] if name != "python" and version(name) != lock.get(name.lower())]:
        pytest.skip(f"other versions than in constraints.txt: {', '.join(other)}")
    found = {"version": listed["version"], "sha256": digest(data, DATASETS[stage])}
    assert (pins[stage]["sha256"] != found["sha256"]) or pins[stage] == found, (
        f"only the version of {stage} changed, as it must where other input than the sample gives other bytes: put "
        f"{json.dumps(found)} into tests/versions.json (`make pins`)")
    assert pins[stage] == found, (f"the bytes of {stage} on the sample crawl changed: raise `version` of its Stage by one where "
                                  f"its own code changed them, and put {json.dumps(found)} into tests/versions.json (`make pins`)")
