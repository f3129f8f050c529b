"""`python -m model train|sample|export …` in a clone is `textmill train|sample|export …`."""

import sys

from textmill.cli import main

if __name__ == "__main__":
    sys.exit(main())
