"""Counts per value of a column, as nested plain dicts: summed over receipts, shown in the report."""

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.parts import Counts


def tally(keys: pa.Array, **columns: pa.Array | None) -> Counts:
    """For every value of `keys` ("" where null): the sum of each column, and where a column is None the number of rows.

    >>> tally(pa.array(["de", "en", "de"]), documents=None, words=pa.array([1, 2, 3]))
    {'de': {'documents': 2, 'words': 4}, 'en': {'documents': 1, 'words': 2}}
    """
    if not len(keys):
        return {}
    ones = pa.array([1] * len(keys), pa.int64())
    table = pa.table({"key": pc.fill_null(keys.cast(pa.string()), "")}
                     | {name: ones if column is None else column for name, column in columns.items()})
    sums = table.group_by("key").aggregate([(name, "sum") for name in columns]).sort_by("key")
    return {row["key"]: {name: int(row[f"{name}_sum"] or 0) for name in columns} for row in sums.to_pylist()}


def count(keys: pa.Array) -> Counts:
    """How often each value occurs, sorted by value; nulls are left out.

    >>> count(pa.array(["b", "a", None, "b"]))
    {'a': 1, 'b': 2}
    """
    counted = pc.value_counts(keys.drop_null())
    return dict(sorted((str(row["values"]), row["counts"]) for row in counted.to_pylist()))
