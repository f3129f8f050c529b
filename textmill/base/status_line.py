"""Status line: one line kept up to date on a terminal, a plain line now and then elsewhere."""

import sys
import time
from typing import TextIO

TERMINAL_SECONDS, PLAIN_SECONDS = 0.2, 10.0     # between two updates


class StatusLine:
    """Writes to `stream` (default: what stderr is now); asks for a new text only when it is time for one."""

    def __init__(self, stream: TextIO | None = None):
        self.stream = sys.stderr if stream is None else stream
        self.terminal = self.stream.isatty()
        self._next = 0.0

    def due(self) -> bool:
        """Whether it is time to show a new state."""
        return time.monotonic() >= self._next

    def show(self, text: str) -> None:
        """The current state, replaced by the next one on a terminal."""
        self._next = time.monotonic() + (TERMINAL_SECONDS if self.terminal else PLAIN_SECONDS)
        print(f"\r\x1b[K{text}" if self.terminal else text, end="" if self.terminal else "\n", file=self.stream, flush=True)

    def print(self, text: str) -> None:
        """A permanent line."""
        print(f"\r\x1b[K{text}" if self.terminal else text, file=self.stream, flush=True)
