"""A page's tree: parsed once, counted before anything walks it, and its visible text with the links in it.

Depth, counts and text are libxml2's, one call each: the same by a walk in Python cost 3 ms a page (measured).
"""

import re
from collections.abc import Iterator
from copy import copy
from functools import cache
from itertools import accumulate
from typing import NamedTuple

from lxml.etree import ElementDefaultClassLookup, ParserError, XPath, iterwalk, strip_elements
from lxml.html import HtmlElement, HTMLParser, document_fromstring

from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

_OPEN, _CLOSE = "\ufdd0", "\ufdd1"      # characters for a program's own use (Unicode 23.7): where a link begins and ends
_INVALID = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f{_OPEN}{_CLOSE}\ufffe\uffff]")
_WINDOWS_REFERENCE = re.compile(r"&#0*(12[89]|1[345]\d);?")     # browsers read &#128; to &#159; as windows-1252
_MARKS = re.compile(f"([{_OPEN}{_CLOSE}])")
_HIDDEN = ("script", "style", "noscript", "template", "head", "iframe", "svg", "select", "textarea")
_CONTEXT = 20           # characters around a link's end or start that decide whether it is in the main text
_FEW = 100              # so many searches through the main text cost what taking it apart costs (measured)
_ELEMENTS = XPath("count(//*)")


class PageElement(HtmlElement):
    """lxml's HTML element; the text of one without children, which most asked for are, needs no XPath."""

    def text_content(self) -> str:
        return super().text_content() if len(self) else self.text or ""


class Visible(NamedTuple):
    """The visible characters of a page in order, each link's position in them, and the count without white space.

    White space, hyphens and bars are left out of the characters, because extractors add and drop them.
    """

    letters: str
    links: list[tuple[int, int, int]]       # from, to in `letters`; characters without white space
    characters: int


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
    # One class for every tag: lxml.html's own look-up is a call of Python for each element that is touched.
    parser.set_element_class_lookup(ElementDefaultClassLookup(element=PageElement))
    try:
        return document_fromstring(html.encode("utf-8", "replace"), parser=parser, ensure_head_body=True)
    except (ParserError, ValueError):       # the document has no element: only comments, or nothing
        return None


def oversized(tree: HtmlElement, limits: ExtractSettings) -> Refusal | None:
    """The limit of depth, nesting or cells that a tree breaks."""
    if _deeper(limits.max_depth)(tree):
        return Refusal("too_deep", f">{limits.max_depth}", str(limits.max_depth))
    if _ELEMENTS(tree) * limits.max_depth > limits.max_nesting and _nesting(tree, limits.max_nesting) > limits.max_nesting:
        return Refusal("too_nested", f">{limits.max_nesting}", str(limits.max_nesting))
    cells = max(map(len, tree.iter("tr")), default=0)
    return Refusal("too_many_cells", str(cells), str(limits.max_row_cells)) if cells > limits.max_row_cells else None


@cache
def _deeper(depth: int) -> XPath:
    """Whether a tree has an element below `depth`: libxml2 goes down a level a step, and no further than there are any."""
    return XPath(f"boolean({'/*' * (depth + 1)})")


def _nesting(tree: HtmlElement, most: int) -> int:
    """The depths of all elements added up, or a number above `most`."""
    depth = nesting = 0
    for event, _ in iterwalk(tree, events=("start", "end")):
        depth += 1 if event == "start" else -1
        if event == "start" and (nesting := nesting + depth) > most:
            break
    return nesting


def visible(tree: HtmlElement) -> Visible:
    """The visible text and links of a page, hidden elements left out; a link inside a link counts with the outer one."""
    tree = copy(tree)
    strip_elements(tree, *_HIDDEN, with_tail=False)
    for link in tree.iter("a"):
        link.text = f"{_OPEN}{link.text or ''}"
        link.tail = f"{_CLOSE}{link.tail or ''}"
    pieces = _MARKS.split("".join("".join(tree.itertext()).split()))
    texts = pieces[::2]
    kept = [_plain(text) for text in texts]
    places = list(accumulate(map(len, kept), initial=0))
    counts = list(accumulate(map(len, texts), initial=0))
    links: list[tuple[int, int, int]] = []
    opened: list[int] = []
    for number, mark in enumerate(pieces[1::2], start=1):
        if mark == _OPEN:
            opened.append(number)
        elif (start := opened.pop()) and not opened and counts[number] > counts[start]:
            links.append((places[start], places[number], counts[number] - counts[start]))
    return Visible("".join(kept), links, counts[-1])


def links_inside(seen: Visible, text: str) -> list[tuple[int, int, int]]:
    """The links whose text, with its context before or after, occurs in the main text."""
    main = _plain("".join(text.split()))
    size = min(_CONTEXT, len(main))
    around = [(seen.letters[max(end - size, 0):end], seen.letters[start:start + size]) for start, end, _ in seen.links]
    if len(around) <= _FEW:
        return [link for link, (before, after) in zip(seen.links, around, strict=True) if before in main or after in main]
    wanted = {window for pair in around for window in pair}
    found = {window for window in _windows(main, size) if window in wanted}
    return [link for link, (before, after) in zip(seen.links, around, strict=True) if before in found or after in found]


def _windows(text: str, size: int) -> Iterator[str]:
    return (text[at:at + size] for at in range(len(text) - size + 1))


def _plain(text: str) -> str:
    return text.replace("-", "").replace("|", "")
