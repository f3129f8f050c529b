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
               "bt:pubdate", "publication_date", "datecreated", "og:article:published_time", "citation_date",
               "citation_online_date", "dc.date.created")
_AUTHOR_METAS = ("author", "article:author", "dc.creator", "dcterms.creator", "parsely-author", "sailthru.author",
                 "citation_author", "byl", "og:article:author", "authors")
_SITE_METAS = ("og:site_name", "application-name", "apple-mobile-web-app-title")
_DESCRIPTION_METAS = ("og:description", "description", "twitter:description", "dc.description")
_WORKS = frozenset({"article", "newsarticle", "blogposting", "techarticle", "report", "webpage", "scholarlyarticle", "product",
                    "discussionforumposting", "qapage", "question", "recipe", "videoobject", "reportagenewsarticle",
                    "socialmediaposting"})
_APART = "[not(ancestor::aside or ancestor::nav or ancestor::footer)]"
# A condition within an attribute's brackets is asked only where an element has the attribute: half of the time (measured).
_BYLINES = XPath("descendant-or-self::*[@rel = 'author' or @itemprop[contains(., 'author')]"
                 " or @data-testid[contains(., 'author')]"
                 f" or @class[contains(., 'byline') or contains(., 'author')]]{_APART}")
# A bare `time` may be any: an event's, a comment's.
_TIMES = XPath("descendant-or-self::*[@pubdate or @itemprop[contains(., 'datePublished') or . = 'dateCreated'] or @class["
               f"contains(., 'date') or contains(., 'publish') or contains(., 'posted') or parent::time]]{_APART}")
# A search of the source is cheaper than one of the tree, and most pages have neither.
_SAYS_WHO = re.compile("author|byline")
_SAYS_WHEN = re.compile("pubdate|datePublished|publish|posted|date[- \"]|[-_=]date|Date\"|<time")
_BY = re.compile(r"^(?:(?:article|written|posted|published|story|words|medically reviewed|reviewed|contributed)\s+)?"
                 r"(?:(?:by|von|par|por|di)\b[:\s]+|by(?=[A-Z]))|^(?:author|autor)\b[:\s]+", re.I)
_MONTH = r"(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)[a-z]*\.?\s+\d"
_AFTER = re.compile(rf"\s*(?:[|•·(\n]|\s[-–—]\s|\s\d"
                    rf"|,?\s*\b(?:on|updated|published|posted|last updated|reviewed by|edited by)\b"
                    rf"|(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*,?\s|{_MONTH}).*$", re.S)
_NO_NAME = re.compile(r"https?:|www\.|\.(?:com|org|net)\Z|[@<>{}_=/\\]|^(?:admin|unknown|null|none|guest|user|author|share)\Z",
                      re.I)
_SEPARATOR = re.compile(r"\s+[|·•»–—:-]+\s+|\s*[|»]\s*")
_MOST_TITLE, _MOST_NAME, _MOST_DESCRIPTION = 500, 100, 1_000
_MOST_ELEMENTS = 12
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_IN_WORDS = re.compile(rf"\b(?:(\d{{1,2}})(?:st|nd|rd|th)?\.? )?({'|'.join(_MONTHS)})[a-z]*\.?,? "
                       r"(?:(\d{1,2})(?:st|nd|rd|th)?,? )?((?:19|20)\d\d)\b", re.I)
_MOST_DATE = 200        # characters of an element that is searched for a date


class Metadata(NamedTuple):
    """None where a page does not say; `dates` are candidates for its day of publication, the best first."""

    title: str | None
    author: str | None
    dates: tuple[str, ...]
    site: str | None
    description: str | None


def metadata(html: str, tree: HtmlElement, metas: Sequence[tuple[str, str]], json_ld: Sequence[dict[str, Any]]) -> Metadata:
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
    published = tuple(days(dates))
    if not published and _SAYS_WHEN.search(html):
        published = tuple(days([date for element in _TIMES(tree)[:_MOST_ELEMENTS] for date in _of_element(element)]))
    author: str | None = _author(named, works)
    if author is None and _SAYS_WHO.search(html):
        author = next((person for element in _BYLINES(tree)[:_MOST_ELEMENTS] if (person := _byline(element))), None)
    return Metadata(_title(tree, named, works, site), author, published, site, description)


def _of_element(element: _Element) -> Iterator[str]:
    """The dates of an element that has one: of its attributes, then of its text."""
    yield element.get("datetime") or element.get("content") or ""
    text = " ".join("".join(element.itertext())[:_MOST_DATE].split())
    yield text
    if (match := _IN_WORDS.search(text)) and (day := match[1] or match[3]):
        yield f"{match[4]}-{_MONTHS.index(match[2].lower()) + 1}-{day}"


def _types(node: dict[str, Any]) -> list[str]:
    kinds = node.get("@type")
    return [kind.lower() for kind in (kinds if isinstance(kinds, list) else [kinds]) if isinstance(kind, str)]


def _first(values: Iterator[str | None], most: int = _MOST_TITLE) -> str | None:
    """The first value with text, on one line."""
    return next((text[:most] for value in values if value and (text := " ".join(clean_text(value).split()))), None)


def _title(tree: HtmlElement, named: dict[str, list[str]], works: list[dict[str, Any]], site: str | None) -> str | None:
    """The page's only heading of the first rank, or the one that its title has too; else its title without the site's name."""
    first = ["".join(element.itertext()) for element in list(tree.iter("h1"))[:_MOST_ELEMENTS]]
    headings = [text for heading in first if (text := _first(iter([heading])))]
    element = next(tree.iter("title"), None)
    full = _first(iter([*named.get("og:title", ()), *([] if element is None else ["".join(element.itertext())]),
                        *(str(node["headline"]) for node in works if node.get("headline"))]))
    if full is None:
        return next(iter(headings), None)
    inside = [text for text in headings if len(text) > 3 and (text.lower() in full.lower() or full.lower() in text.lower())]
    if inside:
        return max(inside, key=len)
    if len(headings) == 1 and not _is_site(headings[0], site) and (_alike(headings[0], full) or _is_site(full, site)):
        return headings[0]
    parts = _SEPARATOR.split(full)
    kept = full
    if len(parts) > 1 and (_is_site(parts[-1], site) or len(parts[-1]) < len(full) / 2):
        kept = full[:full.rindex(parts[-1])].rstrip(" |·•»–—:-")
    return kept or full


def _is_site(text: str, site: str | None) -> bool:
    plain, name = ("".join(filter(str.isalnum, one.lower())) for one in (text, site or ""))
    return bool(plain and name) and (plain in name or name in plain)


def _alike(heading: str, title: str) -> bool:
    """Whether a heading shares most of its words with a title."""
    words = set(heading.lower().split())
    return 2 * len(words & set(title.lower().split())) >= len(words)


def _author(named: dict[str, list[str]], works: list[dict[str, Any]]) -> str | None:
    """Who wrote the page by its JSON-LD or a meta element."""
    for node in works:
        value = node.get("author") or node.get("creator")
        names = [name for one in (value if isinstance(value, list) else [value]) if (name := _person(_name(one)))]
        if names:
            return ", ".join(dict.fromkeys(names))[:_MOST_TITLE]
    names = [name for key in _AUTHOR_METAS for content in named.get(key, ()) if (name := _person(content))]
    return names[0] if names else None


def _name(value: Any) -> str | None:
    if isinstance(value, dict):
        value = value.get("name")
    return value if isinstance(value, str) else None


def _byline(element: _Element) -> str | None:
    if element.tag in ("img", "script", "style", "meta"):
        return _person(element.get("content") or "")
    texts = [text for piece in element.itertext() if (text := " ".join(piece.split()))]
    return _person(texts[0]) if len(texts) == 1 else _person(" ".join(texts))


def _person(text: str | None) -> str | None:
    """A name, without what stands around it in a byline; None for what cannot be one."""
    line = " ".join(clean_text(text or "").split())
    if not line or len(line) > 3 * _MOST_NAME:
        return None
    line = _AFTER.sub("", _BY.sub("", line)).strip(" ,;:-–—")
    words = line.split()
    return line if 2 <= len(line) <= _MOST_NAME and len(words) <= 12 and not _NO_NAME.search(line) else None
