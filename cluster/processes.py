"""Processes that outlive the command that started them, remembered in a file, so that only these are ever ended."""

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

ENDS_WITHIN = 8         # seconds from being asked to being made to


class Processes:
    """Those of one folder: `pids.json` says which, and `<name>.log` what each said."""

    def __init__(self, folder: Path):
        self.folder, self._file = folder, folder / "pids.json"

    def start(self, name: str, command: list[str], environment: dict[str, str]) -> None:
        """Start one in a group of its own, and write down its id and the moment it began."""
        with (self.folder / f"{name}.log").open("wb") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd=self.folder,
                                       env=environment, start_new_session=True)
        self._remember(self._all() | {name: [process.pid, _began(process.pid)]})

    def running(self) -> dict[str, int]:
        """Name → id of those that are still there. An id that the system has given to another process is not one of ours."""
        return {name: pid for name, (pid, began) in self._all().items() if began and _began(pid) == began}

    def end(self, name: str, sign: int = signal.SIGTERM) -> None:
        """End one with everything that it started."""
        if pid := self.running().get(name):
            _end([pid], sign)
        self._remember({other: known for other, known in self._all().items() if other != name})

    def end_all(self) -> int:
        """How many there were."""
        ours = list(self.running().values())
        _end(ours, signal.SIGTERM)
        self._file.unlink(missing_ok=True)
        return len(ours)

    def last_words(self, name: str) -> str:
        lines = (self.folder / f"{name}.log").read_text("utf-8", "replace").strip().splitlines()
        return "\n".join(lines[-5:])

    def _all(self) -> dict[str, list]:
        try:
            return dict(json.loads(self._file.read_text()))
        except (FileNotFoundError, ValueError):
            return {}

    def _remember(self, known: dict[str, list]) -> None:
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps(known))
        temporary.replace(self._file)


def _end(groups: list[int], sign: int) -> None:
    for group in groups:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, sign)
    deadline = time.monotonic() + ENDS_WITHIN
    while any(_began(group) for group in groups) and time.monotonic() < deadline:
        time.sleep(0.1)
    for group in groups:                        # and what a leader left behind
        with contextlib.suppress(ProcessLookupError):
            os.killpg(group, signal.SIGKILL)


def _began(pid: int) -> str:
    """When a process began, as `ps` tells it; nothing where there is none, or where it waits to be reaped."""
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    told = subprocess.run(["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True).stdout.strip()
    return "" if told.startswith("Z") else " ".join(told.split()[1:])
