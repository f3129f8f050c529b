"""Emptied rows of documents taken down: only the record's position is kept, so that parts stay aligned."""

from collections.abc import Collection

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

# Of documents and of its rejected records. A path may hold a host's name: it goes with the raw file.
STAYS = frozenset({"id", "source", "file", "offset", "length", "outcome", "rule"})
RULE = "takedown"


def row_keys(rows: pa.RecordBatch | pa.Table) -> pa.Array:
    """The key of each row: a document's id, a rejected record's `file:offset`."""
    if "payload_digest" in rows.schema.names:
        return rows["id"]
    return pc.binary_join_element_wise(rows["file"], rows["offset"].cast(pa.string()), ":")


def emptied(rows: pa.Table, keys: Collection[str]) -> pa.Table:
    """`rows` of documents or its `_rejected`, those with one of these keys without anything but STAYS.

    Columns that may not be null become "", 0 or an empty list, so that such a row is measured as an empty text.
    """
    gone = pc.is_in(row_keys(rows), value_set=pa.array(sorted(keys), pa.string()))
    if not pc.any(gone).as_py():
        return rows
    return pa.table([rows[field.name] if field.name in STAYS else _without(rows[field.name], gone, field)
                     for field in rows.schema], schema=rows.schema)


def is_emptied(documents: pa.RecordBatch) -> np.ndarray:
    """Which rows of documents (column payload_digest) were emptied: every other has a digest."""
    return pc.equal(documents["payload_digest"], "").to_numpy(zero_copy_only=False)


def _without(column: pa.ChunkedArray, gone: pa.Array, field: pa.Field) -> pa.ChunkedArray:
    if field.nullable:
        nothing = pa.scalar(None, field.type)
    elif pa.types.is_list(field.type):
        nothing = pa.scalar([], field.type)
    else:
        nothing = pa.scalar("" if pa.types.is_string(field.type) else 0, field.type)
    return pc.if_else(gone, nothing, column)


def with_takedown(verdicts: pa.RecordBatch, signals: pa.RecordBatch, keys: Collection[str]) -> pa.RecordBatch:
    """`verdicts` of these signals, in which a document with one of these ids has broken one rule, `takedown`."""
    gone = pc.is_in(signals["id"], value_set=pa.array(sorted(keys), pa.string()))
    field = verdicts.schema.field("broken")
    broken = pa.scalar([{"rule": RULE, "value": 1.0, "bound": 0.0}], field.type)
    tags = pa.scalar([], verdicts.schema.field("tags").type)
    return pa.RecordBatch.from_arrays([
        verdicts["id"], pc.and_not(verdicts["kept"], gone), pc.if_else(gone, broken, verdicts["broken"]),
        pc.if_else(gone, tags, verdicts["tags"])], schema=verdicts.schema)
