"""Records that could not be read: where each lies in its raw file, and what would let it through."""

import re
from collections.abc import Iterator
from itertools import islice
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.lines import line_number
from textmill.pipelines.contract.parts import DamagedError, Manifest, read_counts
from textmill.pipelines.contract.row_groups import row_groups
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.files.remote_files import open_raw

# Files in which an offset is the number of a row, and those in which it is that of a line's first byte.
_ROWS = re.compile(r"\.(parquet|arrow|arrows|feather|ipc|json)$", re.I)
_LINES = re.compile(r"\.(jsonl|ndjson|csv|tsv|tab)(\.gz|\.zst)?$", re.I)

# Rule → what a user can do about it.
CURES = {
    "missing_text": "name the column, or a path such as meta.text, in extract.text_columns or extract.html_columns, or as "
                    "columns.text in raw/<source>/source.yaml",
    "bad_turn": "give each turn a role and a content of text, or name other columns in extract.dialogue_columns",
    "unknown_role": "name the role system, developer, user, assistant or tool",
    "bad_json": "repair the line",
    "bad_row": "put fields that hold the separator in quotes",
    "broken_quotes": "close the quote, and double those within a field",
    "bad_record": "repair the record",
    "damaged": "get the file again",
    "truncated": "get the file again",
    "undecodable": "convert the text to UTF-8, or raise extract.max_replaced_share",
    "deadline": "raise extract.max_page_seconds",
    "out_of_memory": "raise extract.max_page_memory_mb",
}


def unreadable(data: Folder, rule: str) -> dict[str, Any] | None:
    """The first record of the rejected rows of `documents` that this rule took; None where there is none."""
    return next(_taken_by(data, rule), None)


def unknown_files(data: Folder, most: int = 3) -> list[str]:
    """A line that names the first files of no known kind; or none."""
    try:
        if not read_counts(data / "documents").get("rejected", {}).get("unknown_kind"):
            return []
    except DamagedError:        # there is nothing yet
        return []
    files = [row["file"] for row in islice(_taken_by(data, "unknown_kind"), most)]
    return [f"of an unknown kind: {', '.join(f'raw/{file}' for file in files)} (`textmill rejected --rule unknown_kind` lists "
            "them)"] if files else []


def _taken_by(data: Folder, rule: str) -> Iterator[dict[str, Any]]:
    """The rejected records of a rule, in order."""
    manifest = Manifest.read(data / "documents")
    for part in manifest.rejected if manifest else ():
        for _, read in row_groups(data / "documents", part, {"rule": rule}):
            batch = read(["file", "offset", "rule", "detail"])
            yield from batch.filter(pc.equal(batch["rule"], rule)).to_pylist()


def place(data: Folder, file: str, offset: int) -> str:
    """A record's place as a person looks for it: "a.jsonl, line 3"; a byte where it lies deep in its file."""
    if _ROWS.search(file):
        return f"{file}, row {offset + 1:,}"
    if _LINES.search(file):
        try:
            with open_raw(data, file) as opened:
                number = line_number(opened, offset)
        except (OSError, StageError, pa.ArrowException):      # it is gone, or its server does not answer
            number = None
        if number:
            return f"{file}, line {number:,}"
    return f"{file}, byte {offset:,}" if offset else file
