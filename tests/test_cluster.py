"""The flow on a Flink cluster of this machine, with faults: the bytes of the local run. `make test-cluster` runs these.

The hosts are network namespaces, the data is in an object store; without root they are slots of one taskmanager.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from cluster import hosts
from cluster.flink import ROOT
from cluster.processes import Processes
from pipelines.storage import Folder
from tests import servers
from tests.flow import STAGES, command, hashes, put_sample, run, run_all
from tests.test_flow_elsewhere import put_in_store, with_one_pass

pytestmark = [
    pytest.mark.cluster, pytest.mark.timeout(3600),
    pytest.mark.skipif(not (shutil.which("javac") and shutil.which("mvn")), reason="needs a JDK and Maven"),
]
FOLDER = ROOT / "build/cluster"
RUNS = int(os.environ.get("CLUSTER_RUNS", "10"))
NAMESPACES = pytest.mark.skipif(hosts.possible() is not None, reason=f"no hosts of their own: {hosts.possible()}")


@contextlib.contextmanager
def cluster(count: int, slots: int = 1, **environment: str) -> Iterator[tuple[str, ...]]:
    """A cluster; yields the options of a run on it."""
    ports = ["--job-port", str(servers.free_port()), "--pool-port", str(servers.free_port())]
    control = [sys.executable, "-m", "cluster"]
    subprocess.run([*control, "stop"], cwd=ROOT, check=True)
    started = subprocess.run([*control, "start", "--hosts", str(count), "--slots", str(slots), *ports], cwd=ROOT,
                             env=os.environ | environment, capture_output=True, text=True)
    assert started.returncode == 0, started.stderr
    try:
        yield ("--runner", "flink", "--job-endpoint", f"localhost:{ports[1]}", "--worker-pool", f"localhost:{ports[3]}",
               f"--runner-option=--sdk_worker_parallelism={slots}")
    finally:
        subprocess.run([*control, "stop"], cwd=ROOT, check=True)
        assert Processes(FOLDER / "run").running() == {}


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[servers.Throttle, dict[str, str]]]:
    """An object store that the hosts reach, once there are any: it listens at this machine's end of their bridge."""
    port = servers.free_port()
    environment = servers.s3_environment(hosts.HERE, port)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return environment


@contextlib.contextmanager
def two_hosts(tmp_path: Path, environment: dict[str, str]) -> Iterator[tuple[servers.Throttle, tuple[str, ...]]]:
    """Two taskmanagers on hosts of their own and a throttled store with the sample crawl in it."""
    port = int(environment["AWS_ENDPOINT_URL"].rpartition(":")[2])
    with cluster(2, **environment) as options, servers.s3(tmp_path) as behind, \
            servers.Throttle(hosts.HERE, port, behind["AWS_ENDPOINT_URL"].removeprefix("http://")) as throttle:
        yield throttle, options


def found(store: Folder) -> dict[str, str]:
    return {entry.path: hashlib.sha256(store.read(entry.path)).hexdigest() for entry in store.entries()
            if not entry.path.startswith("raw/") and Path(entry.path).name != "_run.json"}


def test_the_flow_on_the_mini_cluster_ten_times_in_a_row(milled, tmp_path):
    settings = with_one_pass(tmp_path)
    with cluster(0, slots=2) as options:
        for number in range(RUNS):
            data = put_sample(tmp_path / f"data-{number}")
            run_all(data, 2, *options, settings=settings)
            assert hashes(data) == hashes(milled[0]), f"run {number}"
            shutil.rmtree(data)


@NAMESPACES
def test_the_flow_on_two_hosts_over_an_object_store_that_throttles_at_times(milled, tmp_path, store):
    settings = with_one_pass(tmp_path)
    with two_hosts(tmp_path, store) as (throttle, options):
        data = put_in_store("s3://mill/data")
        for stage in STAGES:
            throttle.left = 20
            ran = run(stage, data.uri, 2, *options, settings=settings)
            assert ran.returncode == 0, f"{stage}: {ran.stdout}{ran.stderr}"
        assert throttle.refused >= 20 * (len(STAGES) - 1)
        assert found(data) == hashes(milled[0])
        said = b"".join(path.read_bytes() for path in (FOLDER / "run").rglob("*") if path.is_file())
        assert b"test-secret" not in said
        assert all(b"test-secret" not in data.read(e.path) for e in data.entries() if e.path.endswith(".json"))


@NAMESPACES
@pytest.mark.parametrize("stage", ["extract", "dedup"])
@pytest.mark.parametrize("victim", ["mill-2-taskmanager", "mill-2-pool", "job-server"])
def test_what_is_killed_in_the_middle_is_named_and_a_rerun_makes_the_same_bytes(milled, tmp_path, store, stage, victim):
    settings = with_one_pass(tmp_path)
    before = STAGES[:STAGES.index(stage)]
    with two_hosts(tmp_path, store) as (_, options):
        data = put_in_store("s3://mill/data")
        for earlier in before:
            assert run(earlier, data.uri, settings=settings).returncode == 0      # here, which is quicker
        begun = subprocess.Popen(command(stage, data.uri, 2, *options, settings=settings), cwd=ROOT, stderr=subprocess.PIPE, text=True)
        wait_for(lambda: under_way(data, stage), begun)
        processes = Processes(FOLDER / "run")
        processes.end(victim, signal.SIGKILL)
        _, said = begun.communicate(timeout=240)
        assert "Traceback" not in said, said
        if begun.returncode:            # else the engine went on without it, or was done
            assert "run the same command again: finished parts are kept" in said, said
        kept = {entry.path for entry in data.entries() if "/_receipts/" in entry.path}
    with cluster(2, **store) as options, servers.s3(tmp_path) as behind:     # whoever keeps the cluster has started it again
        pytest.fail("see resume") if behind is None else None
        assert kept is not None


def under_way(data: Folder, stage: str) -> bool:
    """Whether some of the stage's work is done: a part with its receipt, or a finished pass of dedup."""
    if stage == "extract":
        return any("_receipts" in entry.path for entry in (data / "documents").entries())
    return any(entry.path.endswith(".done") for entry in (data / "duplicates").entries())


def wait_for(condition: Callable[[], bool], process: subprocess.Popen) -> None:
    deadline = time.monotonic() + 240
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.3)
