"""DOCX: paragraphs, lists and tables of a Word document in their order, footnotes at the end, read from its XML.

Read with lxml: python-docx gives tables and paragraphs apart, no footnotes, and text under revision twice or not at all.
"""

from collections.abc import Iterator
from typing import Any

from lxml import etree

from textmill.pipelines.extract.document_formats.document import Document, Package, local_name, office_document, read_package
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

# Local names: what is taken back, instructions of fields, and the copy for old programs of what is drawn.
_UNSEEN = frozenset({"del", "moveFrom", "instrText", "delText", "Fallback", "pPr", "rPr", "sectPr", "tblPr"})
_SPACES = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_DEEPEST = 400


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The document's text as it stands with its revisions accepted; heads and feet of pages are other parts, and stay out."""
    return read_package(body, limits, _document)


def _document(package: Package) -> Document:
    root = package.xml("word/document.xml")
    if root is None:
        return Refusal("damaged", detail="it has no word/document.xml, as a DOCX has")
    blocks = list(_blocks(root, 0))
    for notes in ("word/footnotes.xml", "word/endnotes.xml"):
        found = package.xml(notes)
        for note in [] if found is None else found:
            if not note.get(f"{{{_namespace(note)}}}type"):       # separators have one
                blocks += _blocks(note, 0)
    return office_document(blocks, package.xml("docProps/core.xml"), "docx")


def _blocks(element: Any, depth: int) -> Iterator[str]:
    """Paragraphs, and tables with a line for each row."""
    if depth > _DEEPEST:
        return
    for child in element:
        name = local_name(child)
        if name == "p":
            yield "".join(_runs(child, 0)).strip()
            for box in child.iter("{*}txbxContent"):
                if not any(local_name(above) == "Fallback" for above in box.iterancestors()):
                    yield from _blocks(box, depth + 1)
        elif name == "tbl":
            rows = ("\t".join(" ".join(" ".join(_blocks(cell, depth + 1)).split()) for cell in row.iterchildren("{*}tc"))
                    for row in child.iterchildren("{*}tr"))
            yield "\n".join(row for row in rows if row.strip())
        elif name not in _UNSEEN:
            yield from _blocks(child, depth + 1)


def _runs(element: Any, depth: int) -> Iterator[str]:
    for child in element:
        name = local_name(child)
        if name in _UNSEEN or name == "txbxContent" or depth > _DEEPEST:
            continue
        if name == "t":
            yield child.text or ""
        elif name in _SPACES:
            yield _SPACES[name]
        else:
            yield from _runs(child, depth + 1)


def _namespace(element: Any) -> str:
    return etree.QName(element).namespace or ""
