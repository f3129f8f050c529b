"""`python -m pipelines.ledger why|trace|where …` in a clone is `textmill why|trace|where …`."""

import sys

from textmill.cli import main

if __name__ == "__main__":
    sys.exit(main())
