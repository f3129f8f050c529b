"""Raw files and ranges of them: the input of splits and formats."""

import re
from typing import NamedTuple

_ELSEWHERE = re.compile(r"(https?|s3|gs)://[^/]+/.|/.")     # no path below raw/ looks like this


class RawFile(NamedTuple):
    """A raw file: its path below raw/ ("source/…") or its remote address, its size in bytes, the sha256 of its bytes."""

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


def is_elsewhere(path: str) -> bool:
    """Whether a raw file's path is an address: a web address, s3://, gs://, or a local path that begins with /."""
    return bool(_ELSEWHERE.match(path))
