"""Matching of takedown entries to rows, by the columns that name pages; texts are read only for `text:` entries.

The rule in screen and `textmill takedown` share this, so both match the same rows. Earlier takedowns are known by id.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.parts import Manifest, Part
from textmill.pipelines.contract.row_groups import row_groups
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.takedown.copies import alike
from textmill.pipelines.takedown.emptying import is_emptied, row_keys
from textmill.pipelines.takedown.entries import LIST, TakedownEntry, read_entries
from textmill.pipelines.takedown.memory import MEMORY, ListedText, Memory, Taken, read_memory, sorted_taken
from textmill.pipelines.web.address import below, canonical_url, host

_PLACE = ["file", "offset", "length"]


@dataclass(frozen=True)
class TakenRow:
    """A row to be taken down.

    Its part of documents (of `_rejected` where `taken.id` is None), its number there, the entry that names it now, and whether
    it still has content."""

    part: str
    row: int
    taken: Taken
    url: str | None
    pending: bool


@dataclass(frozen=True)
class Resolution:
    """All stored rows that the entries match, in the order of documents, then of rejected records."""

    entries: tuple[TakedownEntry, ...]
    rows: tuple[TakenRow, ...]
    texts: dict[str, ListedText]

    def memory(self) -> Memory:
        """The record to keep of it, without passages."""
        return Memory(sorted_taken(row.taken for row in self.rows), self.texts)


def resolve(data: Folder) -> Resolution:
    """The rows that the list of a data folder matches. StageError where the list has mistakes or names an unknown text."""
    entries = read_entries(data)
    known = read_memory(data).under(entries)
    manifest = Manifest.read(data / "documents")
    if not entries or manifest is None:
        return Resolution(tuple(entries), (), {})
    copies, texts = alike(data, [entry for entry in entries if entry.kind == "text"], known)
    by_key: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        if entry.kind in ("id", "text"):
            by_key[entry.value].append(entry.name)
    for name, ids in copies.items():
        for id_ in ids:
            by_key[id_].append(name)
    for one in known.taken:
        by_key[one.key] += one.entries
    named = _Named(entries)
    remembered = {(one.task, one.key): one for one in known.taken}
    rows = [row for part in manifest.parts for row in _of_part(data, part, named, by_key, remembered)]
    rows += [row for part in manifest.rejected for row in _of_rejected(data, part, named, by_key, remembered)]
    return Resolution(tuple(entries), tuple(rows), texts)


def taken_ids(data: Folder) -> dict[str, tuple[str, ...]]:
    """Part of documents → the sorted ids in it that the list matches; for the rule in screen.

    Cached in verdicts/_run.json as long as the list, the record of takedowns and both datasets are the same.
    """
    from textmill.pipelines.contract.run_notes import recall, remember

    if not read_entries(data):
        return {}
    digest = hashlib.sha256()
    for name in (LIST, MEMORY):
        digest.update(data.read(name) if data.exists(name) else b"")
    for dataset in ("documents", "signals"):
        manifest = Manifest.read(data / dataset)
        digest.update("".join(part.sha256 for part in (manifest.parts if manifest else ())).encode())
    verdicts = data / "verdicts"
    if (last := recall(verdicts).get("takedown", {})).get("of") == digest.hexdigest():
        return {key: tuple(ids) for key, ids in last["ids"].items()}
    ids: dict[str, set[str]] = defaultdict(set)
    for row in resolve(data).rows:
        if row.taken.id:
            ids[row.part].add(row.taken.id)
    found = {key: tuple(sorted(there)) for key, there in sorted(ids.items())}
    remember(verdicts, takedown={"of": digest.hexdigest(), "ids": found})
    return found


class _Named:
    """The entries that name pages by host or address."""

    def __init__(self, entries: Sequence[TakedownEntry]):
        self.hosts = {entry.value: entry.name for entry in entries if entry.kind == "host"}
        self.urls = {entry.value: entry.name for entry in entries if entry.kind == "url"}
        self.hosts_of_urls = {host(url) for url in self.urls}
        self.of_host = lru_cache(1 << 16)(self._of_host)

    def _of_host(self, name: str) -> tuple[list[str], bool]:
        """The entries that cover all of a host, and whether an address of it is listed."""
        return [entry for above, entry in self.hosts.items() if below(name, above)], name in self.hosts_of_urls

    def of(self, name: str | None, url: str | None) -> list[str]:
        """The entries that cover a page of this host and address."""
        if name is None:
            return []
        found, listed = self.of_host(name)
        return found + ([self.urls[spelled]] if listed and url and (spelled := canonical_url(url)) in self.urls else [])

    def concerns(self, hosts: pa.Array) -> pa.Array:
        """Whether any entry may cover a page of each host."""
        wanted = [name for name in hosts.unique().to_pylist() if name and any(self.of_host(name))]
        return pc.is_in(hosts, value_set=pa.array(wanted, pa.string()))


def _of_part(data: Folder, part: Part, named: _Named, by_key: dict[str, list[str]],
             remembered: dict[tuple[str, str], Taken]) -> Iterator[TakenRow]:
    ids = pa.array(sorted(by_key), pa.string())
    for first, read in row_groups(data / "documents", part):
        batch = read(["id", "host"])
        chosen = pc.indices_nonzero(pc.or_(pc.is_in(batch["id"], value_set=ids), named.concerns(batch["host"])))
        if not len(chosen):
            continue
        rows = read(["id", "host", "url", "payload_digest", *_PLACE]).take(chosen)
        for number, row, empty in zip(chosen.to_pylist(), rows.to_pylist(), is_emptied(rows).tolist(), strict=True):
            if entries := [*by_key.get(row["id"], []), *named.of(row["host"], row["url"])]:
                task = part.key.rpartition("-")[0]
                yield _row(part.key, first + number, task, row["id"], row, entries, not empty, remembered)


def _of_rejected(data: Folder, part: Part, named: _Named, by_key: dict[str, list[str]],
                 remembered: dict[tuple[str, str], Taken]) -> Iterator[TakenRow]:
    for first, read in row_groups(data / "documents", part):
        batch = read(["url", *_PLACE])
        for number, (row, key) in enumerate(zip(batch.to_pylist(), row_keys(batch).to_pylist(), strict=True)):
            if entries := [*by_key.get(key, []), *named.of(host(row["url"]), row["url"])]:
                yield _row(part.key, first + number, part.key, None, row, entries, row["url"] is not None, remembered)


def _row(part: str, number: int, task: str, id_: str | None, row: dict[str, object], entries: list[str], pending: bool,
         remembered: dict[tuple[str, str], Taken]) -> TakenRow:
    file, offset, length, url = (row[name] for name in (*_PLACE, "url"))
    taken = Taken(task, id_, file, offset, length, tuple(sorted(set(entries))))         # type: ignore[arg-type]
    before = remembered.get((task, taken.key))
    return TakenRow(part, number, replace(taken, passages=before.passages) if before else taken, url, pending)   # type: ignore[arg-type]
