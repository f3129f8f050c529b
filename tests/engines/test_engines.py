"""The contract on other engines and another filesystem: two small stages, the same bytes everywhere; and what is refused."""

import contextlib
import re
import shutil
import socket
import threading
from pathlib import Path

import pytest
from pyarrow import fs

from tests import servers
from tests.contract.test_stage import LINES, files
from tests.small_stages import NUMBERS, SQUARES, Small, run_context
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.engines.engine import BeamEngine

pytestmark = pytest.mark.slow


def run_both(here: RunContext) -> None:
    for stage in (NUMBERS, SQUARES):
        bring_up_to_date(stage, here)


@pytest.mark.parametrize("service", ["job_service", "prism"])
def test_a_portable_engine_with_an_external_worker_pool_gives_the_same_bytes(tmp_path, service):
    if service == "prism" and not servers.PRISM:
        pytest.skip("no prism here; `make prism` builds it (needs Go)")
    run_both(run_context(tmp_path / "local", lines=LINES))
    with getattr(servers, service)(tmp_path) as jobs, servers.worker_pool(tmp_path) as pool:
        engine = BeamEngine("PortableRunner", 1, jobs, pool)
        assert list(engine.problems()) == []
        run_both(RunContext(Folder(str(tmp_path / "portable")), Configuration(Small(lines=LINES)), engine))
        with pytest.raises(StageError, match=r"^no space left on the disk of here; free some$"):
            run_both(RunContext(Folder(str(tmp_path / "full")), Configuration(Small(lines=LINES, full_disk_at="b")), engine))
    assert files(tmp_path / "portable") == files(tmp_path / "local")


def test_an_object_store_gives_the_same_bytes(tmp_path, monkeypatch):
    run_both(run_context(tmp_path / "local", lines=LINES))
    with contextlib.ExitStack() as stack:
        for name, value in stack.enter_context(servers.s3(tmp_path)).items():
            monkeypatch.setenv(name, value)
        remote = RunContext(Folder("s3://mill/data"), Configuration(Small(lines=LINES)), BeamEngine(workers=2))
        run_both(remote)
        got = {e.path: remote.data.read(e.path) for e in remote.data.entries() if not e.path.endswith("run.json")}
        remote.data.write("x.gz", b"not compressed again")
        assert remote.data.read("x.gz") == b"not compressed again"
        assert bring_up_to_date(SQUARES, remote) == "squares: up to date, 5 kept in 4 parts"
    assert got == files(tmp_path / "local")


def test_an_unknown_filesystem_is_a_sentence():
    with pytest.raises(StageError, match=r"ftp://host/x: no filesystem is known for ftp://"):
        Folder("ftp://host/x").entries()
    assert isinstance(Folder("/tmp")._place[0], fs.LocalFileSystem)


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    with servers.job_service(tmp_path_factory.mktemp("jobs")) as address:
        yield address


def copied(folder: Path, *changed: str) -> Path:
    """A folder with the packages that workers run, each file of `changed` one comment longer."""
    for package in ("textmill", "pipelines", "tokenizer"):
        shutil.copytree(servers.ROOT / package, folder / package, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    for name in changed:
        with (folder / name).open("a") as file:
            file.write("# edited here\n")
    return folder


def refused(tmp_path: Path, jobs: str, data: str = "data", **pool) -> str:
    """What a run says whose workers come from a pool that was started so."""
    with servers.worker_pool(tmp_path, **pool) as address:
        here = RunContext(Folder(data), Configuration(Small(lines=LINES)), BeamEngine("PortableRunner", 1, jobs, address))
        assert list(here.engine.problems()) == []
        with pytest.raises(StageError) as raised:
            bring_up_to_date(NUMBERS, here)
    return str(raised.value)


def test_workers_with_other_code_are_refused(tmp_path, jobs):
    other = copied(tmp_path / "other", "tokenizer/bpe.py")
    said = refused(tmp_path, jobs, str(tmp_path / "data"), cwd=other, PYTHONPATH=str(other))
    assert re.match(r"a worker on \S+ has textmill 0\.1\.0 \([0-9a-f]{8}\), and here it is 0\.1\.0 \([0-9a-f]{8}\): bytes would differ; "
                    "install the same on all hosts", said)
    assert files(tmp_path / "data") == {}                   # nothing was begun, and the probe left nothing


def test_workers_that_cannot_load_the_package_are_refused(tmp_path, jobs):
    older = copied(tmp_path / "older")
    (older / "pipelines/engines/preflight.py").write_text("# of a release that had no such thing\n")
    said = refused(tmp_path, jobs, str(tmp_path / "data"), cwd=older, PYTHONPATH=str(older))
    assert said.startswith("a worker cannot load this textmill (Can't get attribute 'answer'); install the same one")


def test_workers_that_do_not_see_the_data_folder_are_refused(tmp_path, jobs, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    said = refused(tmp_path, jobs, "data", cwd=tmp_path / "elsewhere")          # `data` there is another folder
    assert re.match(r"a worker on \S+ does not see data/ledger/numbers as it is here \(.*No such file.*\); use a folder or a bucket that "
                    "all hosts share", said)


def test_an_address_is_asked_what_it_is(jobs):
    with socket.create_server(("localhost", 0)) as other:
        address = f"localhost:{other.getsockname()[1]}"
        threading.Thread(target=lambda: other.accept()[0].sendall(b"220 mail\r\n"), daemon=True).start()
        said = list(BeamEngine("flink", job_endpoint=address).problems())
    assert len(said) == 1 and said[0].startswith(f"what answers at {address} (--job-endpoint) is no Beam job service (")
    assert list(BeamEngine("flink", job_endpoint=jobs).problems()) == [
        f"the job service at {jobs} (--job-endpoint) is not Flink's; give the address of Flink's, or another --runner"]
    assert list(BeamEngine("PortableRunner", job_endpoint=jobs).problems()) == []


@pytest.mark.parametrize(("failure", "sentence"), [
    ("Pipeline x failed in state FAILED: java.lang.RuntimeException: no\n\tat y\nCaused by: java.io.IOException: Connection refused\n\tat z",
     "the engine ended the job (java.io.IOException: Connection refused); see that its workers run, and run the same command again: "
     "finished parts are kept"),
    ("Pipeline x failed in state FAILED: java.lang.Exception: no\n\tat y\nCaused by: a.grpc.StatusRuntimeException: "
     "a.grpc.StatusRuntimeException: CANCELLED: client cancelled\n\tat z",
     "a worker or its pool is gone (CANCELLED: client cancelled); start the pool again on its host, and run the same command again: "
     "finished parts are kept"),
    ("Pipeline x failed in state FAILED: org.apache.flink.runtime.jobmanager.scheduler.NoResourceAvailableException: Could not acquire "
     "the minimum required resources.\n\tat y\nCaused by: java.util.concurrent.TimeoutException: Timeout has occurred: 20000 ms\n",
     "flink has no 2 slots free (--workers); see that its taskmanagers run, wait for the job that has them or cancel it (a job "
     "outlives its job server), and run the same command again: finished parts are kept"),
    ("Pipeline x failed in state FAILED: java.util.concurrent.TimeoutException: Timeout has occurred: 20000 ms",
     "flink has no 2 slots free (--workers); see that its taskmanagers run, wait for the job that has them or cancel it (a job "
     "outlives its job server), and run the same command again: finished parts are kept"),
    ("… OSError: When reading information for key 'x' in bucket 'y': AWS Error SLOW_DOWN during HeadObject operation: slow\\n\"",
     "the store of the data folder failed (AWS Error SLOW_DOWN during HeadObject operation: slow); when it answers again, "
     "run the same command again: finished parts are kept")])
def test_what_an_engine_says_of_a_failure_becomes_a_sentence(failure, sentence):
    assert str(BeamEngine("flink", 2).sentence(RuntimeError(failure))) == sentence


def test_a_bug_in_a_worker_stays_what_it_is():
    bug = RuntimeError("Error received from SDK harness: Traceback (most recent call last):\n  File x\nValueError: y")
    assert BeamEngine("flink").sentence(bug) is bug
