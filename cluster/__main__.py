"""Start and stop a Flink cluster on this machine: job server, jobmanager, taskmanagers, and a worker pool for each."""

import argparse
import os
import shutil
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from cluster import hosts
from cluster.flink import ROOT, ClusterError, ClusterLayout, commands, jars, overview
from cluster.processes import Processes

READY_WITHIN = 90       # seconds
FOLDER = ROOT / "build/cluster"


def main(argv: Sequence[str] | None = None) -> int | str:
    parser = argparse.ArgumentParser(prog="python -m cluster", description=__doc__, allow_abbrev=False)
    parser.add_argument("what", choices=["start", "stop"])
    parser.add_argument("--hosts", type=int, default=2, metavar="N",
                        help="taskmanagers, each in a network namespace as a host of its own (root on Linux); elsewhere one "
                             "with as many slots. 0: Flink's mini-cluster inside the job server (default: %(default)s)")
    parser.add_argument("--slots", type=int, default=1, metavar="N", help="of each taskmanager (default: %(default)s)")
    parser.add_argument("--job-port", type=int, default=8099, help="of the job server (default: %(default)s)")
    parser.add_argument("--pool-port", type=int, default=50000, help="of each worker pool (default: %(default)s)")
    parser.add_argument("--folder", type=Path, default=FOLDER, help="for jars, logs and process ids (default: build/cluster)")
    given = parser.parse_args(argv)
    run = given.folder.absolute() / "run"
    processes = Processes(run)
    try:
        if given.what == "stop":
            print(stop(processes))
        else:
            print(start(processes, given.folder.absolute(), given.hosts, given.slots, given.job_port, given.pool_port))
    except ClusterError as error:
        return f"cluster: {error}"
    except KeyboardInterrupt:
        stop(processes)
        return "cluster: stopped"
    return 0


def start(processes: Processes, folder: Path, count: int, slots: int, job_port: int, pool_port: int) -> str:
    """Start what is not there; the summary. What a cluster that broke has left is ended first."""
    if count < 0 or slots < 1:
        raise ClusterError(f"--hosts {count} --slots {slots}: give 0 or more hosts and at least 1 slot")
    expected = processes.folder / "expected"
    names = expected.read_text().split() if expected.exists() else []
    if names and set(names) <= processes.running().keys():
        return f"cluster: is running already; `make cluster-stop` ends it. {processes.folder}/*.log say what it does"
    stop(processes)
    lib = jars(folder)
    why = hosts.possible() if count > 1 else "one host needs none"
    if not why and not hosts.remove():
        raise ClusterError(f"another cluster runs on the hosts {hosts.BRIDGE}-0 … of this machine; end it with "
                           "`make cluster-stop` where it was started, or give --hosts 1")
    for port in (job_port, *([] if count and not why else [pool_port])):
        if _listens("127.0.0.1", port):
            raise ClusterError(f"port {port} is taken by another program; end it, or give --job-port or --pool-port")
    shutil.rmtree(processes.folder, ignore_errors=True)
    processes.folder.mkdir(parents=True)
    head, *where = hosts.make(count + 1) if not why else [hosts.Host("this", "127.0.0.1")] * (1 + min(count, 1))
    plan = ClusterLayout(head, tuple(where), slots if not why or count < 2 else slots * count, job_port, pool_port)
    started = commands(plan, lib, processes.folder)
    environment = os.environ | {"TMPDIR": str(processes.folder / "tmp"), "PYTHONPATH": str(ROOT)}
    for name, command in started:
        processes.start(name, command, environment)
    expected.write_text("\n".join(name for name, _ in started))
    _wait(processes, plan, [name for name, _ in started])
    note = f" ({why}, so they are slots of one)" if why and count > 1 else ""
    kind = f"a mini-cluster of {slots} slots"
    if plan.hosts:
        kind = f"{len(plan.hosts)} taskmanager{'s' * (len(plan.hosts) > 1)}, {plan.parallelism} slots in all{note}"
    more = f' --runner-option=--sdk_worker_parallelism={plan.slots}' if plan.slots > 1 else ""
    return (f"cluster: a job server at localhost:{job_port}, {kind}\n"
            f'  run: make curate RUNNER=flink WORKERS={plan.parallelism} DATA=… '
            f'ARGS="--job-endpoint localhost:{job_port} --worker-pool localhost:{pool_port}{more}"')


def stop(processes: Processes) -> str:
    """End what `start` started, and nothing else; the summary."""
    ended = processes.end_all() if processes.folder.exists() else 0
    (processes.folder / "expected").unlink(missing_ok=True)
    if hosts.possible() is None:
        hosts.remove()
    return f"cluster: {ended} processes ended" if ended else "cluster: nothing was running"


def _wait(processes: Processes, plan: ClusterLayout, names: list[str]) -> None:
    deadline = time.monotonic() + READY_WITHIN
    pools = [(host.address, plan.pool_port) for host in plan.hosts] or [("127.0.0.1", plan.pool_port)]
    while True:
        if gone := sorted(set(names) - processes.running().keys()):
            words = processes.last_words(gone[0])
            stop(processes)
            raise ClusterError(f"{gone[0]} ended as it started; it said:\n{words}")
        if (all(_listens(*address) for address in [*pools, ("127.0.0.1", plan.job_port)])
                and (not plan.hosts or overview(processes.folder).get("slots-total") == plan.parallelism)):
            return
        if time.monotonic() > deadline:
            stop(processes)
            raise ClusterError(f"not ready after {READY_WITHIN} s; {processes.folder}/*.log say why")
        time.sleep(0.5)


def _listens(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=1):
            return True
    except OSError:
        return False


if __name__ == "__main__":
    sys.exit(main())
