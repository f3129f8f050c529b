"""Records that gave no document: rejected or quarantined by extract, found by address, record id or place, counted by rule.

The index names them by their rows in the rejected rows of `documents`, and holds of addresses and record ids only a hash; a
record's own name, `key`, is a hash of the raw file it lies in and its offset there, so that its page keeps its address.
"""

import hashlib
from collections.abc import Sequence
from itertools import accumulate
from typing import Any, NamedTuple

import duckdb
import pyarrow as pa

from textmill.pipelines.browse.snapshot import Snapshot
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.row_groups import row_groups
from textmill.pipelines.extract.rows import REJECTED

COLUMNS = ["file", "offset", "url", "record_id", "outcome", "rule"]
# As `key_of`, since DuckDB's own hash promises nothing of other versions.
HASHED = ("SELECT number, left(md5(concat(file, chr(0), \"offset\")), 16) AS key, hash(url) AS url, "
          "hash(record_id) AS record_id, outcome, rule FROM rows")


class Record(NamedTuple):
    """A record that gave no document: its number in the index, its key, and its stored row."""

    number: int
    key: str
    row: dict[str, Any]


def build_records(connection: duckdb.DuckDBPyConnection, snapshot: Snapshot) -> None:
    """Write the table `records`."""
    number = 0
    empty = pa.RecordBatch.from_pylist([], pa.schema([REJECTED.field(name) for name in COLUMNS]))
    batches = (batch for part in snapshot.manifests["documents"].rejected
               for batch in read_batches(snapshot.data / "documents", part, COLUMNS))
    for batch in (empty, *batches):
        rows = pa.Table.from_batches([batch]).add_column(0, "number", pa.array(range(number, number + len(batch)), pa.int64()))
        number += len(batch)
        connection.register("rows", rows)
        connection.execute(f"CREATE TABLE IF NOT EXISTS records AS {HASHED} LIMIT 0")
        connection.execute(f"INSERT INTO records {HASHED}")
        connection.unregister("rows")


def key_of(file: str, offset: int) -> str:
    """The key of the record at an offset of a raw file."""
    return hashlib.md5(f"{file}\0{offset}".encode(), usedforsecurity=False).hexdigest()[:16]


class Records:
    """The records of a snapshot, by its index."""

    def __init__(self, snapshot: Snapshot, connection: duckdb.DuckDBPyConnection):
        self.snapshot, self.connection = snapshot, connection
        self._parts = snapshot.manifests["documents"].rejected
        self._starts = list(accumulate((part.rows for part in self._parts), initial=0))

    def by_rule(self) -> list[tuple[str, str, int]]:
        """(outcome, rule, how many records): what could not be read first, then the most frequent."""
        with self.connection.cursor() as cursor:
            return cursor.execute("SELECT outcome, rule, count(*) FROM records GROUP BY ALL "
                                  "ORDER BY outcome, 3 DESC, rule").fetchall()

    def of_rule(self, rule: str, first: int, most: int) -> list[Record]:
        """So many of the records that a rule took, of all for no rule: what could not be read first, then in order."""
        where, values = ("rule = ?", [rule]) if rule else ("true", [])
        return self._found(where, values, f"LIMIT {most} OFFSET {first}", "outcome, number")

    def at(self, key: str) -> list[Record]:
        """The records at a place of a raw file: several where one gave more than one row."""
        return self._found("key = ?", [key])

    def named(self, name: str) -> list[Record]:
        """The records that have this address, or this record id, as it is given."""
        found = self._found("hash(?) IN (url, record_id)", [name], "LIMIT 100")
        return [record for record in found if name in (record.row["url"], record.row["record_id"])]

    def _found(self, where: str, values: Sequence[Any], limit: str = "", order: str = "number") -> list[Record]:
        with self.connection.cursor() as cursor:
            listed = cursor.execute(f"SELECT number, key FROM records WHERE {where} ORDER BY {order} {limit}",
                                    values).fetchall()
        rows = self._rows([number for number, _ in listed])
        return [Record(number, key, rows[number]) for number, key in listed]

    def _rows(self, numbers: Sequence[int]) -> dict[int, dict[str, Any]]:
        """The stored rows of these numbers."""
        found: dict[int, dict[str, Any]] = {}
        for part, start in zip(self._parts, self._starts, strict=False):
            wanted = [number - start for number in numbers if start <= number < start + part.rows]
            for first, read in row_groups(self.snapshot.data / "documents", part, rows=wanted) if wanted else ():
                batch = read([])
                found |= {start + row: batch.slice(row - first, 1).to_pylist()[0]
                          for row in wanted if first <= row < first + len(batch)}
        return found
