"""HTML to main text, with what the page says of itself: a pure function of the HTML and the limits.

The page is parsed once. Limits are counted before the steps whose cost they bound, so a page is refused with a number
rather than stopped by a clock. Extraction is trafilatura's, fast, without comments and without its memory of other pages.
"""

import logging
import re
from collections.abc import Iterator
from datetime import date
from typing import NamedTuple

from lxml.etree import ParserError, iterwalk
from lxml.html import HtmlElement, HTMLParser, document_fromstring
from trafilatura import bare_extraction
from trafilatura.settings import Extractor

from pipelines.extract.legal import Legal, json_ld_nodes, legal_signals
from pipelines.extract.rows import Refusal, clean_text
from pipelines.extract.settings import Extract

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)     # it warns of every page that it finds empty

_START_TAG = re.compile(r"<[a-zA-Z]")
_LINK = re.compile(r"<a[\s>]", re.I)
# A tag up to its end, quoted values passed over; nothing is given back, so unclosed quotes cost no second look.
_TAG = re.compile(r"""<[a-zA-Z](?>[^>"']+|"[^"]*"|'[^']*')*+""")
_ATTRIBUTE = re.compile(r"""[^\s=>"'/<]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]*+))?+""")
_ATTRIBUTES_FROM = 1 << 17      # characters of a page that can hold enough of them to matter: 32k, which take 1.1 s
_INVALID = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_WINDOWS_REFERENCE = re.compile(r"&#0*(12[89]|1[345]\d);?")     # browsers read &#128; to &#159; as windows-1252
_HIDDEN = frozenset({"script", "style", "noscript", "template", "head", "iframe", "svg", "select", "textarea"})
_DATE = re.compile(r"((?:19|20)\d\d)[-/](\d\d?)[-/](\d\d?)(?!\d)")
_URL_DATE = re.compile(r"/((?:19|20)\d\d)[/-](\d\d?)[/-](\d\d?)(?=/|\D|$)")
_DATE_METAS = ("article:published_time", "og:published_time", "datepublished", "date", "dc.date", "dc.date.issued",
               "dcterms.date", "dcterms.created", "dcterms.issued", "pubdate", "publishdate", "publish_date", "sailthru.date",
               "parsely-pub-date", "citation_publication_date", "article.published")
_REDIRECT = re.compile(r"\s*0*(\.0*)?\s*[;,]\s*url\s*=", re.I)
_CONTEXT = 20           # letters and digits around a link's end or start that say whether it is in the main text


class Page(NamedTuple):
    """What one page's HTML says. Counts are characters without white space; `dates` are candidates for `published`."""

    text: str
    title: str | None
    declared_language: str | None
    dates: tuple[str, ...]
    legal: Legal
    links: int | None       # links in the main text; all four are None where the input has no links
    anchor_chars: int | None       # characters of their text
    page_anchor_chars: int | None
    page_chars: int | None         # visible characters of the whole page


class _Visible(NamedTuple):
    """The visible letters and digits of a page in order, each link's place in them, and character counts."""

    letters: str
    links: list[tuple[int, int, int]]       # from, to in `letters`; characters without white space
    characters: int


def read_page(html: str, limits: Extract) -> Page | Refusal:
    """The page, or the limit it breaks, or `empty` where it has no main text."""
    if len(html) > limits.page_bytes:
        return Refusal("too_large", str(len(html)), str(limits.page_bytes))
    tags = len(_START_TAG.findall(html))
    if tags > limits.nodes:
        return Refusal("too_many_nodes", str(tags), str(limits.nodes))
    if tags > limits.links and (links := len(_LINK.findall(html))) > limits.links:
        return Refusal("too_many_links", str(links), str(limits.links))
    sizes = list(map(len, _TAG.findall(html))) if len(html) > _ATTRIBUTES_FROM else [0]
    if max(sizes, default=0) > 2 * limits.attributes or sum(sizes) > 2 * limits.all_attributes:     # the shortest takes 2
        attributes = [len(_ATTRIBUTE.findall(tag)) - 1 for tag in _TAG.findall(html)]      # the tag's name is one more
        for counted, most in ((max(attributes, default=0), limits.attributes), (sum(attributes), limits.all_attributes)):
            if counted > most:
                return Refusal("too_many_attributes", str(counted), str(most))
    tree = parse(html)
    if tree is None:
        return Refusal("empty")
    visible = _look(tree, limits)
    if isinstance(visible, Refusal):
        return visible
    cells = max(map(len, tree.iter("tr")), default=0)
    if cells > limits.cells:
        return Refusal("too_many_cells", str(cells), str(limits.cells))
    metas = _metas(tree)
    if any(name == "refresh" and _REDIRECT.match(content) for name, content in metas):
        return Refusal("redirect", detail="meta refresh to another page at once")
    json_ld = json_ld_nodes(tree)
    legal = legal_signals(tree, metas, json_ld)
    dates = tuple(_dates([content for name in _DATE_METAS for key, content in metas if key == name]
                         + [str(node["datePublished"]) for node in json_ld if "datePublished" in node]))
    title, language = _title(tree, metas), _language(tree, metas)
    # Options of its own for every page, and no URL: the text must depend on nothing but the HTML.
    found = bare_extraction(tree, options=Extractor(output_format="python", fast=True, comments=False, dedup=False))
    text = clean_text(getattr(found, "text", None) or "").strip()
    if not text:
        return Refusal("empty")
    inside = _links_inside(visible, text)
    return Page(text, title, language, dates, legal, len(inside), sum(link[2] for link in inside),
                sum(link[2] for link in visible.links), visible.characters)


def parse(html: str) -> HtmlElement | None:
    """The tree of a page; None where there is nothing to parse. Given as UTF-8 bytes, so no declaration in it is obeyed."""
    if "&#" in html:
        html = _WINDOWS_REFERENCE.sub(lambda match: bytes([int(match[1])]).decode("cp1252", "replace"), html)
    html = _INVALID.sub("", html)
    if not html.strip():
        return None
    # Without huge_tree libxml2 drops in silence what lies below depth 256; with it, below 2,048, where we refuse anyway.
    parser = HTMLParser(encoding="utf-8", huge_tree=True, remove_comments=True, remove_pis=True, collect_ids=False,
                        default_doctype=False)
    try:
        return document_fromstring(html.encode("utf-8", "replace"), parser=parser, ensure_head_body=True)
    except (ParserError, ValueError):       # the document has no element: only comments, or nothing
        return None


def published(dates: tuple[str, ...], url: str | None, captured: str | None) -> str | None:
    """The first date, of the page's own and then of its URL, that does not lie after the capture."""
    for day in (*dates, *_dates([match.expand(r"\1-\2-\3") for match in _URL_DATE.finditer(url or "")])):
        if captured is None or day <= captured[:10]:
            return day
    return None


def _dates(values: list[str]) -> Iterator[str]:
    """The real days, from 1990 on, that the values begin with, as "YYYY-MM-DD"."""
    for value in values:
        match = _DATE.match(value.strip())
        try:
            found = date(int(match[1]), int(match[2]), int(match[3])) if match else None
        except ValueError:
            continue
        if found and found.year >= 1990:
            yield found.isoformat()


def _look(tree: HtmlElement, limits: Extract) -> _Visible | Refusal:
    """One walk over the tree: its visible text and links, or the refusal of a tree that is too deep."""
    pieces: list[str] = []
    links: list[tuple[int, int, int]] = []
    letters = characters = depth = nesting = 0
    opened: tuple[HtmlElement, int, int] | None = None
    walk = iterwalk(tree, events=("start", "end"))
    for event, element in walk:
        text = None
        if event == "start":
            depth += 1
            nesting += depth
            if depth > limits.depth:
                return Refusal("too_deep", f">{limits.depth}", str(limits.depth))
            if nesting > limits.nesting:
                return Refusal("too_nested", f">{limits.nesting}", str(limits.nesting))
            if element.tag in _HIDDEN:
                walk.skip_subtree()
            else:
                if element.tag == "a" and opened is None:
                    opened = (element, letters, characters)
                text = element.text
        else:
            depth -= 1
            if opened is not None and element is opened[0]:
                if characters > opened[2]:
                    links.append((opened[1], letters, characters - opened[2]))
                opened = None
            text = element.tail
        if text:
            words = "".join(text.split())
            if words:
                characters += len(words)
                kept = _letters(words)
                pieces.append(kept)
                letters += len(kept)
    return _Visible("".join(pieces), links, characters)


def _letters(text: str) -> str:
    return text if text.isalnum() else "".join(filter(str.isalnum, text))


def _links_inside(visible: _Visible, text: str) -> list[tuple[int, int, int]]:
    """The links whose text, with what stands before it or after it, occurs in the main text.

    Letters and digits are compared, so that list marks, table bars and line breaks of either side do not matter.
    """
    main = _letters("".join(text.split()))
    size = min(_CONTEXT, len(main))
    page = visible.letters
    wanted: dict[str, None] = {}
    for start, end, _ in visible.links:
        wanted[page[max(end - size, 0):end]] = None
        wanted[page[start:start + size]] = None
    found = {window for at in range(len(main) - size + 1) if (window := main[at:at + size]) in wanted}
    return [link for link in visible.links
            if page[max(link[1] - size, 0):link[1]] in found or page[link[0]:link[0] + size] in found]


def _metas(tree: HtmlElement) -> list[tuple[str, str]]:
    """The page's meta elements as (name in lower case, content); those in noscript speak to no browser we know of."""
    return [((meta.get("name") or meta.get("property") or meta.get("itemprop") or meta.get("http-equiv") or "").strip().lower(),
             meta.get("content") or "")
            for meta in tree.iter("meta") if next(meta.iterancestors("noscript"), None) is None]


def _title(tree: HtmlElement, metas: list[tuple[str, str]]) -> str | None:
    """The page's title: og:title, the title element, the first heading; whichever is first not empty."""
    candidates = [content for name, content in metas if name == "og:title"]
    candidates += ["".join(element.itertext()) for tag in ("title", "h1") for element in [next(tree.iter(tag), None)]
                   if element is not None]
    return next((title for candidate in candidates if (title := " ".join(clean_text(candidate).split()))), None)


def _language(tree: HtmlElement, metas: list[tuple[str, str]]) -> str | None:
    """The language the page claims, as it spells it in lower case: html lang, content-language, og:locale."""
    html = next(tree.iter("html"), None)
    claims = [html.get("lang"), html.get("xml:lang")] if html is not None else []
    claims += [content for wanted in ("content-language", "og:locale") for name, content in metas if name == wanted]
    return next((claim.strip().lower().replace("_", "-") for claim in claims if claim and claim.strip()), None)
