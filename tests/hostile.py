"""Folders that turn against a run: read-only, full, moved, emptied or changed under it, at every stage.

    python -m tests.hostile [--stage NAME]      (as root on Linux: it mounts small tmpfs)

Each time the stage ends with a sentence and exit 1, or well; never in a traceback. Once the folder is as it was, the same
command ends well, with the bytes of a run that was left alone. Prints a table of the sentences.
"""

import argparse
import contextlib
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path

from tests.command_line import DATASETS, ROOT, STAGES, command, hashes, put_sample, run_all
from tests.kill import before, finished
from tests.paths import record

INPUTS = {"extract": "raw", "measure": "documents", "screen": "signals", "dedup": "verdicts", "curate": "duplicates",
          "tokenizer": "curated", "tokenize": "curated", "pack": "tokens/test-1k"}
Trouble = Callable[[str, Path, Path, float], tuple[int, str]]


def ended(started: subprocess.Popen) -> tuple[int, str]:
    """Exit status and what was said on stderr."""
    _, said = started.communicate(timeout=120)
    return started.returncode, said


def start(stage: str, data: Path) -> subprocess.Popen:
    return subprocess.Popen(command(stage, data, 2), cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


@contextlib.contextmanager
def mounted(data: Path, size: str = "64m") -> Iterator[None]:
    """A tmpfs in which `data` lies."""
    aside = data.with_name("aside")
    data.rename(aside)
    data.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(data)], check=True)
    try:
        shutil.copytree(aside, data, symlinks=True, dirs_exist_ok=True)
        yield
        shutil.rmtree(aside)
        shutil.copytree(data, aside, symlinks=True)
    finally:
        subprocess.run(["umount", str(data)], check=True)
        data.rmdir()
        aside.rename(data)


def read_only(stage: str, data: Path, whole: Path, seconds: float) -> tuple[int, str]:
    """The filesystem is mounted read-only."""
    with mounted(data):
        subprocess.run(["mount", "-o", "remount,ro", str(data)], check=True)
        outcome = ended(start(stage, data))
        subprocess.run(["mount", "-o", "remount,rw", str(data)], check=True)
        return outcome


def full(stage: str, data: Path, whole: Path, seconds: float, left: int = 0) -> tuple[int, str]:
    """The disk has no byte left."""
    with mounted(data):
        stat = os.statvfs(data)
        with (data / "filler").open("wb") as filler:
            filler.write(bytes(stat.f_bavail * stat.f_frsize - left))
        outcome = ended(start(stage, data))
        (data / "filler").unlink()
        return outcome


def nearly_full(stage: str, data: Path, whole: Path, seconds: float) -> tuple[int, str]:
    """The disk becomes full while it works."""
    written = sum(path.stat().st_size for path in (whole / DATASETS[stage]).rglob("*") if path.is_file())
    return full(stage, data, whole, seconds, left=max(8192, written // 2))


def moved(stage: str, data: Path, whole: Path, seconds: float) -> tuple[int, str]:
    """The data folder gets another name in the middle."""
    started = start(stage, data)
    time.sleep(seconds * 0.7)
    elsewhere = data.with_name("elsewhere")
    data.rename(elsewhere)
    outcome = ended(started)
    if data.exists():                       # it was made anew, by a run that did not look back
        shutil.rmtree(data)
    elsewhere.rename(data)
    return outcome


def input_deleted(stage: str, data: Path, whole: Path, seconds: float) -> tuple[int, str]:
    """The files that it reads are deleted in the middle."""
    started = start(stage, data)
    time.sleep(seconds * 0.6)
    source, aside = data / INPUTS[stage], data.with_name("deleted")
    source.rename(aside)
    outcome = ended(started)
    shutil.rmtree(source, ignore_errors=True)
    aside.rename(source)
    return outcome


def output_deleted(stage: str, data: Path, whole: Path, seconds: float) -> tuple[int, str]:
    """The dataset that it writes is deleted in the middle."""
    started = start(stage, data)
    time.sleep(seconds * 0.7)
    shutil.rmtree(data / DATASETS[stage], ignore_errors=True)
    return ended(started)


def in_the_way(stage: str, data: Path, whole: Path, seconds: float) -> tuple[int, str]:
    """A file has the name of the dataset's folder."""
    path = data / DATASETS[stage]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("mine")
    outcome = ended(start(stage, data))
    assert path.read_text() == "mine"
    path.unlink()
    return outcome


TROUBLES: tuple[Trouble, ...] = (read_only, full, nearly_full, moved, input_deleted, output_deleted, in_the_way)


def tried(stage: str, trouble: Trouble, whole: Path, scratch: Path, untouched: dict[str, str], seconds: float) -> str:
    """What a stage says in one trouble. AssertionError where a promise is broken."""
    data = scratch / "data"
    before(stage)(whole, data)
    status, said = trouble(stage, data, whole, seconds)
    assert "Traceback" not in said and status in (0, 1), said
    assert status == 0 or said.strip(), "it failed without a word"
    finished(command(stage, data, 2))
    now = hashes(data)
    assert now == untouched, sorted(now.items() ^ untouched.items())[:4]
    shutil.rmtree(data)
    lines = [line for line in said.strip().splitlines() if line.startswith(f"{stage}: ")]
    return "ends well" if status == 0 else lines[-1].replace(str(data), "DATA")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--stage", choices=STAGES, action="append")
    parser.add_argument("--keep-going", action="store_true", help="print what broke, and try the next")
    parser.add_argument("--record", action="store_true", help="write benchmarks/results/hostile-folders.md")
    given = parser.parse_args()
    if os.geteuid():
        parser.error("needs root, to mount a small tmpfs")
    with tempfile.TemporaryDirectory() as folder:
        whole = put_sample(Path(folder) / "whole")
        run_all(whole, 2)
        lines = ["| stage | trouble | what it says |", "|---|---|---|"]
        for stage in given.stage or STAGES:
            scratch = Path(folder) / stage
            scratch.mkdir()
            before(stage)(whole, scratch / "data")
            seconds = finished(command(stage, scratch / "data", 2))
            untouched = hashes(scratch / "data")
            shutil.rmtree(scratch / "data")
            for trouble in TROUBLES:
                try:
                    said = tried(stage, trouble, whole, scratch, untouched, seconds)
                except (AssertionError, subprocess.TimeoutExpired) as error:
                    if not given.keep_going:
                        raise
                    said = f"BROKEN: {error}"
                    shutil.rmtree(scratch / "data", ignore_errors=True)
                lines.append(f"| {stage} | {(trouble.__doc__ or '').rstrip('.').lower()} | {said} |")
                print(lines[-1], flush=True)
                if given.record:
                    record("hostile-folders.md", [*lines, "", f"Two workers, {date.today()}."])


if __name__ == "__main__":
    main()
