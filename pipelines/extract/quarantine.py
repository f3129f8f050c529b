"""Records that could not be read: where each lies in its raw file, and what would let it through."""

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.lines import line_number
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import row_groups
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.extract.files.remote_files import open_raw
from textmill.pipelines.extract.formats.jsonl import JSONL
from textmill.pipelines.extract.formats.parquet import PARQUET

# Rule → what a user can do about it.
CURES = {
    "missing_text": "name the column, or a path such as meta.text, in extract.text_columns or extract.html_columns",
    "bad_turn": "give each turn a role and a content of text, or name other columns in extract.dialogue_columns",
    "unknown_role": "name the role system, developer, user, assistant or tool",
    "bad_json": "repair the line",
    "bad_record": "repair the record",
    "damaged": "get the file again",
    "truncated": "get the file again",
    "undecodable": "convert the text to UTF-8, or raise extract.max_replaced_share",
    "deadline": "raise extract.max_page_seconds",
    "out_of_memory": "raise extract.max_page_memory_mb",
}


def unreadable(data: Folder, rule: str) -> dict[str, Any] | None:
    """The first record of `documents/_rejected` that this rule quarantined; None where there is none."""
    manifest = Manifest.read(data / "documents")
    for part in manifest.rejected if manifest else ():
        for _, read in row_groups(data / "documents", part, {"rule": rule}):
            batch = read(["file", "offset", "rule", "detail"])
            rows = pc.indices_nonzero(pc.equal(batch["rule"], rule))
            if len(rows):
                return dict(batch.take(rows[:1]).to_pylist()[0])
    return None


def place(data: Folder, file: str, offset: int) -> str:
    """A record's place as a person looks for it: "a.jsonl, line 3"; a byte where it lies deep in its file."""
    if PARQUET.file_names.search(file):
        return f"{file}, row {offset + 1:,}"
    if JSONL.file_names.search(file):
        try:
            with open_raw(data, file) as opened:
                number = line_number(opened, offset)
        except (OSError, StageError, pa.ArrowException):      # it is gone, or its server does not answer
            number = None
        if number:
            return f"{file}, line {number:,}"
    return f"{file}, byte {offset:,}" if offset else file
