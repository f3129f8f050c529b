"""Questions in SQL: one SELECT over views of the datasets, which reads their files and nothing else, within bounds.

The views are those of docs/sql.md. Once they are there, DuckDB opens no other file, no network and no extension, and its
settings are locked; what is asked must be one SELECT, so that nothing is written; it is interrupted after a few seconds.
"""

import threading
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import duckdb

from textmill.base.errors import TextmillError
from textmill.pipelines.contract.parts import Manifest, Part
from textmill.pipelines.contract.storage import Folder, open_filesystem
from textmill.pipelines.display.lines import shown
from textmill.pipelines.ledger.blocks import datasets_under

SECONDS = 10.0
MEMORY = "1GB"
ROWS = 1_000
CELL = 300              # characters of a value that are shown
ALIGNED = ("documents", "signals", "verdicts", "duplicates")
PART = r"regexp_replace(parse_filename(filename), '\.[0-9a-f]{16}\.parquet$', '')"


class SqlError(TextmillError):
    """What keeps a question from being answered, in one sentence."""


class Answer(NamedTuple):
    """Names of columns, rows as texts with personal data masked, whether there were more, and how long it took."""

    columns: list[str]
    rows: list[list[str]]
    more: bool
    seconds: float


class Database:
    """A DuckDB that knows the datasets of a data folder as views."""

    def __init__(self, data: Folder):
        self._connection = duckdb.connect(":memory:", config={
            "memory_limit": MEMORY, "max_temp_directory_size": "0B", "python_enable_replacements": False,
            "autoinstall_known_extensions": False, "autoload_known_extensions": False, "allow_community_extensions": False})
        self.views: dict[str, list[str]] = {}
        files: list[str] = []
        for name, source, columns in _views(data, files):
            self._connection.execute(f"CREATE VIEW {name} AS SELECT {columns} FROM {source}")
            self.views[name] = [row[0] for row in self._connection.execute(f"DESCRIBE {name}").fetchall()]
        self._connection.execute(f"SET allowed_paths = {_list(files)}")
        self._connection.execute("SET enable_external_access = false")
        self._connection.execute("SET lock_configuration = true")

    def ask(self, sql: str, seconds: float = SECONDS) -> Answer:
        """The first rows of a SELECT. SqlError where it is none, cannot be understood, or takes too much."""
        begin = time.monotonic()
        with self._connection.cursor() as cursor:
            try:
                statements = cursor.extract_statements(sql)
            except duckdb.Error as error:
                raise SqlError(_sentence(error)) from None
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise SqlError("give one SELECT: this page reads, and answers one question at a time")
            timer = threading.Timer(seconds, cursor.interrupt)
            timer.start()
            try:
                relation = cursor.sql(statements[0].query)
                found = relation.limit(ROWS + 1).fetchall()
                columns = list(relation.columns)
            except duckdb.InterruptException:
                raise SqlError(too_slow(seconds)) from None
            except duckdb.Error as error:
                raise SqlError(_sentence(error)) from None
            finally:
                timer.cancel()
        known: dict[str, str] = {}
        rows = [[_cell(value, known) for value in row] for row in found[:ROWS]]
        return Answer(columns, rows, len(found) > ROWS, time.monotonic() - begin)


def too_slow(seconds: float) -> str:
    """The sentence for a question that was stopped."""
    return f"it was not answered within {seconds:g} seconds, and was stopped; add a WHERE or a LIMIT"


def _views(data: Folder, files: list[str]) -> Any:
    """(name, source, columns) of each view; what it reads is added to `files`."""
    for name in (*ALIGNED, "curated"):
        manifest = Manifest.read(data / name)
        if manifest is None:
            continue
        if manifest.parts:
            aligned = name in ALIGNED
            columns = f"{PART} AS part, file_row_number AS row, * EXCLUDE (filename, file_row_number)" if aligned else "*"
            more = ", filename = true, file_row_number = true" if aligned else ""
            yield name, f"read_parquet({_paths(data / name, manifest.parts, files)}{more})", columns
        if manifest.rejected:
            view = "records_rejected" if name == "documents" else "documents_rejected"
            yield view, f"read_parquet({_paths(data / name, manifest.rejected, files)})", "*"
    tokens = [(name, manifest.parts) for name in datasets_under(data, "tokens")
              if (manifest := Manifest.read(data / f"tokens/{name}"))]
    if any(parts for _, parts in tokens):
        each = [f"SELECT {_text(name)} AS tokenizer, * FROM read_parquet({_paths(data / 'tokens' / name, parts, files)})"
                for name, parts in tokens if parts]
        yield "tokens", f"({' UNION ALL BY NAME '.join(each)})", "*"


def _paths(dataset: Folder, parts: Sequence[Part], files: list[str]) -> str:
    paths = [f"{open_filesystem(dataset.uri)[1]}/{part.path}" for part in parts]
    files += paths
    return _list(paths)


def _list(texts: Sequence[str]) -> str:
    return f"[{', '.join(map(_text, texts))}]"


def _text(text: str) -> str:
    quoted = text.replace("'", "''")
    return f"'{quoted}'"


def _sentence(error: duckdb.Error) -> str:
    """DuckDB's message without its drawing of the place, on one line."""
    said = str(error).partition("\n\nLINE")[0].partition("\nPossible")[0]
    return shown(" ".join(said.split()))[:600]


def _cell(value: Any, known: dict[str, str]) -> str:
    """A value as it is shown."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, int | float):
        return f"{value:,}" if isinstance(value, int) else f"{value:.6g}"
    text = value[:CELL].hex() if isinstance(value, bytes) else value if isinstance(value, str) else str(value)
    text = f"{text[:CELL]}…" if len(text) > CELL else text
    if text not in known:
        known[text] = text if _is_id(text) else shown(text)
    return known[text]


def _is_id(text: str) -> bool:
    return len(text) == 32 and all(character in "0123456789abcdef" for character in text)
