"""Copies of files of rows without some of their rows: every other line, row group, type and codec as it came."""

import gzip
import io
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from textmill.pipelines.standalone.dedup_rows.files import Table, folder_of, raw_rows

LEVEL = 6                       # of gzip; its header has no name and no time, so equal rows are equal bytes


def copy_rows(table: Table, target: str, removed: set[int]) -> int:
    """Write the file's rows, without those at the places in `removed`, to a path or URI; how many rows were left out."""
    with table.open() as file, new_file(target) as sink:
        if table.kind == "parquet":
            return _copy_parquet(file, sink, removed)
        with _packed(sink, target) as plain:
            return copy_text(table, file, plain, removed)


@contextmanager
def new_file(target: str) -> Iterator[BinaryIO]:
    """A file to write at a path or URI; it is there when the block ends well, and only then."""
    folder, name = folder_of(target)
    try:
        with folder.new_file(name) as file:
            yield file
    finally:
        with suppress(OSError):         # what was written to first; a user's folder is not ours to leave things in
            os.rmdir(f"{folder.uri}/_tmp")


def copy_text(table: Table, file: Any, sink: BinaryIO, removed: set[int]) -> int:
    """As `copy_rows`, for text, into an open file."""
    out = 0
    for place, raw in raw_rows(table, file):
        if place in removed:
            out += 1
        else:
            sink.write(raw)
    return out


@contextmanager
def _packed(sink: BinaryIO, name: str) -> Iterator[Any]:
    with ExitStack() as stack:
        if name.endswith(".gz"):
            yield stack.enter_context(gzip.GzipFile("", "wb", LEVEL, sink, mtime=0))
        elif name.endswith(".zst"):
            writer = stack.enter_context(zstandard.ZstdCompressor(3).stream_writer(sink, closefd=False))
            yield stack.enter_context(io.BufferedWriter(writer, 1 << 20))       # type: ignore[type-var]
        else:
            yield sink


def _copy_parquet(file: Any, sink: Any, removed: set[int]) -> int:
    parquet = pq.ParquetFile(file, page_checksum_verification=True)
    schema, metadata = parquet.schema_arrow, parquet.metadata
    codecs: str | dict[str, str] = "none"
    if metadata.num_row_groups:
        group = metadata.row_group(0)
        columns = [group.column(n) for n in range(group.num_columns)]
        codecs = {column.path_in_schema: column.compression.replace("UNCOMPRESSED", "NONE") for column in columns}
    if views := [field for field in schema if pa.types.is_string_view(field.type) or pa.types.is_binary_view(field.type)]:
        for one in views:           # Arrow reads them and does not write them
            plain = pa.string() if pa.types.is_string_view(one.type) else pa.binary()
            schema = schema.set(schema.get_field_index(one.name), one.with_type(plain))
    first = out = 0
    with pq.ParquetWriter(sink, schema, compression=codecs, write_page_checksum=True) as writer:
        for number in range(metadata.num_row_groups):
            table = parquet.read_row_group(number).cast(schema)
            stays = [place not in removed for place in range(first, first + table.num_rows)]
            first, out = first + table.num_rows, out + stays.count(False)
            kept = table if all(stays) else table.filter(pa.array(stays))
            if kept.num_rows:
                writer.write_table(kept, row_group_size=kept.num_rows)
    return out
