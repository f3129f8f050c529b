"""takedown.json: the record of takedowns, by which documents are kept out after their text is gone.

It has ids, positions in raw files, the entries that match a row, and no text. Two values are derived from texts: the MinHash
signature of a text that a `text:` entry names, by which copies that come later are known, and hashes of a few passages of
32 bytes each, by which the search proves that none is left. An entry deleted from the list has no effect any more.
"""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field, replace

from textmill.base.sealed import seal
from textmill.pipelines.contract.parts import SCHEMA, checked
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.takedown.entries import TakedownEntry, read_entries

MEMORY = "takedown.json"


@dataclass(frozen=True)
class Taken:
    """A record taken down: a document by its id, a rejected one (id None) by its position in a raw file."""

    task: str                           # of extract, whose parts it lies in
    id: str | None
    file: str
    offset: int
    length: int | None
    entries: tuple[str, ...]            # every entry that matches it, by name
    passages: tuple[str, ...] = ()      # hashes that occur in no other document, 16 hex digits each

    @property
    def key(self) -> str:
        """Its key in the dataset, as `row_keys` gives it for a row."""
        return self.id or f"{self.file}:{self.offset}"


@dataclass(frozen=True)
class ListedText:
    """The text that a `text:` entry names: signature, and the documents it was compared with and is not a copy of."""

    minhash: tuple[int, ...]
    spared: tuple[str, ...] = ()


@dataclass(frozen=True)
class Memory:
    """All takedowns so far, sorted, and the texts that entries name, by id."""

    taken: tuple[Taken, ...] = ()
    texts: dict[str, ListedText] = field(default_factory=dict)

    def under(self, entries: Iterable[TakedownEntry]) -> "Memory":
        """The part that these entries still match."""
        names = {entry.name for entry in entries}
        left = (replace(one, entries=tuple(name for name in one.entries if name in names)) for one in self.taken)
        texts = {id_: text for id_, text in self.texts.items() if f"text:{id_}" in names}
        return Memory(tuple(one for one in left if one.entries), texts)

    def keys_by_task(self) -> dict[str, tuple[str, ...]]:
        """Task of extract → the sorted keys of its rows taken down."""
        keys: dict[str, set[str]] = {}
        for one in self.taken:
            keys.setdefault(one.task, set()).add(one.key)
        return {task: tuple(sorted(found)) for task, found in sorted(keys.items())}

    def to_json(self) -> bytes:
        return seal({"schema": SCHEMA} | asdict(self))


def read_memory(data: Folder) -> Memory:
    """The record of a data folder, whatever its list says now."""
    try:
        loaded = checked(data.read(MEMORY), f"{data.uri}/{MEMORY}")
    except FileNotFoundError:
        return Memory()
    taken = (Taken(**row | {"entries": tuple(row["entries"]), "passages": tuple(row["passages"])}) for row in loaded["taken"])
    return Memory(tuple(taken), {id_: ListedText(tuple(text["minhash"]), tuple(text["spared"]))
                                 for id_, text in loaded["texts"].items()})


def taken_by_task(data: Folder) -> dict[str, tuple[str, ...]]:
    """Task of extract → keys of its rows that must be empty: taken before, by an entry that is still in the list."""
    entries = read_entries(data)
    return read_memory(data).under(entries).keys_by_task() if entries else {}


def sorted_taken(rows: Iterable[Taken]) -> tuple[Taken, ...]:
    """Sorted by position, so that the order of discovery does not matter."""
    return tuple(sorted(rows, key=lambda one: json.dumps([one.task, one.file, one.offset, one.id or ""])))
