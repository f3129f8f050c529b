"""Blocklists: named files of hosts and addresses whose pages are refused by their URL, before they are decoded or parsed.

A line that cannot be parsed stops the run before work starts, since what it would
have kept out is unknown. One entry a line, compressed by gzip or zstd or not; `#` and `!` begin a comment.

    example.com                   a host: itself and its subdomains; *.example.com and .example.com say the same
    0.0.0.0 example.com           a line of a hosts file; its names without a dot (localhost) are skipped
    ||example.com^                a plain host of an ad blocker's list
    example.com/forum             an address: this one and all below it
    example.com/*/print?page=*    `*` stands for anything; without one at its end, an entry ends where a `/`, `?` or `&` begins

A top-level domain needs its dot (.zip), so that a stray word blocks nothing. Hosts are kept as sorted 64-bit hashes, 8 bytes
each: with 4 million of them, one of a million million other hosts is refused for nothing.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import xxhash

from textmill.pipelines.contract.lines import read_lines
from textmill.pipelines.contract.named_files import ContentError, Named
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.web.address import ascii_host, host, path_and_query

BLOCKLISTS = Named("blocklist", "blocklists", "extract.blocklists")
_LONGEST = 1 << 16      # bytes of a line
_SHOWN = 10             # unparsable lines of a list that the error names
_PLAIN = re.compile(rb"(?:[a-z0-9_-]{1,63}\.)+[a-z0-9_-]{1,63}")
_HOST = re.compile(r"[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*")
_COMMENT = re.compile(r"(?:^|\s)#.*|^!.*|^\[.*\]$")         # the last is how ad blockers' lists begin: [Adblock Plus 2.0]
_HOSTS_FILE = re.compile(r"(?:\d{1,3}(?:\.\d{1,3}){3}|[\da-f]*:[\da-f:.]*(?:%\w+)?)\s+(\S.*)", re.I)
_ANCHOR = re.compile(r"(?:\|\|(?P<adblock>[^/*^|$]+)\^|(?P<dot>\*?\.)(?P<below>[^/*]+)|(?P<host>[^/*]+))/?")


@dataclass(frozen=True)
class Blocklist:
    """A list in searchable form: hashes of hosts (uint64, sorted), and by host the path patterns of its entries."""

    name: str
    hosts: np.ndarray
    paths: dict[str, tuple[str, ...]]


def blocked(url: str | None, lists: Sequence[Blocklist]) -> Refusal | None:
    """The refusal of a page whose URL is listed: `url_blocked`, the entry that matched, the first list that contains it."""
    name = host(url) if lists and url else None
    if name is None or url is None:
        return None
    above = _above(name)
    hashes = np.array([_hash(one.encode()) for one in above], np.uint64)
    asked = path_and_query(urlsplit(url)) if any(listed.paths for listed in lists) else ""
    for listed in lists:
        if entry := _entry(listed, above, hashes, asked):
            return Refusal("url_blocked", entry, listed.name)
    return None


def open_blocklists(names: Sequence[str], data: Folder) -> tuple[Blocklist, ...]:
    """The lists of these names under blocklists/, in this order. StageError with the problems of all."""
    return tuple(BLOCKLISTS.read(names, data, read_blocklist))


def read_blocklist(name: str, file: Any) -> Blocklist:
    """The list in a seekable binary file; ContentError where a line cannot be parsed or the file is truncated."""
    hosts, paths, strange, count = array("Q"), dict[str, list[str]](), list[str](), 0
    for number, line in enumerate(read_lines(file, 0, 1 << 62, _LONGEST), start=1):
        if line.data is None and line.rule != "too_large":
            raise ContentError(f"cannot be read to its end ({line.detail}); get it again")
        text = b"(longer than 65,536 bytes)" if line.data is None else line.data.strip()
        if _PLAIN.fullmatch(text):      # nearly all lines of a large list
            hosts.append(_hash(text))
            continue
        try:
            for one, path in entries(text.removeprefix(b"\xef\xbb\xbf")):
                if path:
                    paths.setdefault(one, []).append(path)
                else:
                    hosts.append(_hash(one.encode()))
        except ValueError:
            count += 1
            if len(strange) < _SHOWN:
                strange.append(f"{number} {text[:60].decode('utf-8', 'backslashreplace')!r}")
    if count:
        more = f", and {count - len(strange):,} more" if count > len(strange) else ""
        raise ContentError(f"has {count:,} {'line' if count == 1 else 'lines'} that cannot be understood (line "
                             f"{', '.join(strange)}{more}); give a host, an address without http:// or a comment in each")
    if not hosts and not paths:
        raise ContentError("has no entry; get it again, or take it out of extract.blocklists")
    return Blocklist(name, np.sort(np.frombuffer(hosts, np.uint64)), {one: tuple(sorted(set(paths[one]))) for one in paths})


def entries(line: bytes) -> Iterator[tuple[str, str]]:
    """The entries of one line, each as (host, path): "" for a whole host. ValueError where it cannot be parsed."""
    text = _COMMENT.sub("", line.decode()).strip()
    if listed := _HOSTS_FILE.fullmatch(text):
        yield from ((_host(name, 1), "") for name in listed[1].split() if "." in name)
        return
    if not text:
        return
    if anchor := _ANCHOR.fullmatch(text):
        name = anchor["adblock"] or anchor["below"] or anchor["host"]
        yield _host(name, 1 if anchor["dot"] else 2), ""
        return
    name, slash, _ = text.partition("/")
    parts = urlsplit(f"//{text}")
    if not slash or parts.fragment or re.search(r"\s", text):
        raise ValueError(text)
    yield _host(name, 2), path_and_query(parts)


def _host(name: str, least: int) -> str:
    """A host of at least so many labels, as `address.host` spells it."""
    spelled = ascii_host(name)
    if spelled is None or not _HOST.fullmatch(spelled) or spelled.count(".") + 1 < least:
        raise ValueError(name)
    return spelled


def _entry(listed: Blocklist, above: list[str], hashes: np.ndarray, asked: str) -> str | None:
    """The entry of a list that covers one of these hosts, or the path requested of one of them."""
    if len(listed.hosts):
        places = np.minimum(np.searchsorted(listed.hosts, hashes), len(listed.hosts) - 1)
        if (found := listed.hosts[places] == hashes).any():
            return above[int(found.argmax())]
    for one in above if listed.paths else ():
        for path in listed.paths.get(one, ()):
            if asked.startswith(path.partition("*")[0]) and _pattern(path).match(asked):
                return one + path
    return None


def _above(name: str) -> list[str]:
    """A host and the domains it lies in, from the longest on; an IP address lies in none."""
    if ":" in name or name.rpartition(".")[2].isdigit():
        return [name]
    labels = name.split(".")
    return [".".join(labels[start:]) for start in range(len(labels))]


def _hash(name: bytes) -> int:
    return xxhash.xxh3_64_intdigest(name)


@lru_cache(4096)
def _pattern(path: str) -> re.Pattern[str]:
    """The pattern of an entry's path. Each `*` is lazy and atomic, so that there is no backtracking."""
    end = "" if path.endswith(("*", "/", "?")) else r"(?=[/?&]|$)"
    first, *rest = (re.escape(piece) for piece in path.split("*"))
    if not rest:
        return re.compile(first + end)
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in rest[:-1]) + f"(?>.*?{rest[-1]}{end})", re.S)
