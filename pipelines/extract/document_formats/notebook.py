"""Jupyter notebooks: cells of text and of code in their order, code in fences; outputs stay out."""

import json
import re
from typing import Any

from textmill.pipelines.extract.document_formats.document import Document, document
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

_HEADING = re.compile(r"^#[ \t]+(.+?)[ \t#]*$", re.M)


def read(body: bytes, ending: str, limits: ExtractSettings) -> Document:
    """The cells of a notebook of format 3 or 4, blank lines between; `extra` has the language of its code."""
    try:
        notebook = json.loads(body.decode("utf-8-sig", "surrogatepass"))
    except (ValueError, RecursionError) as error:
        return Refusal("damaged", detail=f"{type(error).__name__}: it is no valid JSON")
    cells = _cells(notebook)
    if cells is None:
        return Refusal("damaged", detail="it is JSON, but no notebook: it has no list of cells")
    language = _language(notebook)
    pieces = []
    for cell in cells:
        text = _source(cell).strip("\n") if isinstance(cell, dict) else ""
        if text.strip():
            is_code = cell.get("cell_type") == "code"
            pieces.append(_fenced(text, language or "") if is_code else text)
    text = "\n\n".join(pieces)
    heading = _HEADING.search(text)
    return document(text, heading and heading[1], kind="notebook", language=language)


def _cells(notebook: Any) -> list[Any] | None:
    if not isinstance(notebook, dict):
        return None
    sheets = notebook.get("worksheets")
    if isinstance(sheets, list):        # format 3
        return [cell for sheet in sheets if isinstance(sheet, dict) and isinstance(sheet.get("cells"), list)
                for cell in sheet["cells"]]
    cells = notebook.get("cells")
    return cells if isinstance(cells, list) else None


def _source(cell: dict[str, Any]) -> str:
    source = cell.get("source", cell.get("input", ""))
    return "".join(line for line in source if isinstance(line, str)) if isinstance(source, list) else str(source or "")


def _language(notebook: dict[str, Any]) -> str | None:
    about = notebook.get("metadata")
    found = [section.get(key) for section, key in (
        ((about or {}).get("language_info"), "name"), ((about or {}).get("kernelspec"), "language"))
        if isinstance(section, dict)] if isinstance(about, dict) else []
    return next((name.lower() for name in found if isinstance(name, str) and name), None)


def _fenced(text: str, language: str) -> str:
    fence = "```"
    while fence in text:
        fence += "`"
    return f"{fence}{language}\n{text}\n{fence}"
