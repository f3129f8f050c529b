"""DedupSettings at scale: from stored signatures to the written table `duplicates`, verification included.

    python -m benchmarks.dedup_scale --documents 100000
    python -m benchmarks.dedup_scale --documents 1000000 --memory-gb 1 --datatrove /path/to/python-with-datatrove --write

The corpus (dedup_world.py) is made before the clock starts; the texts of candidates are shingled again while it runs. Peak
memory is the kernel's own figure for each process (VmHWM; Linux). With --datatrove its steps 2 to 4 run on the same
documents, from its own signatures; its step 1 is measured in signature_speed.py.
"""

import argparse
import json
import pickle
import resource
import sys
import tempfile
import time
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.dedup_world import write_world
from benchmarks.extract_memory import Peaks, peaks
from textmill.pipelines.contract.part_files import PartWriter, read_batches
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task
from textmill.pipelines.dedup.keep import DUPLICATES, duplicates_table
from textmill.pipelines.dedup.kinds import EXACT, NEAR
from textmill.pipelines.dedup.search import decisions_of, find_copies, held_of
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.engines.engine import BeamEngine

ROOT = Path(__file__).parents[1]
WORKER, SUBMITTING = "worker", "submitting process"
ROLES = {"textmill.pipelines.engines.worker": WORKER, "benchmarks.dedup_scale": SUBMITTING}


class Timed(BeamEngine):
    """Remembers how long each pipeline took: label, seconds, seconds of processor."""

    def run(self, build: Any, parallel: int = 1 << 30) -> None:
        start, before = time.monotonic(), processor_seconds()
        super().run(build, parallel)
        label = next(cell.cell_contents.label for cell in build.__closure__ if hasattr(cell.cell_contents, "expand"))
        STEPS.append((label, time.monotonic() - start, processor_seconds() - before))


STEPS: list[tuple[str, float, float]] = []


def processor_seconds() -> float:
    """Of this process and those it started that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(usage.ru_utime + usage.ru_stime for usage in used)


def work(folder: Path, workers: int, memory_gb: float | None) -> None:
    """What is measured; leaves its figures in folder/figures.json."""
    tasks = pickle.loads((folder / "tasks").read_bytes())
    data, place = Folder(f"{folder}/data"), Folder(f"{folder}/work")
    start = time.monotonic()
    find_copies(Timed(workers=workers), data, place, tasks, DedupSettings(max_memory_gb=memory_gb))
    before, counted = time.monotonic(), [write_duplicates(data, place, n, task) for n, task in enumerate(tasks)]
    STEPS.append(("Write", time.monotonic() - before, 0))
    clustered, exact, near, held = (sum(column) for column in zip(*counted, strict=True))
    disk = sum(entry.size for entry in place.entries())
    (folder / "figures.json").write_text(json.dumps({
        "seconds": time.monotonic() - start, "processor": processor_seconds(), "steps": STEPS, "work_bytes": disk,
        "clustered": clustered, "exact": exact, "near": near, "held": held}))


def write_duplicates(data: Folder, place: Folder, number: int, task: Task) -> tuple[int, ...]:
    """One part of `duplicates`; how many of its documents are in clusters, go as exact or near copies, are contained."""
    decided, held = decisions_of(place, number), held_of(place, number)
    (name, part), first = task.inputs[0], number << 32
    with PartWriter(data / "duplicates", task.key, f"{task.key}.parquet", DUPLICATES) as writer:
        for batch in read_batches(data / name, part, ["id"]):
            ends = np.array([first, first + batch.num_rows], np.uint64)
            writer.write(duplicates_table(batch["id"], first, *(rows[slice(*rows["ref"].searchsorted(ends))]
                                                                for rows in (decided, held))))
            first += batch.num_rows
    kinds = np.bincount(decided["kind"], minlength=NEAR.code + 1)
    return len(decided), int(kinds[EXACT.code]), int(kinds[NEAR.code]), len(held)


def report(documents: int, workers: int, figures: dict[str, Any], used: Peaks, theirs: tuple[str, Peaks] | None) -> str:
    """A table of all that was measured."""
    steps: dict[str, list[float]] = {}
    for label, seconds, processor in figures["steps"]:
        one = steps.setdefault(label, [0, 0, 0])
        one[0], one[1], one[2] = one[0] + 1, one[1] + seconds, one[2] + processor
    lines = [f"{documents:,} documents, {workers} workers: {figures['seconds']:.0f} s ({figures['processor']:.0f} s of "
             f"processor), largest process {max(max(of) for of in used.values()) / 1e9:.2f} GB (submitting "
             f"{max(used[SUBMITTING]) / 1e9:.2f}, worker {max(used[WORKER], default=0) / 1e9:.2f}), "
             f"{figures['work_bytes'] / 1e9:.2f} GB of work files", "",
             f"{figures['clustered']:,} documents in clusters, {figures['near']:,} near and {figures['exact']:,} exact copies, "
             f"{figures['held']:,} contained in another; {date.today()}.", "",
             "| step | pipelines | seconds | of processor |", "|---|---:|---:|---:|"]
    lines += [f"| {label} | {one[0]:.0f} | {one[1]:.1f} | {one[2]:.1f} |" for label, one in steps.items()]
    if theirs:
        said, used = theirs
        total = sum(float(line.split()[1]) for line in said.splitlines())
        lines += ["", f"datatrove, steps 2 to 4 on the same documents (no verification): {total:.0f} s "
                  f"({', '.join(said.splitlines())}), largest process {max(max(of) for of in used.values()) / 1e9:.2f} GB."]
    return "\n".join(lines) + "\n"


def main(argv: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0], allow_abbrev=False)
    parser.add_argument("--documents", type=int, default=100_000)
    parser.add_argument("--share", type=float, default=0.1, help="in clusters (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--memory-gb", type=float, default=None, help="for what is grouped at one time")
    parser.add_argument("--folder", type=Path, help="where to write, and a corpus to use (default: temporary)")
    parser.add_argument("--make", action="store_true", help="make the corpus in --folder and no more")
    parser.add_argument("--datatrove", type=Path, help="a Python that has datatrove, to measure it beside")
    parser.add_argument("--write", action="store_true", help="write benchmarks/results/dedup-scale-N.md")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    given = parser.parse_args(argv)
    if given.measure:
        work(given.measure, given.workers, given.memory_gb)
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.folder or Path(temporary)
        if not (folder / "tasks").exists():
            tasks = write_world(folder, given.documents, given.share, given.workers, bool(given.datatrove))
            (folder / "tasks").write_bytes(pickle.dumps(tasks))
        if given.make:
            return
        table = measured(folder, given)
    print(table)
    if given.write:
        (ROOT / f"benchmarks/results/dedup-scale-{given.documents}.md").write_text(table, "utf-8")


def measured(folder: Path, given: argparse.Namespace) -> str:
    """The table of a run over the corpus in `folder`, and of datatrove's on the same."""
    command = [sys.executable, "-m", "benchmarks.dedup_scale", "--measure", str(folder), "--workers", str(given.workers)]
    used = peaks([*command, *(["--memory-gb", str(given.memory_gb)] if given.memory_gb else [])], ROLES)
    theirs = None
    if given.datatrove:
        said = folder / "datatrove/said"
        theirs_used = peaks(["bash", "-c", f"{given.datatrove} {ROOT}/benchmarks/datatrove_dedup.py {folder}/datatrove "
                             f"{given.workers} --signatures-there 2>/dev/null | tee {said}"], ROLES)
        theirs = said.read_text().strip(), theirs_used
    return report(given.documents, given.workers, json.loads((folder / "figures.json").read_text()), used, theirs)


if __name__ == "__main__":
    main()
