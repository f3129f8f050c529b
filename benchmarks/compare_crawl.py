"""What curation is worth on a real crawl, by `textmill compare`: the same small model on the same number of tokens.

    python -m benchmarks.compare_crawl --data DATA

writes benchmarks/results/compare.md and compare-tables.txt. DATA is a data folder with the crawl as source `crawl`, brought up
to date through tokenize with the tokenizer real-16k (benchmarks/real_crawl.py makes one). Three comparisons, `--seeds` each:
curated against the same without dedup, against raw (screened only by what pages say of their own use, no dedup, personal data
as it is), and against itself with other seeds. Runs are kept in DATA/compare, so a benchmark that was stopped goes on.
"""

import argparse
import os
import resource
import subprocess
import sys
from datetime import date
from pathlib import Path

import torch

ROOT = Path(__file__).parents[1]
RESULTS = Path(__file__).parent / "results"
RAW = "screen,dedup,personal_data"
RECIPE = """# The crawl in blocks of 512 tokens: the recipe of benchmarks/compare_crawl.py.
name: compare-crawl
block: 512
tokens: 6_000_000
seed: 11
validation: 0.1
tokenizer: real-16k
entries:
  web: {where: {source: crawl}, share: 1}
"""
TRAINING = ("train.steps=300", "train.batch=2", "train.validation_every=300", "train.save_every=300",
            "train.validation_blocks=8")


def compared(data: Path, *arguments: str) -> tuple[list[str], float]:
    """What `textmill compare` says, and its processor seconds, those of its steps with them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    given = [argument for change in TRAINING for argument in ("--set", change)]
    ran = subprocess.run(
        [sys.executable, "-m", "textmill", "compare", *arguments, "--data", str(data), "--device", "cpu", *given], cwd=ROOT,
        stdout=subprocess.PIPE, text=True, check=True, env=os.environ | {"OMP_NUM_THREADS": "1"})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    lines = ran.stdout.splitlines()
    first = next(n for n, line in enumerate(lines) if line.startswith("each model reads"))
    return lines[first:], after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--beside", default="nothing", help="what else the machine did, for the record")
    given = parser.parse_args()
    recipe = given.data / "compare-crawl.yaml"
    recipe.write_text(RECIPE)
    ablations, seconds = compared(given.data, str(recipe), "--without", "dedup", "--without", RAW, "--seeds", str(given.seeds))
    null, more = compared(given.data, str(recipe), str(recipe))
    words = {"without-" + RAW.replace(",", "-"): "raw", "compare-crawl": "curated"}
    lines = [*ablations, "", *null[1:]]
    for name, word in words.items():
        lines = [line.replace(name, word) for line in lines]
    verdicts = [line for line in lines if line.startswith("no difference") or " is better than " in line]
    text = [f"`python -m benchmarks.compare_crawl`, {date.today()}, torch {torch.__version__}, one thread, beside: "
            f"{given.beside}. Shape `ci`, blocks of 512 tokens, vocabulary 8,192, 300 updates of two blocks; "
            f"{seconds + more:,.0f} processor seconds of what was not there yet.", "",
            *(f"- {verdict}" for verdict in verdicts)]
    for name, written in (("compare.md", text), ("compare-tables.txt", lines)):
        (RESULTS / name).write_text("\n".join(written) + "\n", "utf-8")
        print("\n".join(written))


if __name__ == "__main__":
    main()
