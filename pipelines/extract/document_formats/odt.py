"""ODT: paragraphs, headings, lists and tables of an OpenDocument text in their order, notes at the end, read from its XML.

Read with lxml: odfpy, the library for it, has had no release since 2020.
"""

from collections.abc import Iterator
from typing import Any

from textmill.pipelines.extract.document_formats.document import Document, Package, local_name, office_document, read_package
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

_UNSEEN = frozenset({
    "tracked-changes", "annotation", "annotation-end", "forms", "sequence-decls", "note", "ruby-text", "hidden-text",
    "table-of-content", "illustration-index", "table-index", "object-index", "user-index", "alphabetical-index"})
_DEEPEST = 400


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The document's text; styles have the heads and feet of pages, which stay out."""
    return read_package(body, limits, _document)


def _document(package: Package) -> Document:
    if b"encryption-data" in package.bytes("META-INF/manifest.xml"):
        return Refusal("encrypted", detail="it needs a password")
    root = package.xml("content.xml")
    body = None if root is None else next(root.iter("{*}text"), None)
    if body is None:
        return Refusal("damaged", detail="it has no content.xml with text, as an ODT has")
    blocks = list(_blocks(body, 0))
    for note in body.iter("{*}note-body"):
        blocks += _blocks(note, 0)
    return office_document(blocks, package.xml("meta.xml"), "odt")


def _blocks(element: Any, depth: int) -> Iterator[str]:
    """Paragraphs, and tables with a line for each row."""
    if depth > _DEEPEST:
        return
    for child in element:
        name = local_name(child)
        if name in ("p", "h"):
            yield "".join(_runs(child, 0)).strip()
            for box in child.iter("{*}text-box"):
                yield from _blocks(box, depth + 1)
        elif name == "table":
            own = [row for row in child.iter("{*}table-row") if next(row.iterancestors("{*}table")) is child]
            rows = ("\t".join(" ".join(" ".join(_blocks(cell, depth + 1)).split())
                              for cell in row.iterchildren("{*}table-cell")) for row in own)
            yield "\n".join(row for row in rows if row.strip())
        elif name not in _UNSEEN:
            yield from _blocks(child, depth + 1)


def _runs(element: Any, depth: int) -> Iterator[str]:
    yield element.text or ""
    for child in element:
        name = local_name(child)
        if name == "s":
            yield " "       # however many the document asks for
        elif name in ("tab", "line-break"):
            yield "\t" if name == "tab" else "\n"
        elif name not in _UNSEEN and name != "text-box" and depth < _DEEPEST:
            yield from _runs(child, depth + 1)
        yield child.tail or ""
