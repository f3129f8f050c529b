"""No port of a local run can be reached from another host: every listening socket of its processes is on loopback."""

import contextlib
import ipaddress
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import psutil
import pytest

from tests import servers
from tests.contract.test_stage import LINES
from tests.small_stages import NUMBERS, run_context
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.engines.loopback import LoopbackGrpc

pytestmark = pytest.mark.slow

RUN = """
import sys
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.engines.engine import BeamEngine
from tests.small_stages import SQUARES, Small
data, hold, engine = sys.argv[1], sys.argv[2], BeamEngine(sys.argv[3], int(sys.argv[4]), *sys.argv[5:])
bring_up_to_date(SQUARES, RunContext(Folder(data), Configuration(Small(lines=LINES, hold=hold)), engine))
""".replace("LINES", repr(LINES))


def listening(process: psutil.Process) -> Iterator[tuple[str, int]]:
    """(address, port) of every socket that a process or one below it listens on."""
    for one in [process, *process.children(recursive=True)]:
        for socket in one.net_connections(kind="inet"):
            if socket.status == psutil.CONN_LISTEN:
                yield socket.laddr.ip, socket.laddr.port


def ports_of_a_run(data: Path, *engine: str) -> list[tuple[str, int]]:
    """What a run listens on while its workers work."""
    bring_up_to_date(NUMBERS, run_context(data, lines=LINES))
    hold = data / "hold"
    hold.mkdir()
    with subprocess.Popen([sys.executable, "-c", RUN, str(data), str(hold), *engine], cwd=servers.ROOT,
                          stderr=subprocess.PIPE, text=True) as started:
        deadline = time.monotonic() + 60
        while not list(hold.iterdir()):
            assert started.poll() is None and time.monotonic() < deadline, started.communicate()
            time.sleep(0.05)
        found = sorted(listening(psutil.Process(started.pid)))
        (hold / "go").touch()
        _, said = started.communicate(timeout=60)
        assert started.returncode == 0, said
    return found


def refuse_open(found: list[tuple[str, int]]) -> None:
    assert found and all(ipaddress.ip_address(address.removeprefix("::ffff:")).is_loopback for address, _ in found), found


@pytest.mark.parametrize("workers", ["1", "2"])
def test_a_local_run_listens_on_loopback_only(tmp_path, workers):
    found = ports_of_a_run(tmp_path, "local", workers)
    if workers == "2":
        refuse_open(found)
    else:
        assert not found, "one worker is the process itself, and needs no port"


def test_workers_in_this_process_for_another_engine_listen_on_loopback_only(tmp_path):
    with servers.job_service(tmp_path) as jobs:
        refuse_open(ports_of_a_run(tmp_path / "data", "PortableRunner", "1", jobs))


def test_a_worker_pool_listens_on_loopback_unless_it_is_told(tmp_path):
    with servers.worker_pool(tmp_path) as address:
        port = int(address.rpartition(":")[2])
        mine = [found for child in psutil.Process().children(recursive=True) for found in listening(child)]
        assert port in {number for _, number in mine}
        refuse_open(mine)


def test_no_port_is_shared_with_a_server_of_another_run():
    """gRPC shares ports unless it is told not to, and `localhost` is two addresses: one may be another run's."""
    other, ours = grpc.server(ThreadPoolExecutor(1)), LoopbackGrpc(grpc).server(ThreadPoolExecutor(1))
    port = other.add_insecure_port("127.0.0.1:0")
    other.start()
    try:
        with contextlib.suppress(RuntimeError):         # no ::1 here
            ours.add_insecure_port(f"[::]:{port}")
            ours.start()
        there = [address for address, at in listening(psutil.Process()) if at == port and "127.0.0.1" in address]
        assert len(there) == 1
    finally:
        ours.stop(None)
        other.stop(None)
