"""Files that are one document: PDF, EPUB, DOCX, ODT, Markdown, reStructuredText, notebooks, source code.

How they are recognised; what reads each is the module of its name in `document_formats/`, in a process of its own.
"""

import re
from collections.abc import Iterator
from typing import Any

from textmill.pipelines.extract.document_formats.code import LANGUAGES, NAMES
from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import Format, WholeFile, whole
from textmill.pipelines.extract.settings import ExtractSettings

_ZIP = rb"PK\x03\x04.{26}mimetypeapplication/"


def _document(name: str, file_names: str, magic: bytes | None = None) -> Format:
    def read(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[WholeFile]:
        yield WholeFile.of(file, part, settings.max_record_bytes, name)

    return Format(name, re.compile(file_names, re.I), None if magic is None else re.compile(magic, re.S), whole, read)


PDF = _document("pdf", r"\.pdf$", rb"%PDF-")
EPUB = _document("epub", r"\.epub$", _ZIP + rb"epub\+zip")
DOCX = _document("docx", r"\.docx$")
ODT = _document("odt", r"\.odt$", _ZIP + rb"vnd\.oasis\.opendocument\.text")
MARKDOWN = _document("markdown", r"\.(md|markdown|mdown|mkd|mdx|qmd|rmd)$")
RST = _document("rst", r"\.(rst|rest)$")
NOTEBOOK = _document("notebook", r"\.ipynb$")
CODE = _document("code", rf"\.({'|'.join(LANGUAGES)})$|(^|/)({'|'.join(map(re.escape, NAMES))})$")
DOCUMENTS = (PDF, EPUB, DOCX, ODT, MARKDOWN, RST, NOTEBOOK, CODE)
