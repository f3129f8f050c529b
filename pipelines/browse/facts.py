"""Facts of documents: a DuckDB table of everything stored about each of them but its text, title and address.

It is made once for a state of the data, in about ten seconds for a million documents, and kept in a file named by the digest
of the manifests. Filters, counts and what-if read only the columns that they name. Every value is one of the datasets'.
"""

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.browse.snapshot import Snapshot
from textmill.pipelines.contract.part_files import aligned, opened, read_batches

VERSION = 2             # of the table, part of the file's name
ROWS = 100_000          # inserted at once
MEMORY = "512MB"
TAKEN = {
    "documents": ["id", "source", "host", "url", "date", "page_kind", "turns", "file"],
    "signals": ["language", "script", "form", "findings"],        # and every measurement
    "verdicts": ["kept", "broken", "tags"],
    "duplicates": ["cluster", "kept_id", "kind", "similarity", "cluster_size", "contained_in"]}
TYPES = {"kept": pa.bool_(), "similarity": pa.float64(), "cluster_size": pa.int32(), "broken": pa.list_(pa.string()),
         "tags": pa.list_(pa.string()), "personal": pa.list_(pa.string()), "dialogue": pa.bool_(), "number": pa.int64()}
# Of an address only a hash: enough to find it, and nothing to read.
WITHOUT_ADDRESS = "SELECT * REPLACE (hash(url) AS url) FROM rows"
NAMED = ("language", "source", "kind")      # few values: stored as their numbers
NUMBERS = (pa.float32(), pa.float64(), pa.int32(), pa.int64())


def build_facts(snapshot: Snapshot, path: Path, tell: Callable[[int], object] = int) -> None:
    """Write the table to a DuckDB file that does not exist yet; `tell` is given how many documents it has."""
    with duckdb.connect(str(path), config={"memory_limit": MEMORY}) as connection:
        waiting: list[pa.Table] = []
        number = done = 0
        numbers = numeric_columns(snapshot)
        _insert(connection, [_derived({}, 0, numbers).add_column(0, "number", pa.array([], pa.int64()))])
        for table in _tables(snapshot, numbers):
            table = table.add_column(0, "number", pa.array(range(number, number + len(table)), pa.int64()))
            number += len(table)
            waiting.append(table)
            if number - done >= ROWS:
                _insert(connection, waiting)
                waiting, done = [], number
                tell(number)
        if waiting:
            _insert(connection, waiting)
        for column in NAMED:
            values = f"SELECT DISTINCT {column} FROM facts WHERE {column} IS NOT NULL ORDER BY 1"
            if connection.execute(values).fetchone():
                connection.execute(f"CREATE TYPE {column}_name AS ENUM ({values})")
                connection.execute(f"ALTER TABLE facts ALTER {column} TYPE {column}_name")


def numeric_columns(snapshot: Snapshot) -> list[str]:
    """The measurements and scores that the stored signals have."""
    schema = _schema(snapshot, "signals")
    return [field.name for field in schema if field.type in NUMBERS] if schema else []


def _insert(connection: duckdb.DuckDBPyConnection, tables: Sequence[pa.Table]) -> None:
    rows = pa.concat_tables(tables)
    connection.register("rows", rows)
    connection.execute(f"CREATE TABLE IF NOT EXISTS facts AS {WITHOUT_ADDRESS} LIMIT 0")
    connection.execute(f"INSERT INTO facts {WITHOUT_ADDRESS}")
    connection.unregister("rows")


def _tables(snapshot: Snapshot, numbers: Sequence[str]) -> Iterator[pa.Table]:
    wanted = {name: [column for column in (*TAKEN[name], *(numbers if name == "signals" else ()))
                     if (schema := _schema(snapshot, name)) is not None and column in schema.names]
              for name in TAKEN if name in snapshot.manifests}
    for parts in zip(*(snapshot.manifests[name].parts for name in wanted), strict=True):
        streams = [read_batches(snapshot.data / name, part, columns)
                   for (name, columns), part in zip(wanted.items(), parts, strict=True)]
        for batches in aligned(streams):
            columns = {name: batch[name] for batch in batches for name in batch.schema.names}
            yield _derived(columns, len(batches[0]), numbers)


def _derived(columns: dict[str, pa.Array], count: int, numbers: Sequence[str]) -> pa.Table:
    """The columns of a batch in the order of the table; a list of structs becomes the list of their names."""
    turns, findings, broken = (columns.get(name) for name in ("turns", "findings", "broken"))
    made = columns | {
        "dialogue": None if turns is None else turns.is_valid(),
        "personal": None if findings is None else _names(findings, "kind", distinct=True),
        "broken": None if broken is None else _names(broken, "rule")}
    names = ["id", "source", "host", "url", "date", "page_kind", "file", "dialogue", "language", "script", "form", "personal",
             "kept", "broken", "tags", "cluster", "kept_id", "kind", "similarity", "cluster_size", "contained_in", *numbers]
    types = dict.fromkeys(names, pa.string()) | dict.fromkeys(numbers, pa.float64()) | TYPES
    return pa.table({name: pa.nulls(count, types[name]) if made.get(name) is None else made[name].cast(types[name])
                     for name in names})


def _names(lists: pa.Array, field: str, distinct: bool = False) -> pa.Array:
    """Of lists of structs, lists of the values of one field."""
    names = lists.flatten().field(lists.flatten().type.get_field_index(field))
    found = pa.ListArray.from_arrays(pa.array(_offsets(lists), pa.int32()), names)
    return pa.array([sorted(set(row)) for row in found.to_pylist()], pa.list_(pa.string())) if distinct else found


def _offsets(lists: pa.Array) -> list[int]:
    lengths = pc.fill_null(pc.list_value_length(lists), 0)
    return [0, *pc.cumulative_sum(lengths).to_pylist()]


def _schema(snapshot: Snapshot, name: str) -> pa.Schema | None:
    manifest = snapshot.manifests.get(name)
    if manifest is None or not manifest.parts:
        return None
    with opened(snapshot.data / name, manifest.parts[0]) as file:
        return file.schema_arrow
