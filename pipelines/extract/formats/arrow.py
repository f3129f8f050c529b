"""Arrow IPC: files and streams, Feather 2, the shards of a Hugging Face `save_to_disk` folder. One record per row."""

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import of_rows, whole
from textmill.pipelines.extract.formats.parquet import rows_of
from textmill.pipelines.extract.formats.rows import PlainRow
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

_ROWS = 256     # as Python values at once: pages may be large
_FILE, _OLD = b"ARROW1", b"FEA1"


def rows(file: Any, part: Range, limits: ExtractSettings) -> Iterator[PlainRow | Rejected]:
    """The rows of the file's batches; a batch that cannot be decoded ends the file with one damaged row."""
    number = 0
    if file.read(len(_OLD)) == _OLD:
        yield Rejected(part.path, 0, "unknown_kind", part.end, detail="Feather version 1 is not read: write it as version 2")
        return
    try:
        for batch in _batches(file):
            batch.validate(full=True)       # offsets that lie would be read as they are
            for start in range(0, batch.num_rows, _ROWS):
                for row in rows_of(batch.slice(start, _ROWS)):
                    yield PlainRow(number, None, row)
                    number += 1
    except (OSError, ValueError, pa.ArrowException) as error:
        detail = f"{type(error).__name__}: what follows row {number:,} cannot be read"
        yield Rejected(part.path, number, "damaged", detail=detail)


def _batches(file: Any) -> Iterator[pa.RecordBatch]:
    file.seek(0)
    start = file.read(len(_FILE))
    file.seek(0)
    if start == _FILE:
        opened = pa.ipc.open_file(file)
        yield from (opened.get_batch(number) for number in range(opened.num_record_batches))
    else:
        yield from pa.ipc.open_stream(file)


# A stream begins with a continuation mark, the length of the schema's message, and that message.
ARROW = of_rows("arrow", r"\.(arrow|arrows|feather|ipc)$", rb"ARROW1|\xff{4}.{3}\x00.{4,40}\x0a\x00", whole, rows,
                random_access=True)
