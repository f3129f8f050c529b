"""Indexes: made once for a state of the data, made anew for another, never half there; and they hold no text and no address."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import synthetic_data
from tests.browse.served import HOSTILE, browser, without
from tests.paths import ROOT
from textmill.pipelines.browse import words
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.browse.search import Query, search
from textmill.pipelines.browse.snapshot import Snapshot
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder


@pytest.fixture
def data(tmp_path):
    synthetic_data.write(Folder(str(tmp_path)), 300)
    return tmp_path


def listed(data):
    return sorted(path.name for path in (data / "browse").iterdir())


def test_made_once_and_anew_when_the_data_changes(data):
    browser(data)
    first, times = listed(data), {path: path.stat().st_mtime_ns for path in (data / "browse").iterdir()}
    assert sorted(name.rpartition(".")[2] for name in first) == ["facts", "words"]
    browser(data)
    assert {path: path.stat().st_mtime_ns for path in (data / "browse").iterdir()} == times
    browser(without(data, "duplicates"))
    assert len(listed(data)) == 2 and {name.endswith(".words") for name in set(first) & set(listed(data))} == {True}    # dedup changes no word


def test_what_a_killed_process_left_is_deleted_and_a_living_one_keeps_its_own(data):
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    (data / "browse").mkdir()
    for name in (f"x-1.words.{ended.pid}", f"x-1.facts.{ended.pid}.wal", "old-1.facts", f"x-1.words.{os.getpid()}"):
        (data / "browse" / name).write_bytes(b"half")
    browser(data)
    assert [name for name in listed(data) if name.startswith(("x-", "old-"))] == [f"x-1.words.{os.getpid()}"]


def test_ended_in_the_middle_there_is_no_index_and_words_say_so(data):
    indexes = Indexes(Snapshot.of(Folder(str(data))))
    indexes.end()
    indexes.make_words()
    assert indexes.words is None and len(listed(data)) == 1 and search(indexes, Query("ba")).no_words
    assert search(indexes, Query(equal={"language": "en"})).total > 50


def test_a_fault_is_told_and_the_filters_answer(data, monkeypatch):
    """A disk that is full while words are indexed."""
    import errno

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(words, "_texts", full)
    indexes = Indexes(Snapshot.of(Folder(str(data))))
    indexes.make_words()
    assert "No space left" in indexes.fault and indexes.words is None and search(indexes, Query()).total == 300


def test_no_text_title_or_address_is_in_a_file(data):
    served = browser(data)
    (row,) = served.indexes.snapshot.rows("documents", [search(served.indexes, Query()).found[7].row], ["text", "title", "url"])
    for path in (path for path in (data / "browse").rglob("*") if path.is_file()):
        content = path.read_bytes()
        assert not any(said.encode() in content for said in (row["url"], row["title"], " ".join(row["text"].split()[:4]))), path


def test_nothing_there_is_a_sentence(tmp_path):
    with pytest.raises(StageError, match="run `textmill extract`"):
        Snapshot.of(Folder(str(tmp_path)))
    with pytest.raises(StageError, match="folders of this machine"):
        Indexes(Snapshot(Folder("s3://bucket/data"), {}, {}, "0"))


def command(*options, **more):
    return subprocess.run([sys.executable, "-m", "textmill", "browse", *options], capture_output=True, text=True, cwd=ROOT, timeout=120, **more)


def test_the_word_tells_what_is_wrong_in_a_sentence(data):
    assert command("--data", str(data / "nothing")).stderr.startswith("browse: there is nothing in ")
    refused = command("--data", str(data), "--host", "0.0.0.0")
    assert refused.returncode == 1 and "0.0.0.0 is more than this machine" in refused.stderr and "ssh -L" in refused.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        refused = command("--data", str(data), "--port", port)
    assert refused.returncode == 1 and f"127.0.0.1:{port} cannot be served" in refused.stderr and "Traceback" not in refused.stderr


def test_without_the_extra_it_says_what_to_install(data, tmp_path):
    """Starlette is not installed: its place is taken by nothing."""
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    (hidden / "sitecustomize.py").write_text("import sys\nsys.modules['starlette'] = None\n")
    refused = command("--data", str(data), env=os.environ | {"PYTHONPATH": f"{hidden}{os.pathsep}{ROOT}"})
    assert refused.returncode == 1 and refused.stderr.strip().endswith("pip install 'textmill[browse]'"), refused.stderr


def test_hostile_names_in_the_data_are_only_values(tmp_path):
    from tests.browse.served import hostile_data
    served = browser(hostile_data(tmp_path))
    for name in HOSTILE:
        assert search(served.indexes, Query(equal={"source": name})).total == 4
    assert Path(tmp_path / "browse").is_dir() and search(served.indexes, Query()).total == 4 * len(HOSTILE)
