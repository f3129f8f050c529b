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
    chapters = [items[reference.get("idref")] for reference in opf.iter("{*}itemref") if reference.get("idref") in items]
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
        _walk(root, pieces, False, 0)
    lines = [line if "\0" in line else _SPACES.sub(" ", line).strip(" ") for line in "".join(pieces).split("\1")]
    return "\n\n".join(line.replace("\0", "") for line in lines if line.strip("\0 \n"))


def _walk(element: Any, pieces: list[str], is_kept: bool, depth: int) -> None:
    """The text of an element: a block ends in U+0001, text that keeps its spaces has U+0000 in it."""
    if not isinstance(element.tag, str) or element.tag in _UNSEEN or depth > _DEEPEST:
        return
    block = element.tag in _BLOCKS
    is_kept = is_kept or element.tag == "pre"
    if block:
        pieces.append("\1")
    if element.tag == "pre":
        pieces.append("\0")
    pieces.append(element.text or "")
    for child in element:
        _walk(child, pieces, is_kept, depth + 1)
        pieces.append(child.tail or "")
    if block:
        pieces.append("\1")


def _all(root: Any, name: str) -> list[Any]:
    return [] if root is None else list(root.iter(f"{{*}}{name}"))


def _first(root: Any, name: str, attribute: str) -> str:
    return next((found for one in _all(root, name) if (found := one.get(attribute))), "")
