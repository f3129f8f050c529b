"""Processes ended at random moments, in every stage and tool: what a rerun makes of it.

    python -m tests.kill --kills 10 --seed 1 [--stage NAME] [--how HOW]

Each time: a fresh folder with everything before the stage, a real process, a seeded moment of its undisturbed time, and one of
HOWS. Then no half file may be taken for whole (every file that a receipt or manifest lists has its sha256), the rerun must end
well, and every byte must be that of a run that was left alone. Exits 1 with the first that is not.
"""

import argparse
import contextlib
import gzip
import hashlib
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import psutil

from tests.command_line import DATASETS, MIXTURE, ROOT, SETTINGS, STAGES, command, hashes, put_sample, run_all
from tests.file_server import serving
from tests.paths import record
from textmill.base.sealed import unseal
from textmill.pipelines.contract.storage import Folder

HOWS = ("kill", "worker", "term", "stop", "memory")
MISSED = "ended before"


class Target(NamedTuple):
    """What is disturbed: `put` makes a folder with everything before it, `command` is its command line there."""

    put: Callable[[Path, Path], None]           # a finished run, the folder to make
    command: Callable[[Path], list[str]]


def textmill(*arguments: object) -> list[str]:
    return [sys.executable, "-m", "textmill", *map(str, arguments)]


def before(stage: str | None) -> Callable[[Path, Path], None]:
    """A finished run without what this stage and those after it wrote; all of it for None."""
    gone = {DATASETS[name] for name in STAGES[STAGES.index(stage):]} if stage else set()

    def put(whole: Path, data: Path) -> None:
        shutil.copytree(whole, data, ignore=lambda folder, names: [
            name for name in names if str((Path(folder) / name).relative_to(whole)) in {*gone, *(f"ledger/{name}" for name in gone), "raw"}])
        (data / "raw").symlink_to(whole / "raw")

    return put


def put_takedown(whole: Path, data: Path) -> None:
    before(None)(whole, data)
    (data / "takedown.txt").write_text("host:torvel.example\nurl:https://en.quillop.example/en/notes/testing-the-till\n")


def put_rows(whole: Path, data: Path) -> None:
    """A file of texts with copies, as `dedup-only` takes it; told to overwrite, for what was killed may have written all of it."""
    draw = random.Random(1)
    data.mkdir()
    texts = [" ".join(draw.choices(["mill", "stone", "grain", "river", "wheel", "flour", "sack", "miller"], k=60)) for _ in range(80)]
    (data / "in.jsonl").write_text("".join(json.dumps({"text": text}) + "\n" for text in (*texts, *texts[:20])))


def put_texts(whole: Path, data: Path) -> None:
    """The texts of the sample pages, three times over: enough for a table of a language."""
    data.mkdir()
    texts = [line for path in sorted((ROOT / "sample/pages").glob("*.txt")) for line in path.read_text("utf-8").splitlines()
             if len(line) > 150]
    (data / "texts.jsonl").write_text("".join(json.dumps({"text": f"{text} {n}"}) + "\n" for n in range(3) for text in texts))


CRAWL = "CC-MAIN-2026-42"
FETCHED = {f"crawl-data/{CRAWL}/segments/1/warc/CC-MAIN-20261010-{n:05d}.warc.gz": random.Random(n).randbytes(2_000_000 + n)
           for n in range(3)}
LISTED = {f"crawl-data/{CRAWL}/warc.paths.gz": gzip.compress("".join(f"{path}\n" for path in FETCHED).encode())}


@contextlib.contextmanager
def targets() -> Iterator[dict[str, Target]]:
    """All of them by name, while the server that `fetch` asks is up."""
    stages = {stage: Target(before(stage), lambda data, stage=stage: command(stage, data, 2)) for stage in STAGES}
    with serving(LISTED | FETCHED) as server:
        yield stages | {
            "report": Target(before(None), lambda data: textmill("report", "--data", data, "--mixture", MIXTURE)),
            "takedown": Target(put_takedown, lambda data: [*command("takedown", data, 2)[:4], *command("takedown", data, 2)[5:],
                                                           "--carry-out"]),
            "background": Target(put_texts, lambda data: textmill(
                "background", "--name", "web", "--texts", data / "texts.jsonl", "--data", data, "--config", SETTINGS)),
            "classifier": Target(before("measure"), lambda data: textmill(
                "classifier", "--name", "sample", "--data", data, "--config", SETTINGS, "--labels", ROOT / "sample/labels.jsonl",
                "--good", "documents:what=good*", "--bad", "documents:what=spam*|thin*", "--held-out", "0.5")),
            "dedup-only": Target(put_rows, lambda data: textmill(
                "dedup-only", data / "in.jsonl", "--to", data / "out.jsonl", "--overwrite", "--config", SETTINGS,
                "--workers", 2)),
            "fetch": Target(lambda whole, data: data.mkdir(), lambda data: textmill(
                "fetch", "--crawl", CRAWL, "--files", 3, "--to", data / "fetched", "--from", server.address)),
        }


def disturb(arguments: Sequence[str], how: str, after: float, draw: random.Random, pause: float = 2.0) -> str | None:
    """Start a process, and after so many seconds disturb it; how it ended. MISSED where it had ended by itself.

    AssertionError where it ends in a traceback, or leaves processes behind.
    """
    driver = psutil.Popen(list(arguments), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    try:
        driver.wait(after)
        driver.communicate()
        return MISSED
    except psutil.TimeoutExpired:
        pass
    below = driver.children(recursive=True)
    workers = [process for process in below if "textmill.pipelines.engines.worker" in " ".join(command_line(process))] or below
    victim = draw.choice(sorted(workers, key=lambda process: process.pid)) if workers and how in ("worker", "memory") else driver
    with contextlib.suppress(psutil.NoSuchProcess):         # a child that has ended by itself since
        if how == "memory":
            most = victim.memory_info().vms + draw.randrange(1, 32 << 20)
            resource.prlimit(victim.pid, resource.RLIMIT_AS, (most, most))
        elif how == "stop":
            everyone = [driver, *below]
            for process in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.suspend()
            time.sleep(pause)
            for process in everyone:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.resume()
        else:
            os.kill(victim.pid, signal.SIGTERM if how == "term" else signal.SIGKILL)
    said, _ = driver.communicate(timeout=120)
    assert "Traceback" not in said, said
    _gone, alive = psutil.wait_procs(below, timeout=30)
    assert not alive, f"processes outlived their driver: {alive}"
    if how == "stop":
        assert driver.returncode == 0, said
    elif driver.returncode > 0:
        assert how != "worker" or workers == below or "worker process died" in said, said
        assert said.strip(), "it failed without a word"
    return said.strip().splitlines()[-1] if said.strip() else f"exit {driver.returncode}"


def command_line(process: psutil.Process) -> list[str]:
    with contextlib.suppress(psutil.Error):
        return process.cmdline()
    return []


def refuse_half_files(data: Path) -> None:
    """AssertionError where a receipt or a manifest lists a file that is not there as it was written."""
    for path in [*data.rglob("*receipts/*.json"), *data.rglob("*manifest.json")]:
        complete, above = path.name.endswith("manifest.json"), path.parents[0 if path.name.endswith("manifest.json") else 1]
        listed, dataset = unseal(path.read_bytes()), Folder(str(data)) / str(above.relative_to(data)).removeprefix("ledger/")
        rejected = listed.get("rejected") or []
        for part in [*listed["parts"], *(rejected if isinstance(rejected, list) else [rejected])]:
            file = Path(dataset.path(part["path"]))
            # A receipt of an older version of a part may outlive it, between the manifest and the end of the run.
            if file.exists() or complete:
                assert hashlib.sha256(file.read_bytes()).hexdigest() == part["sha256"], f"{path} lists {file}"


def finished(arguments: Sequence[str]) -> float:
    """Run to the end; the seconds it took. AssertionError with what it said where it fails."""
    start = time.monotonic()
    ran = subprocess.run(list(arguments), capture_output=True, text=True, cwd=ROOT, timeout=600)
    assert ran.returncode == 0 and "Traceback" not in ran.stderr, ran.stdout + ran.stderr
    return time.monotonic() - start


def kills(target: Target, whole: Path, scratch: Path, hows: Sequence[str], seed: object, pause: float = 2.0) -> Iterator[str]:
    """Disturb one target once in each of these ways; how each process ended. AssertionError where a promise is broken."""
    data, draw = scratch / "data", random.Random(seed)      # one path: a report names it
    target.put(whole, data)
    seconds = finished(target.command(data))
    untouched = hashes(data)
    for how in hows:
        share = draw.uniform(0.1, 1.0)
        while True:
            shutil.rmtree(data)
            target.put(whole, data)
            outcome = disturb(target.command(data), how, share * seconds, draw, pause)
            if outcome != MISSED:
                break
            share *= 0.8
        refuse_half_files(data)
        finished(target.command(data))
        now = hashes(data)
        assert now == untouched, f"{how} at {share:.0%}: {sorted(now.items() ^ untouched.items())[:4]}"
        yield f"{how} at {share:.0%}: {outcome}"
    shutil.rmtree(data)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--kills", type=int, default=10, help="for each stage or tool (default: %(default)s)")
    parser.add_argument("--stage", action="append", help="only this one; may be repeated")
    parser.add_argument("--how", choices=HOWS, action="append", help="only this way; may be repeated (default: all in turn)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--pause", type=float, default=60, help="seconds that a stopped process stands still (default: %(default)s)")
    parser.add_argument("--record", action="store_true", help="write benchmarks/results/kills.md")
    parser.add_argument("--verbose", action="store_true", help="say how each process ended")
    given = parser.parse_args()
    hows = given.how or HOWS
    with tempfile.TemporaryDirectory() as folder, targets() as found:
        if unknown := set(given.stage or ()) - set(found):
            parser.error(f"there is no {', '.join(unknown)}; there are {', '.join(found)}")
        whole = put_sample(Path(folder) / "whole")
        run_all(whole, 2)
        lines = [f"| stage or tool | {' | '.join(hows)} |", f"|---|{'---:|' * len(hows)}"]
        for name in given.stage or found:
            counted = Counter[str]()
            each = [hows[number % len(hows)] for number in range(given.kills)]
            for outcome in kills(found[name], whole, Path(folder), each, f"{name} {given.seed}", given.pause):
                counted[outcome.split()[0]] += 1
                if given.verbose:
                    print(f"  {name}: {outcome}", file=sys.stderr, flush=True)
            lines.append(f"| {name} | {' | '.join(str(counted[how]) for how in hows)} |")
            print(lines[-1], flush=True)
            if given.record:
                record("kills.md", [*lines, "", f"Seed {given.seed}, two workers, stopped for {given.pause:g} s, {date.today()}."])


if __name__ == "__main__":
    main()
