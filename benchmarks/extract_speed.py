"""Extract's throughput beside a bare loop over trafilatura and beside datatrove, on the same WARCs, in turn.

    python -m benchmarks.extract_speed --crawl ../shared/data/crawl --data /tmp/speed --datatrove-python /tmp/dt/bin/python

writes benchmarks/results/extract-speed.md. Seconds are wall clock around a whole process, start and imports included, and
beside them what the processes of its session took of the processors, which other work on the machine changes less. The
Python with datatrove is one of a virtual environment of its own, because datatrove pins older libraries:

    python3 -m venv /tmp/dt
    /tmp/dt/bin/pip install 'datatrove[io,processing]==0.10.1' faust-cchardet python-magic lxml_html_clean spacy xxhash

and python-magic needs the system's libmagic (Debian: libmagic1). Without it, datatrove's row says that it was not run.
"""

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import median
from typing import NamedTuple

import psutil
import pyarrow.parquet as pq

from benchmarks.gold import responses

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
WARCS = ("news", "manuals-httpd", "javadoc-kafka", "book-git")
OURS, BARE, DATATROVE = "textmill", "bare loop, trafilatura fast", "datatrove"


class Round(NamedTuple):
    """One run of one system."""

    seconds: float
    processor: float
    texts: int


def timed(command: list[str], to: Path) -> tuple[float, float]:
    """Seconds by the clock and of processors of a command, run with `to` as a new empty folder; exits with what it said
    where it fails."""
    shutil.rmtree(to, ignore_errors=True)
    to.mkdir(parents=True)
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        child = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=subprocess.STDOUT, start_new_session=True)
        taken: dict[int, float] = {}
        while child.poll() is None:
            taken |= of_session(child.pid)
            time.sleep(0.1)
        seconds = time.monotonic() - start
        if child.returncode:
            said.seek(0)
            sys.exit(f"{' '.join(command)}\n{said.read()}")
    return seconds, sum(taken.values())


def of_session(session: int) -> dict[int, float]:
    """Processor seconds of every process of a session up to now: also of those that another than their parent will wait for."""
    taken = {}
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if os.getsid(process.pid) == session:
                used = process.cpu_times()
                taken[process.pid] = used.user + used.system
    return taken


def run_ours(data: Path, workers: int) -> Round:
    took = timed([sys.executable, "-m", "textmill", "extract", "--data", str(data), "--workers", str(workers)],
                    data / "documents")
    return Round(*took, json.loads((data / "ledger/documents/stats.json").read_text())["kept"])


def run_bare(data: Path) -> Round:
    to = data / "bare"
    took = timed([sys.executable, "-m", "benchmarks.bare_loop", "--to", str(to / "documents.parquet"),
                     *map(str, sorted((data / "raw/crawl").iterdir()))], to)
    return Round(*took, texts(to))


def run_datatrove(data: Path, workers: int, python: str) -> Round:
    to = data / "datatrove"
    script = Path(__file__).with_name("datatrove_loop.py")
    took = timed([python, str(script), str(data / "raw/crawl"), str(to), str(workers)], to)
    return Round(*took, texts(to / "documents"))


def texts(folder: Path) -> int:
    return sum(pq.read_metadata(file).num_rows for file in folder.glob("*.parquet"))


def link(crawl: Path, data: Path) -> list[Path]:
    """The WARCs as the source `crawl` of a data folder."""
    folder = data / "raw/crawl"
    folder.mkdir(parents=True, exist_ok=True)
    links = [folder / f"{name}.warc.gz" for name in WARCS]
    for at in links:
        if not at.exists():
            at.symlink_to((crawl / at.name).absolute())
    return links


def table(rounds: dict[str, list[Round]], pages: int, megabytes: float, processes: dict[str, int]) -> str:
    lines = ["| system | processes | texts | seconds, least | seconds, median | processor s, median | pages/s | MB/s | "
             "textmill is | by processors |",
             "|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|"]
    ours = median(one.seconds for one in rounds[OURS])
    our_processor = median(one.processor for one in rounds[OURS])
    for system, runs in rounds.items():
        if not runs:
            lines.append(f"| {system} | not run: no --datatrove-python was given |" + " |" * 8)
            continue
        seconds = [one.seconds for one in runs]
        middle = median(seconds)
        processor = median(one.processor for one in runs)
        times = " | " if system == OURS else f"{middle / ours:.2f} × as fast | {processor / our_processor:.2f} × as fast"
        lines.append(f"| {system} | {processes[system]} | {runs[-1].texts:,} | {min(seconds):.1f} | {middle:.1f} | "
                     f"{processor:.1f} | {pages / middle:.0f} | {megabytes / middle:.1f} | {times} |")
    return "\n".join(lines) + "\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crawl", type=Path, required=True, help=f"folder with {', '.join(WARCS)}, each .warc.gz")
    parser.add_argument("--data", type=Path, required=True, help="an empty folder to work in")
    parser.add_argument("--workers", type=int, default=2, help="of textmill and datatrove (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=2, help="of every system, in turn (default: %(default)s)")
    parser.add_argument("--datatrove-python", help="the Python of an environment that has datatrove")
    given = parser.parse_args()
    bodies = [len(body) for path in link(given.crawl, given.data) for _, _, body, _ in responses(path)]
    rounds: dict[str, list[Round]] = {OURS: [], BARE: [], DATATROVE: []}
    for _ in range(given.rounds):
        rounds[OURS].append(run_ours(given.data, given.workers))
        rounds[BARE].append(run_bare(given.data))
        if given.datatrove_python:
            rounds[DATATROVE].append(run_datatrove(given.data, given.workers, given.datatrove_python))
        print({system: runs[-1] for system, runs in rounds.items() if runs}, flush=True)
    said = table(rounds, len(bodies), sum(bodies) / 1e6, {OURS: given.workers, BARE: 1, DATATROVE: given.workers})
    libraries = f"trafilatura {version('trafilatura')}"
    if given.datatrove_python:
        libraries += f"; datatrove {of(given.datatrove_python, 'datatrove')} with trafilatura "
        libraries += of(given.datatrove_python, "trafilatura")
    said += (f"\n{len(bodies):,} pages, {sum(bodies) / 1e6:,.0f} MB of HTML, in {len(WARCS)} WARC files; "
             f"{given.rounds} rounds; pages/s by the median; {libraries}; {date.today()}.\n")
    print(said)
    (RESULTS / "extract-speed.md").write_text(said, "utf-8")
    return 0


def of(python: str, library: str) -> str:
    """The version of a library in another Python."""
    asked = f"from importlib.metadata import version; print(version({library!r}))"
    return subprocess.run([python, "-c", asked], text=True, capture_output=True, check=True).stdout.strip()


if __name__ == "__main__":
    sys.exit(main())
