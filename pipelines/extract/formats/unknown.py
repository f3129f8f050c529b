"""Files of no known kind, and empty ones: each is a rejected record that names it, and says what would help."""

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
# Known and not read: what they are, and the cure.
_UNPACK, _WORD = "unpack the file, or store it as gzip or zstd", "save it as .docx or .txt"
_TABLE, _ROWS = "save its tables as CSV or JSONL", "save its rows as Parquet or JSONL"
_NOT_READ = {
    **{f".{ending}": (name, _UNPACK) for ending, name in (("lz4", "lz4"), ("br", "Brotli"), ("z", "compress"), ("7z", "7-Zip"),
                                                          ("rar", "RAR"))},
    ".doc": ("an older format of Word", _WORD), ".rtf": ("Rich Text", _WORD),
    **dict.fromkeys((".pages", ".wps", ".fodt"), ("a text processor's file", _WORD)),
    **dict.fromkeys((".xlsx", ".xlsm", ".xlsb", ".xls", ".ods", ".numbers"), ("a spreadsheet", _TABLE)),
    **dict.fromkeys((".pptx", ".ppt", ".odp", ".key"), ("a presentation", "export its text, or save it as .pdf")),
    **dict.fromkeys((".sqlite", ".sqlite3", ".db"), ("a database", _TABLE)),
    **dict.fromkeys((".pkl", ".pickle", ".npy", ".npz", ".pt"), ("a file of Python's objects or arrays", _ROWS)),
    **dict.fromkeys((".xml", ".rss", ".atom"), ("XML of this kind", "convert it to HTML, text or JSONL")),
    **dict.fromkeys((".mhtml", ".mht"), ("a page stored with its pictures", "save it as HTML alone")),
    **dict.fromkeys((".eml", ".mbox", ".msg", ".pst"), ("mail", "write a row for each message as JSONL, with `text`")),
    **dict.fromkeys((".srt", ".vtt", ".ass"), ("a file of subtitles", "save what is said as .txt")),
    ".log": ("a log", "give it a name in .txt where it is to be read as text"),
    ".json": ("JSON without objects", "make each value an object such as {\"text\": …}")}
_SUFFIX = re.compile(SUFFIXES, re.I)


def read(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Rejected]:
    """The file's row."""
    yield unknown(part.path, part.end)


def unknown(path: str, size: int | None) -> Rejected:
    """The row of a file of no known kind."""
    if size == 0:
        return Rejected(path, 0, "empty", size, detail="the file is empty")
    ending = os.path.splitext(inner_path(path))[1]
    if ending.lower() in _NOT_READ:
        detail = "{} is not read: {}".format(*_NOT_READ[ending.lower()])
    elif _SUFFIX.fullmatch(ending):
        detail = "it is compressed twice: unpack it once"
    else:
        named = f"no kind of file ends in {ending}" if ending else "its name has no ending"
        detail = f"{named}, and its first bytes are those of none"
    return Rejected(path, 0, "unknown_kind", size, value=ending or None, detail=detail)


def is_not_read(path: str) -> bool:
    """Whether a file's name says a kind that is known and not read, whatever it is packed as."""
    return os.path.splitext(inner_path(path))[1].lower() in _NOT_READ


def inner_path(path: str) -> str:
    """A path without the suffix of its compression."""
    return _SUFFIX.sub("", path)


UNKNOWN = Format("unknown", None, None, whole, read)
