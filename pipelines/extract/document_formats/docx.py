"""DOCX: paragraphs, lists and tables of a Word document in their order, footnotes at the end, read from its XML.

Read with lxml: python-docx gives tables and paragraphs apart, no footnotes, and text under revision twice or not at all.
"""

import re
from collections.abc import Iterator
from typing import Any

from lxml import etree

from textmill.pipelines.extract.document_formats.document import Document, Package, local_name, office_document, read_package
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

# Local names: what is taken back, instructions of fields, and the copy for old programs of what is drawn.
_UNSEEN = frozenset({"del", "moveFrom", "instrText", "delText", "Fallback", "pPr", "rPr", "sectPr", "tblPr", "rt"})
# Names of styles, the same whatever the program's language: lists of contents, indexes, and the head above them.
_LISTS = re.compile(r"(?:toc|contents|index|table of figures|table of authorities)(?: \d| heading)?", re.I)
_SPACES = {"tab": "\t", "br": "\n", "cr": "\n", "noBreakHyphen": "-"}
_DEEPEST = 400


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The document's text as it stands with its revisions accepted; heads and feet of pages are other parts, and stay out."""
    return read_package(body, limits, _document)


def _document(package: Package) -> Document:
    root = package.xml("word/document.xml")
    if root is None:
        return Refusal("damaged", detail="it has no word/document.xml, as a DOCX has")
    lists = _list_styles(package.xml("word/styles.xml"))
    blocks = list(_blocks(root, lists, 0))
    for notes in ("word/footnotes.xml", "word/endnotes.xml"):
        found = package.xml(notes)
        for note in [] if found is None else found:
            if not _attribute(note, "type"):       # separators have one
                blocks += _blocks(note, lists, 0)
    return office_document(blocks, package.xml("docProps/core.xml"), "docx")


def _list_styles(styles: Any) -> frozenset[str]:
    """The ids of the styles that lists of contents and indexes have."""
    return frozenset(_attribute(style, "styleId") for style in ([] if styles is None else styles.iter("{*}style"))
                     if _LISTS.fullmatch(_value(style, "name") or ""))


def _value(element: Any, *path: str) -> str | None:
    """The value of a property of an element; None where it has none."""
    found = element.find("/".join(f"{{*}}{name}" for name in path))
    return None if found is None else _attribute(found, "val")


def _attribute(element: Any, name: str) -> str:
    """An attribute of an element in the element's own namespace; "" where it has none."""
    return str(element.get(f"{{{etree.QName(element).namespace or ''}}}{name}", ""))


def _blocks(element: Any, lists: frozenset[str], depth: int) -> Iterator[str]:
    """Paragraphs, and tables with a line for each row."""
    if depth > _DEEPEST:
        return
    for child in element:
        name = local_name(child)
        if name == "p":
            if _value(child, "pPr", "pStyle") in lists:
                continue
            yield "".join(_runs(child, 0)).strip()
            for box in child.iter("{*}txbxContent"):
                if not any(local_name(above) == "Fallback" for above in box.iterancestors()):
                    yield from _blocks(box, lists, depth + 1)
        elif name == "tbl":
            rows = ("\t".join(" ".join(" ".join(_blocks(cell, lists, depth + 1)).split()) for cell in row.iterchildren("{*}tc"))
                    for row in child.iterchildren("{*}tr"))
            yield "\n".join(row for row in rows if row.strip())
        elif name not in _UNSEEN:
            yield from _blocks(child, lists, depth + 1)


def _runs(element: Any, depth: int) -> Iterator[str]:
    for child in element:
        name = local_name(child)
        if name in _UNSEEN or name == "txbxContent" or depth > _DEEPEST or _is_hidden(child):
            continue
        if name == "t":
            yield child.text or ""
        elif name in _SPACES:
            yield _SPACES[name]
        else:
            yield from _runs(child, depth + 1)


def _is_hidden(run: Any) -> bool:
    return _value(run, "rPr", "vanish") in ("", "1", "true", "on")
