"""Main text and metadata of a page: a pure function of the HTML and the limits.

The page is parsed once. Limits are counted before the steps whose cost they bound, so a page is refused with a number
rather than stopped by a clock. Extraction is trafilatura's, without comments and without its cache across pages: its
fast mode, and the slow one where a second extractor finds twice as much, or half.
"""

import logging
import re

from lxml.html import HtmlElement
from resiliparse.extract.html2text import extract_plain_text
from trafilatura import bare_extraction
from trafilatura.settings import Extractor

from textmill.pipelines.extract.pages.legal import json_ld_nodes, legal_signals
from textmill.pipelines.extract.pages.page import Page, days
from textmill.pipelines.extract.pages.patterns import remember_patterns
from textmill.pipelines.extract.pages.source import markup
from textmill.pipelines.extract.pages.text import clean_text
from textmill.pipelines.extract.pages.tree import links_inside, oversized, parse, visible
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)     # it logs a warning for every empty page
remember_patterns()

_START_TAG = re.compile(r"<[a-zA-Z]")
_LINK = re.compile(r"<a[\s>]", re.I)
# A tag up to its end, past quoted values; atomic, so that unclosed quotes cause no backtracking.
_TAG = re.compile(r"""<[a-zA-Z](?>[^>"']+|"[^"]*"|'[^']*')*+""")
_ATTRIBUTE = re.compile(r"""[^\s=>"'/<]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]*+))?+""")
_ATTRIBUTES_FROM = 1 << 17      # characters of a page that can hold enough of them to matter: 32k, which take 1.1 s
_DATE_METAS = ("article:published_time", "og:published_time", "datepublished", "date", "dc.date", "dc.date.issued",
               "dcterms.date", "dcterms.created", "dcterms.issued", "pubdate", "publishdate", "publish_date", "sailthru.date",
               "parsely-pub-date", "citation_publication_date", "article.published")
_REDIRECT = re.compile(r"\s*0*(\.0*)?\s*[;,]\s*url\s*=", re.I)
_SAYS_SOMETHING = 250   # characters: trafilatura's own bound (min_extracted_size) for a text it accepts


def read_page(html: str, limits: ExtractSettings) -> Page | Refusal:
    """The page, or the limit it breaks, or `empty` where it has no main text."""
    if refused := oversized_source(html, limits):
        return refused
    tree = parse(html)
    if tree is None:
        return Refusal("empty")
    if refused := oversized(tree, limits):
        return refused
    metas = _metas(tree)
    if any(name == "refresh" and _REDIRECT.match(content) for name, content in metas):
        return Refusal("redirect", detail="meta refresh to another page at once")
    json_ld = json_ld_nodes(tree)
    legal = legal_signals(tree, metas, json_ld)
    dates = tuple(days([content for name in _DATE_METAS for key, content in metas if key == name]
                         + [str(node["datePublished"]) for node in json_ld if "datePublished" in node]))
    title, language = _title(tree, metas), _language(tree, metas)
    seen = visible(tree)
    linked = sum(link[2] for link in seen.links)
    text = clean_text(main_text(html, tree, seen.characters - linked)).strip()
    if not text:
        return Refusal("empty")
    inside = links_inside(seen, text)
    return Page(text, title, language, dates, legal, len(inside), sum(link[2] for link in inside), linked, seen.characters)


def oversized_source(html: str, limits: ExtractSettings) -> Refusal | None:
    """The limit that a page breaks before it is parsed: of its size, its tags, their attributes, its links."""
    if len(html) > limits.max_page_bytes:
        return Refusal("too_large", str(len(html)), str(limits.max_page_bytes))
    # What scripts contain often looks like tags, and no parser reads it as such: it is taken out where it would matter.
    return _oversized(html, limits) and _oversized(markup(html), limits)


def _oversized(html: str, limits: ExtractSettings) -> Refusal | None:
    tags = len(_START_TAG.findall(html))
    if tags > limits.max_nodes:
        return Refusal("too_many_nodes", str(tags), str(limits.max_nodes))
    if tags > limits.max_links and (links := len(_LINK.findall(html))) > limits.max_links:
        return Refusal("too_many_links", str(links), str(limits.max_links))
    sizes = list(map(len, _TAG.findall(html))) if len(html) > _ATTRIBUTES_FROM else [0]
    # The shortest attribute takes two characters.
    if max(sizes, default=0) > 2 * limits.max_tag_attributes or sum(sizes) > 2 * limits.max_attributes:
        attributes = [len(_ATTRIBUTE.findall(tag)) - 1 for tag in _TAG.findall(html)]      # the tag's name is one more
        for counted, most in ((max(attributes, default=0), limits.max_tag_attributes),
                              (sum(attributes), limits.max_attributes)):
            if counted > most:
                return Refusal("too_many_attributes", str(counted), str(most))
    return None


def main_text(html: str, tree: HtmlElement, unlinked: int) -> str:
    """The main text of a page with so many visible characters outside links; "" where there is none.

    trafilatura's fast mode, and its slow one where the fast one is doubtful: it took less than half of what is outside links
    and less than half of what resiliparse takes, or more than all of that and twice as much as resiliparse. Of 851 gold
    pages 167 are looked at twice and 56 three times, and the scores are the slow mode's or better (benchmarks/results/
    extract-quality.md). resiliparse alone would be ten times as fast, but nothing cheap says where the two agree.
    """
    found = _trafilatura(tree, fast=True)
    length = _length(found)
    if unlinked <= 2 * length <= 2 * unlinked:
        return found
    other = _length(extract_plain_text(html, main_content=True, alt_texts=False, comments=False))
    # It finds next to nothing on some pages (83 of 90 of an API's), which is no evidence against the first.
    too_much = length > unlinked and length > 2 * other and other >= _SAYS_SOMETHING
    return _trafilatura(tree, fast=False) or found if 2 * length < other or too_much else found


def _trafilatura(tree: HtmlElement, fast: bool) -> str:
    # Options of its own for every page, and no URL: the text must depend on nothing but the HTML.
    found = bare_extraction(tree, options=Extractor(output_format="python", fast=fast, comments=False, dedup=False))
    return getattr(found, "text", None) or ""


def _length(text: str) -> int:
    return sum(map(len, text.split()))


def _metas(tree: HtmlElement) -> list[tuple[str, str]]:
    """The page's meta elements as (name in lower case, content); those in noscript are ignored by all browsers."""
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
    """The language the page declares, in its own spelling, lower-cased: html lang, content-language, og:locale."""
    html = next(tree.iter("html"), None)
    claims = [html.get("lang"), html.get("xml:lang")] if html is not None else []
    claims += [content for wanted in ("content-language", "og:locale") for name, content in metas if name == wanted]
    return next((claim.strip().lower().replace("_", "-") for claim in claims if claim and claim.strip()), None)
