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
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from benchmarks import cluster as benchmark
from cluster import hosts
from cluster.flink import ROOT, overview
from cluster.processes import Processes
from tests import servers
from tests.command_line import DATASETS, STAGES, command, hashes, put_sample, run, run_all
from tests.engines.test_elsewhere import put_in_store, with_one_pass
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.engines.job_service import answers

pytestmark = [
    pytest.mark.cluster, pytest.mark.timeout(3600),
    pytest.mark.skipif(not (shutil.which("javac") and shutil.which("mvn")), reason="needs a JDK and Maven"),
]
FOLDER = ROOT / "build/cluster"
RUNS = int(os.environ.get("CLUSTER_RUNS", "10"))
CRAWL = ROOT.parent / "shared/data/crawl"
ENDLESS = 1 << 40       # requests
DEDUP_STEPS = 7         # jobs of one pass each
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
            if not entry.path.startswith("raw/") and Path(entry.path).name not in ("run.json", "_run.json")}


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
            with throttling(throttle):
                ran = run(stage, data.uri, 2, *options, settings=settings)
            assert ran.returncode == 0, f"{stage}: {ran.stdout}{ran.stderr}"
            assert "Traceback" not in ran.stderr, ran.stderr
    assert throttle.refused > len(STAGES)
    assert found(Folder(data.uri), behind) == hashes(milled[0])
    said = b"".join(path.read_bytes() for path in (FOLDER / "run").rglob("*") if path.is_file())
    assert said and b"test-secret" not in said


@NAMESPACES
@pytest.mark.parametrize(("stage", "victim"), [
    ("extract", "mill-2-taskmanager"), ("dedup", "mill-2-taskmanager"), ("extract", "mill-2-pool"), ("extract", "job-server"),
    ("extract", "store")])
def test_what_is_lost_in_the_middle_is_named_and_a_rerun_makes_what_is_missing(milled, tmp_path, store, stage, victim):
    (data, behind, port), settings = store, with_one_pass(tmp_path)
    for earlier in STAGES[:STAGES.index(stage)]:
        ran = run(earlier, data.uri, settings=settings, **behind)               # here, which is quicker
        assert ran.returncode == 0, ran.stderr
    here = with_environment(data.uri, behind)

    def again() -> None:
        kept = {e.path: e.modified for e in here.entries() if "/receipts/" in e.path or "/_receipts/" in e.path}
        steps, jobs = done_steps(here, stage), jobs_finished()
        assert kept
        ran = run(stage, data.uri, 2, *options, settings=settings)
        assert ran.returncode == 0, ran.stderr
        print(ran.stdout)
        after = {e.path: e.modified for e in here.entries()}
        assert all(after[path] == modified for path, modified in kept.items())      # none was made again
        if stage == "dedup":
            assert steps and jobs_finished() - jobs == 1 + DEDUP_STEPS - steps + 1      # the probe, steps not done yet, parts

    with two_hosts(behind, port) as (throttle, options):
        begun = subprocess.Popen(command(stage, data.uri, 2, *options, settings=settings), cwd=ROOT, stdout=subprocess.PIPE,
                                 stderr=subprocess.PIPE, text=True)
        wait_for(lambda: under_way(here, stage), begun)
        with without(victim, throttle):
            start = time.monotonic()
            _, said = begun.communicate(timeout=900)
            print(f"{stage}, {victim} lost: exit {begun.returncode} after {time.monotonic() - start:.0f} s: {said}")
        assert "Traceback" not in said, said
        if begun.returncode:            # else the engine went on without it
            assert said.strip().endswith("run the same command again: finished parts are kept"), said
        if on_its_feet := victim in ("job-server", "store"):
            again()                     # on the same taskmanagers, which may still be at the first job
    if not on_its_feet:
        with two_hosts(behind, port) as (_, options):       # whoever keeps the cluster has started it again
            again()
    wanted = hashes(milled[0])
    assert found(here, behind) == {path: digest for path, digest in wanted.items() if path.split("/")[0] in made_by(stage)}


@pytest.fixture(scope="module")
def crawled(tmp_path_factory) -> tuple[Path, Path, Path]:
    """(data folder, settings, recipe): a real crawl, run through all data stages by two local workers."""
    if not CRAWL.exists():
        pytest.skip("needs the crawl in ../shared")
    folder = tmp_path_factory.mktemp("crawled")
    settings, recipe = benchmark.settings(folder), benchmark.recipe(folder)
    data = benchmark.laid(folder / "data", CRAWL, sorted(path.name for path in CRAWL.glob("*.warc.gz")))
    mill(data, settings, recipe)
    return data, settings, recipe


def mill(data: Path | str, settings: Path, recipe: Path, *options: str) -> None:
    """Every stage, with two workers."""
    for stage in STAGES:
        asked = command(stage, data, 2, *options, "--mixture", str(recipe), settings=settings)
        ran = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, timeout=1800)
        assert ran.returncode == 0 and "Traceback" not in ran.stderr, f"{stage}: {ran.stdout}{ran.stderr}"
        print(ran.stdout)


def test_a_real_crawl_on_the_mini_cluster(crawled, tmp_path):
    there, settings, recipe = crawled
    data = benchmark.laid(tmp_path / "data", there / "raw/crawl", os.listdir(there / "raw/crawl"))
    with cluster(0, slots=2) as options:
        mill(data, settings, recipe, *options)
    assert hashes(data) == hashes(there)


@NAMESPACES
def test_a_real_crawl_on_two_hosts_over_an_object_store(crawled, tmp_path, monkeypatch):
    there, settings, recipe = crawled
    port = servers.free_port()
    with cluster(2, **servers.s3_environment(hosts.HERE, port)) as options, servers.s3(tmp_path, hosts.HERE, port) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        data = Folder("s3://mill/data")
        for path in sorted((there / "raw/crawl").iterdir()):
            data.write(f"raw/crawl/{path.name}", path.read_bytes())
        mill(data.uri, settings, recipe, *options)
        assert found(data, environment) == hashes(there)


@contextlib.contextmanager
def throttling(throttle: servers.Throttle) -> Iterator[None]:
    """In one of every eight seconds the store answers 503."""
    over = threading.Event()

    def turn() -> None:
        while not over.wait(7):
            throttle.left = ENDLESS
            over.wait(1)
            throttle.left = 0

    thread = threading.Thread(target=turn)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


@contextlib.contextmanager
def without(victim: str, throttle: servers.Throttle) -> Iterator[None]:
    """The store answers 503 only, or one process is killed. Then the store, or a job server, is back; others stay dead."""
    if victim == "store":
        throttle.left = ENDLESS
        yield
        throttle.left = 0
        return
    processes = Processes(FOLDER / "run")
    process = psutil.Process(processes.running()[victim])
    asked, environment = process.cmdline(), process.environ()
    processes.end(victim, signal.SIGKILL)
    yield
    if victim == "job-server":
        processes.start(victim, asked, environment)
        port = int(asked[asked.index("--job-port") + 1])
        deadline = time.monotonic() + 60
        while not answers(f"localhost:{port}"):
            assert victim in processes.running() and time.monotonic() < deadline
            time.sleep(0.2)


def jobs_finished() -> int:
    """How many jobs the jobmanager has brought to a good end."""
    return overview(FOLDER / "run")["jobs-finished"]


def done_steps(data: Folder, stage: str) -> int:
    """How many steps of dedup are done, of an interrupted run."""
    names = {entry.path.split("/")[-1] for entry in (data / "duplicates").entries() if stage == "dedup"}
    from textmill.pipelines.dedup.search import STEPS  # Beam comes with it

    return len(names & set(STEPS))


@NAMESPACES
def test_the_hosts_of_another_cluster_are_left_alone_and_more_workers_than_slots_are_refused(tmp_path):
    control = [sys.executable, "-m", "cluster"]
    (tmp_path / "lib").symlink_to(FOLDER / "lib")
    with cluster(2) as options:
        other = subprocess.run([*control, "start", "--folder", str(tmp_path)], cwd=ROOT, capture_output=True, text=True)
        assert (other.returncode, other.stdout) == (1, "")
        assert other.stderr.startswith("cluster: another cluster runs on the hosts mill-0 … of this machine; end it with ")
        subprocess.run([*control, "stop", "--folder", str(tmp_path)], cwd=ROOT, check=True)
        assert overview(FOLDER / "run")["taskmanagers"] == 2
        ran = run("extract", put_sample(tmp_path / "data"), 3, *options)
        assert (ran.returncode, ran.stdout) == (1, "")
        assert ran.stderr.splitlines()[-1].startswith("extract: flink has no 3 slots free (--workers); see that ")


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
    deadline = time.monotonic() + 900
    while not condition():
        assert process.poll() is None, process.communicate()[1]
        assert time.monotonic() < deadline
        time.sleep(0.3)
