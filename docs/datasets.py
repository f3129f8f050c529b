"""Reference of the datasets: writes docs/datasets.md from the schemas in the code and the meanings in docs/columns.yaml.

`python -m docs.datasets` rewrites the page; `--check` says where it differs and exits 1. A column has one meaning: that of
a measurement is the docstring of its function, that of any other is in columns.yaml.
"""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import yaml

from textmill.pipelines.curate import rows as curate_rows
from textmill.pipelines.dedup.keep import DUPLICATES
from textmill.pipelines.extract import rows as extract_rows
from textmill.pipelines.measure.background import SCHEMA as BACKGROUND
from textmill.pipelines.measure.signals import MEASUREMENTS, SIGNALS
from textmill.pipelines.pack.fill import blocks_schema
from textmill.pipelines.report.meanings import REASONS, measurement
from textmill.pipelines.screen.verdicts import VERDICTS
from textmill.pipelines.tokens.encode import tokens_schema

HERE = Path(__file__).parent
PAGE, COLUMNS = HERE / "datasets.md", HERE / "columns.yaml"
SCHEMAS: dict[str, pa.Schema] = {
    "documents": extract_rows.DOCUMENTS, "ledger/documents/rejected": extract_rows.REJECTED, "signals": SIGNALS,
    "verdicts": VERDICTS, "duplicates": DUPLICATES, "curated": curate_rows.CURATED,
    "ledger/curated/rejected": curate_rows.REJECTED, "tokens/<tokenizer>": tokens_schema(1 << 16),
    "blocks/<mixture>/train": blocks_schema(2048, np.dtype(np.uint16), True), "background/<name>.parquet": BACKGROUND}
WRITTEN_BY = dict(zip(SCHEMAS, ("extract", "extract", "measure", "screen", "dedup", "curate", "curate", "tokenize", "pack",
                                "background"), strict=True))
INTRODUCTION = """# Datasets

<!-- written by `python -m docs.datasets` from the schemas in the code and docs/columns.yaml; do not edit -->

Every column of everything that a run writes below the data folder. Tables are Parquet files, blocks are Arrow streams,
and a manifest lists the files of each dataset. [architecture.md](architecture.md) says how they come to be there,
[sql.md](sql.md) asks them ten questions.

A run also leaves `tokenizers/<name>/` (`tokenizer.json`, as Hugging Face `tokenizers` loads it),
`checkpoints/<run>/` ([stages.md](stages.md#train-sample-export)), `classifiers/<name>/` (fastText's own format and
JSON, or a model with a head), `report/index.html`, and beside your `takedown.txt` the list of what was taken, `takedown.json`
([ledger.md](ledger.md#takedown)).
"""


def meanings() -> dict[str, Any]:
    """docs/columns.yaml, parsed."""
    return dict(yaml.safe_load(COLUMNS.read_text("utf-8")))


def columns_of(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
    """Every column, and after a nested one its fields as `column.field`, with the type."""
    for field in schema:
        yield field.name, field.type
        inner = field.type.value_type if pa.types.is_list(field.type) or pa.types.is_fixed_size_list(field.type) else field.type
        if pa.types.is_struct(inner):
            yield from ((f"{field.name}.{part.name}", part.type) for part in inner)


def type_name(kind: pa.DataType) -> str:
    """A type in few words: `list of string`, `uint16[2048]`.

    >>> type_name(pa.list_(pa.string())), type_name(pa.list_(pa.uint16(), 8))
    ('list of string', 'uint16[8]')
    """
    if pa.types.is_struct(kind):
        return "struct"
    if pa.types.is_fixed_size_list(kind):
        return f"{type_name(kind.value_type)}[{kind.list_size}]"
    if pa.types.is_list(kind):
        return f"list of {type_name(kind.value_type)}"
    return {"double": "float64", "float": "float32"}.get(str(kind), str(kind))


def table(dataset: str, stated: dict[str, Any]) -> Iterator[str]:
    """The lines of a dataset's section."""
    told = stated[dataset]
    yield f"\n## `{dataset}`\n\n{' '.join(told['about'].split())} Written by `{WRITTEN_BY[dataset]}`.\n"
    yield "| column | type | unit | meaning |\n|---|---|---|---|"
    for name, kind in columns_of(SCHEMAS[dataset]):
        if dataset == "signals" and name in MEASUREMENTS:
            unit, meaning = stated["units"].get(name, "share"), measurement(name)
        else:
            unit, meaning = told["columns"][name] if isinstance(told["columns"][name], list) else ("", told["columns"][name])
        yield f"| `{name}` | {type_name(kind)} | {unit} | {meaning} |"


def page() -> str:
    """The whole of docs/datasets.md."""
    stated = meanings()
    lines = [INTRODUCTION.rstrip()]
    for dataset in SCHEMAS:
        lines += table(dataset, stated)
    lines += ["\n## Reasons\n", "Values of `rule` in the two tables of rejected rows, besides the names of measurements:\n",
              "| rule | why |\n|---|---|", *(f"| `{rule}` | {why} |" for rule, why in sorted(REASONS.items()))]
    lines += ["\n## Files beside the parts"]
    for file, told in stated["files"].items():
        title = f"`{file}`" if file.startswith("_") else file[0].upper() + file[1:]
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
