"""Token blocks from a plan and the token rows: any range of blocks by itself, so that workers share the work."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from textmill.base.blocks_format import LEARN as LEARN_FIELD
from textmill.pipelines.pack.dialogues import LEARN, learned_positions
from textmill.pipelines.pack.mixture import MixtureError

SPAN = pa.struct([("id", pa.string()), ("piece", pa.int32()), ("start", pa.int32()), ("end", pa.int32()),
                  ("offset", pa.int32())])

# (part, row) int32 arrays -> the tokens of those rows
Fetch = Callable[[np.ndarray, np.ndarray], pa.ListArray]


def blocks_schema(length: int, dtype: np.dtype, has_learn: bool = False) -> pa.Schema:
    """The published format of blocks of `length` ids of `dtype` (uint16 or uint32); that of dialogues with `learn`."""
    span = pa.struct([*SPAN, (LEARN_FIELD, LEARN)]) if has_learn else SPAN
    return pa.schema([("tokens", pa.list_(pa.from_numpy_dtype(dtype), length)), ("entry", pa.string()),
                      ("spans", pa.list_(span))])


class Learning(NamedTuple):
    """What is learned of dialogues: the turns of rows, by `fetch`'s arguments, and the roles of each entry."""

    turns: Fetch
    roles: Mapping[str, Sequence[str]]


def fill(planned: pa.RecordBatch | pa.Table, length: int, end_of_text: int, dtype: np.dtype,
         fetch: Fetch, learning: Learning | None = None) -> pa.RecordBatch:
    """The blocks of some rows of a plan (`layout.PLANNED`), as `blocks_schema`; of dialogues with `learn` where that is given.

    `fetch(part, row)` gets two int32 arrays, sorted and without repeats, and returns the `tokens` of those rows in
    that order. Memory: the blocks and what `fetch` returns. Raises MixtureError where a row is not as planned.
    """
    lists = pa.table([planned["spans"]], ["spans"])["spans"].combine_chunks()
    spans, counts = lists.flatten(), lists.value_lengths().to_numpy()
    piece, first, last, start, part, row, count = (
        spans.field(name).to_numpy().astype(np.int64) for name in ("piece", "start", "end", "offset", "part", "row", "count"))
    wanted, which = np.unique(part << 32 | row, return_inverse=True)
    rows = (wanted >> 32).astype(np.int32), (wanted & 0xFFFFFFFF).astype(np.int32)
    fetched = fetch(*rows)
    values, bounds = fetched.values.to_numpy(), fetched.offsets.to_numpy().astype(np.int64)
    # In a first piece's packed sequence end-of-text is at 0 and the row's tokens begin at 1; in a later one's, at 0.
    lead = (piece == 0).astype(np.int64)
    low = bounds[which] if len(fetched) == len(wanted) else which
    high = low + count
    if len(fetched) != len(wanted) or (high > bounds[which + 1]).any():
        raise MixtureError("a token row is shorter than it was when the blocks were planned; run pack again")
    tokens = np.full(len(lists) * length, end_of_text, dtype)
    to = np.repeat(np.arange(len(lists)) * length, counts) + first + (start < lead)
    begin = low + np.maximum(start - lead, 0)
    end = np.minimum(low + start - lead + last - first, high)
    for at, since, until in zip(to.tolist(), begin.tolist(), end.tolist(), strict=True):
        tokens[at : at + until - since] = values[since:until]
    hexed = b"".join(spans.field("id").to_pylist()).hex()
    ids = pa.array([hexed[at : at + 32] for at in range(0, len(hexed), 32)], pa.string())
    schema = blocks_schema(length, dtype, learning is not None)
    columns = [ids, *(spans.field(field.name) for field in list(SPAN)[1:])]
    if learning:
        place = {name: number for number, name in enumerate(learning.roles)}
        entry = np.repeat(np.array([place[name] for name in planned["entry"].to_pylist()], np.int64), counts)
        turns = learning.turns(*rows).take(pa.array(which))
        columns.append(learned_positions(turns, list(learning.roles.values()), entry, first, count))
    published = pa.StructArray.from_arrays(columns, fields=list(schema.field("spans").type.value_type))
    offsets = pa.array(np.append(0, np.cumsum(counts)).astype(np.int32))
    return pa.RecordBatch.from_arrays([
        pa.FixedSizeListArray.from_arrays(pa.array(tokens), length),
        pa.array(planned["entry"].to_pylist(), pa.string()),
        pa.ListArray.from_arrays(offsets, published)], schema=schema)
