"""`python -m pipelines.report …` in a clone is `textmill report …`."""

import sys

from textmill.cli import main

if __name__ == "__main__":
    sys.exit(main(["report", *sys.argv[1:]]))
