"""Batches of texts from .txt, .jsonl (each plain, .gz or .zst) and .parquet files, of a size that fits in memory.

A truncated compressed file is an error, never a shorter file."""

import gzip
import io
import json
import zlib
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textmill.tokenizer.bpe import TokenizerError

KINDS = ("txt", "jsonl", "parquet")
_CHUNK = 1 << 16        # characters of a .txt taken as one text: whole lines, as long as a line is no longer than this
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"      # first bytes: what packs a file, its name need not say
_BATCH = 256            # texts handed on together


def kind(path: Path) -> str:
    """txt, jsonl or parquet, by the name; TokenizerError for any other."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes and suffixes[-1] in (".gz", ".zst"):
        suffixes.pop()
    found = suffixes[-1].lstrip(".") if suffixes else ""
    if found not in KINDS:
        raise TokenizerError(f"{path}: is not .txt, .jsonl (plain, .gz or .zst) or .parquet; rename or convert it")
    return found


class Texts(NamedTuple):
    """A batch of texts, and the language code of each where its row has one."""

    texts: list[str]
    languages: list[str | None]


def read_texts(path: Path, column: str, language: str = "language") -> Iterator[Texts]:
    """The texts of a file in order, in batches: of rows their `column` (nulls left out), of a .txt chunks of whole lines.

    `language`: the column of their language, where there is one. Raises TokenizerError where the file cannot be read to its
    end or has no such column of text."""
    try:
        if kind(path) == "parquet":
            yield from _parquet(path, column, language)
        else:
            with _opened(path) as lines:
                texts = _chunks(lines) if kind(path) == "txt" else _rows(lines, path, column, language)
                while batch := list(islice(texts, _BATCH)):
                    yield Texts([text for text, _ in batch], [of for _, of in batch])
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, pa.ArrowInvalid) as error:
        raise TokenizerError(f"{path}: cannot be read ({error}); repair it or leave it out") from None


def _opened(path: Path) -> io.TextIOBase:
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(_GZIP):
        return gzip.open(path, "rt", encoding="utf-8", newline="\n")
    if start == _ZSTD:
        return io.TextIOWrapper(pa.CompressedInputStream(pa.OSFile(str(path)), "zstd"), "utf-8", newline="\n")
    return open(path, encoding="utf-8", newline="\n")


def _chunks(lines: io.TextIOBase) -> Iterator[tuple[str, None]]:
    while chunk := lines.read(_CHUNK):
        yield chunk + lines.readline(_CHUNK), None


def _rows(lines: io.TextIOBase, path: Path, column: str, language: str) -> Iterator[tuple[str, str | None]]:
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line) if line.strip() else {column: None}
        except ValueError as error:
            raise TokenizerError(f"{path}, line {number}: is not JSON ({error}); repair it or leave it out") from None
        if not isinstance(row, dict) or column not in row:
            has = f"it has {', '.join(row)}" if isinstance(row, dict) else "it is no object"
            raise TokenizerError(f"{path}, line {number}: has no {column!r} ({has}); name it with --text-column")
        if not isinstance(row[column], str | None):
            raise TokenizerError(f"{path}, line {number}: {column!r} is not text; name another with --text-column")
        if row[column]:
            # JSON can escape half of a surrogate pair, which no UTF-8 text can hold.
            yield row[column].encode("utf-8", "replace").decode("utf-8"), _language(row.get(language))


def _language(value: Any) -> str | None:
    return value.encode("utf-8", "replace").decode("utf-8") if value and isinstance(value, str) else None


def _parquet(path: Path, column: str, language: str) -> Iterator[Texts]:
    with pq.ParquetFile(path, page_checksum_verification=True) as file:
        schema = file.schema_arrow
        if column not in schema.names:
            raise TokenizerError(f"{path}: has no column {column!r} (it has {', '.join(schema.names)}); name it with "
                                 "--text-column")
        if not _is_text(schema.field(column).type):
            raise TokenizerError(f"{path}: column {column!r} is {schema.field(column).type}, not text; name another with "
                                 "--text-column")
        has_language = language in schema.names and language != column and _is_text(schema.field(language).type)
        for batch in file.iter_batches(_BATCH, columns=[column, *([language] if has_language else [])]):
            texts = batch.filter(pc.is_valid(batch[column]))
            languages = texts[language].to_pylist() if has_language else [None] * texts.num_rows
            yield Texts(texts[column].to_pylist(), languages)


def _is_text(kind: pa.DataType) -> bool:
    return pa.types.is_string(kind) or pa.types.is_large_string(kind)
