"""Files of no known kind: each is a rejected record that names it."""

import os
import re
from collections.abc import Iterator
from typing import Any

from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import Format, whole
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

SUFFIXES = r"\.(gz|zst|bz2|xz)$"        # names of compressed files
_NOT_INFLATED = {".lz4": "lz4", ".br": "Brotli", ".Z": "compress", ".7z": "7-Zip", ".rar": "RAR"}      # known and not read
_OFFICE = dict.fromkeys((".doc", ".rtf", ".wps", ".pages", ".fodt", ".ppt", ".pptx", ".odp", ".key"), "PDF, DOCX or ODT")
_OFFICE |= dict.fromkeys((".xls", ".xlsx", ".xlsb", ".ods", ".numbers"), "CSV")
_SUFFIX = re.compile(SUFFIXES, re.I)


def read(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Rejected]:
    """The file's row."""
    yield unknown(part.path, part.end)


def unknown(path: str, size: int | None) -> Rejected:
    """The row of a file of no known kind."""
    ending = os.path.splitext(inner_path(path))[1]
    if ending in _NOT_INFLATED:
        detail = f"{_NOT_INFLATED[ending]} is not read: unpack the file, or store it as gzip or zstd"
    elif ending.lower() in _OFFICE:
        detail = f"{ending} is not read: save it as {_OFFICE[ending.lower()]}"
    else:
        named = f"no kind of file ends in {ending}" if ending else "its name has no ending"
        detail = f"{named}, and its first bytes are those of none"
    return Rejected(path, 0, "unknown_kind", size, value=ending or None, detail=detail)


def inner_path(path: str) -> str:
    """A path without the suffix of its compression."""
    return _SUFFIX.sub("", path)


UNKNOWN = Format("unknown", None, None, whole, read)
