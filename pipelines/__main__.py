"""`python -m pipelines STAGE …` in a clone is `textmill STAGE --alone …`."""

import sys

from textmill.cli import main

if __name__ == "__main__":
    stage, options = sys.argv[1:2], sys.argv[2:]
    sys.exit(main([*stage, *(["--alone"] if stage and stage[0][:1] != "-" else []), *options]))
