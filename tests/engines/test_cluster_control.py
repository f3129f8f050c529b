"""What starts and stops a cluster: it ends what it started and nothing else, and says what is missing."""

import os
import signal
import subprocess
import sys

from cluster.processes import Processes
from tests.command_line import ROOT

SLEEP = [sys.executable, "-c", "import os, time; print(os.getpid(), flush=True); time.sleep(600)"]
PARENT = [sys.executable, "-c", f"import subprocess, time; subprocess.Popen({SLEEP!r}); time.sleep(600)"]


def lives(pid: str) -> bool:
    """Whether a process is there and does not wait to be reaped."""
    state = subprocess.run(["ps", "-o", "stat=", "-p", pid], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


def test_ends_what_it_started_with_its_children_and_nothing_else(tmp_path):
    other = subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL)
    try:
        processes = Processes(tmp_path)
        processes.start("parent", PARENT, dict(os.environ))
        processes.start("single", SLEEP, dict(os.environ))
        assert set(processes.running()) == {"parent", "single"}
        while not (child := (tmp_path / "parent.log").read_text().strip()):
            assert "parent" in processes.running()              # until its child is there
        processes.end("single", signal.SIGKILL)
        assert set(Processes(tmp_path).running()) == {"parent"}
        assert Processes(tmp_path).end_all() == 1
        assert lives(child) is False
        assert Processes(tmp_path).end_all() == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_an_id_that_now_belongs_to_another_process_is_left_alone(tmp_path):
    other = subprocess.Popen(SLEEP, stdout=subprocess.DEVNULL)
    try:
        (tmp_path / "pids.json").write_text(f'{{"jobmanager": [{other.pid}, "Mon Jan 1 00:00:00 2024"]}}')
        assert Processes(tmp_path).running() == {}
        assert Processes(tmp_path).end_all() == 0
        assert other.poll() is None
    finally:
        other.kill()
        other.wait()


def test_without_java_it_says_so(tmp_path):
    ran = subprocess.run([sys.executable, "-m", "cluster", "start", "--hosts", "0", "--folder", str(tmp_path)], cwd=ROOT,
                         env=os.environ | {"PATH": str(tmp_path)}, capture_output=True, text=True)
    assert (ran.returncode, ran.stdout) == (1, "")
    assert ran.stderr.startswith("cluster: there is no JDK (javac); install one of version 11 or 17")
