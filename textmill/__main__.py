"""`python -m textmill` is the command `textmill`."""

import sys

from textmill.cli import main

if __name__ == "__main__":
    sys.exit(main())
