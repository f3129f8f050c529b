"""The whole data half of the flow on other engines and in an object store: the bytes of the local run."""

import hashlib
import os
import random
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import servers
from tests.command_line import ROOT, SETTINGS, command, hashes, put_sample, run, run_all
from textmill.pipelines.contract.storage import Folder

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("service", ["job_service", "prism"])
@pytest.mark.timeout(900)
def test_through_a_job_service_and_an_external_worker_pool(milled, tmp_path, service):
    if service == "prism" and not servers.PRISM:
        pytest.skip("no prism here; `make prism` builds it (needs Go)")
    data, one_pass = put_sample(tmp_path / "data"), with_one_pass(tmp_path)
    with getattr(servers, service)(tmp_path) as jobs, servers.worker_pool(tmp_path) as pool:
        run_all(data, 1, "--runner", "PortableRunner", "--job-endpoint", jobs, "--worker-pool", pool, settings=one_pass)
    assert hashes(data) == hashes(milled[0])


@pytest.mark.timeout(900)
def test_in_an_object_store_killed_and_resumed(milled, tmp_path, monkeypatch):
    with servers.s3(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        store, one_pass = put_in_store("s3://mill/data"), with_one_pass(tmp_path)
        for stages, stage, seed in (((), "extract", 1), (("extract", "measure", "screen"), "dedup", 2)):
            for earlier in stages:
                assert run(earlier, store.uri, settings=one_pass).returncode == 0
            kill(command(stage, store.uri, settings=one_pass), random.Random(seed).uniform(2.5, 3.5))
        run_all(store.uri, settings=one_pass)
        found = {entry.path: hashlib.sha256(store.read(entry.path)).hexdigest() for entry in store.entries()
                 if not entry.path.startswith("raw/") and Path(entry.path).name not in ("run.json", "_run.json")}
    assert found == hashes(milled[0])
    secrets = [path for path in tmp_path.rglob("*.json") if b"test-secret" in path.read_bytes()]
    assert secrets == []


def with_one_pass(folder: Path) -> Path:
    """The settings of tests with one pass of dedup: elsewhere each is a job, seconds to start, and many requests."""
    settings = folder / "settings.yaml"
    settings.write_text(SETTINGS.read_text().replace("passes: 4", "passes: 1"))
    return settings


def put_in_store(uri: str) -> Folder:
    """The sample crawl as the source `sample` of a data folder in an object store."""
    store = Folder(uri)
    for path in sorted((ROOT / "sample/raw").rglob("*")):
        if path.is_file():
            store.write(f"raw/sample/{path.relative_to(ROOT / 'sample/raw')}", path.read_bytes())
    return store


def kill(command: list[str], after: float) -> None:
    """Start a command and kill it, with every process it started, after some seconds."""
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    time.sleep(after)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
