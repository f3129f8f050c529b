"""Before and after: the visible text of a page beside what was extracted, and redactions in their place.

What was redacted is stored nowhere after `documents`, so it is drawn as a black bar of one length. No page is shown that was
taken down, that broke a rule or whose owner reserves its use. A page whose raw file is no longer there is passed over.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.formats.html import HTML
from textmill.pipelines.extract.formats.kinds import by_name
from textmill.pipelines.extract.formats.warc import WARC
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.stored_record import READ_VISIBLE, visible_lines
from textmill.pipelines.measure.personal.find import find_personal_data
from textmill.pipelines.report.bounds import RESERVED
from textmill.pipelines.report.dataset import Datasets, Place, StoredDataset, placed_side_by_side
from textmill.pipelines.report.tables import Column, Table, table

PAGES = 3               # shown
TRIED = 12              # of which the raw file is looked for
LINES = 24              # of a page shown
LINE = 200              # characters of a line shown
MOST_PAGE = 20_000      # characters of a page that is shown: of a longer one, the beginning says little
CERTAIN = 20            # bytes of letters from which a line is recognised within another of the extracted text
AROUND = 60             # characters around a redaction
BAR = "█████"
BLANKS = re.compile(r"\s+")
PLACEHOLDER = re.compile(r"<[A-Z_]+>")


@dataclass(frozen=True)
class PageLine:
    """A line of a page's visible text, personal data masked; whether it is in the extracted text."""

    text: str
    kept: bool


@dataclass(frozen=True)
class Extraction:
    """A page's visible lines and its extracted ones, the first of each, and how many there are."""

    id: str
    url: str
    language: str
    visible: tuple[PageLine, ...]
    extracted: tuple[str, ...]
    visible_count: int
    extracted_count: int


@dataclass(frozen=True)
class Redaction:
    """A redaction of one kind in its context, before and after."""

    kind: str
    id: str
    before: tuple[str, str]     # what stands left and right of the bar
    after: str


def extractions(data: Folder, datasets: Datasets) -> list[Extraction]:
    """Pages of HTML that were kept, those of smallest id, which is a hash."""
    documents, signals, verdicts, duplicates = datasets.documents, datasets.signals, datasets.verdicts, datasets.duplicates
    if not (documents and signals and verdicts and duplicates):
        return []
    stored = documents.manifest.made_from.get("settings") or {}
    settings = ExtractSettings(**{"max_page_bytes": most} if (most := stored.get("max_page_bytes")) else {})
    best: list[tuple[str, Place, str]] = []
    for part, group, (document, signal, verdict, duplicate) in placed_side_by_side(
            (documents, ["id", "page_chars"]), (signals, ["language", *RESERVED]), (verdicts, ["kept"]),
            (duplicates, ["kind"])):
        is_short = pc.less(pc.fill_null(document["page_chars"], MOST_PAGE), MOST_PAGE)        # null: it was no HTML
        shown = pc.and_(pc.and_(verdict["kept"], pc.is_null(duplicate["kind"])), is_short)
        for name in RESERVED:
            shown = pc.and_(shown, pc.invert(pc.fill_null(pc.greater(signal[name], 0), False)))
        rows = np.flatnonzero(shown.to_numpy(zero_copy_only=False))
        if not len(rows):
            continue
        ids = pa.table({"id": document["id"].take(pa.array(rows)), "row": rows})
        chosen = ids.take(pc.select_k_unstable(ids, min(TRIED, len(rows)), [("id", "ascending")])).to_pylist()
        best = sorted([*best, *((row["id"], Place(part, group, row["row"]), signal["language"][row["row"]].as_py())
                                for row in chosen)])[:TRIED]
    columns = ["text", "url", "host", "file", "offset", "source", "payload_digest"]
    rows_by_place = documents.rows_at([place for _, place, _ in best], columns)
    with Reader(settings, settings.max_page_seconds, settings.max_page_memory_mb, READ_VISIBLE) as reader:
        pages = (_extraction(data, id_, language, rows_by_place[place], settings, reader) for id_, place, language in best)
        return list(islice((page for page in pages if page), PAGES))


def _extraction(data: Folder, id_: str, language: str, row: dict[str, Any], settings: ExtractSettings,
                reader: Reader) -> Extraction | None:
    """None where the record lies in no WARC or HTML file, or no longer does. A file on the web is not asked for."""
    if by_name(row["file"], (WARC, HTML)) is None or row["file"].startswith(("http://", "https://")):
        return None
    _, seen = visible_lines(data, row, settings, reader)
    if not seen:
        return None
    letters, whole = _letters(row["text"]), {_letters(line) for line in row["text"].split("\n")}
    kept = [(own := _letters(line)) in whole or (len(own.encode()) >= CERTAIN and own in letters) for line in seen]
    extracted = [line for text in row["text"].split("\n") if (line := " ".join(text.split()))]
    masked_seen, masked_extracted = (_masked_lines(lines, language, row["host"]) for lines in (seen, extracted))
    (url,) = _masked_lines([row["url"] or row["file"]], "und", None)
    return Extraction(id_, url, language, tuple(map(PageLine, map(_cut, masked_seen[:LINES]), kept)),
                      tuple(map(_cut, masked_extracted[:LINES])), len(seen), len(extracted))


def _letters(text: str) -> str:
    return "".join(character for character in text if character.isalnum())


def _cut(line: str) -> str:
    return line if len(line) <= LINE else f"{line[:LINE - 1]}…"


def _masked_lines(lines: list[str], language: str, host: str | None) -> list[str]:
    """The lines with personal data masked, found in the whole text, across lines too."""
    text = "\n".join(lines)
    (findings,) = find_personal_data([text], [language], [host])
    for kind, start, end in reversed(findings):
        text = f"{text[:start]}<{kind}>{chr(10) * text.count(chr(10), start, end)}{text[end:]}"
    return text.split("\n")


def redactions(curated: StoredDataset) -> list[Redaction]:
    """One redaction of each kind, in the document of smallest id that has one, in the order of the kinds."""
    first: dict[str, tuple[str, int, Place]] = {}
    for part, group, batch in curated.placed(["id", "piece", "edits"]):
        lists = batch["edits"]
        parents, kinds = pc.list_parent_indices(lists), pc.struct_field(pc.list_flatten(lists), "kind")
        for kind in pc.unique(kinds).to_pylist():
            if not re.fullmatch("[A-Z_]+", kind):        # tags and cleaning leave no placeholder
                continue
            rows = pc.unique(parents.filter(pc.equal(kinds, kind)))
            least = min(zip(*(column.to_pylist() for column in (batch["id"].take(rows), batch["piece"].take(rows), rows)),
                            strict=True))
            first[kind] = min(first.get(kind, ("~", 0, Place(0, 0, 0))), (least[0], least[1], Place(part, group, least[2])))
    rows = curated.rows_at([place for _, _, place in first.values()], ["text"])
    return [redaction for kind, (id_, _, place) in sorted(first.items())
            for redaction in _redacted(kind, id_, rows[place]["text"])]


def _redacted(kind: str, id_: str, text: str) -> Iterator[Redaction]:
    at = text.find(f"<{kind}>")
    if at < 0:
        return
    end = at + len(kind) + 2
    left, right = (BLANKS.sub(" ", side) for side in (text[max(0, at - 4 * AROUND):at], text[end:end + 4 * AROUND]))
    bars = [PLACEHOLDER.sub(BAR, side) for side in (left, right)]
    yield Redaction(kind, id_, (_end(bars[0]), _beginning(bars[1])), f"{_end(left)}<{kind}>{_beginning(right)}".strip())


def _end(text: str) -> str:
    return text if len(text) <= AROUND else "…" + re.sub(r"^[A-Z_]*>", "", text[-AROUND:])


def _beginning(text: str) -> str:
    return text if len(text) <= AROUND else re.sub(r"<[A-Z_]*$", "", text[:AROUND]) + "…"


def redaction_table(of: list[Redaction]) -> Table:
    """One row for each kind."""
    return table("redactions", "Redactions", "the redaction of one kind in a curated text", [
        Column("kind", "of personal data"), Column("before", "with a bar of one length for what was removed", long=True),
        Column("after", "the curated text", long=True), Column("id", "of the document", shown=False)],
        ((one.kind, f"{one.before[0]}{BAR}{one.before[1]}".strip(), one.after, one.id) for one in of))


def extraction_table(of: list[Extraction]) -> Table:
    """One row for each visible line of the pages shown."""
    return table("extractions", "HTML to text", "a line of a page's visible text, of the first of each page", [
        Column("id", "of the document"), Column("url", "its address, personal data masked"), Column("line", "from 1", "count"),
        Column("text", "personal data masked"), Column("kept", "whether it is in the extracted text", "flag")],
        ((page.id, page.url, number, line.text, line.kept) for page in of for number, line in enumerate(page.visible, 1)))
