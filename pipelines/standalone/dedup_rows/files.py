"""Files of rows: JSONL, CSV and TSV (plain, gzip or zstd) and Parquet. What a file is, its first bytes say.

A row has a place: the byte its line begins at in the inflated file, or its number. Rows are read twice, once to be compared and
once to be copied, by the same code, so that a place means the same row.
"""

import csv
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.lines import inflated, json_value
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.formats.parquet import rows_of

ENDINGS = (".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".parquet")
PACKED = (".gz", ".zst")
PARQUET_ROWS = 1024             # decoded at once
OTHERS = {b"[": "is one JSON array; write one object a line (jq -c '.[]')", b"%PDF": "is a PDF; extract its text first",
          b"PK\x03\x04": "is a zip archive; unpack it", b"BZh": "is packed by bzip2; unpack it",
          b"\xfd7zXZ": "is packed by xz; unpack it"}

csv.field_size_limit(min(sys.maxsize, 1 << 30))


class Row(NamedTuple):
    """A row to compare: its place, and its columns, or why it cannot be compared."""

    place: int
    columns: dict[str, Any] | None
    reason: str | None = None       # is no JSON, is no object


class Table(NamedTuple):
    """A file of rows, by path or URI, and its kind: jsonl, csv, tsv or parquet."""

    path: str
    kind: str

    @property
    def name(self) -> str:
        return self.path.rpartition("/")[2]

    def open(self) -> Any:
        """A seekable binary file."""
        folder, name = folder_of(self.path)
        return folder.open(name)


def folder_of(path: str) -> tuple[Folder, str]:
    """The folder of a file by path or URI, and its name there."""
    folder, _, name = path.rpartition("/")
    return Folder(folder or ("/" if path.startswith("/") else ".")), name


def tables(given: Sequence[str]) -> list[Table]:
    """The files given and those in folders given, in this order. StageError naming all that are no files of rows."""
    problems, found = [], []
    for path in given:
        names = [path]
        if "://" in path:
            if not path.endswith(ENDINGS + tuple(a + b for a in ENDINGS for b in PACKED)):
                names = [f"{path.rstrip('/')}/{e.path}" for e in Folder(path).entries() if _is_of_rows(e.path)]
        elif Path(path).is_dir():
            names = [str(file) for file in sorted(Path(path).rglob("*")) if file.is_file() and _is_of_rows(file.name)]
        elif not Path(path).is_file():
            problems.append(f"there is no file {path}" if not Path(path).exists() else f"{path} is no file")
            continue
        if not names:
            problems.append(f"there is no file of rows in {path}: none ends in {', '.join(ENDINGS)} (or these with .gz, .zst)")
        for name in names:
            try:
                found.append(Table(name, kind_of(name)))
            except StageError as error:
                problems.append(str(error))
    twice = {table.path for n, table in enumerate(found) if any(table.path == other.path for other in found[:n])}
    problems += [f"{path} is given twice; name it once" for path in sorted(twice)]
    if problems:
        raise StageError("\n".join(problems))
    return found


def kind_of(path: str) -> str:
    """The kind of a file by its first bytes, and for text by its name. StageError where it is none, or cannot be read."""
    try:
        with Table(path, "").open() as file:
            start = file.read(8)
            if start.startswith(b"PAR1"):
                return "parquet"
            file.seek(0)
            start = next((chunk for chunk in inflated(file) if isinstance(chunk, bytes)), b"")[:512]
    except OSError as error:
        raise StageError(f"{path} cannot be read ({' '.join(str(error).split())}); check the path") from None
    text = start.lstrip(b"\xef\xbb\xbf \t\r\n")
    if problem := next((said for magic, said in OTHERS.items() if text.startswith(magic)), None):
        raise StageError(f"{path} {problem}")
    if b"\0" in start:
        raise StageError(f"{path} is no text (UTF-16?); convert it to UTF-8, for example by iconv")
    plain = path.removesuffix(".gz").removesuffix(".zst").lower()
    return "csv" if plain.endswith(".csv") else "tsv" if plain.endswith(".tsv") else "jsonl"


def read_rows(table: Table, columns: Callable[[Sequence[str]], list[str]]) -> Iterator[Row]:
    """The rows of a file in order. StageError where it cannot be read to its end. `columns` chooses those of Parquet."""
    try:
        with table.open() as file:
            if table.kind == "parquet":
                yield from _parquet_rows(file, columns)
            elif table.kind == "jsonl":
                for place, line in raw_lines(file):
                    if line.strip():
                        yield _json_row(place, line)
            else:
                yield from (Row(place, row) for place, _, row in _separated(file, table.kind) if row is not None)
    except (OSError, pa.ArrowException, DamageError, csv.Error) as error:
        raise StageError(f"{table.path} is damaged ({' '.join(str(error).split())}): its rows could not all be copied; get the "
                         "file again") from None


def raw_rows(table: Table, file: Any) -> Iterator[tuple[int, bytes]]:
    """The rows of an open text file as they are written, line ends included, with their places; blank lines and heads too."""
    if table.kind == "jsonl":
        yield from raw_lines(file)
    else:
        yield from ((place, raw) for place, raw, _ in _separated(file, table.kind))


class DamageError(Exception):
    """A compressed stream that breaks off or is damaged."""


def raw_lines(file: Any) -> Iterator[tuple[int, bytes]]:
    """(offset, line with its end) of a plain, gzip or zstd file. DamageError. Holds one line at a time, whatever its length."""
    waiting: list[bytes] = []
    offset = 0
    for chunk in inflated(file):
        if isinstance(chunk, tuple):
            raise DamageError(chunk[1])
        *whole, rest = bytes(chunk).split(b"\n")
        for piece in whole:
            line = b"".join((*waiting, piece, b"\n"))
            waiting.clear()
            yield offset, line
            offset += len(line)
        if rest:
            waiting.append(rest)
    if waiting:
        yield offset, b"".join(waiting)


def _json_row(place: int, line: bytes) -> Row:
    try:
        row = json_value(line)
    except ValueError:
        return Row(place, None, "are no JSON")
    return Row(place, row) if isinstance(row, dict) else Row(place, None, "are no objects")


def _separated(file: Any, kind: str) -> Iterator[tuple[int, bytes, dict[str, Any] | None]]:
    """(number, lines as written, columns) of each row; the head is row 0, of which columns are None. A row may span lines."""
    taken: list[bytes] = []

    def decoded() -> Iterable[str]:
        for _, line in raw_lines(file):
            taken.append(line)
            yield line.decode("utf-8", "replace")

    head: list[str] | None = None
    for number, row in enumerate(csv.reader(decoded(), delimiter="\t" if kind == "tsv" else ",")):
        raw = b"".join(taken)
        taken.clear()
        if head is None:
            head = [name.removeprefix("\ufeff") for name in row]
            yield number, raw, None
        else:
            yield number, raw, dict(zip(head, row, strict=False)) if row else None


def _parquet_rows(file: Any, columns: Callable[[Sequence[str]], list[str]]) -> Iterator[Row]:
    parquet = pq.ParquetFile(file, page_checksum_verification=True)
    there = parquet.schema_arrow.names
    chosen = columns(there)
    if not chosen:
        yield from (Row(number, dict.fromkeys(there)) for number in range(parquet.metadata.num_rows))
        return
    number = 0
    for batch in parquet.iter_batches(PARQUET_ROWS, columns=chosen):
        for row in rows_of(batch):
            yield Row(number, dict.fromkeys(there) | row)
            number += 1


def _is_of_rows(name: str) -> bool:
    plain = name.lower().removesuffix(".gz").removesuffix(".zst")
    return plain.endswith(ENDINGS) and not name.startswith((".", "_"))
