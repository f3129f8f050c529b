"""Counts of documents by the values of filters, ranges of measurements, and clusters: of all documents, made with the facts.

Every page of the search shows them, so they are counted once.
"""

from collections.abc import Sequence
from typing import Any

import duckdb

CHOICES = ("source", "language", "outcome", "rule", "kind", "personal")     # filters that have a list of values
LISTED = {"rule": "unnest(broken)", "personal": "unnest(personal)", "outcome":
          "CASE WHEN kept IS NULL THEN NULL WHEN NOT kept THEN 'rejected' WHEN kind IS NOT NULL THEN 'copy' ELSE 'kept' END"}
MOST_VALUES = 400
SAMPLE = 20_000         # documents by which a measurement's range is told


def build_counts(connection: duckdb.DuckDBPyConnection, numbers: Sequence[str], documents: int) -> None:
    """Write the tables `totals` (filter, value, documents), `scales` (measurement, low, high) and `clusters`.

    The largest cluster comes first, and each is named by a document that is kept."""
    connection.execute(
        "CREATE TABLE clusters AS SELECT cluster, max(cluster_size) AS size, count(*) FILTER (kind IS NULL) AS kept, "
        "arg_min(number, (kind IS NOT NULL, number)) AS number, list_sort(list_distinct(list(kind::VARCHAR))) AS kinds "
        "FROM facts WHERE cluster IS NOT NULL GROUP BY cluster ORDER BY size DESC, cluster")
    connection.execute("CREATE TABLE totals (filter VARCHAR, value VARCHAR, documents BIGINT)")
    connection.execute("CREATE TABLE scales (measurement VARCHAR, low DOUBLE, high DOUBLE)")
    if totals := [(name, value, n) for name, values in count_values(connection, "true", []).items() for value, n in values]:
        connection.executemany("INSERT INTO totals VALUES (?, ?, ?)", totals)
    if numbers:
        asked = ", ".join(f'quantile_cont("{name}", [0.01, 0.99])' for name in numbers)
        every = max(1, documents // SAMPLE)
        row: Sequence[Any] = connection.execute(f"SELECT {asked} FROM facts WHERE number % {every} = 0").fetchone() or ()
        if scales := [(name, *ends) for name, ends in zip(numbers, row, strict=True) if ends and None not in ends]:
            connection.executemany("INSERT INTO scales VALUES (?, ?, ?)", scales)


def count_values(cursor: duckdb.DuckDBPyConnection, where: str, values: Sequence[Any]) -> dict[str, list[tuple[str, int]]]:
    """Of each filter that has a list of values: how many documents of a condition have which, the most frequent first."""
    return {name: cursor.execute(
        f"SELECT value, count(*) FROM (SELECT {LISTED.get(name, name)} AS value FROM facts WHERE {where}) "
        f"WHERE value IS NOT NULL GROUP BY value ORDER BY 2 DESC, 1 LIMIT {MOST_VALUES}", values).fetchall()
        for name in CHOICES}


def totals(cursor: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[str, int]]]:
    """The same of all documents."""
    found: dict[str, list[tuple[str, int]]] = {name: [] for name in CHOICES}
    for name, value, n in cursor.execute("SELECT * FROM totals ORDER BY rowid").fetchall():
        found[name].append((value, n))
    return found


def scales(cursor: duckdb.DuckDBPyConnection) -> dict[str, tuple[float, float]]:
    """Of each measurement the range that all but the outermost hundredths of documents are in, by a sample of them."""
    return {name: (low, high) for name, low, high in cursor.execute("SELECT * FROM scales").fetchall()}
