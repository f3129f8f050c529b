"""Columns of earlier versions have today's names, at any depth, whatever is sliced or null."""

import pyarrow as pa
import pytest

from textmill.base.older_names import current, current_schema, stored_names

INT = pa.int32()
PLACE = pa.struct([("kind", pa.string()), ("from", INT), ("to", INT)])
RANGES = pa.list_(pa.struct([("from", INT), ("to", INT)]))
SPAN = pa.struct([("id", pa.string()), ("from", INT), ("to", INT), ("start", INT), ("learn", RANGES)])
OLD = pa.record_batch([
    pa.array([0, 5, 9], INT), pa.array([5, 9, 12], INT),
    pa.array([[{"kind": "EMAIL", "from": 1, "to": 4}], None, []], pa.list_(PLACE)),
    pa.array([[{"id": "a", "from": 0, "to": 4, "start": 7, "learn": [{"from": 1, "to": 3}]}, {"id": "b", "from": 4, "to": 5, "start": 0}],
              [], [{"id": "c", "from": 2, "to": 3, "start": 1, "learn": None}]], pa.list_(SPAN))],
    schema=pa.schema([("from", INT), ("to", INT), ("edits", pa.list_(PLACE)), ("spans", pa.list_(SPAN))], {"schema": "1"}))
NEW = [
    {"start": 0, "end": 5, "edits": [{"kind": "EMAIL", "start": 1, "end": 4}],
     "spans": [{"id": "a", "start": 0, "end": 4, "offset": 7, "learn": [{"start": 1, "end": 3}]},
               {"id": "b", "start": 4, "end": 5, "offset": 0, "learn": None}]},
    {"start": 5, "end": 9, "edits": None, "spans": []},
    {"start": 9, "end": 12, "edits": [], "spans": [{"id": "c", "start": 2, "end": 3, "offset": 1, "learn": None}]}]


@pytest.mark.parametrize(("first", "count"), [(0, 3), (1, 2), (0, 1), (1, 1), (2, 1), (3, 0)])
def test_every_slice(first, count):
    batch = current(OLD.slice(first, count))
    batch.validate(full=True)
    assert batch.to_pylist() == NEW[first:first + count]
    assert batch.schema == current_schema(OLD.schema) and batch.schema.metadata == {b"schema": b"1"}


def test_what_has_todays_names_is_given_back_as_it_is():
    batch = current(OLD)
    assert current(batch) is batch
    spans = pa.record_batch({"learn": pa.array([[{"start": 1, "end": 2}]]), "start": [4]})
    assert current(spans) is spans


def test_columns_are_asked_for_by_todays_names():
    assert stored_names(["start", "end", "text"], ["from", "to", "text"]) == ["from", "to", "text"]
    assert stored_names(["start", "end"], ["start", "end"]) == ["start", "end"]
