"""Two runs on one folder, of one stage or of two: both end well, with the bytes of one."""

import contextlib
import fcntl
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.contract.test_stage import LINES, files
from tests.small_stages import NUMBERS, SQUARES, run_context
from textmill.pipelines.contract.lock import locked
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.storage import Folder

pytestmark = pytest.mark.slow

RUN = """
import sys
from tests.small_stages import NUMBERS, SQUARES, run_context
from textmill.pipelines.contract.run import bring_up_to_date
name, data, hold, factor = sys.argv[1:]
lines = LINES if name == "squares" else LINES | {"e": "6"}
here = run_context(data, workers=1, lines=lines, hold=hold, factor=int(factor))
print(bring_up_to_date({"squares": SQUARES, "numbers": NUMBERS}[name], here))
""".replace("LINES", repr(LINES))


@contextlib.contextmanager
def running(name: str, data: Path | str, hold: Path | str = "", factor: int = 1) -> Iterator[subprocess.Popen]:
    """A run of a stage in a process of its own; with `hold` it waits there in its first task."""
    started = subprocess.Popen([sys.executable, "-c", RUN, name, str(data), str(hold), str(factor)], cwd=servers.ROOT, text=True,
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    try:
        yield started
    finally:
        started.kill()
        started.wait()


def until(true, what: str, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.02)


def end(started: subprocess.Popen) -> tuple[str, str]:
    said, told = started.communicate(timeout=60)
    assert started.returncode == 0, told
    return said, told


@pytest.fixture
def folder(tmp_path):
    """A data folder with `numbers`, and what `squares` of it is."""
    bring_up_to_date(NUMBERS, run_context(tmp_path / "data", lines=LINES))
    bring_up_to_date(NUMBERS, run_context(tmp_path / "once", lines=LINES))
    bring_up_to_date(SQUARES, run_context(tmp_path / "once", lines=LINES))
    hold = tmp_path / "hold"
    hold.mkdir()
    return tmp_path / "data", hold, files(tmp_path / "once")


@pytest.mark.parametrize("factor", [1, 2])
def test_a_second_run_of_a_stage_waits_for_the_first(folder, factor):
    """With the same settings it finds all done; with others it does its own work. Either way the last one's bytes lie there."""
    data, hold, once = folder
    with running("squares", data, hold, factor=3 - factor) as first:
        until(lambda: list(hold.iterdir()), "the first run never came to its task")
        with running("squares", data, factor=factor) as second:
            told = second.stderr.readline()
            assert re.fullmatch(rf"squares: waiting for another run, which works in {data}/squares \(process {first.pid}, "
                                r"since \d\d:\d\d\)\n", told), told
            (hold / "go").touch()
            assert "(4 built, 0 reused)" in end(first)[0]
            assert "(4 built, 0 reused)" in end(second)[0]
    if factor == 1:
        assert files(data) == once


def test_of_two_equal_runs_the_second_does_nothing_again(folder):
    data, hold, once = folder
    with running("squares", data, hold) as first:
        until(lambda: list(hold.iterdir()), "the first run never came to its task")
        with running("squares", data) as second:
            assert "waiting" in second.stderr.readline()
            (hold / "go").touch()
            end(first)
            assert end(second)[0] == "squares: up to date, 5 kept in 4 parts\n"
    assert files(data) == once


def test_a_dataset_is_not_replaced_while_a_stage_reads_it(folder):
    data, hold, once = folder
    with running("squares", data, hold) as reader:
        until(lambda: list(hold.iterdir()), "the reader never came to its task")
        with running("numbers", data) as writer:
            assert writer.stderr.readline().startswith(f"numbers: waiting for another run, which works in {data}/numbers (process ")
            (hold / "go").touch()
            end(reader)
            assert {path: content for path, content in files(data).items() if path.startswith("squares")} == {
                path: content for path, content in once.items() if path.startswith("squares")}
            assert "5 parts (1 built, 4 reused)" in end(writer)[0]


def test_a_lock_ends_with_its_process(folder):
    data, hold, once = folder
    with running("squares", data, hold) as first:
        until(lambda: list(hold.iterdir()), "the first run never came to its task")
        first.kill()
        first.wait()
        with running("squares", data) as second:
            said, told = end(second)
    assert "waiting" not in told and "5 kept" in said and files(data) == once


def test_in_an_object_store_both_end_well(tmp_path, monkeypatch):
    """There are no locks: the slower one finds that what it works on was finished and cleaned away by the other."""
    with servers.s3(tmp_path) as environment:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        here = run_context("s3://mill/data", lines=LINES)
        bring_up_to_date(NUMBERS, here)
        hold = tmp_path / "hold"
        hold.mkdir()
        with running("squares", "s3://mill/data", hold) as first, running("squares", "s3://mill/data", hold) as second:
            until(lambda: len(list(hold.iterdir())) == 2, "two runs never came to their tasks")
            (hold / "go").touch()
            both = [end(first)[0], end(second)[0]]
        assert all("5 kept" in said for said in both), both
        assert bring_up_to_date(SQUARES, here) == "squares: up to date, 5 kept in 4 parts"


def test_a_run_whose_work_was_taken_away_finds_the_dataset_of_the_one_that_took_it(tmp_path):
    """As where there are no locks: another run ends and cleans up while this one prepares, and its files are gone."""
    class Overtaken(type(SQUARES)):
        def prepare(self, context):
            bring_up_to_date(SQUARES, run_context(tmp_path, lines=LINES))       # the other run
            raise FileNotFoundError("a work file")

    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    bring_up_to_date(SQUARES, here)
    digest = SQUARES.input_digest(here)
    from textmill.pipelines.contract.run import build
    assert build(Overtaken(), here, digest) == "squares: up to date, 5 kept in 4 parts"
    with pytest.raises(FileNotFoundError):
        build(Overtaken(), here, "another digest")


def test_a_filesystem_without_locks_is_worked_in_without(tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with locked(Folder(str(tmp_path / "new")), "squares") as waited:
        assert waited is False and os.path.isdir(tmp_path / "new")
