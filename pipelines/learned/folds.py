"""Folds of pages by host, so that what is learned from some hosts can be measured on others."""

import hashlib
from urllib.parse import urlsplit

FOLDS = 5


def fold(url: str) -> int:
    """The fold of a page's host, 0 to 4, by hash."""
    return host_number(url) % FOLDS


def host_number(url: str) -> int:
    """A hash of the host, and of the folder of a book or manual, whose pages share a text."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    folder = "/".join(["", *parts.path.split("/")[1:3]]) if parts.path.startswith(("/book/", "/docs/")) else ""
    return int.from_bytes(hashlib.blake2b(f"{host}{folder}".encode(), digest_size=8).digest(), "big")
