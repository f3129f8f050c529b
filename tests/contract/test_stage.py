"""The stage contract, on two small stages: what is done stays done, what changed is redone, nothing disappears."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.paths import ROOT
from tests.small_stages import NUMBERS, SQUARES, run_context
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import PartWriter, aligned, read_batches
from textmill.pipelines.contract.parts import Part, read_counts
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task
from textmill.pipelines.engines.engine import BeamEngine

LINES = {"a": "1 2 x", "b": "3", "c": "", "d": "4 y 5"}


def files(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in sorted(folder.rglob("*"))
            if p.is_file() and p.name not in ("run.json", "_run.json")}


def rows(folder: Path, dataset: str) -> list[dict]:
    manifest = json.loads((Folder(str(folder)) / dataset).read("_manifest.json"))
    return [row for part in manifest["parts"] for row in pq.read_table(folder / dataset / part["path"]).to_pylist()]


def test_runs_both_ways_out_and_balances(tmp_path):
    said = bring_up_to_date(NUMBERS, run_context(tmp_path, lines=LINES))
    assert said.startswith("numbers: 7 words, 5 kept, 2 rejected (digits 2); 4 parts (4 built, 0 reused), ")
    assert rows(tmp_path, "numbers") == [{"number": n} for n in (1, 2, 3, 4, 5)]
    assert read_counts(Folder(str(tmp_path)) / "numbers") == {"read": 7, "kept": 5, "rejected": {"digits": 2}}
    rejected = json.loads((tmp_path / "ledger/numbers/manifest.json").read_text())["rejected"]
    numbers = Folder(str(tmp_path)) / "numbers"
    assert [pq.read_table(numbers.path(p["path"])).to_pylist() for p in rejected] == [
        [{"rule": "digits", "value": "x"}], [], [], [{"rule": "digits", "value": "y"}]]


def test_redoes_only_what_changed_and_removes_what_is_no_longer_listed(tmp_path):
    bring_up_to_date(NUMBERS, run_context(tmp_path, lines=LINES))
    before = files(tmp_path)
    assert bring_up_to_date(NUMBERS, run_context(tmp_path, lines=LINES)) == "numbers: up to date, 5 kept in 4 parts"
    assert files(tmp_path) == before
    said = bring_up_to_date(NUMBERS, run_context(tmp_path, lines=LINES | {"b": "30", "e": "6"}))
    assert "; 5 parts (2 built, 3 reused)" in said
    after = files(tmp_path)
    same = [path for path in before if "/a." in path or "/c." in path or "/d." in path]
    assert len(same) == 9 and all(after[path] == before[path] for path in same)
    assert len([path for path in after if "/b." in path]) == 3      # part, rejects, receipt: the old ones are gone
    assert bring_up_to_date(NUMBERS, run_context(tmp_path, lines=LINES))
    assert files(tmp_path) == before


def test_one_and_two_workers_give_the_same_bytes(tmp_path):
    for workers in (1, 2):
        here = run_context(tmp_path / str(workers), workers=workers, lines=LINES)
        bring_up_to_date(NUMBERS, here)
        bring_up_to_date(SQUARES, here)
    assert files(tmp_path / "1") == files(tmp_path / "2")
    assert rows(tmp_path / "2", "squares") == [{"square": n} for n in (1, 4, 9, 16, 25)]


def test_refuses_missing_and_stale_input(tmp_path):
    with pytest.raises(StageError, match=r"nothing in .*/numbers yet; run `textmill numbers`"):
        bring_up_to_date(SQUARES, run_context(tmp_path, lines=LINES))
    bring_up_to_date(NUMBERS, run_context(tmp_path, lines=LINES))
    with pytest.raises(StageError, match="numbers is stale"):
        bring_up_to_date(SQUARES, run_context(tmp_path, lines=LINES | {"b": "4"}))


def test_a_changed_setting_redoes_the_stage_that_reads_it_only(tmp_path):
    for factor in (1, 2):
        here = run_context(tmp_path, lines=LINES, factor=factor)
        numbers, squares = bring_up_to_date(NUMBERS, here), bring_up_to_date(SQUARES, here)
    assert "up to date" in numbers and "(4 built, 0 reused)" in squares
    assert rows(tmp_path, "squares") == [{"square": 2 * n} for n in (1, 4, 9, 16, 25)]
    assert bring_up_to_date(SQUARES, run_context(tmp_path, lines=LINES, factor=3), if_missing=True) == (
        "squares: squares is there; its input has changed since it was made")


def test_a_stage_that_loses_a_row_fails_the_run(tmp_path):
    with pytest.raises(StageError, match="b does not balance: read 2 but accounted for 1"):
        bring_up_to_date(NUMBERS, run_context(tmp_path, lines={"a": "1", "b": "1 lost"}))
    assert not (tmp_path / "ledger/numbers/manifest.json").exists()


@pytest.mark.parametrize("workers", [1, 2])
def test_an_error_in_a_worker_arrives_as_its_sentence(tmp_path, workers):
    here = run_context(tmp_path, workers=workers, lines=LINES, full_disk_at="c")
    bring_up_to_date(NUMBERS, here)
    with pytest.raises(StageError, match=r"^no space left on the disk of here; free some$"):
        bring_up_to_date(SQUARES, here)
    said = bring_up_to_date(SQUARES, run_context(tmp_path, lines=LINES))
    assert "squares: 5 documents, 5 kept" in said


def test_a_dead_worker_ends_the_run_and_the_next_one_finishes_it(tmp_path):
    bring_up_to_date(NUMBERS, run_context(tmp_path, lines=LINES))
    script = ("import os, sys; from textmill.pipelines.engines.engine import WorkerDiedError; from textmill.pipelines.contract.run import bring_up_to_date;"
              "from tests.small_stages import SQUARES, run_context\n"
              f"if __name__ == '__main__':\n    try: bring_up_to_date(SQUARES, run_context({str(tmp_path)!r}, workers=2, lines={LINES!r}, die_at='c'))\n"
              "    except WorkerDiedError as error: print(error, flush=True); os._exit(7)\n")
    (tmp_path / "die.py").write_text(script)
    ran = subprocess.run([sys.executable, str(tmp_path / "die.py")], capture_output=True, text=True, timeout=60,
                         env=os.environ | {"PYTHONPATH": str(ROOT)})
    assert ran.returncode == 7 and ran.stdout.startswith("a worker process died"), ran.stderr
    bring_up_to_date(SQUARES, run_context(tmp_path, lines=LINES))
    other = run_context(tmp_path / "other", lines=LINES)
    bring_up_to_date(NUMBERS, other)
    bring_up_to_date(SQUARES, other)
    assert files(tmp_path / "squares") == files(tmp_path / "other/squares")


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    before = files(tmp_path)
    (tmp_path / "numbers/_tmp").mkdir()
    (tmp_path / "numbers/_tmp/xyz").write_bytes(b"half")
    (tmp_path / "numbers/a.0000000000000000.parquet").write_bytes(b"older")
    bring_up_to_date(NUMBERS, here)
    assert files(tmp_path) == before


def test_a_missing_part_is_made_again(tmp_path):
    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    before = files(tmp_path)
    next((tmp_path / "numbers").glob("b.*.parquet")).unlink()
    assert "(1 built, 3 reused)" in bring_up_to_date(NUMBERS, here)
    assert files(tmp_path) == before


def test_a_flipped_bit_in_a_part_is_found_on_reading(tmp_path):
    folder = Folder(str(tmp_path))
    with PartWriter(folder, "k", "k.parquet", pa.schema([("n", pa.int64())])) as writer:
        writer.write(pa.record_batch({"n": list(range(10_000))}))
    part = writer.part
    assert part.rows == 10_000 and [b.num_rows for b in read_batches(folder, part)] == [10_000]
    damaged = bytearray((tmp_path / "k.parquet").read_bytes())
    damaged[len(damaged) // 3] ^= 16
    (tmp_path / "k.parquet").write_bytes(damaged)
    with pytest.raises(StageError, match=r"k\.parquet is damaged"):
        list(read_batches(folder, part))
    with pytest.raises(StageError, match="missing"):
        list(read_batches(folder, Part("x", "x.parquet", 1, 1, "")))


def test_a_newer_schema_is_refused(tmp_path):
    here = run_context(tmp_path, lines=LINES)
    bring_up_to_date(NUMBERS, here)
    manifest = tmp_path / "ledger/numbers/manifest.json"
    manifest.write_text(manifest.read_text().replace('"schema": 2', '"schema": 3'))
    with pytest.raises(StageError, match="written by a newer textmill"):
        bring_up_to_date(NUMBERS, here)


def test_a_writer_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(ZeroDivisionError), PartWriter(Folder(str(tmp_path)), "k", "k.parquet", pa.schema([("n", pa.int64())])):
        1 / 0  # noqa: B018
    assert files(tmp_path) == {}


def test_aligned_streams_are_cut_at_the_first_ones_batches():
    def stream(name, *lengths):
        start = 0
        for length in lengths:
            yield pa.record_batch({name: list(range(start, start + length))})
            start += length

    got = [tuple(b.to_pydict().popitem()[1] for b in row)
           for row in aligned([stream("a", 2, 3, 1), stream("b", 1, 4, 1), stream("c", 6)])]
    assert got == [([0, 1],) * 3, ([2, 3, 4],) * 3, ([5],) * 3]


@pytest.mark.parametrize(("engine", "problem"), [
    (BeamEngine("DaskRunner"), "DaskRunner loses rows"), (BeamEngine("DirectRunner"), "use --runner local"),
    (BeamEngine(workers=0), "at least 1"), (BeamEngine("PortableRunner"), "needs --job-endpoint"),
    (BeamEngine("PortableRunner", job_endpoint="localhost:1"), "nothing answers at localhost:1"),
    (BeamEngine("flink", job_endpoint="localhost:1"), "start Beam's job server for Flink (`make cluster` does on this machine)"),
    (BeamEngine("prism", job_endpoint="localhost:1"), "start Prism (`make prism` builds .venv/bin/prism)"),
    (BeamEngine(job_endpoint="localhost:1"), "are for another engine than local"), (BeamEngine("Flunk"), "there is no Beam runner Flunk")])
def test_an_engine_that_cannot_work_is_refused(engine, problem):
    assert any(problem in said for said in engine.problems())


def test_workers_of_a_host_take_each_task_once_and_none_waits(tmp_path):
    tasks = tuple(Task(f"{n}", "") for n in range(5))
    from textmill.pipelines.engines.tasks import Queue  # Beam comes with it

    one, two = Queue(tasks, str(tmp_path)).take(), Queue(tasks, str(tmp_path)).take()
    assert [next(one).key, next(two).key, next(two).key, next(one).key, next(two).key] == ["0", "1", "2", "3", "4"]
    assert list(one) == list(two) == []


def test_temporary_files_of_dead_processes_are_removed_and_those_of_living_ones_stay(tmp_path):
    """A tool that writes one file beside the datasets: nobody else cleans there."""
    dead = subprocess.Popen([sys.executable, "-c", "import sys; from textmill.pipelines.contract.storage import Folder\n"
                             f"with Folder({str(tmp_path)!r}).new_file('x') as file: print(file.name, flush=True); sys.stdin.read()"],
                            stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | {"PYTHONPATH": str(ROOT)})
    dead.stdout.readline()
    (left,) = (tmp_path / "_tmp").iterdir()
    folder = Folder(str(tmp_path))
    folder.delete_leftovers()
    assert left.exists(), "its process lives"
    dead.kill()
    dead.wait()
    with folder.new_file("y"):
        folder.delete_leftovers()
        assert not left.exists() and len(list((tmp_path / "_tmp").iterdir())) == 1
    folder.delete_leftovers()
    assert files(tmp_path) == {"y": b""} and not (tmp_path / "_tmp").exists()
