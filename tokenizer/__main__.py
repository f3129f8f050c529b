"""`python -m tokenizer train FILES …` in a clone is `textmill train-tokenizer FILES …`."""

import sys

from textmill.cli import main

if __name__ == "__main__":
    sys.exit(main(["train-tokenizer", *sys.argv[2:]] if sys.argv[1:2] == ["train"] else ["train-tokenizer", "--help"]))
