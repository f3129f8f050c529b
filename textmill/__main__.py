"""The command `textmill`, also as `python -m textmill`.

Before it can say a sentence (`cli.errors.sentences`) and after its last one, Ctrl-C ends the process as the system does.
"""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> int:
    """Run the command by the process's arguments; the exit status."""
    from textmill import cli

    return cli.main()


if __name__ == "__main__":
    sys.exit(main())
