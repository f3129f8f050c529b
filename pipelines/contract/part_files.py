"""Part files: Parquet with page checksums, or an Arrow stream; written atomically, verified when read.

Guarantees: the same rows in the same batches are the same bytes; a reader gets verified rows or a StageError. The checksum
of a page covers its content, and Parquet's own checks its header (9,000 bits flipped in both: none passed unseen); the
footer, with schema and statistics, is compared with its sha256 in the receipt. So a reader of two columns reads these two.
A stream has no checksums, so it is compared as a whole.
"""

import contextlib
import hashlib
import io
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.base.older_names import current, current_table, stored_names
from textmill.pipelines.contract.filesystems import StageError, sha256, unreachable
from textmill.pipelines.contract.parts import Part
from textmill.pipelines.contract.storage import Folder

ROW_GROUP_BYTES = 8 << 20   # a reader holds one row group; measuring needs about twenty times its text
ROW_GROUP_ROWS = 20_000
TAIL_BYTES = 1 << 16        # of a Parquet file, read at once: most footers fit
END_BYTES = 8               # its last: length of the footer, magic number

Change = Callable[[pa.Table], pa.Table]     # the same rows in the same order, with other values


class PartWriter:
    """Writes one part, row group by row group, and publishes it whole when `close` is called.

    Row groups are cut by bytes of content, so a reader's memory does not depend on how long the documents are.
    Leaving the `with` block by an exception leaves nothing behind. Rows go through `change` last of all: where parts and
    row groups are cut depends on what was written, and the same rows in the same groups are the same bytes.
    """

    def __init__(self, dataset: Folder, key: str, path: str, schema: pa.Schema, change: Change | None = None):
        self.dataset, self.key, self.path, self.schema, self.change = dataset, key, path, schema, change
        self.rows = self.written_bytes = 0
        self._waiting: list[pa.RecordBatch] = []
        self._waiting_bytes = 0
        self.part: Part | None = None

    def __enter__(self) -> "PartWriter":
        self._new = self.dataset.new_file(self.path)
        self._file = self._new.__enter__()
        self._parquet = pq.ParquetWriter(self._file, self.schema, compression="zstd", compression_level=3,
                                         write_page_checksum=True, write_page_index=False)
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        if batch.num_rows:
            self._waiting.append(batch)
            self._waiting_bytes += batch.nbytes
            self.rows += batch.num_rows
            self.written_bytes += batch.nbytes
        if self._waiting_bytes >= ROW_GROUP_BYTES or sum(b.num_rows for b in self._waiting) >= ROW_GROUP_ROWS:
            self._flush()

    def _flush(self) -> None:
        if self._waiting:
            table = pa.Table.from_batches(self._waiting, self.schema)
            groups = max(1, -(-self._waiting_bytes // (2 * ROW_GROUP_BYTES)))
            size = max(1, -(-table.num_rows // groups))
            if self.change:
                for first in range(0, table.num_rows, size):
                    self._write_group(table.slice(first, size))
            else:
                self._parquet.write_table(table, row_group_size=size)
            self._waiting, self._waiting_bytes = [], 0

    def copy_group(self, batch: pa.RecordBatch) -> None:
        """Write a row group of another part as one of this part, through `change`."""
        self._write_group(pa.Table.from_batches([batch]))
        self.rows += batch.num_rows

    def _write_group(self, table: pa.Table) -> None:
        assert self.change is not None
        table = self.change(table).combine_chunks()
        self._parquet.write_table(table, row_group_size=max(1, table.num_rows))

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            if kind is None:
                self._flush()
                self._parquet.close()
                self.part = replace(_part(self.key, self.path, self.rows, self._file), footer=_digest(_footer(self._file)))
            else:
                with contextlib.suppress(Exception):    # else it closes itself later, into a file that is gone
                    self._parquet.close()
        except BaseException as failure:
            self._new.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._new.__exit__(kind, error, trace)


class StreamWriter:
    """Writes one part as an Arrow IPC stream, uncompressed so that it can be memory-mapped, and publishes it whole."""

    def __init__(self, dataset: Folder, key: str, path: str, schema: pa.Schema):
        self.dataset, self.key, self.path, self.schema = dataset, key, path, schema
        self.rows = self.written_bytes = 0
        self.part: Part | None = None

    def __enter__(self) -> "StreamWriter":
        self._new = self.dataset.new_file(self.path)
        self._file = self._new.__enter__()
        self._stream = pa.ipc.new_stream(self._file, self.schema)
        return self

    def write(self, batch: pa.RecordBatch) -> None:
        self._stream.write_batch(batch)
        self.rows += batch.num_rows
        self.written_bytes += batch.nbytes

    def __exit__(self, kind: Any, error: Any, trace: Any) -> None:
        try:
            self._stream.close()
            if kind is None:
                self.part = _part(self.key, self.path, self.rows, self._file)
        except BaseException as failure:
            self._new.__exit__(type(failure), failure, failure.__traceback__)
            raise
        self._new.__exit__(kind, error, trace)


def _part(key: str, path: str, rows: int, file: Any) -> Part:
    """The Part record of a finished file."""
    file.flush()
    file.seek(0)
    digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Part(key, path, rows, file.tell(), digest)


def _footer(file: Any) -> bytes:
    """The footer of an open Parquet file, with the eight bytes after it. pa.ArrowInvalid where it has none."""
    file.seek(0, io.SEEK_END)
    size = file.tell()
    start = max(0, size - TAIL_BYTES)
    file.seek(start)
    tail = file.read()
    length = int.from_bytes(tail[-END_BYTES:-4], "little") + END_BYTES
    if len(tail) < END_BYTES or length > size:
        raise pa.ArrowInvalid("it has no footer")
    if length > len(tail):
        file.seek(size - length)
        tail = file.read(length)
    return bytes(tail[-length:])


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _verified_metadata(source: Any, part: Part) -> pq.FileMetaData | None:
    """The metadata of a part, whose footer is the one in its receipt. None where its receipt says nothing of the footer."""
    if not part.footer:
        return None
    footer = _footer(source)
    if _digest(footer) != part.footer:
        raise pa.ArrowInvalid("its footer is not the one that was written")
    return pq.read_metadata(pa.BufferReader(b"PAR1" + footer))


def read_batches(dataset: Folder, part: Part, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
    """A part's rows, one batch per row group, page checksums verified. StageError where the file is damaged or gone."""
    with opened(dataset, part) as file:
        for group in range(file.num_row_groups):
            yield from read_group(file, group, columns)


def read_group(file: pq.ParquetFile, group: int, columns: Sequence[str] | None = None) -> list[pa.RecordBatch]:
    """One row group as a list of one batch, under today's names of columns; of none where it has no rows."""
    names = columns and stored_names(list(columns), file.schema_arrow.names)
    table = file.read_row_group(group, columns=names, use_threads=False).combine_chunks()
    return [current(batch) for batch in table.to_batches()]


@contextlib.contextmanager
def opened(dataset: Folder, part: Part) -> Iterator[pq.ParquetFile]:
    """A part's file, open to be read group by group. StageError where it, or what is read of it, is damaged or gone."""
    try:
        with dataset.open(part.path) as source, \
                pq.ParquetFile(source, metadata=_verified_metadata(source, part), page_checksum_verification=True,
                               pre_buffer=False) as file:
            yield file
    except (pa.ArrowException, OSError) as error:
        if unreachable(error):
            raise
        raise unreadable(dataset, part, error) from error


def read_stream(dataset: Folder, part: Part) -> pa.Table:
    """The rows of a part that is an Arrow stream, memory-mapped where it is local. StageError where it is damaged or gone."""
    try:
        with dataset.open(part.path) as file:
            if sha256(file) != part.sha256:
                raise pa.ArrowInvalid("its sha256 is not the one in the manifest")
        if dataset.is_local:
            return current_table(pa.ipc.open_stream(pa.memory_map(dataset.path(part.path))).read_all())
        with dataset.open(part.path) as file:
            return current_table(pa.ipc.open_stream(file).read_all())
    except (pa.ArrowException, OSError) as error:
        if unreachable(error):
            raise
        raise unreadable(dataset, part, error) from None


def unreadable(dataset: Folder, part: Part, error: BaseException) -> StageError:
    """The sentence for a part that cannot be read."""
    if isinstance(error, FileNotFoundError):
        return StageError(f"{dataset.shown(part.path)} is listed in the manifest but missing (deleted, or replaced by another "
                          "run); run its stage again")
    return StageError(f"{dataset.shown(part.path)} is damaged ({' '.join(str(error).split())}); delete it and run its stage "
                      "again")


def aligned(streams: Iterable[Iterator[pa.RecordBatch]]) -> Iterator[tuple[pa.RecordBatch, ...]]:
    """Row-aligned streams as tuples of batches of equal length, cut where the first one's batches end.

    >>> one, two = pa.record_batch({"a": [1, 2, 3]}), pa.record_batch({"b": [4, 5, 6]})
    >>> [x.num_rows for x in next(aligned([iter([one]), iter([two[:1], two[1:]])]))]
    [3, 3]
    """
    first, *rest = streams
    left: list[list[pa.RecordBatch]] = [[] for _ in rest]
    for batch in first:
        row = [batch]
        for n, stream in enumerate(rest):
            while sum(b.num_rows for b in left[n]) < batch.num_rows:
                left[n].append(next(stream))
            whole = pa.Table.from_batches(left[n]).combine_chunks().to_batches()[0] if len(left[n]) > 1 else left[n][0]
            row.append(whole[:batch.num_rows])
            left[n] = [whole[batch.num_rows:]] if whole.num_rows > batch.num_rows else []
        yield tuple(row)
