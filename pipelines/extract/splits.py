"""Splits of raw files: the units of work of `extract`, the same for any number of workers.

A split owns the records that begin in its ranges. Its key is safe as a file name, and the sorted keys are the order of
the dataset. A new file changes its own splits, or the one group of small files that it falls into, and no other.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import pyarrow as pa

from textmill.base.errors import TextmillError
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.formats import FORMATS, UNKNOWN, format_of
from textmill.pipelines.extract.settings import ExtractSettings

_FILE_COST = 4096   # bytes added to a small file's size: opening a file costs about as much as reading this


@dataclass(frozen=True)
class Split:
    """A unit of work: a range of one file, or several small files in path order, all of one source and kind."""

    key: str
    source: str
    kind: str
    ranges: tuple[Range, ...]


class RawFilesError(TextmillError):
    """Problems of the raw files, one sentence with its cure for each."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


def plan_splits(files: Sequence[RawFile], open_file: Callable[[str], Any], settings: ExtractSettings) -> list[Split]:
    """The splits of all files, sorted by key.

    `open_file(path)` gives a seekable binary file; it is called for Parquet footers and for the first bytes of files whose
    name does not end in their compression or kind. Raises RawFilesError listing every file that cannot be used.
    """
    split_bytes = settings.split_bytes
    problems: list[str] = []
    splits: list[Split] = []
    small: dict[tuple[str, str], dict[RawFile, list[Range]]] = {}
    for file in sorted(files):
        source, slash, _ = (file.source, "/", "") if file.source else file.path.partition("/")
        place = file.path if file.source else f"raw/{file.path}"
        if not slash:
            problems.append(f"{place} lies in no source folder; move it to raw/<source>/, for example raw/mine/")
            continue
        try:
            format = format_of(file, open_file) if file.size else UNKNOWN
            if format is None and settings.unknown == "count":
                format = UNKNOWN
            if format is None:
                problems.append(f"{place} is of an unknown format (known: {', '.join(FORMATS)}); give it a name ending "
                                "that says which, or move the file away")
                continue
            is_small = 4 * file.size < split_bytes
            ranges = format.cut(file, open_file, file.size + 1 if is_small else split_bytes)
        except (OSError, ValueError, pa.ArrowException) as error:       # ValueError: names of columns that are not UTF-8
            problems.append(f"{place} cannot be opened ({type(error).__name__}); repair the file or move it away")
            continue
        parts = [Range(file.path, file.sha256, start, end) for start, end in ranges]
        if is_small:
            small.setdefault((source, format.name), {})[file] = parts
        else:
            splits += [_split(source, format.name, [part]) for part in parts]
    if problems:
        raise RawFilesError(problems)
    for (source, kind), members in small.items():
        for group in small_groups(list(members), split_bytes):
            if parts := [part for file in group for part in members[file]]:
                splits.append(_split(source, kind, parts))
    return sorted(splits, key=lambda split: split.key)


def small_groups(files: Sequence[RawFile], split_bytes: int) -> Iterator[list[RawFile]]:
    """The files, in order, in groups of `split_bytes` on average.

    A group ends after a file whose path hashes below its share of a split: the cut depends on that file alone.
    """
    group: list[RawFile] = []
    for file in files:
        group.append(file)
        if int.from_bytes(_hash(file.path)) * split_bytes < (file.size + _FILE_COST) << 64:
            yield group
            group = []
    if group:
        yield group


def _split(source: str, kind: str, ranges: list[Range]) -> Split:
    safe = re.sub(r"[^A-Za-z0-9_]+", "_", source)[:40]
    return Split(f"{safe}-{_hash(ranges[0].path).hex()}-{ranges[0].start:013d}", source, kind, tuple(ranges))


def _hash(path: str) -> bytes:
    return blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
