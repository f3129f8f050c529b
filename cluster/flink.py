"""Which processes make the cluster, with which configuration: job server, jobmanager, taskmanagers, a pool each.

Taskmanagers must not share a pool: their workers have the same names, and one would stop the other's.
"""

import json
import shutil
import socket
import subprocess
import sys
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from cluster.hosts import Host

ROOT = Path(__file__).parents[1]
POM = Path(__file__).parent / "pom.xml"
OPENS = [f"--add-opens=java.base/{package}=ALL-UNNAMED" for package in (
    "java.lang", "java.net", "java.nio", "java.time", "java.util", "java.util.concurrent", "sun.nio.ch")]   # Flink's own list
RUNTIME = "org.apache.flink.runtime"
HEAP = {"job-server": 512, "jobmanager": 512, "taskmanager": 768}   # MB
NETWORK_MB = 256            # of a taskmanager; every pair of slots needs buffers for every shuffle of a job
# Of a taskmanager in MB; Flink's start script would work these out.
MEMORY = {"framework.heap.size": 128, "task.heap.size": HEAP["taskmanager"] - 128, "framework.off-heap.size": 128,
          "task.off-heap.size": 64, "managed.size": 256, "network.min": NETWORK_MB, "network.max": NETWORK_MB,
          "jvm-metaspace.size": 256, "jvm-overhead.min": 192, "jvm-overhead.max": 192}


class ClusterError(Exception):
    """A sentence for the user: what is wrong and what cures it."""


@dataclass(frozen=True)
class ClusterLayout:
    """A cluster: what it is made of and where it listens. No hosts: Flink's mini-cluster inside the job server."""

    head: Host              # the jobmanager's
    hosts: tuple[Host, ...]
    slots: int              # of each host
    job_port: int
    pool_port: int

    @property
    def parallelism(self) -> int:
        return self.slots * max(1, len(self.hosts))


def jars(folder: Path) -> Path:
    """The folder with everything `pom.xml` names, fetched by Maven where it is not there yet."""
    if not shutil.which("javac"):
        raise ClusterError("there is no JDK (javac); install one of version 11 or 17, such as Debian's openjdk-17-jdk-headless")
    lib = folder / "lib"
    if not (lib / "complete").exists():
        if not shutil.which("mvn"):
            raise ClusterError("there is no Maven to fetch Flink with (mvn); install it, such as Debian's maven")
        print("fetching Flink and Beam's runner for it from Maven Central, 150 MB, once", file=sys.stderr, flush=True)
        ran = subprocess.run(["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={lib}",
                              "-DincludeScope=runtime"], capture_output=True, text=True)
        if ran.returncode:
            said = [line for line in ran.stdout.splitlines() if "ERROR" in line] or ["no reason given"]
            raise ClusterError(f"Maven could not fetch what {POM.relative_to(ROOT)} names: {said[0]}")
        (lib / "complete").touch()
    return lib


def commands(plan: ClusterLayout, lib: Path, folder: Path) -> list[tuple[str, list[str]]]:
    """(name, command) of every process, in the order of starting; configurations are written to `folder`."""
    temporary = folder / "tmp"
    temporary.mkdir(exist_ok=True)
    made = []
    pool = [sys.executable, "-P", "-m", "textmill", "pool", "--port", str(plan.pool_port), "--listen"]
    master = "[local]"
    if plan.hosts:
        head, rpc, rest = plan.head, free_port(), free_port()
        master = f"{head.address}:{rest}"
        # In a namespace everything may listen on all addresses: there are no others.
        listen = "0.0.0.0" if head.namespace else head.address
        common = {"jobmanager.rpc.address": head.address, "jobmanager.rpc.port": rpc, "rest.address": head.address,
                  "rest.port": rest, "rest.bind-address": listen, "jobmanager.bind-host": listen, "io.tmp.dirs": temporary,
                  # The class path is the same everywhere; what the job server uploads of it is not looked into.
                  "classloader.resolve-order": "parent-first",
                  "heartbeat.timeout": 15000, "heartbeat.interval": 3000, "slot.request.timeout": 20000,
                  "slot.idle.timeout": 10000, "resourcemanager.taskmanager-registration.timeout": "30 s"}
        run = java(lib, "jobmanager", f"{RUNTIME}.entrypoint.StandaloneSessionClusterEntrypoint", "--configDir",
                   str(configured(folder / "jobmanager", common)))
        made.append(("jobmanager", head.command(run, temporary)))
        for host in plan.hosts:
            own = {"taskmanager.host": host.address, "taskmanager.bind-host": listen,
                   "taskmanager.numberOfTaskSlots": plan.slots, "taskmanager.cpu.cores": float(plan.slots),
                   **{f"taskmanager.memory.{name}": f"{size}m" for name, size in MEMORY.items()}}
            run = java(lib, "taskmanager", f"{RUNTIME}.taskexecutor.TaskManagerRunner", "--configDir",
                       str(configured(folder / host.name, common | own)))
            made += [(f"{host.name}-pool", host.command([*pool, "[::]" if host.namespace else "localhost"], temporary)),
                     (f"{host.name}-taskmanager", host.command(run, temporary))]
    else:
        made.append(("pool", [*pool, "localhost"]))
    configured(folder / "job-server", {"taskmanager.memory.network.max": f"{NETWORK_MB}mb",
                                       "taskmanager.numberOfTaskSlots": plan.slots})
    made.append(("job-server", java(
        lib, "job-server", str(Path(__file__).parent / "JobServer.java"), "--job-port", str(plan.job_port),
        "--artifact-port", "0", "--expansion-port", "-1", "--artifacts-dir", str(folder / "artifacts"),
        "--flink-master", master, "--flink-conf-dir", str(folder / "job-server"))))
    return made


def java(lib: Path, kind: str, main: str, *arguments: str) -> list[str]:
    return ["java", *OPENS, f"-Xmx{HEAP[kind]}m", "-XX:+UseSerialGC", "-cp", f"{lib}/*", main, *arguments]


def configured(folder: Path, settings: dict[str, object]) -> Path:
    """A folder with Flink's configuration file."""
    folder.mkdir(exist_ok=True)
    (folder / "flink-conf.yaml").write_text("".join(f"{key}: {value}\n" for key, value in settings.items()))
    return folder


def overview(folder: Path) -> dict[str, int]:
    """What the jobmanager says of itself: taskmanagers, slots, jobs in each state; empty where it does not answer."""
    settings = dict(line.split(": ", 1) for line in (folder / "jobmanager/flink-conf.yaml").read_text().splitlines())
    try:
        with urllib.request.urlopen(f"http://{settings['rest.address']}:{settings['rest.port']}/overview", timeout=3) as answer:
            told = json.load(answer)
    except OSError:
        return {}
    return {key: count for key, count in told.items() if isinstance(count, int)}


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])
