"""EPUB: the chapters of a book in the order of its spine, read from their XHTML with lxml.

No library stands between: the one that is kept (EbookLib) is under the AGPL, and a book is a zip of pages with a list of them.
"""

import posixpath
import re
from typing import Any
from urllib.parse import unquote

from lxml import etree

from textmill.pipelines.extract.document_formats.document import Document, Package, document, dublin_core, read_package
from textmill.pipelines.extract.pages.page import days
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

_BLOCKS = frozenset({
    "address", "article", "aside", "blockquote", "body", "br", "caption", "center", "dd", "div", "dl", "dt", "figcaption",
    "figure", "footer", "h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section",
    "table", "td", "th", "tr", "ul"})
_UNSEEN = frozenset({"head", "script", "style", "template", "svg", "rt", "rp"})
_SPACES = re.compile(r"[ \t\n\r\f]+")
_CELL = re.compile(" ?\2 ?")
_TO_SPACES = dict.fromkeys(range(4), " ")
_NOTHING = dict.fromkeys((0, 3), "")
_MARKS = frozenset({"noteref", "backlink", "pagebreak"})      # what EPUB's vocabulary calls them
_TYPE = re.compile(r"(?:^|[}:])type$")
_LISTS = ("ul", "ol", "dl", "nav")
_SCHEME = re.compile(r"[a-z][a-z\d+.-]*:|//", re.I)
_LEAST = 3              # links of a list of contents at least
_LINKED = 0.8           # share of its letters that are in them: numbers may stand before
_DEEPEST = 400


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The book's text, a blank line between chapters, with title, language and date of its package."""
    return read_package(body, limits, _book)


def _book(package: Package) -> Document:
    container = package.xml("META-INF/container.xml")
    path = _first(container, "rootfile", "full-path")
    opf = package.xml(path) if path else None
    if opf is None:
        return Refusal("damaged", detail="it names no package document, as an EPUB does")
    items = {item.get("id"): posixpath.normpath(posixpath.join(posixpath.dirname(path), unquote(item.get("href") or "")))
             for item in opf.iter("{*}item")}
    locked = {unquote(one.get("URI") or "") for one in _all(package.xml("META-INF/encryption.xml"), "CipherReference")}
    contents = {item.get("id") for item in opf.iter("{*}item") if "nav" in (item.get("properties") or "").split()}
    spine = [reference.get("idref") for reference in opf.iter("{*}itemref")]
    chapters = [items[name] for name in spine if name in items and name not in contents]
    if locked & set(chapters):
        return Refusal("encrypted", detail="the chapters are under DRM")
    texts = [text for chapter in chapters if (text := markup_text(package.bytes(chapter)))]
    title, language, date, author = (dublin_core(opf, name) for name in ("title", "language", "date", "creator"))
    return document("\n\n".join(texts), title, language, tuple(days([date or ""])), kind="epub", author=author,
                    chapters=len(texts))


def markup_text(page: bytes) -> str:
    """The text of a page of a book: all of it, a line for each block, a blank line between paragraphs."""
    if not page.strip():
        return ""
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=False, remove_comments=True, remove_pis=True, no_network=True)
    root = etree.fromstring(page, parser)
    pieces: list[str] = []
    if root is not None:
        _walk(root, pieces, 0)
    text, was_row = "", False
    for line in "".join(pieces).split("\1"):
        line = line if "\0" in line else _CELL.sub("\t", _SPACES.sub(" ", line).strip(" "))
        if line.strip("\0\2\3\t \n"):
            text += ("\n" if was_row and "\3" in line else "\n\n") + line
            was_row = "\3" in line
    return text.translate(_NOTHING).strip("\n")


def _walk(element: Any, pieces: list[str], depth: int) -> None:
    """The text of an element. U+0001 ends a block, U+0002 a cell; U+0000 is in text that keeps its spaces, U+0003 in rows."""
    if not isinstance(element.tag, str) or element.tag in _UNSEEN or depth > _DEEPEST:
        return
    if _is_mark(element) or _is_contents(element):
        return
    if element.tag == "tr" and len(cells := [child for child in element if child.tag in ("td", "th")]) > 1:
        texts: list[list[str]] = [[] for _ in cells]
        for cell, text in zip(cells, texts, strict=True):
            _walk(cell, text, depth + 1)
        pieces += ["\1\3", "\2".join(" ".join("".join(text).translate(_TO_SPACES).split()) for text in texts), "\1"]
        return
    block = element.tag in _BLOCKS
    pieces += ["\1" * block, "\0" * (element.tag == "pre"), element.text or ""]
    for child in element:
        _walk(child, pieces, depth + 1)
        pieces.append(child.tail or "")
    pieces.append("\1" * block)


def _is_mark(element: Any) -> bool:
    """Whether an element is the mark of a note, the way back from it, or the number of a printed page."""
    return any(_TYPE.search(name) and not _MARKS.isdisjoint(value.split()) for name, value in element.items())


def _is_contents(element: Any) -> bool:
    """Whether a list says no more than what links into the book do: one of its contents."""
    if element.tag not in _LISTS or next(element.iterancestors(*_LISTS), None) is not None:
        return False
    links = [link for link in element.iter("a") if not _SCHEME.match(link.get("href") or "http:")]
    return len(links) >= _LEAST and sum(map(_letters, links)) >= _LINKED * _letters(element)


def _letters(element: Any) -> int:
    return sum(len("".join(text.split())) for text in element.itertext())


def _all(root: Any, name: str) -> list[Any]:
    return [] if root is None else list(root.iter(f"{{*}}{name}"))


def _first(root: Any, name: str, attribute: str) -> str:
    return next((found for one in _all(root, name) if (found := one.get(attribute))), "")
