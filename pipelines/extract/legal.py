"""What a page says about its own use, read from its tree and its HTTP headers; what follows from it is policy, elsewhere."""

import json
import re
from collections import deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from lxml.html import HtmlElement

_JSON_LD_BYTES = 1 << 20
_BOT_PREFIX = re.compile(r"\s*([\w.*-]+)\s*:")
# Directives that carry a value after a colon; any other name before a colon is a robot that is spoken to.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_CREATIVE_COMMONS = re.compile(r"(https?:)?//(www\.)?creativecommons\.org/(licenses|publicdomain)/[\w./-]+", re.I)
# A licence inside these belongs to a picture or a quotation.
_NOT_THE_PAGE = frozenset({"figure", "figcaption", "blockquote", "aside"})
_RIGHTS = frozenset({"dcterms.rights", "dcterms.license", "dc.rights", "dc.rights.license", "license"})


class Legal(NamedTuple):
    """Signals of one page's tree: `robots` sorted, the rest None where the page says nothing."""

    robots: tuple[str, ...]
    tdm_reservation: str | None
    license: str | None
    license_from: str | None
    paywalled: bool | None


def legal_signals(tree: HtmlElement, metas: list[tuple[str, str]], json_ld: list[dict[str, Any]]) -> Legal:
    """The signals of a page; `metas` are its meta elements as (name in lower case, content) in order."""
    robots = {directive for name, content in metas if name == "robots" for directive in directives(content)}
    tdm = reservation([content for name, content in metas if name == "tdm-reservation"])
    found, where = _license(tree, metas, json_ld)
    free = [node["isAccessibleForFree"] for node in json_ld if "isAccessibleForFree" in node]
    free += [content for name, content in metas if name == "isaccessibleforfree"]
    paywalled = any(str(value).rpartition("/")[2].lower() == "false" for value in free) if free else None
    return Legal(tuple(sorted(robots)), tdm, found, where, paywalled)


def directives(value: str) -> Iterator[str]:
    """The directives of a robots meta or X-Robots-Tag value that speak to every robot, in lower case.

    `otherbot: noindex` speaks to one robot, and so does all that follows it in the same value.
    """
    for part in value.lower().split(","):
        prefix = _BOT_PREFIX.match(part)
        if prefix and prefix[1] not in _VALUED:
            if prefix[1] != "*":
                return
            part = part[prefix.end():]
        if part.strip():
            yield " ".join(part.split())


def reservation(values: list[str]) -> str | None:
    """The raw value of a TDM reservation, of several the first that is not 0: one reservation is enough."""
    given = [value.strip() for value in values if value.strip()]
    return next((value for value in given if value != "0"), given[0] if given else None)


def json_ld_nodes(tree: HtmlElement) -> list[dict[str, Any]]:
    """Every object in the page's JSON-LD, outer before inner; what is not JSON, or too large, is passed over."""
    nodes: list[dict[str, Any]] = []
    for script in tree.iter("script"):
        text = script.text or ""
        if "ld+json" not in (script.get("type") or "").lower() or not 0 < len(text) <= _JSON_LD_BYTES:
            continue
        try:
            waiting: deque[Any] = deque([json.loads(text, strict=False)])
        except (ValueError, RecursionError):
            continue
        while waiting and len(nodes) < 10_000:
            value = waiting.popleft()
            if isinstance(value, dict):
                nodes.append(value)
                waiting += value.values()
            elif isinstance(value, list):
                waiting += value
    return nodes


def _license(tree: HtmlElement, metas: list[tuple[str, str]], json_ld: list[dict[str, Any]]) -> tuple[str | None, str | None]:
    """The licence a page claims for itself and where: rel=license, then meta, then JSON-LD, then a Creative Commons link
    in a footer. A link in running text, or one that belongs to a picture, claims nothing.
    """
    for element in tree.iter("link", "a"):
        rel = (element.get("rel") or "").lower().split()
        address = (element.get("href") or "").strip()
        if "license" in rel and address and not any(a.tag in _NOT_THE_PAGE for a in element.iterancestors()):
            return address, "rel"
    for name, content in metas:
        if name in _RIGHTS and content.strip().lower().startswith(("http://", "https://")):
            return content.strip(), "meta"
    for node in json_ld:
        value = node.get("license")
        value = value.get("@id") or value.get("url") if isinstance(value, dict) else value
        if isinstance(value, str) and value.startswith("http") and "image" not in str(node.get("@type")).lower():
            return value.strip(), "json-ld"
    for footer in tree.iter("footer"):
        for element in footer.iter("a"):
            address = (element.get("href") or "").strip()
            if _CREATIVE_COMMONS.match(address) and not any(a.tag in _NOT_THE_PAGE for a in element.iterancestors()):
                return address, "link"
    return None, None
