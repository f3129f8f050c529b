"""The page of a record as it came: its visible text, block by block, personal data masked."""

from collections.abc import Mapping
from typing import Any

from textmill.pipelines.browse.passages import MOST, Segment, findings_in, segments
from textmill.pipelines.browse.snapshot import interval
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.extract.files.raw_file import is_elsewhere
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.stored_record import visible_lines


def visible_page(context: RunContext, row: Mapping[str, Any], signals: Mapping[str, Any],
                 reader: Reader) -> tuple[str, list[tuple[bool, list[Segment]]]]:
    """(why it is not shown, or "") and the visible text, block by block, each with whether it was extracted.

    `row` says where the record lies (file, offset, source, host), and of a document its payload_digest and text; without one,
    nothing is marked. Masked as a whole, in the document's language: what is a telephone number depends on what stands around
    it."""
    if problem := not_here(row["file"]):
        return problem, []
    problem, lines = visible_lines(context.data, row, context.config[ExtractSettings], reader)
    page, text = "\n".join(lines)[:MOST], row.get("text")
    extracted = None if text is None else _letters(text)
    known = [text[slice(*interval(finding))] for finding in signals.get("findings") or ()] if text else []
    findings = findings_in(page, signals.get("language") or "und", row["host"], known)
    found, at = [], 0
    for line in page.split("\n") if page else ():
        found.append((extracted is None or _letters(line) in extracted, segments(page, findings, at, at + len(line))))
        at += len(line) + 1
    return problem or ("" if found else "nothing of the page can be seen"), found


def not_here(file: str) -> str:
    """Why a raw file is not opened, or "": no page asks the network, and no name of a dataset leads out of raw/.

    >>> not_here("web/a.warc.gz"), not_here("https://mill.example/a.warc.gz")[:40]
    ('', 'its raw file is not on this machine: the')
    """
    if is_elsewhere(file) and not file.startswith("/"):
        return "its raw file is not on this machine: the page is not shown"
    if "\0" in file or ".." in file.split("/"):
        return "its name leads out of raw/: it is not opened"
    return ""


def _letters(text: str) -> str:
    """A text without what layout changes: white space, and marks of lists and tables."""
    return "".join(character for character in text if character.isalnum())
