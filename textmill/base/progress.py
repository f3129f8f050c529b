"""Progress display: a bar with rate and time left on a terminal, plain lines elsewhere.

Progress is counted from published files: it needs nothing from the engine and cannot be ahead of the truth. A detail, such as
how many rows there are so far, shows that a long part is being worked on.
"""

import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINE_SECONDS = 10.0     # between plain lines


@contextmanager
def watched(label: str, total: int, done: Callable[[], int], unit: str = "parts", every: float = 0.5,
            detail: Callable[[], str] = str) -> Iterator[None]:
    """Show `done()` out of `total`, and `detail()`, every `every` seconds while the block runs.

    Where counting fails with an OSError, the last count is shown: a store that is gone fails the work itself.
    """
    console, seen = Console(stderr=True), (0, "")

    def look() -> tuple[int, str]:
        nonlocal seen
        with suppress(OSError):
            seen = done(), detail()
        return seen

    finished = threading.Event()
    show = _bar if console.is_terminal else _lines
    thread = threading.Thread(target=show, args=(console, label, total, look, unit, every, finished), daemon=True)
    thread.start()
    try:
        yield
    finally:
        finished.set()
        thread.join()


def _bar(console: Console, label: str, total: int, look: Callable[[], tuple[int, str]], unit: str, every: float,
         finished: threading.Event) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(bar_width=None), MofNCompleteColumn(), TextColumn(unit),
               TextColumn("{task.fields[detail]}"), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(label, total=total, detail="")
        while not finished.wait(every):
            count, detail = look()
            progress.update(task, completed=count, detail=detail)


def _lines(console: Console, label: str, total: int, look: Callable[[], tuple[int, str]], unit: str, every: float,
           finished: threading.Event) -> None:
    start = time.monotonic()
    while not finished.wait(LINE_SECONDS):
        count, detail = look()
        rate = count / (time.monotonic() - start)
        left = f", {(total - count) / rate:.0f} s left" if count else ""
        told = f", {detail}" if detail else ""
        print(f"{label}: {count} of {total} {unit}{told}, {rate:.2f} a second{left}", file=sys.stderr, flush=True)
