"""Main text and metadata of a page: a pure function of the HTML and the limits.

The page is parsed once. Limits are counted before the steps whose cost they bound, so a page is refused with a number
rather than stopped by a clock. The main text is what a small model chooses of the page's blocks (model.py), or with
`extract.engine: trafilatura` that library's (library.py), which is also asked where the model finds nothing.
"""

import re
from typing import TYPE_CHECKING, Any, NamedTuple

from lxml.html import HtmlElement

from textmill.pipelines.extract.pages.legal import json_ld_nodes, legal_signals
from textmill.pipelines.extract.pages.library import main_text
from textmill.pipelines.extract.pages.metadata import metadata
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.pages.source import markup
from textmill.pipelines.extract.pages.text import clean_text
from textmill.pipelines.extract.pages.tree import links_inside, oversized, parse, visible
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

if TYPE_CHECKING:
    from textmill.pipelines.extract.pages.model import Model

_START_TAG = re.compile(r"<[a-zA-Z]")
_LINK = re.compile(r"<a[\s>]", re.I)
# A tag up to its end, past quoted values; atomic, so that unclosed quotes cause no backtracking.
_TAG = re.compile(r"""<[a-zA-Z](?>[^>"']+|"[^"]*"|'[^']*')*+""")
_ATTRIBUTE = re.compile(r"""[^\s=>"'/<]+(?:\s*=\s*(?:"[^"]*"|'[^']*'|[^\s>]*+))?+""")
_ATTRIBUTES_FROM = 1 << 17      # characters of a page that can hold enough of them to matter: 32k, which take 1.1 s
# The F1 the model expects, below which the library is as good, and of articles, for which it was written, better: on 1 page
# in 17. On hosts not learned from: news .954, without the second bound .945; WCXB .881, without it .883 (measured).
_UNSURE, _UNSURE_OF_ARTICLE = 0.5, 0.8
_REDIRECT = re.compile(r"\s*+0*+(\.0*+)?+\s*+[;,]\s*+url\s*+=", re.I)


def read_page(html: str, limits: ExtractSettings) -> Page | Refusal:
    """The page, or the limit it breaks, or `empty` where it has no main text."""
    if refused := oversized_source(html, limits):
        return refused
    tree = parse(html)
    if tree is None:
        return Refusal("empty")
    if refused := oversized(tree, limits):
        return refused
    metas = meta_elements(tree)
    if any(name == "refresh" and _REDIRECT.match(content) for name, content in metas):
        return Refusal("redirect", detail="meta refresh to another page at once")
    json_ld = json_ld_nodes(tree)
    legal = legal_signals(tree, metas, json_ld)
    says, language = metadata(html, tree, metas, json_ld), _language(tree, metas)
    if limits.engine == "trafilatura":
        choice = by_library(html, tree)
    else:
        choice = by_model(html, tree, metas, json_ld, limits.format == "markdown")
    if not choice.text:
        return Refusal("empty")
    columns = {name: value for name in ("author", "site", "description") if (value := getattr(says, name))}
    return Page(choice.text, says.title, language, says.dates, legal, *choice[1:7], columns or None)


class Choice(NamedTuple):
    """The main text of a page, the counts of its links and letters as in Page, and its kind where that was asked."""

    text: str
    links: int
    anchor_chars: int
    page_anchor_chars: int
    page_chars: int
    kind: str | None = None
    kind_score: float | None = None
    expected: float = 1.0           # the F1 that the model expects


def by_model(html: str, tree: HtmlElement, metas: list[tuple[str, str]], json_ld: list[dict[str, Any]], markdown: bool,
             weights: "Model | None" = None) -> Choice:
    """What the model chooses, and what the library finds where the model finds nothing or is unsure."""
    choice = chosen(tree, metas, json_ld, markdown, weights)
    if choice is None:
        return by_library(html, parse(html))
    unsure = choice.expected < (_UNSURE_OF_ARTICLE if choice.kind == "article" else _UNSURE)
    if unsure and not markdown and (other := by_library(html, parse(html))).text:
        return other._replace(kind=choice.kind, kind_score=choice.kind_score)
    return choice


def chosen(tree: HtmlElement, metas: list[tuple[str, str]], json_ld: list[dict[str, Any]], markdown: bool,
           weights: "Model | None" = None) -> Choice | None:
    """What the model, or another one, chooses of a page's blocks; None where that is nothing.

    The tree is of no use afterwards.
    """
    # NumPy is loaded only where the model is asked: the process that reads pages starts light.
    from textmill.pipelines.extract.pages.blocks import read_blocks
    from textmill.pipelines.extract.pages.layout import laid_out
    from textmill.pipelines.extract.pages.model import decide
    from textmill.pipelines.extract.pages.page_words import declared
    from textmill.pipelines.extract.pages.strays import without_strays

    says = declared(tree, metas, json_ld)
    page = read_blocks(tree, json_ld)
    if not page.texts:
        return None
    decision = decide(page, *says, weights=weights)
    kept = without_strays(page, decision.kept) if decision.kind == "article" else decision.kept
    text = clean_text(laid_out(page, kept, markdown)).strip()
    if not text:
        return None
    links, characters = (sum(column[number] for number in kept) for column in (page.links, page.link_chars))
    shown = sum(len(block) - block.count(" ") for block in page.texts)
    return Choice(text, links, characters, sum(page.link_chars), shown, decision.kind, decision.kind_score,
                  decision.expected)


def by_library(html: str, tree: HtmlElement | None) -> Choice:
    """What trafilatura finds."""
    if tree is None:
        return Choice("", 0, 0, 0, 0)
    seen = visible(tree)
    linked = sum(link[2] for link in seen.links)
    text = clean_text(main_text(html, tree, seen.characters - linked)).strip()
    inside = links_inside(seen, text)
    return Choice(text, len(inside), sum(link[2] for link in inside), linked, seen.characters)


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


def meta_elements(tree: HtmlElement) -> list[tuple[str, str]]:
    """The page's meta elements as (name in lower case, content); those in noscript are ignored by all browsers."""
    return [((meta.get("name") or meta.get("property") or meta.get("itemprop") or meta.get("http-equiv") or "").strip().lower(),
             meta.get("content") or "")
            for meta in tree.iter("meta") if next(meta.iterancestors("noscript"), None) is None]


def _language(tree: HtmlElement, metas: list[tuple[str, str]]) -> str | None:
    """The language the page declares, in its own spelling, lower-cased: html lang, content-language, og:locale."""
    html = next(tree.iter("html"), None)
    claims = [html.get("lang"), html.get("xml:lang")] if html is not None else []
    claims += [content for wanted in ("content-language", "og:locale") for name, content in metas if name == wanted]
    return next((claim.strip().lower().replace("_", "-") for claim in claims if claim and claim.strip()), None)
