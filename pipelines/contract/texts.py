"""Texts selected by the user: of a dataset, a file or a folder of files, all or by a column's value.

`curated`, `letters.jsonl.zst`, `pages/`, `rows.parquet:label=spam`. A dataset is read by its manifest; of files, .txt is one
text, .jsonl (also .gz, .zst) and .parquet have a column of text. Nothing is skipped silently: what cannot be read
is an error that names it.

Labels may come from a file of their own, a row for each record of raw/: then the column is one of that file's, and
`documents:what=spam*|thin*` selects the documents whose label matches. Documents without a label are never selected.
"""

import hashlib
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.base.columns import at, paths
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.lines import json_value, read_lines
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder

# By name; whether a file is packed, its first bytes say.
ENDINGS = (".txt", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".parquet")
BATCH = 256                         # texts at a time
_LONGEST = 1 << 30                  # bytes of a line
CHOICE = re.compile(r"(?P<where>.+?):(?P<column>[^\W\d]\w*)=(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True)
class Texts:
    """A selection of texts: those whose `column` is `value`, as a string; all where `column` is None.

    In a value, `*` stands for anything and `|` for or. `labels` is a file that gives the column to rows of `documents`.
    """

    given: str
    where: str
    column: str | None
    value: str | None
    names: tuple[str, ...]          # columns, or paths into them, that may contain the text; the first that does counts
    labels: Path | None = None

    def read(self, data: Folder) -> Iterator[list[str]]:
        """The texts in the order of the parts or files, BATCH at a time. StageError where there is nothing to read."""
        waiting: list[str] = []
        for row in self._labelled(data) if self.labels else self._rows(data):
            if self.column is not None and self.column not in row:
                raise StageError(f"{self.given}: a row has no column {self.column!r}; its columns are {', '.join(row)}")
            if self.column is not None and not self._chosen(_spelled(row[self.column])):
                continue
            texts = [text for path in paths(tuple(row), self.names) if isinstance(text := at(row, path), str)]
            text = next((text for text in texts if text.strip()), texts[0] if texts else None)
            if text is None:
                raise StageError(f"{self.given}: a row has no text; a column named {' or '.join(self.names)} must hold it")
            waiting.append(text)
            if len(waiting) == BATCH:
                yield waiting
                waiting = []
        if waiting:
            yield waiting

    def fingerprint(self, data: Folder) -> str:
        """A hash of the content: the manifest's digest of a dataset; names and bytes of files."""
        if manifest := Manifest.read(data / self.where):
            there = manifest.input_digest
        else:
            there = _hash([(file.name, _sha256(file)) for file in self._files(data)])
        return _hash([there, _sha256(self.labels)]) if self.labels else there

    def _chosen(self, value: str) -> bool:
        patterns = (self.value or "").replace("[", "[[]").replace("?", "[?]").split("|")
        return any(fnmatchcase(value, pattern) for pattern in patterns)

    def _labelled(self, data: Folder) -> Iterator[dict[str, Any]]:
        """The labelled texts, each with the columns of its label.

        A label names its row by `file` (the path within the source's folder) and `offset`. StageError where no row matches."""
        assert self.labels is not None
        known = {(row.get("file"), row.get("offset")): row for row in rows_of(self.labels)}
        found = False
        for row in self._rows(data):
            label = known.get((str(row.get("file")).partition("/")[2], row.get("offset")))
            if label is not None:
                found = True
                yield label | {head: row[head] for head, _ in paths(tuple(row), self.names)}
        if not found:
            raise StageError(f"{self.labels} names no row of {self.where} by `file` and `offset`; give labels of these records")

    def _rows(self, data: Folder) -> Iterator[dict[str, Any]]:
        if manifest := Manifest.read(data / self.where):
            for part in manifest.parts:
                for batch in read_batches(data / self.where, part, self._columns(batch_names(data / self.where, part.path))):
                    yield from batch.to_pylist()
            return
        for file in self._files(data):
            yield from rows_of(file)

    def _columns(self, there: Sequence[str]) -> list[str]:
        place = ("file", "offset") if self.labels else ()
        wanted = (*(head for head, _ in paths(there, self.names)), *place, *([self.column] if self.column is not None else []))
        return [name for name in dict.fromkeys(wanted) if name in there]

    def _files(self, data: Folder) -> list[Path]:
        path = Path(self.where)
        if path.is_file():
            files = [path]
        else:
            files = [file for file in sorted(path.rglob("*")) if file.is_file() and file.name.endswith(ENDINGS)]
        if not files:
            raise StageError(f"{self.given}: there is neither a dataset {self.where} in {data.uri} nor a file or folder of "
                             f"this name with {', '.join(ENDINGS)} in it")
        return files


def batch_names(folder: Folder, path: str) -> list[str]:
    """The columns of a part."""
    with folder.open(path) as file:
        return list(pq.read_schema(file).names)


def parse_texts(given: str, names: Sequence[str], labels: str | None = None) -> Texts:
    """`WHERE` or `WHERE:COLUMN=VALUE`, the column one of the file `labels` where that is given."""
    if parts := CHOICE.fullmatch(given):
        return Texts(given, parts["where"], parts["column"], parts["value"], tuple(names), Path(labels) if labels else None)
    return Texts(given, given, None, None, tuple(names))


def rows_of(file: Path) -> Iterator[dict[str, Any]]:
    """The rows of one file. StageError where its content does not match its name."""
    try:
        if file.name.endswith(".txt"):
            yield {"text": file.read_text("utf-8")}
        elif file.name.endswith(".parquet"):
            with pq.ParquetFile(file) as parquet:
                for batch in parquet.iter_batches(BATCH):
                    yield from batch.to_pylist()
        else:
            with file.open("rb") as opened:
                for number, line in enumerate(read_lines(opened, 0, 1 << 62, _LONGEST), 1):
                    if line.data is None:
                        raise ValueError(f"line {number}: {line.detail or line.rule}")
                    if line.data.strip():
                        yield _object(number, line.data)
    except (OSError, ValueError, pa.ArrowException) as error:
        raise StageError(f"{file} cannot be read ({' '.join(str(error).split())}); repair it or leave it out") from None


def _object(number: int, line: bytes) -> dict[str, Any]:
    try:
        row = json_value(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None
    if not isinstance(row, dict):
        raise ValueError(f"line {number} is not an object")
    return row


def _hash(listed: Sequence[Any]) -> str:
    return hashlib.blake2b(json.dumps(listed).encode(), digest_size=8).hexdigest()


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _spelled(value: Any) -> str:
    """A column's value as it is written on a command line: true and false, not True and False."""
    return str(value).lower() if isinstance(value, bool) else str(value)
