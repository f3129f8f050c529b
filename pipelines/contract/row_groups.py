"""Row-group reads of stored datasets: only groups that may match a query are read, one at a time.

Aligned datasets have the same rows in the same order, so that a document found in one is read from another by its place.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textmill.pipelines.contract.part_files import opened, read_group
from textmill.pipelines.contract.parts import Manifest, Part
from textmill.pipelines.contract.storage import Folder

DOCUMENT_NAMES = ["id", "record_id", "source", "url", "host"]     # of a document
Read = Callable[[Sequence[str]], pa.RecordBatch]             # columns → those of one row group


class DocumentRow(NamedTuple):
    """A document: the key of its part and its row there, the same in all aligned datasets, and its names."""

    part: str
    row: int
    id: str
    record_id: str | None
    source: str
    url: str | None
    host: str | None


def row_groups(dataset: Folder, part: Part, equal: dict[str, str] | None = None,
               rows: Sequence[int] | None = None) -> Iterator[tuple[int, Read]]:
    """(number of its first row, how to read columns of it) of each row group of a part that may be wanted.

    `equal` leaves out the groups whose statistics say that no row has that value in that column; `rows` those that hold
    none of these rows of the part. An empty list of columns reads all.
    """
    with opened(dataset, part) as file:
        first = 0
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            here = rows is None or any(first <= row < first + group.num_rows for row in rows)
            if group.num_rows and here and _may_hold(file, group, equal or {}):
                yield first, partial(_read, file, number)
            first += group.num_rows


def find_ids(data: Folder, ids: Iterable[str]) -> dict[str, list[DocumentRow]]:
    """The documents of each id in order: several where a record was stored twice, none for an unknown id."""
    wanted = sorted(set(ids))
    found: dict[str, list[DocumentRow]] = {id_: [] for id_ in wanted}
    manifest = Manifest.read(data / "documents")
    for part in manifest.parts if manifest and wanted else ():
        for first, read in row_groups(data / "documents", part):
            rows = pc.indices_nonzero(pc.is_in(read(["id"])["id"], value_set=pa.array(wanted, pa.string())))
            for document in documents_of(part, first, rows, read):
                found[document.id].append(document)
    return found


def documents_of(part: Part, first: int, rows: pa.Array, read: Read) -> list[DocumentRow]:
    """The documents in these rows of a row group that begins at row `first` of its part."""
    names = read(DOCUMENT_NAMES).take(rows).to_pylist() if len(rows) else []
    return [DocumentRow(part.key, first + row, **named) for row, named in zip(rows.to_pylist(), names, strict=True)]


def rows_of(data: Folder, dataset: str, documents: Sequence[DocumentRow],
            columns: Sequence[str] | None = None) -> list[dict[str, Any] | None]:
    """The row of each document in an aligned dataset (documents, signals, verdicts, duplicates), as a dict.

    None where there is no such row: the dataset has not been made, or was made from other documents. `columns`
    are those to read; all by default. Only the row groups that hold these rows are read.
    """
    manifest = Manifest.read(data / dataset)
    parts = {part.key: part for part in manifest.parts} if manifest else {}
    found: list[dict[str, Any] | None] = [None] * len(documents)
    for key in sorted({document.part for document in documents} & parts.keys()):
        wanted = [(document.row, n) for n, document in enumerate(documents) if document.part == key]
        for first, read in row_groups(data / dataset, parts[key], rows=[row for row, _ in wanted]):
            batch = read(list(dict.fromkeys(["id", *columns])) if columns else [])
            for row, n in wanted:
                if first <= row < first + batch.num_rows and batch["id"][row - first].as_py() == documents[n].id:
                    found[n] = {name: batch[name][row - first].as_py() for name in columns or batch.schema.names}
    return found


def _read(file: pq.ParquetFile, number: int, columns: Sequence[str]) -> pa.RecordBatch:
    return read_group(file, number, columns or None)[0]


def _may_hold(file: pq.ParquetFile, group: Any, equal: dict[str, str]) -> bool:
    for column, value in equal.items():
        statistics = group.column(file.schema_arrow.names.index(column)).statistics     # all of these are flat columns
        if statistics and statistics.has_min_max and not statistics.min <= value <= statistics.max:
            return False
    return True
