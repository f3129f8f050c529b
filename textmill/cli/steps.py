"""Words as steps of another word, each in a process of its own: its memory is free again, and a dead worker ends it alone."""

import signal
import subprocess
import sys
from collections.abc import Iterable

import click

from textmill.cli.errors import AGAIN

GRACE = 1.5     # seconds: a terminal sends Ctrl-C to every process, and one that got it ends by then


def run_steps(steps: Iterable[list[str]]) -> None:
    """Run `textmill …` for each step. Exits with the status of the first that fails, which has said why."""
    for step in steps:
        if status := run_step(step):
            raise click.exceptions.Exit(status)


def run_step(step: list[str]) -> int:
    """The exit status of `textmill step…`. Ctrl-C and a request to end are passed on to it."""
    # -P: nothing is imported from the user's working folder.
    child = subprocess.Popen([sys.executable, "-P", "-m", "textmill", *step])
    previous = signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    stopped = False
    try:
        child.wait()
    except KeyboardInterrupt:
        stopped = True
        try:
            child.wait(GRACE)
        except subprocess.TimeoutExpired:       # the signal was for this process alone
            child.send_signal(signal.SIGINT)
            child.wait()
    finally:
        signal.signal(signal.SIGTERM, previous)
    # It ended well, before it could say a sentence, or by what an import makes of an interruption.
    if stopped and child.returncode in (0, 1, -signal.SIGINT):
        raise KeyboardInterrupt
    if child.returncode >= 0:
        return child.returncode
    if not stopped:
        cause = " (out of memory?)" if child.returncode == -signal.SIGKILL else ""
        print(f"{step[0]}: was ended by signal {-child.returncode}{cause}; {AGAIN}", file=sys.stderr, flush=True)
    return 128 - child.returncode
