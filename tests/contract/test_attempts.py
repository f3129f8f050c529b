"""A task attempted twice, at once or one after another, ends as one part with one receipt; who is late changes nothing."""

import contextlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.contract.test_stage import files
from tests.small_stages import NUMBERS, SQUARES, run_context
from textmill.pipelines.contract import filesystems
from textmill.pipelines.contract.attempt import attempt
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.engines import preflight as probe

pytestmark = pytest.mark.slow

LINES = {"a": "1 2 x", "b": "3"}
ATTEMPT = """
import sys
from textmill.pipelines.contract.attempt import attempt
from tests.small_stages import SQUARES, run_context
here = run_context(sys.argv[1], lines={"a": "1 2 x", "b": "3"}, factor=int(sys.argv[3]), hold=sys.argv[2])
task = SQUARES.tasks(here, None)[0]
attempt(SQUARES, None, SQUARES.settings(here.config), here.data, here.data / "squares", task)
"""


@contextlib.contextmanager
def attempts(count: int, data: Path | str, hold: Path, factor: int = 1) -> Iterator[list[subprocess.Popen]]:
    """Processes that do the first task of `squares` and have come to their last rows, where they wait for `hold/go`."""
    hold.mkdir()
    command = [sys.executable, "-c", ATTEMPT, str(data), str(hold), str(factor)]
    started = [subprocess.Popen(command, cwd=servers.ROOT, stderr=subprocess.PIPE) for _ in range(count)]
    try:
        while len(list(hold.iterdir())) < count:
            assert all(process.poll() is None for process in started), [process.communicate() for process in started]
            time.sleep(0.02)
        yield started
    finally:
        for process in started:
            process.kill()
            process.wait()


def go(hold: Path, started: list[subprocess.Popen]) -> None:
    (hold / "go").touch()
    for process in started:
        _, said = process.communicate(timeout=60)
        assert process.returncode == 0, said


def listing(data: Path) -> dict[str, tuple[int, int, int]]:
    """Every file of the dataset with its identity, time and size: a file that is written again has another."""
    found = {str(p.relative_to(data)): p.stat() for p in sorted((data / "squares").rglob("*")) if p.is_file() and "_work" not in p.parts}
    return {name: (stat.st_ino, stat.st_mtime_ns, stat.st_size) for name, stat in found.items()}


def test_two_attempts_at_once_end_as_one_part_with_one_receipt(tmp_path):
    for name in ("once", "twice"):
        bring_up_to_date(NUMBERS, run_context(tmp_path / name, lines=LINES))
    bring_up_to_date(SQUARES, run_context(tmp_path / "once", lines=LINES))
    with attempts(2, tmp_path / "twice", tmp_path / "hold") as started:
        go(tmp_path / "hold", started)
    said = bring_up_to_date(SQUARES, run_context(tmp_path / "twice", lines=LINES))
    assert "3 kept" in said and "2 parts (1 built, 1 reused)" in said
    assert files(tmp_path / "twice") == files(tmp_path / "once")


def test_an_attempt_that_ends_after_the_manifest_was_written_changes_nothing(tmp_path):
    here = run_context(tmp_path / "data", lines=LINES)
    bring_up_to_date(NUMBERS, here)
    with attempts(1, tmp_path / "data", tmp_path / "hold") as started:
        assert "2 parts (2 built, 0 reused)" in bring_up_to_date(SQUARES, here)
        before = listing(tmp_path / "data")
        go(tmp_path / "hold", started)
    assert listing(tmp_path / "data") == before


def test_what_a_late_attempt_of_an_older_setting_leaves_is_not_listed_and_removed_by_the_next_run(tmp_path, monkeypatch):
    """In an object store: on a disk the run after it takes its temporary file away, and it can publish nothing."""
    with servers.s3(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        here = run_context("s3://mill/data", lines=LINES, factor=2)
        bring_up_to_date(NUMBERS, here)
        dataset = here.data / "squares"
        with attempts(1, "s3://mill/data", tmp_path / "hold", factor=1) as started:
            bring_up_to_date(SQUARES, here)
            before, manifest = {e.path for e in dataset.entries()}, dataset.read("_manifest.json")
            go(tmp_path / "hold", started)
        assert len({e.path for e in dataset.entries()} - before) == 2           # its part and its receipt
        assert dataset.read("_manifest.json") == manifest
        assert bring_up_to_date(SQUARES, here) == "squares: up to date, 3 kept in 2 parts"
        assert {e.path for e in dataset.entries()} == before
        throttle_the(environment["AWS_ENDPOINT_URL"].removeprefix("http://"), monkeypatch)


def throttle_the(store: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that throttles for a while is waited for; one that goes on is named, with what to do."""
    with servers.Throttle("127.0.0.1", 0, to=store) as throttle:
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{throttle.port}")
        here = run_context("s3://mill/data", lines=LINES, factor=3)
        throttle.left = 3
        assert "2 parts (2 built, 0 reused)" in bring_up_to_date(SQUARES, here)
        assert throttle.left == 0
        (here.data / "_probe").write("asked", b"name")
        with here.data.open("_probe/asked") as small:           # shorter than the answer that the store is busy
            throttle.left = 2
            assert (small.read_at(2, 1), small.read()) == (b"am", b"e")     # from where the last one ended
        throttle.left = 3                                       # the probe does not take it for a place it cannot see
        assert probe.answer(1, here.data / "_probe", "name", {}) == (1, 1)
        throttle.left = 10_000
        monkeypatch.setattr(filesystems, "S3_ATTEMPTS", 2)          # the pauses double: eight take half a minute
        with pytest.raises(OSError, match="AWS Error") as raised:
            bring_up_to_date(SQUARES, run_context("s3://mill/data", lines=LINES, factor=3))
        said = str(here.engine.sentence(raised.value))
        assert said.startswith("the store of the data folder failed (AWS Error ") and "503" in said
        assert said.endswith("when it answers again, run the same command again: finished parts are kept")


def test_a_done_task_is_not_done_again_and_one_with_a_missing_file_is(tmp_path):
    here = run_context(tmp_path, lines=LINES)
    for stage in (NUMBERS, SQUARES):
        bring_up_to_date(stage, here)
    before, task = listing(tmp_path), SQUARES.tasks(here, None)[0]
    again = (SQUARES, None, SQUARES.settings(here.config), here.data, here.data / "squares", task)
    attempt(*again)
    assert listing(tmp_path) == before
    (part,) = (tmp_path / "squares").glob("a.*.parquet")
    content = part.read_bytes()
    part.unlink()
    attempt(*again)
    assert part.read_bytes() == content
    assert listing(tmp_path).keys() == before.keys()
