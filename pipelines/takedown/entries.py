"""Parser of takedown.txt in the data folder. All mistakes are reported at once, each with its line.

    url:https://example.com/a     a page, however its address is spelled
    host:example.com              all pages of a host and its subdomains
    id:<32 hex digits>            one document
    text:<32 hex digits>          a document, and every other whose Jaccard similarity with it is 0.8 or more

One entry a line; blank lines are skipped; `#` begins a comment, at the start of a line or after white space.
"""

import re
from typing import NamedTuple
from urllib.parse import urlsplit

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.web.address import ascii_host, below, canonical_url, host

LIST = "takedown.txt"
_ID = re.compile(r"[0-9a-f]{32}")
_HOST = re.compile(r"[a-z0-9_-]+(?:\.[a-z0-9_-]+)+|[0-9a-f]*:[0-9a-f:.]+")
_COMMENT = re.compile(r"(?:^|\s)#.*")


class TakedownEntry(NamedTuple):
    """One line: its number, its kind, and its value in the one spelling that is compared."""

    line: int
    kind: str           # url | host | id | text
    value: str

    @property
    def name(self) -> str:
        """The canonical name, under which it is recorded."""
        return f"{self.kind}:{self.value}"


def read_entries(data: Folder) -> list[TakedownEntry]:
    """The entries of a data folder's list, in its order; none where there is no list. StageError with all its mistakes."""
    where = f"{data.uri}/{LIST}"
    try:
        text = data.read(LIST).decode("utf-8-sig")
    except FileNotFoundError:
        return []
    except UnicodeDecodeError:
        raise StageError(f"{where} is not UTF-8; save it as UTF-8") from None
    return parse_entries(text, where)


def parse_entries(text: str, where: str) -> list[TakedownEntry]:
    """The entries in a list's text; StageError with a sentence for each line that cannot be understood."""
    entries: dict[str, TakedownEntry] = {}
    problems = []
    for number, line in enumerate(text.splitlines(), 1):
        if not (stripped := _COMMENT.sub("", line).strip()):
            continue
        try:
            entry = _entry(number, stripped)
            if entry.name in entries:
                raise ValueError(f"says the same as line {entries[entry.name].line}; take one out")
            entries[entry.name] = entry
        except ValueError as error:
            problems.append(f"{where}, line {number}: {stripped[:100]!r} {error}")
    if problems:
        raise StageError("\n".join(problems))
    return list(entries.values())


def takes(entry: TakedownEntry, name: str) -> bool:
    """Whether an entry covers a page of this URL, or all of this host."""
    named = host(name) or ascii_host(name)
    if entry.kind == "host":
        return named is not None and below(named, entry.value)
    return entry.kind == "url" and canonical_url(name) == entry.value


def _entry(line: int, text: str) -> TakedownEntry:
    """ValueError: the rest of a sentence that begins with the line."""
    kind, colon, value = text.partition(":")
    kind, value = kind.strip().lower(), value.strip()
    if not colon or kind not in ("url", "host", "id", "text"):
        raise ValueError("names nothing; begin with url:, host:, id: or text:")
    if kind == "url":
        try:
            known = urlsplit(value).scheme in ("http", "https") and host(value)
        except ValueError:
            known = None
        if not known or re.search(r"\s", value):
            raise ValueError("is not a web address; give all of it, from http:// or https:// on")
        return TakedownEntry(line, kind, canonical_url(value))
    if kind == "host":
        name = ascii_host(value.strip("[]")) or ""
        if not _HOST.fullmatch(name):
            raise ValueError("is not a host; give a name with a dot and nothing before or behind it, as in host:example.com")
        return TakedownEntry(line, kind, name)
    if not _ID.fullmatch(value.lower()):
        raise ValueError("is not an id; give the 32 hex digits that `textmill why` shows")
    return TakedownEntry(line, kind, value.lower())
