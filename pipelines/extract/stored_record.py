"""One stored record, read again: what is to be parsed of it, and the visible text of a page as it came.

For whoever shows a page beside its extracted text. The page is parsed in a process of its own, under the limits of extract.
"""

import time
from typing import Any

from textmill.base.errors import TextmillError
from textmill.pipelines.contract.deflate import GZIP
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.files.remote_files import open_raw
from textmill.pipelines.extract.formats import format_of
from textmill.pipelines.extract.outcome import waiting_records
from textmill.pipelines.extract.pages.blocks import BREAK, read_blocks
from textmill.pipelines.extract.pages.job import Job
from textmill.pipelines.extract.pages.legal import Legal
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.pages.read_page import oversized_source
from textmill.pipelines.extract.pages.text import clean_text
from textmill.pipelines.extract.pages.tree import oversized, parse
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

READ_VISIBLE = "textmill.pipelines.extract.stored_record:read_visible"      # of a Reader
SECONDS = 10.0          # that a file which cannot be entered midway is read for its record


def job_at(data: Folder, path: str, offset: int, source: str, settings: ExtractSettings) -> Job | str:
    """What is to be parsed of the record at an offset of a raw file; a sentence where it is not there, or has no page."""
    try:
        with open_raw(data, path) as file:
            start, size = file.read(2), file.seek(0, 2)
        kind = format_of(RawFile(path, size, ""), lambda name: open_raw(data, name))
        if kind is None:
            return f"{path} is a file within an archive, or of an unknown kind: only its text is shown"
        first = offset if kind.name == "warc" and start == GZIP else 0      # each record of it is a member of its own
        deadline = time.monotonic() + SECONDS
        part = Range(path, "", first, size + 1)
        for record in waiting_records(kind.name, part, source, lambda name: open_raw(data, name), settings):
            if record.origin.offset == offset and record.origin.path == path:
                return record.job
            if time.monotonic() > deadline:
                return f"{path} cannot be entered midway, and its beginning is long: only the text is shown"
    except (OSError, TextmillError) as error:
        return f"the raw file cannot be read ({error}): only the text is shown"
    return "the record was text when it came, so that there is no page beside it"


def read_visible(html: str, limits: ExtractSettings) -> Page | Refusal:
    """A page whose text is all that a reader sees of it, a line for each block. The limits are those of extract."""
    if refused := oversized_source(html, limits):
        return refused
    tree: Any = parse(html)
    if tree is None:
        return Refusal("empty")
    if refused := oversized(tree, limits):
        return refused
    lines = (" ".join(block.replace(BREAK, " ").split()) for block in read_blocks(tree).texts)
    return Page(clean_text("\n".join(lines)), None, None, (), Legal(), None, None, None, None)
