"""A scaling law of the books, by `textmill ladder`: four sizes are fitted, the fifth is predicted, and then trained.

    python -m benchmarks.ladder --data DATA

writes benchmarks/results/ladder.md and ladder.svg. DATA is a data folder with books as source `books`, brought up to date
through curate; a tokenizer of 2,048 ids is trained, so that the vocabulary does not outweigh small models. Runs and figures are
kept in DATA/ladder, so a benchmark that was stopped goes on; processor seconds are those of this call.
"""

import argparse
import os
import resource
import shutil
import subprocess
import sys
from datetime import date
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
RECIPE = """# The books in blocks of 256 tokens: the recipe of benchmarks/ladder.py.
name: ladder-books
block: 256
tokens: 6_000_000
seed: 11
validation: 0.1
tokenizer: ladder-2k
entries:
  books: {where: {source: books}, share: 1}
"""
TRAINING = ("train.batch=4", "train.lr=0.01", "train.validation_blocks=256")
SIZES, TOKENS = "1x32,1x64,2x64,2x96,3x128", "200k,400k,800k,1600k"


def textmill(word: str, *arguments: str) -> str:
    """What a word says on standard output."""
    return subprocess.run([sys.executable, "-m", "textmill", word, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                          check=True, env=os.environ | {"OMP_NUM_THREADS": "1"}).stdout


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--beside", default="nothing", help="what else the machine did, for the record")
    given = parser.parse_args()
    recipe, data = given.data / "ladder-books.yaml", ("--data", str(given.data))
    recipe.write_text(RECIPE)
    textmill("pack", *data, "--mixture", str(recipe), "--set", "tokenizer.vocab_size=2048")
    kept = given.data / "ladder/ladder-books/results.jsonl"
    old = len(kept.read_text("utf-8").splitlines()) if kept.is_file() else 0
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = textmill("ladder", str(recipe), *data, "--sizes", SIZES, "--tokens", TOKENS, "--device", "cpu",
                    *(argument for change in TRAINING for argument in ("--set", change))).splitlines()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    shutil.copyfile(given.data / "ladder/ladder-books.svg", RESULTS / "ladder.svg")
    lines = [f"`python -m benchmarks.ladder`, {date.today()}, torch {torch.__version__}, one thread, beside: {given.beside}.",
             f"{seconds:,.0f} processor seconds, with {old} figures kept from before; vocabulary 2,048, blocks of 256 "
             "tokens, four an update, lr 0.01, Muon.", "",
             "```text", *said[:-1], "```"]
    (RESULTS / "ladder.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
