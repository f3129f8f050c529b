"""The flow on a real crawl, here and on Flink: seconds and CPU of each stage, and that the bytes are the same.

`python -m benchmarks.cluster --raw ../shared/data/crawl --files news.warc.gz --data /tmp/cluster` runs every stage with the
local runner and two workers, then on `make cluster` with one taskmanager and with two, a slot each, every time in a data
folder of its own, compares the sha256 of every file, and writes benchmarks/results/cluster.md. What the local run cost goes to
pipelines/rates.yaml, from which `make plan` works out larger runs.
"""

import argparse
import pickle
import platform
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import yaml

from benchmarks.real_crawl import ROOT, STAGES
from cluster import hosts
from cluster.flink import overview
from cluster.processes import Processes
from tests.command_line import hashes
from tests.servers import free_port
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.files import read_rows
from textmill.pipelines.dedup.forest import TREE
from textmill.pipelines.dedup.search import find_copies
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.dedup.steps import FOREST_FILE
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.flow import STAGES as FLOW
from textmill.pipelines.settings import read_config

HERE = "local, 2 workers"
RECIPE = ROOT / "benchmarks/real-crawl.yaml"
CLUSTER = ROOT / "build/cluster/run"
PROBE = """
import sys
from textmill.pipelines.engines.engine import Engine
from textmill.pipelines.flow import STAGES
from textmill.pipelines.engines.preflight import check_workers
from textmill.pipelines.settings import read_config
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
data, config, rules, mixture, workers, jobs, pool, option = sys.argv[1:]
engine = Engine("flink", int(workers), jobs, pool, (option,))
check_workers(STAGES["screen"], RunContext(Folder(data), read_config(config, rules, mixture, None), engine))
"""


@dataclass(frozen=True)
class Cost:
    """Of one command: seconds on the wall, CPU seconds of Python and of Java with all they started, jobs that Flink ran."""

    wall: float
    python: float
    java: float
    jobs: int


def measured(command: Sequence[str], servers: Sequence[int] = ()) -> tuple[Cost, str]:
    """The cost of a command and of what servers did meanwhile, and its last line; exits where it fails."""
    spent: dict[int, tuple[str, float]] = {}

    def look(roots: Sequence[int]) -> None:
        for root in roots:
            try:
                for process in [psutil.Process(root), *psutil.Process(root).children(recursive=True)]:
                    times = process.cpu_times()
                    spent[process.pid] = (process.name(), times.user + times.system)
            except psutil.Error:
                continue

    look(servers)
    before, jobs, start = dict(spent), _jobs_finished() if servers else 0, time.monotonic()
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    over = threading.Event()

    def watch() -> None:
        while not over.wait(0.1):
            look([process.pid, *servers])

    thread = threading.Thread(target=watch)
    thread.start()
    said, _ = process.communicate()
    wall = time.monotonic() - start
    over.set()
    thread.join()
    look(servers)
    if process.returncode or "Traceback" in said:
        sys.exit(f"{' '.join(command)}\n{said}")
    used: dict[str, float] = defaultdict(float)
    for pid, (name, seconds) in spent.items():
        used["java" if name == "java" else "python"] += seconds - before.get(pid, (name, 0.0))[1]
    jobs = _jobs_finished() - jobs if servers else 0
    return Cost(wall, used["python"], used["java"], jobs), (said.strip().splitlines() or [""])[-1]


def _jobs_finished() -> int:
    return overview(CLUSTER)["jobs-finished"]


def settings(folder: Path) -> Path:
    """The shipped settings with smaller splits and parts, so that a small crawl has something to deal out."""
    text = (ROOT / "settings.yaml").read_text()
    for name, value in (("split_bytes", 4 << 20), ("part_bytes", 8 << 20), ("vocab_size", 16384)):
        lines = [f"  {name}: {value}" if line.startswith(f"  {name}:") else line for line in text.splitlines()]
        text = "\n".join(lines) + "\n"
    path = folder / "settings.yaml"
    path.write_text(text)
    return path


def recipe(folder: Path) -> Path:
    """The recipe of benchmarks/real_crawl.py, smaller and without its books."""
    text = yaml.safe_load(RECIPE.read_text())
    text["entries"] = {"web": {"where": {"source": "crawl"}, "share": 1.0, "repeat": 2}}
    text["tokens"] = 2_000_000
    path = folder / "recipe.yaml"
    path.write_text(yaml.safe_dump(text))
    return path


def laid(folder: Path, raw: Path, names: Sequence[str]) -> Path:
    (folder / "raw/crawl").mkdir(parents=True)
    for name in names:
        (folder / "raw/crawl" / name).symlink_to((raw / name).absolute())
    return folder


def flow(data: Path, config: Path, workers: int, *engine: str, servers: Sequence[int] = ()) -> dict[str, Cost]:
    costs = {}
    for stage in STAGES:
        costs[stage], said = measured([
            sys.executable, "-m", "textmill", stage, "--alone", "--data", str(data), "--config", str(config), "--mixture",
            str(data.parent / "recipe.yaml"), "--workers", str(workers), *engine], servers)
        print(data.name, stage, costs[stage], said, flush=True)
    return costs


def on_flink(data: Path, config: Path, slots: int) -> tuple[dict[str, Cost], Cost]:
    """(cost of each stage, cost of a job that does nothing) on taskmanagers of this machine, a slot each where that can be."""
    job_port, pool_port = free_port(), free_port()
    control = [sys.executable, "-m", "cluster"]
    subprocess.run([*control, "start", "--hosts", str(slots), "--job-port", str(job_port),
                    "--pool-port", str(pool_port)], cwd=ROOT, check=True)
    try:
        servers = list(Processes(CLUSTER).running().values())
        jobs, pool = f"localhost:{job_port}", f"localhost:{pool_port}"
        option = f"--sdk_worker_parallelism={slots if hosts.possible() else 1}"
        costs = flow(data, config, slots, "--runner", "flink", "--job-endpoint", jobs, "--worker-pool", pool,
                     f"--runner-option={option}", servers=servers)
        nothing, _ = measured([sys.executable, "-c", PROBE, str(data), str(config), str(ROOT / "rules.yaml"),
                               str(data.parent / "recipe.yaml"), str(slots), jobs, pool, option], servers)
        return costs, nothing
    finally:
        subprocess.run([*control, "stop"], cwd=ROOT, check=True)


def rates(data: Path, config: Path, costs: dict[str, Cost], names: Sequence[str]) -> dict[str, Any]:
    """What `textmill.pipelines.ledger.cost.Rates` wants to know, from the local run.

    On so small a crawl screen, which reads no text, does little but start its processes. Nine tenths of its seconds are
    taken for that, in every stage: they do not grow with the input.
    """
    starting = 0.9 * costs["screen"].python
    configuration = read_config(str(config), str(ROOT / "rules.yaml"), str(data.parent / "recipe.yaml"), None)
    context = RunContext(Folder(str(data)), configuration, BeamEngine(workers=2))
    pages = yaml.safe_load((data / "ledger/documents/stats.json").read_text())
    tasks = FLOW["dedup"].aligned_tasks(context)
    work = Folder(str(data.parent / "copies"))
    find_copies(context.engine, context.data, work, tasks, context.config[DedupSettings])
    sizes: dict[str, int] = defaultdict(int)
    for entry in work.entries():
        sizes[entry.path.split("/")[0].split("-")[0]] += entry.size
    receipts = [e.size for e in (context.data / EXTRACT.dataset(context.config)).entries("_receipts")]
    return {
        "measured_on": f"{', '.join(names)}, {date.today()}",
        "stored_bytes": sum((data / "raw/crawl" / name).stat().st_size for name in names),
        "records": pages["read"], "documents": pages["kept"], "text_bytes": pages["text_bytes"],
        "task_bytes": max(len(pickle.dumps(task)) for task in tasks), "receipt_bytes": sum(receipts) // len(receipts),
        "cpu_seconds": {stage: round(max(0.1, cost.python - starting), 1) for stage, cost in costs.items()},
        "dataset_bytes": {stage: sum(e.size for e in (context.data / FLOW[stage].dataset(context.config)).entries())
                          for stage in STAGES},
        "grouped_bytes": {"buckets": sizes["bands"], "decisions": sizes["decisions"]},
        "in_clusters": len(read_rows(work, FOREST_FILE, TREE)),
    }


def table(costs: dict[str, dict[str, Cost]], nothing: dict[str, Cost], facts: dict[str, Any]) -> str:
    heads = [f"{name}: {what}" for name in costs for what in ("s", "CPU s", "of it Java")[:2 if name == HERE else 3]]
    lines = [f"{facts['records']:,} records of {facts['measured_on']}, {facts['stored_bytes'] / 1e6:,.0f} MB stored, in splits "
             f"of 4 MiB; a taskmanager for each slot, all on the same {psutil.cpu_count()} cores, {platform.machine()}, "
             f"Python {platform.python_version()}. Every file has the same sha256 in all three.", "",
             f"| stage | {' | '.join(heads)} | jobs |", f"|---|{'---:|' * (len(heads) + 1)}"]

    def cells(name: str, cost: Cost) -> str:
        whole = f"{cost.wall:.0f} | {cost.python + cost.java:.0f}"
        return whole if name == HERE else f"{whole} | {cost.java:.0f}"

    last = list(costs)[-1]
    flink = costs[last]
    lines += [f"| {stage} | {' | '.join(cells(name, costs[name][stage]) for name in costs)} | {flink[stage].jobs} |"
              for stage in STAGES]
    total = {name: Cost(*(sum(column) for column in zip(*map(astuple, stages.values()), strict=True)))
             for name, stages in costs.items()}
    lines.append(f"| in all | {' | '.join(cells(name, cost) for name, cost in total.items())} | {total[last].jobs} |")
    empty = " | ".join("– | –" if name not in nothing else cells(name, nothing[name]) for name in costs)
    lines += [f"| the probe alone, from a process that starts for it | {empty} | 1 |", ""]
    for name in nothing:
        java, python = total[name].java, total[name].python - total[HERE].python
        lines.append(f"{name}: {python + java:.0f} CPU seconds more than here, {java:.0f} more of Java and {abs(python):.0f} "
                     f"{'more' if python > 0 else 'less'} of Python; {(python + java) / total[name].jobs:.1f} a job.")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True, help="folder with *.warc.gz")
    parser.add_argument("--files", nargs="+", required=True, help="which of them")
    parser.add_argument("--data", type=Path, required=True, help="an empty folder to work in")
    given = parser.parse_args()
    given.data.mkdir(parents=True)
    config = settings(given.data)
    recipe(given.data)
    folders = {name: laid(given.data / name, given.raw, given.files) for name in ("local", "flink-1", "flink-2")}
    costs = {HERE: flow(folders["local"], config, 2)}
    facts = rates(folders["local"], config, costs[HERE], given.files)
    nothing = {}
    for slots in (1, 2):
        name = f"Flink, {slots} slot{'s' * (slots > 1)}"
        costs[name], nothing[name] = on_flink(folders[f"flink-{slots}"], config, slots)
        if hashes(folders[f"flink-{slots}"]) != hashes(folders["local"]):
            sys.exit(f"{name} gave other bytes")
    (ROOT / "benchmarks/results/cluster.md").write_text(table(costs, nothing, facts))
    head = "# Written by benchmarks/cluster.py: what a real crawl cost here, from which `make plan` works out other sizes.\n"
    (ROOT / "pipelines/rates.yaml").write_text(head + yaml.safe_dump(facts, sort_keys=False))


if __name__ == "__main__":
    main()
