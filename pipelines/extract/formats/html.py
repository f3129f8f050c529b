"""HTML files: one page each."""

import re
from collections.abc import Iterator
from typing import Any

from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import Format, WholeFile, whole
from textmill.pipelines.extract.settings import ExtractSettings


def read(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[WholeFile]:
    """The file."""
    yield WholeFile.of(file, part, settings.max_page_bytes, "html")


HTML = Format("html", re.compile(r"\.(html?|xhtml)$", re.I),
              re.compile(rb"(\xef\xbb\xbf)?\s*<(!doctype html|html)", re.I), whole, read)
