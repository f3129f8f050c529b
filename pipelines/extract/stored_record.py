"""One stored record, read again: what is to be parsed of it, and the visible text of a page as it came.

For whoever shows a page beside its extracted text. The page is parsed in a process of its own, under the limits of extract.
"""

import re
import time
from collections.abc import Mapping
from typing import Any

from textmill.base.errors import TextmillError
from textmill.pipelines.contract.deflate import GZIP
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.files.codings import payload_digest
from textmill.pipelines.extract.files.framing import Framed
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.files.records import HeadError, codings, http_response, record_head
from textmill.pipelines.extract.files.remote_files import open_raw
from textmill.pipelines.extract.formats import format_of
from textmill.pipelines.extract.formats.warc import WARC
from textmill.pipelines.extract.outcome import waiting_records
from textmill.pipelines.extract.pages.blocks import BREAK, read_blocks
from textmill.pipelines.extract.pages.charset import http_charset
from textmill.pipelines.extract.pages.job import Job, OpenedBody, StoredBody
from textmill.pipelines.extract.pages.legal import Legal
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.pages.read_page import oversized_source
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.pages.text import clean_text
from textmill.pipelines.extract.pages.tree import oversized, parse
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

READ_VISIBLE = "textmill.pipelines.extract.stored_record:read_visible"      # of a Reader
NO_PAGE = "the record was text when it came, or has no page: there is none to show"
SECONDS = 10.0          # that a file which cannot be entered midway is read for its record
_BREAKS = re.compile(f"[{BREAK}\n]")


def visible_lines(data: Folder, record: Mapping[str, Any], settings: ExtractSettings, reader: Reader) -> tuple[str, list[str]]:
    """(why they are not shown, or "") and the lines that a reader sees of a record's page, by a Reader of READ_VISIBLE.

    `record` has file, offset and source, and of a document the payload_digest: of a file that has changed nothing is shown."""
    job = job_at(data, record["file"], record["offset"], record["source"], settings)
    if isinstance(job, str):
        return job, []
    (answer,) = reader.read([job])
    if isinstance(answer, Refusal):
        return f"the page cannot be read: {answer.rule}" + (f", {answer.detail}" if answer.detail else ""), []
    if record.get("payload_digest") not in (None, _digest(job, answer)):
        return "the raw file has changed since: the page is not shown", []
    return "", [line for line in answer[1].text.split("\n") if line.strip()]


def _digest(job: Job, answer: Any) -> str:
    """Of the payload, as `documents` has it."""
    if isinstance(answer, OpenedBody):
        return answer.digest
    return payload_digest(job[0].encode("utf-8", "replace") if isinstance(job[0], str) else job[0])


def job_at(data: Folder, path: str, offset: int, source: str, settings: ExtractSettings) -> Job | str:
    """What is to be parsed of the record at an offset of a raw file; a sentence where it is not there, or has no page."""
    try:
        with open_raw(data, path) as file:
            start, size = file.read(2), file.seek(0, 2)
        kind = format_of(RawFile(path, size, ""), lambda name: open_raw(data, name))
        if kind is None:
            return f"{path} is a file within an archive, or of an unknown kind: its page is not shown"
        entered = kind.name == "warc" and (start == GZIP or path.endswith(".warc"))     # at each of its records
        first = offset if entered else 0
        deadline = time.monotonic() + SECONDS
        part = Range(path, "", first, size + 1)
        for record in waiting_records(kind.name, part, source, lambda name: open_raw(data, name), settings):
            if record.origin.offset == offset and record.origin.path == path:
                return record.job
            if record.origin.offset > offset:
                break
            if time.monotonic() > deadline:
                return f"{path} cannot be entered midway, and its beginning is long: the page is not shown"
        if kind.name == "warc":
            return _refused_response(data, path, offset, settings)
    except (OSError, TextmillError) as error:
        return f"the raw file cannot be read ({error}): the page is not shown"
    return NO_PAGE


def _refused_response(data: Folder, path: str, offset: int, settings: ExtractSettings) -> Job | str:
    """What a web server answered that extract did not parse, for its status, its type or its address."""
    with open_raw(data, path) as file:
        framed = next(WARC.read(file, Range(path, "", offset, offset + 1), settings, []), None)
    if not isinstance(framed, Framed) or framed.rule or framed.offset != offset or not framed.head:
        return NO_PAGE
    try:
        if record_head(framed.head).type != "response":
            return NO_PAGE
        response = http_response(framed.block)
    except HeadError:
        return NO_PAGE
    declared = response.headers.first("content-type") or ""
    return StoredBody(response.body, codings(response), declared.partition(";")[0].strip().lower(), http_charset(declared))


def read_visible(html: str, limits: ExtractSettings) -> Page | Refusal:
    """A page whose text is all that a reader sees of it, a line for each of its lines. The limits are those of extract."""
    if refused := oversized_source(html, limits):
        return refused
    tree: Any = parse(html)
    if tree is None:
        return Refusal("empty")
    if refused := oversized(tree, limits):
        return refused
    lines = (" ".join(line.split()) for block in read_blocks(tree).texts for line in _BREAKS.split(block))
    return Page(clean_text("\n".join(lines)), None, None, (), Legal(), None, None, None, None)
