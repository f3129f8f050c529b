"""The outcome of each record of a split: a `Document`, or a `Rejected` with its rule. Never an exception.

Cheap tests come first: record type, status, content type and URL are checked before anything is decoded or parsed. What is
done to a body, its codings undone and its kind found out, is done by the process that reads pages, under its deadline.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from textmill.base.columns import at, paths
from textmill.base.errors import TextmillError
from textmill.pipelines.contract.lines import plain_error
from textmill.pipelines.extract.blocklists import Blocklist, blocked
from textmill.pipelines.extract.document_formats.code import NAMES
from textmill.pipelines.extract.documents import Origin, finished
from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.codings import payload_digest
from textmill.pipelines.extract.files.framing import Framed
from textmill.pipelines.extract.files.inflated import BrokenFileError
from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.files.records import (
    HeadError,
    Headers,
    RecordHead,
    Response,
    codings,
    http_response,
    record_head,
)
from textmill.pipelines.extract.formats import FORMATS
from textmill.pipelines.extract.formats.dialogues import Dialogue
from textmill.pipelines.extract.formats.format import Converted, Item, Member, WholeFile
from textmill.pipelines.extract.formats.rows import Given, extra_columns, find_text
from textmill.pipelines.extract.formats.unknown import inner_path
from textmill.pipelines.extract.pages.charset import Decoded, http_charset, utf8
from textmill.pipelines.extract.pages.job import StoredBody, StoredFile
from textmill.pipelines.extract.pages.kind import TEXT_TYPES
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.pages.reader_process import failed_here, text_answer
from textmill.pipelines.extract.pages.text import encodable
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.rows import Document, Rejected
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.source_settings import NOTHING_SAID, SourceSettings
from textmill.pipelines.extract.splits import Split
from textmill.pipelines.extract.waiting import Row, Waiting, rows_in_order
from textmill.pipelines.text.dates import read_date
from textmill.pipelines.web.address import given_url, is_absolute

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml", "application/xhtml", "application/vnd.wap.xhtml+xml"})
UNTYPED = frozenset({"", "application/octet-stream", "unknown/unknown", "content/unknown", "*/*", "unk", "no-type"})
_NO_PAGES = ("dns:", "whois:")          # what crawlers store as responses beside pages
FULL_STATUS = frozenset({200, 203})     # the statuses of a complete page


def extract_split(split: Split, open_file: Callable[[str], Any], settings: ExtractSettings, reader: Reader,
                  ends: list[Ends] | None = None, blocklists: Sequence[Blocklist] = (),
                  source: SourceSettings = NOTHING_SAID) -> Iterator[Document | Rejected]:
    """Every record of the split, in order, as a Document or a Rejected; a page with a blocked URL is refused unread.

    `open_file(path)` gives a seekable binary file under raw/. For each WARC range one Ends is added to `ends`: where
    reading began and stopped, which the neighbouring ranges of the file must agree with.
    """
    records = _Records(split.source, source.applied_to(settings), blocklists, source)
    return rows_in_order(records.of(split, open_file, [] if ends is None else ends), reader)


def waiting_records(kind: str, part: Range, source: str, open_file: Callable[[str], Any],
                    settings: ExtractSettings) -> Iterator[Waiting]:
    """The records of a range that have a page or a document to be parsed, each as soon as it is read."""
    rows = _Records(source, settings, (), NOTHING_SAID).of(Split("", source, kind, (part,)), open_file, [])
    return (row for row in rows if isinstance(row, Waiting))


class _Records:
    """Processing of one source's records: to a row, or to a page that waits for parsing."""

    def __init__(self, source: str, settings: ExtractSettings, blocklists: Sequence[Blocklist], given: SourceSettings):
        self.source, self.settings, self.blocklists, self.says = source, settings, blocklists, given

    def of(self, split: Split, open_file: Callable[[str], Any], ends: list[Ends]) -> Iterator[Row]:
        read = FORMATS[split.kind].read
        for part in split.ranges:
            with open_file(part.path) as file:
                is_empty = not part.start
                try:
                    for item in read(file, part, self.settings, ends):
                        is_empty = False
                        yield self.item(item, part.path)
                    if is_empty:
                        yield Rejected(part.path, 0, "empty", detail="there is no record in it")
                except BrokenFileError as error:
                    yield error.row(part.path)
                except (TextmillError, OSError):        # a store that does not answer, a child that cannot start
                    raise
                except Exception as error:              # a reader that does not say that it cannot go on
                    yield Rejected(part.path, 0, "damaged", detail=f"{plain_error(error)}: the file cannot be read on")

    def item(self, item: Item, path: str) -> Row:
        """An item of a format, as a row or as a page that waits for parsing."""
        match item:
            case Rejected():
                return item
            case Framed():
                return self.record(item, path, wet=False)
            case Converted(framed):
                return self.record(framed, path, wet=True)
            case Given():
                return self.given(item, path)
            case WholeFile():
                return self.file(item, path)
            case Member(inside, item):
                return self.item(item, inside)

    def record(self, framed: Framed, path: str, wet: bool) -> Row:
        """One WARC or ARC record; an unexpected error in it is its own quarantine."""
        origin = Origin(self.source, path, framed.offset, framed.length)
        try:
            origin = self._with_defaults(origin._replace(head=record_head(framed.head)) if framed.head else origin)
            made = self._record(framed, origin, wet)
        except HeadError as error:
            made = Refusal("bad_record", detail=str(error))
        except Exception as error:      # one record may fail, the run goes on
            made = failed_here(error)
        return finished(origin, made) if isinstance(made, Refusal) else made

    def given(self, row: Given, path: str) -> Row:
        """One JSONL or Parquet row."""
        found = {ours: find_text(row.columns, names) for ours, names in self.says.recognised.items()}
        says = {ours: _as_text(at(row.columns, path)) if path else None for ours, path in found.items()}
        columns = row.columns | {path[0]: says[ours] for ours, path in found.items() if path and not path[1]}
        number = columns.get("id")
        if says["record_id"] is None and isinstance(number, int) and not isinstance(number, bool):
            says["record_id"] = str(number)
        url = given_url(says["url"]) if says["url"] and is_absolute(says["url"]) else None
        origin = Origin(self.source, path, row.offset, row.length, RecordHead("", says["record_id"], url, None, None),
                        title=says["title"], language=says["language"])
        try:
            dates = paths(tuple(columns), self.says.recognised["date"])
            date = next((date for path in dates if (date := read_date(at(columns, path)))), None)
            held = {"id": says["record_id"], "url": url, "date": date, "title": says["title"], "language": says["language"]}
            extra = extra_columns(row._replace(columns=columns), held)
            origin = self._with_defaults(origin._replace(head=origin.head._replace(date=date), extra=extra), row)
            if listed := blocked(url, self.blocklists):
                return finished(origin, listed)
            if row.dialogue is not None:
                return self._dialogue(origin, row.dialogue)
            if row.text is not None:
                return self._text(origin, row.text)
            if row.kind != "html" and isinstance(row.page, str):
                return self._document(origin, row.page.encode("utf-8", "replace"), row.kind, "")
            return self._page(origin, row.page or "", None)
        except Exception as error:      # one row may fail, the run goes on
            return finished(origin, failed_here(error))

    def file(self, file: WholeFile, path: str) -> Row:
        """A file that is one document."""
        origin = self._with_defaults(Origin(self.source, path, 0, len(file.stored)))
        if len(file.stored) > file.bound:
            size = f">{file.bound}" if file.size is None else str(file.size)
            return finished(origin, Refusal("too_large", size, str(file.bound)))
        try:
            if file.kind in ("html", "text"):
                return (self._page if file.kind == "html" else self._plain)(origin, file.stored, None)
            ending = os.path.basename(inner_path(path)).lower()
            return self._document(origin, file.stored, file.kind, ending.rpartition(".")[2] if ending not in NAMES else ending)
        except Exception as error:      # one file may fail, the run goes on
            return finished(origin, failed_here(error))

    def _with_defaults(self, origin: Origin, row: Given | None = None) -> Origin:
        """A record with what its source says of everything in it, and the licence that a column gives."""
        if self.says is NOTHING_SAID:
            return origin
        column = self.says.columns.license
        named = find_text(row.columns, (column,)) if row and column else None
        own = _as_text(at(row.columns, named)).strip() if row and named else ""
        return origin._replace(language=origin.language or self.says.language, license=own or self.says.license,
                               license_from="column" if own else "source" if self.says.license else None,
                               head=origin.head if origin.head.date else origin.head._replace(date=read_date(self.says.date)))

    def _record(self, framed: Framed, origin: Origin, wet: bool) -> Row | Refusal:
        head = origin.head
        if framed.rule:
            return Refusal(framed.rule, _text(framed.value), _text(framed.bound), framed.detail)
        if not head.type:
            return Refusal("bad_record", detail="the record has no WARC-Type")
        if head.type == "revisit":
            return Refusal("revisit")
        if head.type == "conversion" and wet:
            return blocked(head.url, self.blocklists) or self._plain(origin, framed.block, "utf-8")
        if head.type not in ("response", "resource"):
            return Refusal("record_type", head.type)
        if head.type == "response" and (head.url or "").lower().startswith(_NO_PAGES):
            return Refusal("record_type", head.type, detail="an answer of another protocol than the web's")
        if head.type == "resource" and not (head.url or "").lower().startswith(("http://", "https://")):
            return Refusal("record_type", head.type, detail="a resource that has no web address")
        response = http_response(framed.block) if head.type == "response" else Response(
            None, Headers((("content-type", head.content_type or ""),)), framed.block)
        if response.status is not None and response.status not in FULL_STATUS:
            return Refusal("http_status", str(response.status), "200")
        declared = response.headers.first("content-type") or ""
        kind = declared.partition(";")[0].partition(",")[0].strip().lower()
        if kind not in HTML_TYPES | TEXT_TYPES | UNTYPED:
            return Refusal("content_type", kind)
        if listed := blocked(head.url, self.blocklists):
            return listed
        stored = StoredBody(response.body, codings(response), kind, http_charset(declared))
        return Waiting(origin._replace(headers=response.headers), stored, payload_digest(response.body), len(response.body))

    def _page(self, origin: Origin, html: bytes | str, charset: str | None) -> Waiting:
        """A page of HTML; where it came as text, `html` is that."""
        body = html if isinstance(html, bytes) else html.encode("utf-8", "replace")
        return Waiting(origin, (html, charset), payload_digest(body), len(body))

    def _plain(self, origin: Origin, body: bytes, charset: str | None) -> Waiting:
        """A body without markup."""
        return Waiting(origin, StoredBody(body, (), None, charset), payload_digest(body), len(body))

    def _document(self, origin: Origin, body: bytes, kind: str, ending: str) -> Waiting:
        """A document of another format than HTML."""
        return Waiting(origin, StoredFile(body, kind, ending), payload_digest(body), len(body))

    def _dialogue(self, origin: Origin, dialogue: Dialogue) -> Document | Rejected:
        """A dialogue, whose text is what its turns say."""
        answer = text_answer(Decoded(dialogue.text, "utf-8", "given", 0), self.settings)
        return finished(origin._replace(dialogue=dialogue), answer, payload_digest(dialogue.payload), len(dialogue.payload))

    def _text(self, origin: Origin, text: str | bytes) -> Document | Rejected:
        """A record that is already text; as bytes it is in UTF-8."""
        body = text.encode("utf-8", "replace") if isinstance(text, str) else text
        decoded = Decoded(text, "utf-8", "given", 0) if isinstance(text, str) else utf8(text, "given")
        return finished(origin, text_answer(decoded, self.settings), payload_digest(body), len(body))


def _as_text(value: str | bytes) -> str:
    return encodable(value) if isinstance(value, str) else value.decode("utf-8", "replace")


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
