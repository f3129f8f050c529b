"""Usage restrictions a page declares (robots, TDM reservation, licence, paywall), from its tree and HTTP headers."""

import json
import re
from collections import deque
from collections.abc import Iterator
from itertools import islice
from typing import Any, NamedTuple

from lxml.etree import XPath
from lxml.html import HtmlElement

from textmill.pipelines.extract.pages.text import clean_text

_JSON_LD_BYTES = 1 << 20
_BOT_PREFIX = re.compile(r"\s*([\w.*-]+)\s*:")
# Directives that take a value after a colon; any other name before a colon is the robot addressed.
_VALUED = frozenset({"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"})
_CREATIVE_COMMONS = re.compile(r"(https?:)?//(www\.)?creativecommons\.org/(licenses|publicdomain)/[\w./-]+", re.I)
# A licence or notice inside these belongs to a picture or a quotation.
_NOT_THE_PAGE = frozenset({"figure", "figcaption", "blockquote", "aside"})
_LICENSES = frozenset({"dcterms.rights", "dcterms.license", "dc.rights", "dc.rights.license", "license"})
_NOTICES = frozenset({"copyright", "dc.rights", "dcterms.rights", "dc.rightsholder", "dcterms.rightsholder"})
_WEB = ("http://", "https://")

_NOTICE_CHARS = 200
_MARKED = XPath("descendant::text()[contains(., $mark)]")
# How a notice is marked, and what must be in a text before it is searched: scripts are full of `copyright` and `function(c)`.
_MARKS = {"©": re.compile("©")} | {
    mark: re.compile(rf"{re.escape(mark)}(?s:.{{0,60}}?(?:19|20)\d\d|(?<=\d {before}{re.escape(mark)}))")
    for before, mark in (("[Cc]", "opyright"), ("C", "OPYRIGHT"), ("", "(c)"), ("", "(C)"))}
_MARK = re.compile(r"(?:(?:19|20)\d\d\s?)?(?:copyright\b|©|\(c\))", re.I)
_YEAR = re.compile(r"(?:19|20)\d\d(?!\d)")
_NAME = re.compile(r"©\W*[^\W\d_]{2}")
_YEAR_WITHIN = 60           # characters: a year further on belongs to another sentence
_FOOTERS = 10               # footers that are searched, from the page's end
_SEARCHED = 20              # places of a mark that are looked at, from the page's end
_PIECES = 50                # texts of inline elements that make up one line
_INLINE = frozenset({"a", "abbr", "b", "bdi", "em", "font", "i", "small", "span", "strong", "sup", "time", "u"})
_UNSEEN = frozenset({"script", "style", "noscript", "template", "textarea", "title", "head"})


class Legal(NamedTuple):
    """Signals of one page's tree: `robots` sorted, the rest None where the page declares nothing."""

    robots: tuple[str, ...] = ()
    tdm_reservation: str | None = None
    tdm_policy: str | None = None
    license: str | None = None
    license_from: str | None = None         # rel | meta | json-ld | link
    license_position: str | None = None     # head | footer | body; None for json-ld, which lies anywhere
    paywalled: bool | None = None
    copyright: str | None = None            # one line of at most 200 characters


def legal_signals(tree: HtmlElement, metas: list[tuple[str, str]], json_ld: list[dict[str, Any]]) -> Legal:
    """The signals of a page; `metas` are its meta elements as (name in lower case, content) in order."""
    robots = {directive for name, content in metas if name == "robots" for directive in directives(content)}
    reserved = reservation([content for name, content in metas if name == "tdm-reservation"])
    policy = next((content.strip() for name, content in metas if name == "tdm-policy" and content.strip()), None)
    free = [node["isAccessibleForFree"] for node in json_ld if "isAccessibleForFree" in node]
    free += [content for name, content in metas if name == "isaccessibleforfree"]
    paywalled = any(str(value).rpartition("/")[2].lower() == "false" for value in free) if free else None
    licensed, footers = [], []
    for element in tree.iter("a", "link", "footer"):        # one walk: each costs as much as all the rest (measured)
        if element.tag == "footer":
            footers.append(element)
        elif "license" in (element.get("rel") or "").lower().split():
            licensed.append(element)
    license_ = _license(licensed, footers, metas, json_ld)
    notice = _declared_notice(metas, json_ld) or _visible_notice(tree, footers)
    return Legal(tuple(sorted(robots)), reserved, policy, *license_, paywalled, notice)


def directives(value: str) -> Iterator[str]:
    """The directives of a robots meta or X-Robots-Tag value that address every robot, in lower case.

    `otherbot: noindex` addresses one robot, and so does all that follows it in the same value. Directives are separated
    by commas, and some pages use spaces or semicolons: `noai noimageai` are two.
    """
    for part in value.lower().split(","):
        prefix = _BOT_PREFIX.match(part)
        if prefix and prefix[1] in _VALUED:
            yield " ".join(part.split())
            continue
        if prefix:
            if prefix[1] != "*":
                return
            part = part[prefix.end():]
        yield from part.replace(";", " ").split()


def reservation(values: list[str]) -> str | None:
    """The raw value of a TDM reservation, of several the first that is not 0: one reservation is enough.

    TDMRep knows 0 and 1. Any other value, an empty one too, is returned unchanged and counts as reserved.
    """
    given = [value.strip() for value in values]
    return next((value for value in given if value != "0"), given[0] if given else None)


def json_ld_nodes(tree: HtmlElement) -> list[dict[str, Any]]:
    """Every object in the page's JSON-LD, outer before inner; what is not JSON, or too large, is skipped."""
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


def _license(licensed: list[HtmlElement], footers: list[HtmlElement], metas: list[tuple[str, str]],
             json_ld: list[dict[str, Any]]) -> tuple[str | None, str | None, str | None]:
    """The licence a page declares for itself, how and where.

    In order of precedence: rel=license (of several one in the head, then in a footer), meta, JSON-LD, a Creative Commons link
    in a footer. A link in running text, or one that belongs to a picture, is no declaration.
    """
    claims = {_position(element): address for element in reversed(licensed)
              if (address := (element.get("href") or "").strip()) and not _beside_the_page(element)}
    for position in ("head", "footer", "body"):
        if position in claims:
            return claims[position], "rel", position
    for name, content in metas:
        if name in _LICENSES and content.strip().lower().startswith(_WEB):
            return content.strip(), "meta", "head"
    for node in json_ld:
        value = node.get("license")
        value = value.get("@id") or value.get("url") if isinstance(value, dict) else value
        if isinstance(value, str) and value.startswith("http") and not _of_a_picture(node):
            return value.strip(), "json-ld", None
    for footer in footers:
        for element in footer.iter("a"):
            address = (element.get("href") or "").strip()
            if _CREATIVE_COMMONS.match(address) and not _beside_the_page(element):
                return address, "link", "footer"
    return None, None, None


def _declared_notice(metas: list[tuple[str, str]], json_ld: list[dict[str, Any]]) -> str | None:
    """The copyright notice in a page's meta elements or JSON-LD; holder and year are combined as `© 2024 Holder`."""
    for name, content in metas:
        if name in _NOTICES and (notice := _one_line(content)) and not notice.lower().startswith(_WEB):
            return notice
    for node in json_ld:
        given, holder = node.get("copyrightNotice"), node.get("copyrightHolder")
        holder = holder[0] if isinstance(holder, list) and holder else holder
        held_by = holder.get("name") if isinstance(holder, dict) else holder
        if _of_a_picture(node):
            continue
        if isinstance(given, str) and (notice := _one_line(given)):
            return notice
        if isinstance(held_by, str) and held_by.strip() and not held_by.strip().lower().startswith(_WEB):
            year = str(node.get("copyrightYear") or "")
            return _one_line(f"© {year if _YEAR.fullmatch(year) else ''} {held_by}")
    return None


def _visible_notice(tree: HtmlElement, footers: list[HtmlElement]) -> str | None:
    """The last line with a copyright mark and a year in a footer, else on the page; in a footer, © and a name will do."""
    for scope in (*reversed(footers[-_FOOTERS:]), tree):
        text = scope.text_content()
        without_year = None
        for found in (found for mark, likely in _MARKS.items() if mark in text and likely.search(text)
                      for found in reversed(_MARKED(scope, mark=mark)[-_SEARCHED:])):
            around = found.getparent().getparent() if found.is_tail else found.getparent()
            if around.tag in _UNSEEN or _beside_the_page(around):
                continue
            line = _line_from_mark(found)
            if line and _YEAR.search(line[:_YEAR_WITHIN]):
                return line
            if line and not without_year and _NAME.match(line) and _position(around) == "footer":
                without_year = line
        if without_year:
            return without_year
    return None


def _line_from_mark(found: Any) -> str | None:
    """The line that begins with the mark in a text, or with a year right before it: up to where the next block begins."""
    mark = _MARK.search(found)
    if mark is None:
        return None
    line, length = [found[mark.start():mark.start() + 2 * _NOTICE_CHARS]], 0
    for piece in islice(_rest_of_line(found.getparent(), found.is_tail), _PIECES):
        line.append(piece[:_NOTICE_CHARS])
        length += len(line[-1])
        if length > _NOTICE_CHARS:
            break
    return _one_line("".join(line))


def _rest_of_line(element: HtmlElement, tail: bool) -> Iterator[str]:
    """The texts after an element's text (or its tail), inline elements in between and around it passed through."""
    sibling, around = (element.getnext(), element.getparent()) if tail else (next(iter(element), None), element)
    while around is not None:
        while sibling is not None:
            if sibling.tag not in _INLINE:
                return
            yield sibling.text_content()
            yield sibling.tail or ""
            sibling = sibling.getnext()
        if around.tag not in _INLINE:
            return
        yield around.tail or ""
        sibling, around = around.getnext(), around.getparent()


def _one_line(text: str) -> str | None:
    """The text in one line, cut at the last space where it is too long; None where nothing is left."""
    line = " ".join(clean_text(text).split())
    if len(line) > _NOTICE_CHARS:
        line = line[:_NOTICE_CHARS + 1].rpartition(" ")[0] or line[:_NOTICE_CHARS]
    return line or None


def _position(element: HtmlElement) -> str:
    """The place of an element: head, footer (by its tag, its role or a name that says so) or body."""
    for around in (element, *element.iterancestors()):
        if around.tag == "head":
            return "head"
        if (around.tag == "footer" or around.get("role") == "contentinfo"
                or "footer" in f"{around.get('id')} {around.get('class')}".lower()):
            return "footer"
    return "body"


def _beside_the_page(element: HtmlElement) -> bool:
    return element.tag in _NOT_THE_PAGE or next(element.iterancestors(*_NOT_THE_PAGE), None) is not None


def _of_a_picture(node: dict[str, Any]) -> bool:
    return "image" in str(node.get("@type")).lower()
