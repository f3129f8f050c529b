"""Names that columns had in earlier versions, for readers: `from` and `to`, which SQL reserves, are `start` and `end` since.

In the spans of blocks `start`, where a span begins in its piece, is `offset` since.
"""

import pyarrow as pa

NEWER = {"from": "start", "to": "end"}
OLDER = {new: old for old, new in NEWER.items()}
_OF_A_SPAN = NEWER | {"start": "offset"}


def stored_names(names: list[str], there: list[str]) -> list[str]:
    """The names under which a file with the columns `there` has the columns `names`."""
    return [OLDER.get(name, name) if name not in there else name for name in names]


def current_schema(schema: pa.Schema) -> pa.Schema:
    """The schema with today's names, at any depth."""
    fields = [pa.field(NEWER.get(field.name, field.name), _current_type(field.type), field.nullable, field.metadata)
              for field in schema]
    return pa.schema(fields, schema.metadata)


def current(batch: pa.RecordBatch) -> pa.RecordBatch:
    """A batch with today's names; the same one where it has them. Nothing is copied."""
    schema = current_schema(batch.schema)
    if schema.equals(batch.schema):
        return batch
    columns = [_renamed(column, field.type) for column, field in zip(batch.columns, schema, strict=True)]
    return pa.RecordBatch.from_arrays(columns, schema=schema)


def current_table(table: pa.Table) -> pa.Table:
    """As `current`, of a table."""
    return pa.Table.from_batches([current(batch) for batch in table.to_batches()], current_schema(table.schema))


def _current_type(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_list(kind):
        return pa.list_(kind.value_field.with_type(_current_type(kind.value_type)))
    if not pa.types.is_struct(kind):
        return kind
    names = [field.name for field in kind]
    newer = (_OF_A_SPAN if "start" in names else NEWER) if "from" in names and "to" in names else {}
    return pa.struct([pa.field(newer.get(field.name, field.name), _current_type(field.type), field.nullable) for field in kind])


def _renamed(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The buffers of a column under a type that differs in names alone."""
    if column.type.equals(kind):
        return column
    if pa.types.is_list(kind):
        plain = pa.concat_arrays([column]) if column.offset and column.null_count else column    # a mask needs no offset
        return pa.ListArray.from_arrays(plain.offsets, _renamed(plain.values, kind.value_type), kind,
                                        mask=plain.is_null() if plain.null_count else None)
    children = [_renamed(column.field(n), field.type) for n, field in enumerate(kind)]
    return pa.StructArray.from_arrays(children, fields=list(kind), mask=column.is_null() if column.null_count else None)
