"""What a page says of itself as the main-text model is given it: words of its types and address, title and description."""

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from lxml.html import HtmlElement

_WORD = re.compile(r"\w+")
_MOST_NODES = 200


class Declared(NamedTuple):
    """Words of a page as a whole, its title and its description, "" where it has none."""

    words: list[str]
    title: str
    description: str


def declared(tree: HtmlElement, metas: Sequence[tuple[str, str]], json_ld: Sequence[dict[str, Any]]) -> Declared:
    """What a page declares; `metas` are its meta elements as (name in lower case, content) in order."""
    said = dict(reversed(metas))        # the first of each name
    element = next(tree.iter("title"), None)
    title = said.get("og:title") or ("" if element is None else "".join(element.itertext()))
    description = said.get("og:description") or said.get("description") or ""
    address = said.get("og:url") or next((link.get("href") or "" for link in tree.iter("link")
                                          if (link.get("rel") or "").lower() == "canonical"), "")
    words = {f"og:{said['og:type'].strip().lower()}"} if "og:type" in said else set()
    if "generator" in said:
        words.add(f"by:{said['generator'].strip().lower().partition(' ')[0]}")
    words |= _of_address(address.strip())
    for data in json_ld[:_MOST_NODES]:
        kinds = data.get("@type")
        words |= {f"ld:{kind.lower()}" for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)}
    return Declared(sorted(words), " ".join(title.split()), " ".join(description.split()))


def _of_address(address: str) -> set[str]:
    try:
        parts = urlsplit(address)
    except ValueError:
        return set()
    if not parts.netloc:
        return set()
    path = parts.path.lower()
    return {*(f"url:{word}" for word in _WORD.findall(path) if not word.isdigit()),
            *(f"host:{word}" for word in _WORD.findall(parts.netloc.lower())),
            f"deep:{min(len([part for part in path.split('/') if part]), 4)}"}
