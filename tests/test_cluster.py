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
from tests.flow import DATASETS, STAGES, command, hashes, put_sample, run, run_all
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


@contextlib.contextmanager
def two_hosts(behind: dict[str, str], port: int) -> Iterator[tuple[servers.Throttle, tuple[str, ...]]]:
    """Two taskmanagers on hosts of their own; at this machine's end of their bridge, a throttled way to the store."""
    with cluster(2, **servers.s3_environment(hosts.HERE, port)) as options, \
            servers.Throttle(hosts.HERE, port, behind["AWS_ENDPOINT_URL"].removeprefix("http://")) as throttle:
        yield throttle, options


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Folder, dict[str, str], int]]:
    """An object store with the sample crawl in it, its environment, and the port at which the hosts will reach it."""
    port = servers.free_port()
    with servers.s3(tmp_path) as behind:
        for name, value in behind.items():
            monkeypatch.setenv(name, value)
        data = put_in_store("s3://mill/data")
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://{hosts.HERE}:{port}")
        yield data, behind, port


def found(data: Folder, behind: dict[str, str]) -> dict[str, str]:
    """sha256 by path, as `hashes` has them, read past the throttle."""
    store = with_environment(data.uri, behind)
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
    (data, behind, port), settings = store, with_one_pass(tmp_path)
    with two_hosts(behind, port) as (throttle, options):
        for stage in STAGES:
            throttle.left = 20
            ran = run(stage, data.uri, 2, *options, settings=settings)
            assert ran.returncode == 0, f"{stage}: {ran.stdout}{ran.stderr}"
        assert throttle.refused >= 20 * (len(STAGES) - 1)
    assert found(Folder(data.uri), behind) == hashes(milled[0])
    said = b"".join(path.read_bytes() for path in (FOLDER / "run").rglob("*") if path.is_file())
    assert said and b"test-secret" not in said


@NAMESPACES
@pytest.mark.parametrize(("stage", "victim"), [
    ("extract", "mill-2-taskmanager"), ("dedup", "mill-2-taskmanager"), ("extract", "mill-2-pool"), ("extract", "job-server")])
def test_what_is_killed_in_the_middle_is_named_and_a_rerun_makes_what_is_missing(milled, tmp_path, store, stage, victim):
    (data, behind, port), settings = store, with_one_pass(tmp_path)
    for earlier in STAGES[:STAGES.index(stage)]:
        ran = run(earlier, data.uri, settings=settings, **behind)               # here, which is quicker
        assert ran.returncode == 0, ran.stderr
    here = with_environment(data.uri, behind)
    with two_hosts(behind, port) as (_, options):
        begun = subprocess.Popen(command(stage, data.uri, 2, *options, settings=settings), cwd=ROOT, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        wait_for(lambda: under_way(here, stage), begun)
        Processes(FOLDER / "run").end(victim, signal.SIGKILL)
        _, said = begun.communicate(timeout=300)
        print(victim, stage, begun.returncode, said)
        assert "Traceback" not in said, said
        if begun.returncode:            # else the engine went on without it
            assert "run the same command again: finished parts are kept" in said, said
        kept = {e.path: e.modified for e in here.entries() if "/_receipts/" in e.path or e.path.endswith(".done")}
        assert kept
    with two_hosts(behind, port) as (_, options):       # whoever keeps the cluster has started it again
        ran = run(stage, data.uri, 2, *options, settings=settings)
        assert ran.returncode == 0, ran.stderr
        print(ran.stdout)
    after = {e.path: e.modified for e in here.entries()}
    assert all(after[path] == modified for path, modified in kept.items() if "/_receipts/" in path)     # none was made again
    wanted = hashes(milled[0])
    assert found(here, behind) == {path: digest for path, digest in wanted.items() if path.split("/")[0] in made_by(stage)}


def made_by(stage: str) -> set[str]:
    """The datasets that are there once a stage has run."""
    return {DATASETS[name].split("/")[0] for name in STAGES[:STAGES.index(stage) + 1]}


def with_environment(uri: str, environment: dict[str, str]) -> Folder:
    """A folder whose filesystem was opened under another environment than this test's now."""
    before = {name: os.environ.get(name, "") for name in environment}
    os.environ.update(environment)
    folder = Folder(uri)
    folder.exists("_")
    os.environ.update(before)
    return folder


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
