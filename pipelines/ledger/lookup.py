"""Lookup: a page's rows in the stored datasets, by its URL, host, id or record id.

Reads `documents` through its manifest, only the columns that name a page, and of these only row groups that may contain it
by their statistics. The other aligned datasets are then read at the rows found, a row group each. Nothing is cached
between two lookups, so nothing can be out of date.
"""

import difflib
import re
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import DocumentRow, Read, documents_of, row_groups
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.web.address import ascii_host, below, canonical_url, given_url, host

_ID = re.compile(r"[0-9a-f]{32}")
_HOST = re.compile(r"(?:[\w-]+\.)+[\w-]+\.?|localhost|\[?[\da-f]*:[\da-f:.]+\]?", re.I)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*://", re.I)
_MOST_OFFERED = 3

class RejectedRecord(NamedTuple):
    """A record that gave no document: its row of `ledger/documents/rejected`."""

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
    """The matches of a name, and what it matched: url, canonical url, host, id or record id.

    Documents and rejected records in the order of the dataset."""

    by: str
    documents: tuple[DocumentRow, ...]
    lost: tuple[RejectedRecord, ...]


def find_pages(data: Folder, name: str, kinds: Sequence[str] | None = None) -> Pages:
    """The pages that `name` matches, by the first of `kinds` that finds any.

    `kinds` are tried in order; the default are those that the name looks like: a URL as it is stored, else in its
    canonical form; an id; a record id; a host, which matches all pages of it and its
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
    """The kinds of name that a string may be, in the order to try.

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


def find_documents(data: Folder, manifest: Manifest, kind: str, value: str) -> list[DocumentRow]:
    """The documents whose name of this kind is `value`, in order; a canonical url as `canonical_url` spells it."""
    found = []
    for part in manifest.parts:
        for first, read in row_groups(data / "documents", part, _bounds(kind, value)):
            found += documents_of(part, first, _matching(kind, value, read), read)
    return found


def find_lost(data: Folder, manifest: Manifest, kind: str, value: str) -> list[RejectedRecord]:
    """The records of `ledger/documents/rejected` whose name of this kind is `value`, in order. None has an id."""
    if kind == "id":
        return []
    column = "record_id" if kind == "record id" else "url"
    found = []
    for part in manifest.rejected:
        for _, read in row_groups(data / "documents", part, {column: value} if kind in ("url", "record id") else {}):
            names = read([column])[column]
            same = pc.equal(names, value) if kind in ("url", "record id") else _same(names, kind, value)
            if len(rows := pc.indices_nonzero(same)):
                found += [RejectedRecord(*row.values()) for row in read(list(RejectedRecord._fields)).take(rows).to_pylist()]
    return found


def _bounds(kind: str, value: str) -> dict[str, str]:
    """The statistics that a row group with a document of this name must include."""
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
    """Suggestions: the pages of the same host with the most similar addresses."""
    url = name if _SCHEME.match(name) else f"https://{name}"
    named = host(url) if kinds_of(name)[0] != "record id" and not _ID.fullmatch(name) else None
    if named is None:
        return "give a URL, a host, an id of 32 hex digits or a record id"
    documents = find_documents(data, manifest, "host", named)
    urls = sorted({document.url for document in documents if document.url})
    if near := difflib.get_close_matches(canonical_url(url), urls, _MOST_OFFERED, 0.85):
        return f"nearest is {' or '.join(near)}"
    return f"{len(documents):,} of them are of the host {named}" if documents else f"none of them is of the host {named}"
