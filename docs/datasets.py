"""Reference of the datasets: writes docs/datasets.md from the schemas in the code and what their columns mean.

`python -m docs.datasets` rewrites the page; `--check` says where it differs and exits 1. A column has one meaning: that of
a measurement is the docstring of its function, that of any other is in
pipelines/publish/columns.yaml.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

from textmill.pipelines.publish.columns import SCHEMAS, WRITTEN_BY, about, column_lines, columns, stated
from textmill.pipelines.report.meanings import REASONS

PAGE = Path(__file__).parent / "datasets.md"
INTRODUCTION = """# Datasets

<!-- written by `python -m docs.datasets` from the schemas in the code and pipelines/publish/columns.yaml; do not edit -->

Every column of everything that a run writes below the data folder. Tables are Parquet files, blocks are Arrow streams,
and a manifest lists the files of each dataset. The folder of a table holds its rows and nothing else, so that any tool opens
it by its name; what is recorded of it (manifest, receipts, rejected rows, counts) lies beside, in `ledger/<dataset>/`. Blocks
and tokenizers, which are copied elsewhere as one folder, keep it inside, under names with `_` before them; so did every
dataset of earlier versions, which are read as they are. [architecture.md](architecture.md) says how they come to be there,
[sql.md](sql.md) asks them ten questions.

A run also leaves `tokenizers/<name>/` (`tokenizer.json`, as Hugging Face `tokenizers` loads it),
`checkpoints/<run>/` ([stages.md](stages.md#train-sample-export)), `classifiers/<name>/` (fastText's own format and
JSON, or a model with a head), `report/index.html`, and beside your `takedown.txt` the list of what was taken, `takedown.json`
([ledger.md](ledger.md#takedown)).
"""


def table(dataset: str) -> Iterator[str]:
    """The lines of a dataset's section."""
    yield f"\n## `{dataset}`\n\n{about(dataset)} Written by `{WRITTEN_BY[dataset]}`.\n"
    yield from column_lines(columns(dataset))


def page() -> str:
    """The whole of docs/datasets.md."""
    lines = [INTRODUCTION.rstrip()]
    for dataset in SCHEMAS:
        lines += table(dataset)
    lines += ["\n## Reasons\n", "Values of `rule` in the two tables of rejected rows, besides the names of measurements:\n",
              "| rule | why |\n|---|---|", *(f"| `{rule}` | {why} |" for rule, why in sorted(REASONS.items()))]
    lines += ["\n## Files beside the parts"]
    for file, told in stated()["files"].items():
        title = f"`{file}`" if file.endswith(".json") else file[0].upper() + file[1:]
        lines += [f"\n### {title}\n\n{' '.join(told['about'].split())}\n", "| key | meaning |\n|---|---|"]
        lines += [f"| `{key}` | {meaning} |" for key, meaning in told["keys"].items()]
    return "\n".join(lines) + "\n"


def main() -> int | str:
    """Write the page, or with `--check` compare it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="change nothing; exit 1 where the page is out of date")
    if not parser.parse_args().check:
        PAGE.write_text(page(), "utf-8")
    return 0 if PAGE.read_text("utf-8") == page() else "docs/datasets.md is out of date; run `python -m docs.datasets`"


if __name__ == "__main__":
    sys.exit(main())
