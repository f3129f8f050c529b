"""Parquet: one document per row, read row group by row group with page checksums verified."""

import bisect
import re
from collections.abc import Iterator
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.formats.format import Format, Open
from textmill.pipelines.extract.formats.rows import Given, broken_off, given_row
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

_ROWS = 256     # decoded at once: pages may be large


def read_parquet(file: Any, part: Range, limits: ExtractSettings) -> Iterator[Given | Rejected]:
    """The rows of the range's row groups; a row group that cannot be decoded is one damaged row."""
    opened = pq.ParquetFile(file, page_checksum_verification=True)
    first = sum(opened.metadata.row_group(group).num_rows for group in range(part.start))
    for group in range(part.start, part.end):
        rows = opened.metadata.row_group(group).num_rows
        done = 0
        try:
            for batch in opened.iter_batches(batch_size=_ROWS, row_groups=[group]):
                for row in batch.to_pylist():
                    yield given_row(part.path, first + done, None, row, limits)
                    done += 1
        except (OSError, pa.ArrowException) as error:
            yield Rejected(part.path, first + done, "damaged", detail=f"row group {group}, {rows - done} rows lost: "
                                                                      f"{type(error).__name__}")
        first += rows


def read(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Given | Rejected]:
    """The rows of the range, and a damaged row where the file cannot be read."""
    return broken_off(read_parquet(file, part, settings), part.path)


def by_row_groups(file: RawFile, open_file: Open, split_bytes: int) -> list[tuple[int, int]]:
    """Runs of row groups, each of at least `split_bytes` of stored data save the last."""
    with open_file(file.path) as opened:
        footer = pq.read_metadata(opened)
        ends, total = [], 0
        for group in range(footer.num_row_groups):
            columns = footer.row_group(group)
            total += sum(columns.column(n).total_compressed_size for n in range(columns.num_columns))
            ends.append(total)
    start, ranges = 0, []
    while start < len(ends):
        done = ends[start - 1] if start else 0
        end = min(bisect.bisect_left(ends, done + split_bytes) + 1, len(ends))
        ranges.append((start, end))
        start = end
    return ranges


PARQUET = Format("parquet", re.compile(r"\.parquet$", re.I), re.compile(rb"PAR1"), by_row_groups, read)
