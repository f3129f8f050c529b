"""Line output to a pager, through `head`, or into a file."""

import io
import os
import sys
from collections.abc import Iterable


def show(lines: Iterable[str]) -> None:
    """Print each line; a character that the output has no bytes for is shown as its escape.

    A reader that has seen enough (`| head`) may leave: what it does not read is no error.
    """
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        for line in lines:
            print(line, flush=True)     # a line may be hours before the next
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())      # Python flushes what is left at its end
