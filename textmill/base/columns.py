"""Paths to values in rows of JSON and Parquet: a column's name, or names joined by dots that lead into it (`meta.url`).

Names are found in any case; a name that is there as it is spelled goes first, and a column that has dots in its own name
before a path.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Path = tuple[str, str]      # a column of a row, and the rest of a path into its value ("" where the column is meant)

# Where data sets keep a row's address, and the date it was fetched.
URLS = ("url", "uri", "target_uri", "meta.url", "metadata.url", "meta.uri", "metadata.uri", "warc_headers.WARC-Target-URI")
DATES = ("date", "timestamp", "warc_date", "crawl_date", "created", "meta.date", "metadata.date", "meta.timestamp",
         "metadata.timestamp", "metadata.created", "warc_headers.WARC-Date")


def paths(there: Sequence[str], names: Sequence[str]) -> tuple[Path, ...]:
    """The paths among `names` that begin in one of the columns `there`, in the order of `names`."""
    keys = {key: key for key in there if isinstance(key, str)}
    lowered = {key.lower(): key for key in reversed(keys)}

    def leading() -> Iterator[Path]:
        for name in names:
            head, _, rest = name.partition(".")
            if (key := keys.get(name) or lowered.get(name.lower())) is not None:
                yield key, ""
            elif rest and (key := keys.get(head) or lowered.get(head.lower())) is not None:
                yield key, rest

    return tuple(leading())


def at(row: Mapping[str, Any], path: Path) -> Any:
    """The value at a path; None where it leads nowhere."""
    value, rest = row.get(path[0]), path[1]
    while rest and isinstance(value, dict):
        key, rest = _step(value, rest)
        value = value.get(key)
    return None if rest else value


def without(row: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """The row without the value at a path; the row is not changed, nor what it holds."""
    head, rest = path
    if not rest:
        return {name: value for name, value in row.items() if name != head}
    value = row.get(head)
    if not isinstance(value, dict):
        return dict(row)
    return {**row, head: without(value, _step(value, rest))}


def _step(value: Mapping[Any, Any], rest: str) -> Path:
    """The key of `value` that a path goes on with, and the rest of the path below it."""
    lowered = {key.lower(): key for key in reversed(value) if isinstance(key, str)}
    if rest in value or rest.lower() in lowered:
        return (rest if rest in value else lowered[rest.lower()]), ""
    head, _, below = rest.partition(".")
    return (head if head in value else lowered.get(head.lower(), head)), below
