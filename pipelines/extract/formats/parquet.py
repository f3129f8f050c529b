"""Parquet: one record per row, read row group by row group with page checksums verified."""

import bisect
import contextlib
from collections.abc import Iterator
from itertools import accumulate
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.formats.format import Open, of_rows
from textmill.pipelines.extract.formats.rows import PlainRow
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

_ROWS = 256     # decoded at once: pages may be large
# What Arrow raises for values that Python has no type for, or no time zone.
_NO_VALUE = (ValueError, OverflowError, TypeError, LookupError, NotImplementedError, pa.ArrowException)


def rows(file: Any, part: Range, limits: ExtractSettings) -> Iterator[PlainRow | Rejected]:
    """The rows of the range's row groups; a row group that cannot be decoded is one damaged row."""
    opened = pq.ParquetFile(file, page_checksum_verification=True)
    first = sum(opened.metadata.row_group(group).num_rows for group in range(part.start))
    for group in range(part.start, part.end):
        count, done = opened.metadata.row_group(group).num_rows, 0
        try:
            for batch in opened.iter_batches(batch_size=_ROWS, row_groups=[group]):
                for row in rows_of(batch):
                    yield PlainRow(first + done, None, row)
                    done += 1
        except (OSError, pa.ArrowException) as error:
            yield Rejected(part.path, first + done, "damaged", detail=f"row group {group}, {count - done} rows lost: "
                                                                      f"{type(error).__name__}")
        first += count


def rows_of(batch: pa.RecordBatch) -> Iterator[dict[str, Any]]:
    """The rows of a batch. What Python has no value for is text: it costs no row."""
    columns = [values(column) for column in batch.columns]
    return (dict(zip(batch.schema.names, row, strict=True)) for row in zip(*columns, strict=True))


def values(column: pa.Array) -> list[Any]:
    """The Python values of a column, the same with pandas installed and without."""
    if getattr(column.type, "unit", None) == "ns":
        with contextlib.suppress(pa.ArrowException):
            column = column.cast(_microseconds(column.type))        # refused where that would lose anything
    if not _nanoseconds(column.type):
        with contextlib.suppress(*_NO_VALUE):
            return list(column.to_pylist())
    return [_value(scalar) for scalar in column]


def _microseconds(kind: pa.DataType) -> pa.DataType:
    if pa.types.is_timestamp(kind):
        return pa.timestamp("us", kind.tz)
    return pa.duration("us") if pa.types.is_duration(kind) else pa.time64("us")


def _nanoseconds(kind: pa.DataType) -> bool:
    """Whether values have nanoseconds, or may have them inside: Python has no type for them, pandas has."""
    inside = (kind.field(number).type for number in range(kind.num_fields))
    return getattr(kind, "unit", None) == "ns" or any(map(_nanoseconds, inside))


def _value(scalar: pa.Scalar) -> Any:
    """A scalar's value; a text where Python has none: nanoseconds, years after 9999, unknown zones, bytes that are no UTF-8."""
    kind = scalar.type
    if not scalar.is_valid:
        return None
    if isinstance(scalar, pa.StructScalar):
        return {kind.field(number).name: _value(scalar[number]) for number in range(kind.num_fields)}
    if isinstance(scalar, pa.MapScalar):
        return [[_value(entry["key"]), _value(entry["value"])] for entry in scalar.values]
    if isinstance(scalar, pa.ListScalar):
        return [_value(item) for item in scalar.values]
    if not _nanoseconds(kind):
        with contextlib.suppress(*_NO_VALUE):
            return scalar.as_py()
    if pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return scalar.as_buffer().to_pybytes().decode("utf-8", "replace")
    if pa.types.is_timestamp(kind):
        kind = pa.timestamp(kind.unit)      # without its zone, which may be unknown: the instant, in UTC
        scalar = pa.scalar(scalar.value, pa.int64()).cast(kind)
    with contextlib.suppress(*_NO_VALUE):
        if pa.types.is_duration(kind):
            return f"{scalar.value} {kind.unit}"
        return str(scalar.cast(pa.string()).as_py())
    return f"a value of {kind}"


def by_row_groups(file: RawFile, open_file: Open, split_bytes: int) -> list[tuple[int, int]]:
    """Runs of row groups, each of at least `split_bytes` of stored data save the last.

    A group's stored size is its share of the file by what it holds. The footer has the size of each column of a group, but
    asking a damaged one for columns ends the process (Arrow 25, an exception that nobody catches).
    """
    with open_file(file.path) as opened:
        footer = pq.read_metadata(opened)
        sizes = [max(footer.row_group(group).total_byte_size, 0) for group in range(footer.num_row_groups)]
    ends = [total * file.size // max(sum(sizes), 1) for total in accumulate(sizes)]
    start, ranges = 0, []
    while start < len(ends):
        done = ends[start - 1] if start else 0
        end = min(bisect.bisect_left(ends, done + split_bytes) + 1, len(ends))
        ranges.append((start, end))
        start = end
    return ranges or [(0, 0)]


PARQUET = of_rows("parquet", r"\.parquet$", rb"PAR1", by_row_groups, rows, random_access=True)
