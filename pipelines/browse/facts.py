"""Facts of documents: a DuckDB table of everything stored about each of them but its text, title and address.

It is made once for a state of the data, in about ten seconds for a million documents, and kept in a file named by the digest
of the manifests. Filters, counts and what-if read only the columns that they name. Every value is one of the datasets'.
Beside it lie the sorts of document that have bounds of their own, what every page would count again (`counts`), and the
records that gave no document (`records`).
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.browse.counts import build_counts
from textmill.pipelines.browse.records import build_records
from textmill.pipelines.browse.snapshot import Snapshot
from textmill.pipelines.contract.part_files import aligned, opened, read_batches
from textmill.pipelines.screen.verdicts import sorts

VERSION = 3             # of the tables, part of the file's name
ROWS = 100_000          # inserted at once
MEMORY = "512MB"
TAKEN = {
    "documents": ["id", "source", "host", "url", "date", "page_kind", "turns", "file"],
    "signals": ["language", "script", "form", "findings"],        # and every measurement
    "verdicts": ["kept", "broken", "tags"],
    "duplicates": ["cluster", "kept_id", "kind", "similarity", "cluster_size", "contained_in"]}
COLUMNS = ("id", "source", "host", "url", "date", "file", "language", "script", "sort", "personal", "kept", "broken",
           "rules_broken", "tags", "cluster", "kept_id", "kind", "similarity", "cluster_size", "contained_in")
TYPES = {"kept": pa.bool_(), "similarity": pa.float64(), "cluster_size": pa.int32(), "broken": pa.list_(pa.string()),
         "tags": pa.list_(pa.string()), "personal": pa.list_(pa.string()), "sort": pa.uint16(), "rules_broken": pa.int32()}
# Of an address only a hash: enough to find it, and nothing to read.
WITHOUT_ADDRESS = "SELECT * REPLACE (hash(url) AS url) FROM rows"
# What decides of a document which bounds it has: a sort's number is its row.
SORT = pa.schema([("language", pa.string()), ("dialogue", pa.bool_()), ("form", pa.string()), ("page_kind", pa.string())])
NAMED = ("language", "source", "kind")      # few values: stored as their numbers
NUMBERS = (pa.float32(), pa.float64(), pa.int32(), pa.int64())


def build_facts(snapshot: Snapshot, path: Path, tell: Callable[[int], object] = int) -> None:
    """Write the tables to a DuckDB file that does not exist yet; `tell` is given how many documents they have."""
    with duckdb.connect(str(path), config={"memory_limit": MEMORY}) as connection:
        numbers = numeric_columns(snapshot)
        made, waiting = _Rows(numbers, tuple(f"tokens/{name}" for name in snapshot.tokens)), list[pa.Table]()
        number = done = 0
        _insert(connection, [made.table({}, 0).add_column(0, "number", pa.array([], pa.int64()))])
        for columns, size in _columns(snapshot, numbers):
            table = made.table(columns, size)
            waiting.append(table.add_column(0, "number", pa.array(np.arange(number, number + size))))
            number += size
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
        rows = pa.Table.from_pylist([dict(zip(SORT.names, key, strict=True)) for key in made.sorts], SORT)
        connection.register("rows", rows)
        connection.execute("CREATE TABLE sorts AS FROM rows")
        build_counts(connection, numbers, number)
        build_records(connection, snapshot)


def numeric_columns(snapshot: Snapshot) -> list[str]:
    """The measurements and scores that the stored signals have."""
    schema = _schema(snapshot, "signals")
    return [field.name for field in schema if field.type in NUMBERS] if schema else []


class _Rows:
    """Rows of the table, made from the columns of a batch; `sorts` are those seen so far, with their numbers."""

    def __init__(self, numbers: Sequence[str], tokens: Sequence[str]):
        names = (*COLUMNS, *numbers, *tokens)
        self.types = dict.fromkeys(names, pa.string()) | dict.fromkeys(numbers, pa.float64()) | TYPES
        self.types |= dict.fromkeys(tokens, pa.int64())
        self.sorts: dict[tuple[Any, ...], int] = {}

    def table(self, columns: Mapping[str, pa.Array], size: int) -> pa.Table:
        """A list of structs becomes the list of their names, and what is not stored is null."""
        findings, broken = columns.get("findings"), columns.get("broken")
        made = {**columns, "sort": self._sorts(columns) if "language" in columns else None,
                "personal": None if findings is None else _names(findings, "kind", distinct=True),
                "broken": None if broken is None else _names(broken, "rule"),
                "rules_broken": None if broken is None else pc.list_value_length(broken)}
        return pa.table({name: pa.nulls(size, of) if (column := made.get(name)) is None else column.cast(of)
                         for name, of in self.types.items()})

    def _sorts(self, columns: Mapping[str, pa.Array]) -> pa.Array:
        signals = pa.RecordBatch.from_pydict({name: columns[name] for name in ("language", "form") if name in columns})
        turns = columns["turns"].is_valid().to_numpy(zero_copy_only=False) if "turns" in columns else None
        found = sorts(signals, turns, columns.get("page_kind"))
        return pa.array(np.array([self.sorts.setdefault(key, len(self.sorts)) for key in found.keys], np.uint16)[found.codes])


def _insert(connection: duckdb.DuckDBPyConnection, tables: Sequence[pa.Table]) -> None:
    connection.register("rows", pa.concat_tables(tables))
    connection.execute(f"CREATE TABLE IF NOT EXISTS facts AS {WITHOUT_ADDRESS} LIMIT 0")
    connection.execute(f"INSERT INTO facts {WITHOUT_ADDRESS}")
    connection.unregister("rows")


def _columns(snapshot: Snapshot, numbers: Sequence[str]) -> Iterator[tuple[dict[str, pa.Array], int]]:
    """The columns of each batch of documents, from all datasets, and how many rows they have."""
    wanted = {name: [column for column in (*TAKEN[name], *(numbers if name == "signals" else ()))
                     if (schema := _schema(snapshot, name)) is not None and column in schema.names]
              for name in TAKEN if name in snapshot.manifests}
    for parts in zip(*(snapshot.manifests[name].parts for name in wanted), strict=True):
        tokens = {f"tokens/{name}": _token_counts(snapshot, name, parts[0].key) for name in snapshot.tokens}
        streams = [read_batches(snapshot.data / name, part, columns)
                   for (name, columns), part in zip(wanted.items(), parts, strict=True)]
        for batches in aligned(streams):
            columns = {name: batch[name] for batch in batches for name in batch.schema.names}
            kept = pc.is_null(columns["kind"]) if "kind" in columns else pa.scalar(True)
            for name, (ids, counts) in tokens.items():
                columns[name] = pc.if_else(kept, counts.take(pc.index_in(columns["id"], value_set=ids)), None)
            yield columns, len(batches[0])


def _token_counts(snapshot: Snapshot, name: str, key: str) -> tuple[pa.Array, pa.Array]:
    """Ids of the documents of a part that were tokenized, and the tokens of each, of all its pieces."""
    parts = [part for part in snapshot.tokens[name].parts if part.key == key]
    batches = [batch.select(["id", "token_count"]) for part in parts
               for batch in read_batches(snapshot.data / f"tokens/{name}", part, ["id", "token_count"])]
    rows = pa.Table.from_batches(batches) if batches else pa.table({"id": pa.array([], pa.string()), "token_count": []})
    counted = rows.group_by("id").aggregate([("token_count", "sum")])
    return counted["id"].combine_chunks(), counted["token_count_sum"].combine_chunks()


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
