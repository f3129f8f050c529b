"""Columns of every dataset: their types, from the schemas in the code, and what each means.

A column has one meaning: that of a measurement is the docstring of its function, that of any other is in columns.yaml.
"""

from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import yaml

from textmill.pipelines.curate import rows as curate_rows
from textmill.pipelines.dedup.keep import DUPLICATES
from textmill.pipelines.extract import rows as extract_rows
from textmill.pipelines.measure.background import SCHEMA as BACKGROUND
from textmill.pipelines.measure.signals import MEASUREMENTS, SIGNALS
from textmill.pipelines.pack.fill import blocks_schema
from textmill.pipelines.publish.tables import COUNTED_AFTER, Table
from textmill.pipelines.report.meanings import measurement
from textmill.pipelines.screen.verdicts import VERDICTS
from textmill.pipelines.tokens.encode import tokens_schema

SCHEMAS: dict[str, pa.Schema] = {
    "documents": extract_rows.DOCUMENTS, "ledger/documents/rejected": extract_rows.REJECTED, "signals": SIGNALS,
    "verdicts": VERDICTS, "duplicates": DUPLICATES, "curated": curate_rows.CURATED,
    "ledger/curated/rejected": curate_rows.REJECTED, "tokens/<tokenizer>": tokens_schema(1 << 16),
    "blocks/<mixture>/train": blocks_schema(2048, np.dtype(np.uint16), True), "background/<name>.parquet": BACKGROUND}
WRITTEN_BY = dict(zip(SCHEMAS, ("extract", "extract", "measure", "screen", "dedup", "curate", "curate", "tokenize", "pack",
                                "background"), strict=True))


class Column(NamedTuple):
    """A column, or a field of a nested one as `column.field`: its type, its unit (empty for none) and what it means."""

    name: str
    type: pa.DataType
    unit: str
    meaning: str


@cache
def stated() -> dict[str, Any]:
    """columns.yaml, parsed."""
    return dict(yaml.safe_load((Path(__file__).parent / "columns.yaml").read_text("utf-8")))


def about(dataset: str) -> str:
    """What a row of a dataset is, in a sentence or two."""
    return " ".join(stated()[dataset]["about"].split())


def columns(dataset: str) -> Iterator[Column]:
    """The columns of a dataset of SCHEMAS, in order."""
    known = stated()[dataset]["columns"]
    for name, kind in fields(SCHEMAS[dataset]):
        if dataset == "signals" and name in MEASUREMENTS:
            yield Column(name, kind, stated()["units"].get(name, "share"), measurement(name))
        else:
            unit, meaning = known[name] if isinstance(known[name], list) else ("", known[name])
            yield Column(name, kind, unit, meaning)


def table_columns(table: Table) -> Iterator[Column]:
    """The columns of a table, in order, `token_count` where FineWeb has it."""
    for column in columns(table.described):
        yield column
        if table.tokenizer and column.name == COUNTED_AFTER:
            yield Column("token_count", pa.int32(), "tokens", f"Length of the text, in tokens of {table.tokenizer}")


def column_lines(listed: Iterable[Column]) -> Iterator[str]:
    """Columns as a table in Markdown."""
    yield from ("| column | type | unit | meaning |", "|---|---|---|---|")
    yield from (f"| `{column.name}` | {type_name(column.type)} | {column.unit} | {column.meaning} |" for column in listed)


def fields(schema: pa.Schema) -> Iterator[tuple[str, pa.DataType]]:
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
