"""What a page says of itself in its head, its JSON-LD and its first lines: title, author, dates, site and description."""

import re
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from lxml.etree import XPath, _Element
from lxml.html import HtmlElement

from textmill.pipelines.extract.pages.page import days
from textmill.pipelines.extract.pages.text import clean_text

_DATE_METAS = ("article:published_time", "og:published_time", "datepublished", "date", "dc.date", "dc.date.issued",
               "dcterms.date", "dcterms.created", "dcterms.issued", "pubdate", "publishdate", "publish_date", "sailthru.date",
               "parsely-pub-date", "citation_publication_date", "article.published", "cxenseparse:recs:publishtime",
               "bt:pubdate", "publication_date", "datecreated", "og:article:published_time")
_AUTHOR_METAS = ("author", "article:author", "dc.creator", "dcterms.creator", "parsely-author", "sailthru.author",
                 "citation_author", "byl", "og:article:author", "authors")
_SITE_METAS = ("og:site_name", "application-name", "apple-mobile-web-app-title")
_DESCRIPTION_METAS = ("og:description", "description", "twitter:description", "dc.description")
_WORKS = frozenset({"article", "newsarticle", "blogposting", "techarticle", "report", "webpage", "scholarlyarticle", "product",
                    "discussionforumposting", "qapage", "question", "recipe", "videoobject", "reportagenewsarticle", "socialmediaposting"})
_BYLINES = XPath("//*[@rel = 'author' or contains(@itemprop, 'author') or contains(@class, 'byline') or contains(@class, 'author')"
                 " or contains(@data-testid, 'author')][not(ancestor::aside or ancestor::nav or ancestor::footer)]")
_TIMES = XPath("//time[@datetime] | //*[@itemprop = 'datePublished' or @itemprop = 'dateCreated']")
_BY = re.compile(r"^(?:(?:written|posted|published|story|words|reviewed|medically reviewed)\s+)?(?:by|von|par|por|di)\b[:\s]+|^author[:\s]+", re.I)
_AFTER = re.compile(r"\s*(?:[|•·,]\s*)?(?:\b(?:on|updated|published|posted|last|am)\b|\d|[|•·(]|[-–—]\s).*$", re.S | re.I)
_NO_NAME = re.compile(r"https?:|www\.|[@<>{}_=/\\]|\b(?:admin|staff|editor|team|unknown|null|none|guest)\Z", re.I)
_SEPARATOR = re.compile(r"\s+[|·•»–—:-]+\s+|\s*[|»]\s*")
_MOST_TITLE, _MOST_NAME, _MOST_DESCRIPTION = 500, 100, 1_000
_MOST_ELEMENTS = 12


class Metadata(NamedTuple):
    """None where a page does not say; `dates` are candidates for its day of publication, the best first."""

    title: str | None
    author: str | None
    dates: tuple[str, ...]
    site: str | None
    description: str | None


def metadata(tree: HtmlElement, metas: Sequence[tuple[str, str]], json_ld: Sequence[dict[str, Any]]) -> Metadata:
    """The metadata of a page; `metas` are its meta elements as (name in lower case, content) in order."""
    named: dict[str, list[str]] = {}
    for name, content in metas:
        named.setdefault(name, []).append(content)
    works = [node for node in json_ld if _WORKS.intersection(_types(node))]
    site = _first(content for name in _SITE_METAS for content in named.get(name, ())) or _first(
        _name(node.get("publisher")) for node in works)
    description = _first((content for name in _DESCRIPTION_METAS for content in named.get(name, ())), _MOST_DESCRIPTION)
    dates = [content for name in _DATE_METAS for content in named.get(name, ())]
    dates += [str(node[key]) for key in ("datePublished", "dateCreated", "uploadDate") for node in json_ld if key in node]
    dates += [element.get("datetime") or element.get("content") or "" for element in _TIMES(tree)[:_MOST_ELEMENTS]]
    return Metadata(_title(tree, named, works, site), _author(tree, named, works), tuple(days(dates)), site, description)


def _types(node: dict[str, Any]) -> list[str]:
    kinds = node.get("@type")
    return [kind.lower() for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)]


def _first(values: Iterator[str | None], most: int = _MOST_TITLE) -> str | None:
    """The first value with text, on one line."""
    return next((text[:most] for value in values if value and (text := " ".join(clean_text(value).split()))), None)


def _title(tree: HtmlElement, named: dict[str, list[str]], works: list[dict[str, Any]], site: str | None) -> str | None:
    """The page's own heading where its title begins with it, else its title without the name of the site."""
    headings = ["".join(element.itertext()) for element in tree.iter("h1")][:3]
    element = next(tree.iter("title"), None)
    declared = [*named.get("og:title", ()), *([] if element is None else ["".join(element.itertext())]),
                *(str(node["headline"]) for node in works if node.get("headline"))]
    full = _first(iter(declared))
    heading = [text for value in headings if (text := _first(iter([value])))]
    if full is None:
        return next(iter(heading), None)
    for text in heading:
        if len(text) > 3 and (text.lower() in full.lower() or full.lower() in text.lower()):
            return text
    parts = _SEPARATOR.split(full)
    if len(parts) > 1 and site and parts[-1].lower().replace(" ", "") in site.lower().replace(" ", ""):
        return full[:full.rindex(parts[-1])].rstrip(" |·•»–—:-")
    return full


def _author(tree: HtmlElement, named: dict[str, list[str]], works: list[dict[str, Any]]) -> str | None:
    """Who wrote the page: by JSON-LD, by a meta element, by its byline."""
    for node in works:
        value = node.get("author") or node.get("creator")
        names = [name for one in (value if isinstance(value, list) else [value]) if (name := _person(_name(one)))]
        if names:
            return ", ".join(dict.fromkeys(names))[:_MOST_TITLE]
    names = [name for key in _AUTHOR_METAS for content in named.get(key, ()) if (name := _person(content))]
    if names:
        return names[0]
    return next((name for element in _BYLINES(tree)[:_MOST_ELEMENTS] if (name := _byline(element))), None)


def _name(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("name")
    return value if isinstance(value, str) else None


def _byline(element: _Element) -> str | None:
    if element.tag in ("img", "script", "style", "meta"):
        return _person(element.get("content") or "")
    return _person("".join(element.itertext()))


def _person(text: str | None) -> str | None:
    """A name, without what stands around it in a byline; None for what cannot be one."""
    line = " ".join(clean_text(text or "").split())
    if not line or len(line) > 3 * _MOST_NAME:
        return None
    line = _AFTER.sub("", _BY.sub("", line)).strip(" ,;:-–—")
    words = line.split()
    return line if 2 <= len(line) <= _MOST_NAME and len(words) <= 12 and not _NO_NAME.search(line) else None
