"""From a listing of raw files to splits: the units of work of `extract`, the same for any number of workers.

A split owns the records that begin in its ranges. Its key is safe as a file name, and the sorted keys are the order of
the dataset. A new file changes its own splits, or the one group of small files that it falls into, and no other.
"""

import bisect
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.base.errors import TextmillError
from textmill.pipelines.extract.settings import ExtractSettings

# How a file is read; `wet` is a WARC whose records are already text, `jsonl` covers .ndjson and .json of one object a line.
KINDS = ("warc", "wet", "arc", "html", "text", "jsonl", "parquet")
_NAMES = (
    ("wet", re.compile(r"\.wet(\.gz|\.zst)?$|\.warc\.wet(\.gz|\.zst)?$", re.I)),
    ("warc", re.compile(r"\.warc(\.wat)?(\.gz|\.zst)?$", re.I)),
    ("arc", re.compile(r"\.arc(\.gz)?$", re.I)),
    ("html", re.compile(r"\.(html?|xhtml)$", re.I)),
    ("text", re.compile(r"\.(txt|md)$", re.I)),
    ("jsonl", re.compile(r"\.(jsonl|ndjson)(\.gz|\.zst)?$", re.I)),
    ("parquet", re.compile(r"\.parquet$", re.I)),
)
_ELSEWHERE = re.compile(r"(https?|s3|gs)://[^/]+/.|/.")     # no path below raw/ looks like this
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_FILE_COST = 4096   # bytes counted on top of a small file's size: opening a file costs about as much as reading this


class RawFile(NamedTuple):
    """A raw file: its path below raw/ ("source/…") or its address elsewhere, its size in bytes, the sha256 of its bytes."""

    path: str
    size: int
    sha256: str
    source: str | None = None       # of a file elsewhere; else the first folder of the path


class Range(NamedTuple):
    """Part of a raw file: stored bytes [start, end), row groups [start, end) of a Parquet file."""

    path: str
    sha256: str
    start: int
    end: int


@dataclass(frozen=True)
class Split:
    """A unit of work: a range of one file, or several small files in path order, all of one source and kind."""

    key: str
    source: str
    kind: str
    ranges: tuple[Range, ...]


class RawFilesError(TextmillError):
    """What is wrong with the raw files, one sentence with its cure for each."""

    def __init__(self, problems: list[str]):
        super().__init__("\n".join(problems))
        self.problems = problems


def plan_splits(files: Sequence[RawFile], open_file: Callable[[str], Any], settings: ExtractSettings) -> list[Split]:
    """The splits of all files, sorted by key.

    `open_file(path)` gives a seekable binary file; it is called for Parquet footers and for the first bytes of files whose
    name does not end in their compression or kind. Raises RawFilesError with every file that has no place here.
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
            kind = file_kind(file, open_file)
            if kind is None:
                problems.append(f"{place} is of no kind that can be read; give WARC, ARC, HTML, text, JSONL or "
                                f"Parquet a name ending that says so, or move the file away")
                continue
            is_small = 4 * file.size < split_bytes
            parts = cut_file(file, kind, open_file, file.size + 1 if is_small else split_bytes)
        except (OSError, pa.ArrowException) as error:
            problems.append(f"{place} cannot be opened ({type(error).__name__}); repair the file or move it away")
            continue
        if is_small:
            small.setdefault((source, kind), {})[file] = parts
        else:
            splits += [_split(source, kind, [part]) for part in parts]
    if problems:
        raise RawFilesError(problems)
    for (source, kind), members in small.items():
        for group in small_groups(list(members), split_bytes):
            if parts := [part for file in group for part in members[file]]:
                splits.append(_split(source, kind, parts))
    return sorted(splits, key=lambda split: split.key)


def is_elsewhere(path: str) -> bool:
    """Whether a raw file's path is an address: a web address, s3://, gs://, or a local path that begins with /."""
    return bool(_ELSEWHERE.match(path))


def file_kind(file: RawFile, open_file: Callable[[str], Any]) -> str | None:
    """One of KINDS by the name, then by the first bytes; None where neither tells."""
    for kind, pattern in _NAMES:
        if pattern.search(file.path):
            return kind
    with open_file(file.path) as opened:
        start = opened.read(512)
    if start.startswith(_GZIP):
        try:
            start = zlib.decompressobj(31).decompress(start, 512)
        except zlib.error:
            return None
    if start.startswith(b"WARC/"):
        return "warc"
    if start.startswith(b"filedesc://"):
        return "arc"
    if start.startswith(b"PAR1"):
        return "parquet"
    if re.match(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html)", start, re.I):
        return "html"
    return "jsonl" if re.match(rb"\s*\{\s*\"", start) else None


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


def cut_file(file: RawFile, kind: str, open_file: Callable[[str], Any], split_bytes: int) -> list[Range]:
    """The ranges of one file: gzipped WARC and plain JSONL by bytes, Parquet by row groups, all else whole."""
    if kind == "parquet":
        return [Range(file.path, file.sha256, start, end) for start, end in _row_groups(file, open_file, split_bytes)]
    can_enter = False
    if file.size > split_bytes:
        with open_file(file.path) as opened:
            magic = opened.read(4)
        compressed = magic.startswith(_GZIP) or magic == _ZSTD
        can_enter = magic.startswith(_GZIP) if kind in ("warc", "wet") else kind == "jsonl" and not compressed
    step = split_bytes if can_enter else max(file.size, 1)
    return [Range(file.path, file.sha256, start, min(start + step, file.size)) for start in range(0, max(file.size, 1), step)]


def _row_groups(file: RawFile, open_file: Callable[[str], Any], split_bytes: int) -> Iterator[tuple[int, int]]:
    """Runs of row groups, each of at least `split_bytes` of stored data save the last."""
    with open_file(file.path) as opened:
        footer = pq.read_metadata(opened)
        ends, total = [], 0
        for group in range(footer.num_row_groups):
            columns = footer.row_group(group)
            total += sum(columns.column(n).total_compressed_size for n in range(columns.num_columns))
            ends.append(total)
    start = 0
    while start < len(ends):
        done = ends[start - 1] if start else 0
        end = min(bisect.bisect_left(ends, done + split_bytes) + 1, len(ends))
        yield start, end
        start = end


def _split(source: str, kind: str, ranges: list[Range]) -> Split:
    safe = re.sub(r"[^A-Za-z0-9_]+", "_", source)[:40]
    return Split(f"{safe}-{_hash(ranges[0].path).hex()}-{ranges[0].start:013d}", source, kind, tuple(ranges))


def _hash(path: str) -> bytes:
    return blake2b(path.encode("utf-8", "surrogateescape"), digest_size=8).digest()
