"""The command `textmill`, also as `python -m textmill`.

Before it can say a sentence and after its last one, Ctrl-C ends the process as the system does, without a traceback.
"""

import signal
import sys

signal.signal(signal.SIGINT, signal.SIG_DFL)


def main() -> int:
    """Run the command by the process's arguments; the exit status."""
    from textmill import cli

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return cli.main()
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL)


if __name__ == "__main__":
    sys.exit(main())
