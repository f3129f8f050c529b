"""The root of every error that a user can put right.

Guarantee: such an error's text is sentences, one a line, each with its cure. The command line prints them and exits 1; a
traceback means a bug.
"""


class TextmillError(Exception):
    """A problem and its cure, one sentence a line."""

    ends_process = False        # True: threads of a library would keep the process alive, so whoever prints it ends it at once
