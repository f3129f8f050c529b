"""Rows of a dataset as a person reads them: one column a line, texts folded, personal data masked.

Parts are read in the order of the manifest and their checksums verified; a condition is an expression of SQL over the
dataset's own columns, carried out by DuckDB, which may read nothing else.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from textmill.base.blocks_format import SPLITS
from textmill.base.extras import needing
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import aligned, read_batches, read_stream
from textmill.pipelines.contract.parts import Manifest, Part
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display import numbers
from textmill.pipelines.display.lines import WIDTH, labelled, number, shown

NUMBER, LANGUAGE = "number of the row", "language measured"     # columns beside the dataset's, while rows are chosen
FIRST = 8                           # values shown of a long list of numbers
EMPTY: tuple[Any, ...] = (None, [], {}, "")


def inspect(data: Folder, name: str, where: str | None = None, names: Sequence[str] = (), most: int = 3, skip: int = 0,
            characters: int = 400, rejected: bool = False) -> Iterator[str]:
    """The rows that fulfil `where`, `most` of them after the first `skip`; of each the columns `names`, else all with a value.

    `name` is a dataset such as curated, tokens/NAME or blocks/NAME/train. StageError where there is none, or `where` or
    `names` name what it has not.
    """
    above, _, split = name.rpartition("/")
    of_blocks = name.startswith("blocks/") and split in SPLITS
    dataset = data / (above if of_blocks else name)
    manifest = Manifest.read(dataset)
    if manifest is None:
        raise StageError(f"there is no dataset {name} in {data.uri}; what is there tells `textmill status`, and names are "
                         "documents, signals, verdicts, duplicates, curated, tokens/NAME and blocks/NAME/train")
    parts = manifest.rejected if rejected else manifest.parts
    parts = tuple(part for part in parts if part.path.startswith(f"{split}/")) if of_blocks else parts
    if not parts:
        raise StageError(f"{name} has no rejected rows: only documents and curated have" if rejected else f"{name} is empty")
    matching = printed = read = 0
    for batch in _chosen(data, dataset, parts, where, names):
        read += batch[1]
        first = min(max(0, skip - matching), len(batch[0]))
        matching += len(batch[0])
        for row in batch[0].slice(first, most - printed).to_pylist():
            printed += 1
            yield from _lines(name, row, names, characters)
            yield ""
        if printed == most and where is None:
            break
    total = sum(part.rows for part in parts)
    found = f"{numbers.many(matching, 'row')} of {total:,} fulfil it" if where else f"{numbers.many(total, 'row')}"
    yield f"{name}{' (rejected)' if rejected else ''}: {found}, {printed:,} shown"


def _chosen(data: Folder, dataset: Folder, parts: Sequence[Part], where: str | None,
            names: Sequence[str]) -> Iterator[tuple[pa.Table, int]]:
    """Of every batch the rows that fulfil `where`, with their NUMBER, and how many were read."""
    choose, first = _filter(where) if where else None, 0
    signals = Manifest.read(data / "signals") if dataset.uri == (data / "documents").uri else None
    measured = {(part.key, part.rows): part for part in signals.parts} if signals else {}
    for part in parts:
        for batch in _batches(data, dataset, part, measured.get((part.key, part.rows))):
            there = [name for name in batch.schema.names if name != LANGUAGE]
            if missing := [name for name in names if name not in there]:
                raise StageError(f"there is no column {missing[0]}; it has {', '.join(there)}")
            rows = pa.Table.from_batches([batch]).append_column(NUMBER, pa.array(range(first, first + batch.num_rows)))
            first += batch.num_rows
            yield (choose(rows) if choose else rows), batch.num_rows


def _batches(data: Folder, dataset: Folder, part: Part, signals: Part | None) -> Iterator[pa.RecordBatch]:
    """A part's rows; with `signals`, which are of the same documents, and LANGUAGE, as what is personal depends on it."""
    if part.path.endswith(".arrow"):
        yield from read_stream(dataset, part).to_batches()
    elif signals is None:
        yield from read_batches(dataset, part)
    else:
        for batch, measured in aligned([read_batches(dataset, part), read_batches(data / "signals", signals, ["language"])]):
            yield batch.append_column(LANGUAGE, measured["language"])


def _filter(where: str) -> Any:
    """A function from a table to its rows that fulfil an expression of SQL. StageError where it is none."""
    with needing("--where", "textmill[browse]"):
        import duckdb
    connection = duckdb.connect(config={"enable_external_access": "false", "lock_configuration": "true"})

    def choose(rows: pa.Table) -> pa.Table:
        try:
            return connection.from_arrow(rows).filter(where).to_arrow_table()
        except duckdb.Error as error:
            raise StageError(f"--where {where!r} cannot be asked: {' '.join(str(error).split())[:300]}") from None

    return choose


def _lines(name: str, row: dict[str, Any], names: Sequence[str], characters: int) -> Iterator[str]:
    yield f"{name}, row {row.pop(NUMBER):,}"
    language, host = str(row.get(LANGUAGE) or row.get("language") or "und"), row.get("host")
    shown_here = {column: value for column, value in row.items()
                  if column != LANGUAGE and ((column in names) if names else (value not in EMPTY))}
    width = max((len(column) for column in shown_here), default=0)
    for column, value in shown_here.items():
        if isinstance(value, str):
            rest = f" … ({len(value):,} characters)" if len(value) > characters else ""
            text = shown(value[:characters], language, host) + rest
        else:
            text = _value(value)
        yield from labelled(column, text, 2, min(width, WIDTH // 3) + 2)


def _value(value: Any) -> str:
    """A number, list or structure in few words."""
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number(value)
    if isinstance(value, list) and value and isinstance(value[0], int | float):
        rest = f" … {len(value):,} in all" if len(value) > FIRST else ""
        return f"{', '.join(map(str, value[:FIRST]))}{rest}"
    if isinstance(value, list):
        return "; ".join(map(_value, value)) or "-"
    if isinstance(value, dict):
        return ", ".join(f"{key} {_value(inner)}" for key, inner in value.items() if inner is not None)
    return shown(value) if isinstance(value, str) else json.dumps(value)
