"""JSONL of post-training: read line by line with a sentence for what is none, written whole or not at all."""

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from textmill.model import ModelError


def lines(data: bytes, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and object of each line that is not empty. ModelError where one is no JSON, or has half a character."""
    for number, text in enumerate(data.splitlines(), 1):
        if not text.strip():
            continue
        try:
            line = json.loads(text)
            json.dumps(line, ensure_ascii=False).encode()       # half of a surrogate pair, escaped, is no text
        except (ValueError, RecursionError):
            raise ModelError(f"{path}, line {number}: is no JSON; write one object a line") from None
        yield number, line if isinstance(line, dict) else {}


def write_lines(path: Path, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write the rows, a line each."""
    write_whole(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def write_whole(path: Path, text: str) -> None:
    """Write a file under another name, and rename it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        unfinished.write_text(text, "utf-8")
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)
