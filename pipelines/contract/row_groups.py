"""Lookup: a page's rows in the stored datasets, by its URL, host, id or record id.

Reads `documents` through its manifest, only the columns that name a page, and of these only row groups that may hold it
by their statistics. The other aligned datasets are then read at the rows found, a row group each. Nothing is kept
between two lookups, so there is nothing that could be out of date.
"""

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textmill.pipelines.contract.part_files import opened, read_group
from textmill.pipelines.contract.parts import Manifest, Part
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.web.address import ascii_host, below, canonical_url, given_url, host

NAMES = ["id", "record_id", "source", "url", "host"]     # of a document
_ID = re.compile(r"[0-9a-f]{32}")
_HOST = re.compile(r"(?:[\w-]+\.)+[\w-]+\.?|localhost|\[?[\da-f]*:[\da-f:.]+\]?", re.I)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
_MOST_OFFERED = 3

Read = Callable[[Sequence[str]], pa.RecordBatch]        # columns → those of one row group


class Found(NamedTuple):
    """A document: the key of its part and its row there, the same in all aligned datasets, and what names it."""

    part: str
    row: int
    id: str
    record_id: str | None
    source: str
    url: str | None
    host: str | None


class Lost(NamedTuple):
    """A record that gave no document: its row of `documents/_rejected`."""

    file: str
    offset: int
    length: int | None
    record_id: str | None
    url: str | None
    outcome: str            # rejected | quarantined
    rule: str
    value: str | None
    bound: str | None
    detail: str | None


class Pages(NamedTuple):
    """What a name stands for, and by what: url, canonical url, host, id, record id. Documents and lost records in the
    order of the dataset."""

    by: str
    documents: tuple[Found, ...]
    lost: tuple[Lost, ...]


def find_pages(data: Folder, name: str, kinds: Sequence[str] | None = None) -> Pages:
    """The pages that `name` stands for: as the first of `kinds` that finds any.

    `kinds` are tried in their order, and are by default those that the name looks like: a URL as it is stored, else in its
    canonical form; an id; a record id; a host, which stands for all pages of it and its
    subdomains. StageError where nothing is found: it says
    what was searched, and which pages of the host are nearest.
    """
    manifest = Manifest.read(data / "documents")
    if manifest is None:
        raise StageError(f"there is nothing in {data.uri}/documents yet; run `textmill extract`")
    kinds = kinds or kinds_of(name)
    for kind in kinds:
        for spelling in _spellings(name, kind):
            documents = find_documents(data, manifest, kind, spelling)
            lost = find_lost(data, manifest, kind, spelling)
            if documents or lost:
                return Pages(kind, tuple(documents), tuple(lost))
    rejected = sum(part.rows for part in manifest.rejected)
    raise StageError(f"there is no page {name} in {data.uri}/documents: looked for it as {' and '.join(kinds)} among "
                     f"{sum(part.rows for part in manifest.parts):,} documents and {rejected:,} rejected records; "
                     f"{_nearest(data, manifest, name)}")


def kinds_of(name: str) -> tuple[str, ...]:
    """What a name may be, by its looks, in the order to try.

    >>> kinds_of("https://example.org/a?utm_source=x"), kinds_of("example.org")
    (('url', 'canonical url', 'record id'), ('host', 'record id'))
    """
    if _SCHEME.match(name):
        return "url", "canonical url", "record id"
    if _ID.fullmatch(name):
        return "id", "record id"
    if _HOST.fullmatch(name):
        return "host", "record id"
    if _HOST.match(name) and "/" in name:
        return "canonical url", "record id"
    return ("record id",)


def find_documents(data: Folder, manifest: Manifest, kind: str, value: str) -> list[Found]:
    """The documents whose name of this kind is `value`, in order; a canonical url as `canonical_url` spells it."""
    found = []
    for part in manifest.parts:
        for first, read in row_groups(data / "documents", part, _bounds(kind, value)):
            found += _found(part, first, _matching(kind, value, read), read)
    return found


def _found(part: Part, first: int, rows: pa.Array, read: Read) -> list[Found]:
    """The documents in these rows of a row group that begins at row `first` of its part."""
    names = read(NAMES).take(rows).to_pylist() if len(rows) else []
    return [Found(part.key, first + row, **named) for row, named in zip(rows.to_pylist(), names, strict=True)]


def find_ids(data: Folder, ids: Iterable[str]) -> dict[str, list[Found]]:
    """Of each id its documents in order, more than one where a record was stored twice; of an unknown one none."""
    wanted = sorted(set(ids))
    found: dict[str, list[Found]] = {id_: [] for id_ in wanted}
    manifest = Manifest.read(data / "documents")
    for part in manifest.parts if manifest and wanted else ():
        for first, read in row_groups(data / "documents", part):
            rows = pc.indices_nonzero(pc.is_in(read(["id"])["id"], value_set=pa.array(wanted, pa.string())))
            for document in _found(part, first, rows, read):
                found[document.id].append(document)
    return found


def find_lost(data: Folder, manifest: Manifest, kind: str, value: str) -> list[Lost]:
    """The records of `documents/_rejected` whose name of this kind is `value`, in order. None has an id."""
    if kind == "id":
        return []
    column = "record_id" if kind == "record id" else "url"
    found = []
    for part in manifest.rejected:
        for _, read in row_groups(data / "documents", part, {column: value} if kind in ("url", "record id") else {}):
            names = read([column])[column]
            same = pc.equal(names, value) if kind in ("url", "record id") else _same(names, kind, value)
            if len(rows := pc.indices_nonzero(same)):
                found += [Lost(*row.values()) for row in read(list(Lost._fields)).take(rows).to_pylist()]
    return found


def rows_of(data: Folder, dataset: str, documents: Sequence[Found],
            columns: Sequence[str] | None = None) -> list[dict[str, Any] | None]:
    """Of each document its row in an aligned dataset (documents, signals, verdicts, duplicates) as a dict.

    None where there is no such row: the dataset has not been made, or from other documents than lie there now. `columns`
    are those wanted; all where not given. Only the row groups that hold these rows are read.
    """
    manifest = Manifest.read(data / dataset)
    parts = {part.key: part for part in manifest.parts} if manifest else {}
    found: list[dict[str, Any] | None] = [None] * len(documents)
    for key in sorted({document.part for document in documents} & parts.keys()):
        wanted = [(document.row, n) for n, document in enumerate(documents) if document.part == key]
        for first, read in row_groups(data / dataset, parts[key], rows=[row for row, _ in wanted]):
            batch = read(list(dict.fromkeys(["id", *columns])) if columns else [])
            for row, n in wanted:
                if first <= row < first + batch.num_rows and batch["id"][row - first].as_py() == documents[n].id:
                    found[n] = {name: batch[name][row - first].as_py() for name in columns or batch.schema.names}
    return found


def row_groups(dataset: Folder, part: Part, equal: dict[str, str] | None = None,
               rows: Sequence[int] | None = None) -> Iterator[tuple[int, Read]]:
    """(number of its first row, how to read columns of it) of each row group of a part that may be wanted.

    `equal` leaves out the groups whose statistics say that no row has that value in that column; `rows` those that hold
    none of these rows of the part. An empty list of columns reads all.
    """
    with opened(dataset, part) as file:
        first = 0
        for number in range(file.num_row_groups):
            group = file.metadata.row_group(number)
            here = rows is None or any(first <= row < first + group.num_rows for row in rows)
            if group.num_rows and here and _may_hold(file, group, equal or {}):
                yield first, partial(_read, file, number)
            first += group.num_rows


def _read(file: pq.ParquetFile, number: int, columns: Sequence[str]) -> pa.RecordBatch:
    return read_group(file, number, columns or None)[0]


def _may_hold(file: pq.ParquetFile, group: Any, equal: dict[str, str]) -> bool:
    for column, value in equal.items():
        statistics = group.column(file.schema_arrow.names.index(column)).statistics     # all of these are flat columns
        if statistics and statistics.has_min_max and not statistics.min <= value <= statistics.max:
            return False
    return True


def _bounds(kind: str, value: str) -> dict[str, str]:
    """What a row group must span to hold a document of this name."""
    if kind in ("id", "record id"):
        return {kind.replace(" ", "_"): value}
    if kind == "host":
        return {}           # names below a host are spelled anyhow
    named = {"host": name} if (name := host(value)) else {}
    return named | ({"url": value} if kind == "url" else {})


def _matching(kind: str, value: str, read: Read) -> pa.Array:
    """The rows of one row group, the cheapest column first: an address is read only where its host occurs."""
    if kind in ("id", "record id"):
        column = kind.replace(" ", "_")
        return pc.indices_nonzero(pc.equal(read([column])[column], value))
    if kind == "host":
        hosts = read(["host"])["host"]
        return pc.indices_nonzero(pc.or_(pc.equal(hosts, value), pc.ends_with(hosts, f".{value}")))
    if (name := host(value)) and not pc.any(pc.equal(hosts := read(["host"])["host"], name)).as_py():
        return pa.array([], pa.uint64())
    urls = read(["url"])["url"]
    if kind == "url":
        return pc.indices_nonzero(pc.equal(urls, value))
    return pc.indices_nonzero(_same(pc.if_else(pc.equal(hosts, name), urls, None) if name else urls, kind, value))


def _same(urls: pa.Array, kind: str, value: str) -> pa.Array:
    """Whether the canonical form of each URL is `value`, or its host is or lies below it."""
    if kind == "host":
        return pa.array([(name := host(url)) is not None and below(name, value) for url in urls.to_pylist()], pa.bool_())
    return pa.array([bool(url) and canonical_url(url) == value for url in urls.to_pylist()], pa.bool_())


def _spellings(name: str, kind: str) -> list[str]:
    """How a name of this kind is stored; an address without a scheme may have had either."""
    if kind == "host":
        return [spelled] if (spelled := ascii_host(name.strip("[]"))) else []
    if kind == "record id" and re.match("urn:", name, re.I):
        return [f"<{name}>", name]
    if kind == "canonical url":
        given = given_url(name) or ""
        return [canonical_url(url) for url in ([given] if _SCHEME.match(given) else [f"https://{given}", f"http://{given}"])]
    return [name]


def _nearest(data: Folder, manifest: Manifest, name: str) -> str:
    """What to ask for instead: the pages of the same host whose addresses are most like this one."""
    url = name if _SCHEME.match(name) else f"https://{name}"
    named = host(url) if kinds_of(name)[0] != "record id" and not _ID.fullmatch(name) else None
    if named is None:
        return "give a URL, a host, an id of 32 hex digits or a record id"
    documents = find_documents(data, manifest, "host", named)
    urls = sorted({document.url for document in documents if document.url})
    if near := difflib.get_close_matches(canonical_url(url), urls, _MOST_OFFERED, 0.85):
        return f"nearest is {' or '.join(near)}"
    return f"{len(documents):,} of them are of the host {named}" if documents else f"none of them is of the host {named}"
