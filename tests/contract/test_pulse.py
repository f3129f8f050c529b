"""Rows of a task in progress: told on local folders, and gone when the stage is done."""

from textmill.pipelines.contract.pulse import FOLDER, Pulse, rows_so_far
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task


def test_rows_are_told_once_a_second_and_at_the_end(tmp_path, monkeypatch):
    dataset, now = Folder(str(tmp_path)), [0.0]
    monkeypatch.setattr("textmill.pipelines.contract.pulse.time.monotonic", lambda: now[0])
    one, other = Pulse(dataset, Task("a", "f")), Pulse(dataset, Task("b", "f"))
    one.add(10)
    assert rows_so_far(dataset) == 0
    now[0] = 1.5
    one.add(5)
    other.add(7)
    assert rows_so_far(dataset) == 22
    one.add(100)
    assert rows_so_far(dataset) == 22
    one.tell()
    assert rows_so_far(dataset) == 122
    (tmp_path / FOLDER / "a").write_text("half a num")
    assert rows_so_far(dataset) == 7
