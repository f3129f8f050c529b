"""The root of every error that a user can put right.

Guarantee: such an error's text is sentences, one a line, each with its cure. The command line prints them and exits 1; a
traceback means a bug.
"""

import re

NO_MEMORY = re.compile(r"MemoryError|can't start new thread|std::bad_alloc|Cannot allocate memory|failed to map segment")


class TextmillError(Exception):
    """A problem and its cure, one sentence a line."""

    ends_process = False        # True: threads of a library would keep the process alive, so whoever prints it ends it at once


def first_line(error: BaseException) -> str:
    """The first line of what an error says, or its kind where it says nothing."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0]


def out_of_memory(error: BaseException) -> bool:
    """Whether an error, which may have crossed a process as text, says that the system refused memory or a thread."""
    return isinstance(error, MemoryError) or NO_MEMORY.search(str(error)) is not None
