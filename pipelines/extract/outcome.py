"""What becomes of each record of a split: a `Document`, or a `Rejected` with the rule that sent it away. Never an exception.

Cheap tests come first: record type, status, content type and size are looked at before anything is decoded or parsed.
"""

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import Any

import pyarrow as pa

from pipelines.extract.address import given_url, host
from pipelines.extract.arc import read_arc
from pipelines.extract.archive import Ends, read_records
from pipelines.extract.charset import Decoded, decode, http_charset
from pipelines.extract.framing import Framed, Limits
from pipelines.extract.inputs import RECOGNISED, Given, extra_columns, find_column, read_jsonl, read_parquet
from pipelines.extract.legal import Legal, directives, reservation
from pipelines.extract.page import Page, published, read_page
from pipelines.extract.records import Headers, RecordHead, Response, http_response, payload, record_head
from pipelines.extract.rows import Document, Refusal, Rejected, capture_date, clean_text, document_id, payload_digest
from pipelines.extract.settings import Extract
from pipelines.extract.splits import Range, Split

HTML_TYPES = frozenset({"text/html", "application/xhtml+xml", "application/xhtml", "application/vnd.wap.xhtml+xml"})
TEXT_TYPES = frozenset({"text/plain", "text/markdown"})
UNTYPED = frozenset({"", "application/octet-stream", "unknown/unknown", "content/unknown", "*/*", "unk", "no-type"})
FULL_STATUS = frozenset({200, 203})     # the server says that this is the whole page
_REMEMBERED = 16 << 20                  # characters of parsed text kept for equal payloads of one split

_BINARY = re.compile(rb"%PDF-|\x89PNG|GIF8|\xff\xd8\xff|PK\x03\x04|\x1f\x8b|BZh|7z\xbc\xaf|Rar!|RIFF|OggS|ID3|\x7fELF|wOF[F2]|"
                     rb"\x00\x00\x01\x00|\xd0\xcf\x11\xe0|FWS|CWS|MZ\x90")
_XML_NO_PAGE = re.compile(rb"\s*(<\?xml[^>]*>)?\s*(<\?[^>]*>\s*|<!--.*?-->\s*|<!doctype(?!\s+html)[^>]*>\s*)*"
                          rb"<(rss|feed|urlset|sitemapindex|rdf:rdf|svg|opml)\b", re.I | re.S)
_HTML_START = re.compile(r"\s*(<\?xml[^>]*>\s*)?(<!--.*?-->\s*)*<(!doctype\s+html|html|head|body)\b", re.I | re.S)
_NO_LEGAL = Legal((), None, None, None, None)


def extract_split(split: Split, open_file: Callable[[str], Any], settings: Extract,
                  ends: list[Ends] | None = None) -> Iterator[Document | Rejected]:
    """Every record of the split, in order, as a Document or a Rejected.

    `open_file(path)` gives a seekable binary file under raw/. For each WARC range one Ends is added to `ends`: where its
    walk began and stopped, which the neighbouring ranges of the file must agree with.
    """
    pages = _Pages(split.source, settings)
    for part in split.ranges:
        with open_file(part.path) as file:
            if split.kind in ("warc", "wet", "arc"):
                limits = Limits(settings.record_bytes, settings.ratio)
                framed = read_arc(file, limits) if split.kind == "arc" else read_records(
                    file, part.path, part.start, part.end, limits, [] if ends is None else ends)
                for record in framed:
                    yield pages.record(record, part.path, wet=split.kind == "wet")
            elif split.kind in ("jsonl", "parquet"):
                try:
                    for row in (read_jsonl if split.kind == "jsonl" else read_parquet)(file, part, settings):
                        yield pages.given(row, part.path) if isinstance(row, Given) else row
                except (OSError, pa.ArrowException) as error:
                    yield Rejected(part.path, 0, "damaged", detail=f"{type(error).__name__}: the file cannot be read on")
            else:
                yield pages.file(file, part, split.kind)


class _Pages:
    """Turns records of one source into rows; equal payloads, read the same way, are parsed once."""

    def __init__(self, source: str, settings: Extract):
        self.source, self.settings = source, settings
        self.parsed: OrderedDict[tuple[str, str | None], tuple[Decoded, Page | Refusal]] = OrderedDict()
        self.held = 0

    def record(self, framed: Framed, path: str, wet: bool) -> Document | Rejected:
        """The row of one WARC or ARC record; an unexpected error in it is its own quarantine."""
        head = RecordHead("", None, None, None, None)
        try:
            head = record_head(framed.head) if framed.head else head
            made = self._record(framed, head, path, wet)
        except Exception as error:      # one page may fail, the run goes on
            made = _failed(error)
        if isinstance(made, Refusal):
            return Rejected(path, framed.offset, made.rule, framed.length, head.record_id, head.url, None,
                            made.value, made.bound, made.detail)
        return made

    def given(self, row: Given, path: str) -> Document | Rejected:
        """The row of one JSONL or Parquet row."""
        columns = row.columns
        found = {ours: find_column(columns, names) for ours, names in RECOGNISED.items()}
        says = {ours: columns[name] if name else None for ours, name in found.items()}
        number = columns.get("id")
        if says["record_id"] is None and isinstance(number, int) and not isinstance(number, bool):
            says["record_id"] = str(number)
        url = given_url(says["url"])
        try:
            date = capture_date(says["date"])
            held = {"id": says["record_id"], "url": url, "date": date, "title": says["title"], "language": says["language"]}
            given = (row.text or "").encode("utf-8", "replace") if row.page is None else (
                row.page if isinstance(row.page, bytes) else row.page.encode("utf-8", "replace"))
            read = self._text(row.text) if row.text is not None else self._page(given, None, row.page)
            made = read if isinstance(read, Refusal) else self._document(
                *read, given, path, row.offset, row.length, RecordHead("", says["record_id"], url, date, None), Headers())
            if isinstance(made, Document):
                made.title = says["title"] or made.title
                made.declared_language = says["language"] or made.declared_language
                made.extra = extra_columns(row, held)
        except Exception as error:      # one row may fail, the run goes on
            made = _failed(error)
        if isinstance(made, Refusal):
            return Rejected(path, row.offset, made.rule, row.length, says["record_id"], url, None,
                            made.value, made.bound, made.detail)
        return made

    def file(self, file: Any, part: Range, kind: str) -> Document | Rejected:
        """The row of a file that is one document."""
        bound = self.settings.page_bytes if kind == "html" else self.settings.record_bytes
        stored = file.read(bound + 1)
        made: Document | Refusal
        if len(stored) > bound:
            made = Refusal("too_large", str(part.end - part.start), str(bound))
        else:
            try:
                read = self._page(stored, None) if kind == "html" else self._plain(stored, None)
                made = read if isinstance(read, Refusal) else self._document(
                    *read, stored, part.path, 0, len(stored), RecordHead("", None, None, None, None), Headers())
            except Exception as error:      # one file may fail, the run goes on
                made = _failed(error)
        if isinstance(made, Refusal):
            return Rejected(part.path, 0, made.rule, len(stored), None, None, None, made.value, made.bound, made.detail)
        return made

    def _record(self, framed: Framed, head: RecordHead, path: str, wet: bool) -> Document | Refusal:
        if framed.rule:
            return Refusal(framed.rule, _text(framed.value), _text(framed.bound), framed.detail)
        if not head.type:
            return Refusal("bad_record", detail="the record has no WARC-Type")
        if head.type == "revisit":
            return Refusal("revisit")
        if head.type == "conversion" and wet:
            read = self._plain(framed.block, "utf-8")
            return read if isinstance(read, Refusal) else self._document(
                *read, framed.block, path, framed.offset, framed.length, head, Headers())
        if head.type not in ("response", "resource"):
            return Refusal("record_type", head.type)
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
        body = payload(response, self.settings.page_bytes)
        if isinstance(body, Refusal):
            return body
        if not body.strip():
            return Refusal("empty", detail="the body is empty")
        if seen := no_page(body):
            return Refusal("content_type", f"{kind or 'none'} ({seen})")
        charset = http_charset(declared)
        is_text = kind in TEXT_TYPES and not _HTML_START.match(body[:4096].decode("latin-1"))
        read = self._plain(body, charset) if is_text else self._page(body, charset)
        return read if isinstance(read, Refusal) else self._document(
            *read, body, path, framed.offset, framed.length, head, response.headers)

    def _page(self, body: bytes, charset: str | None, given: str | bytes | None = None) -> tuple[Decoded, Page] | Refusal:
        """The page in an HTML body; `given` is the HTML itself where it came as text."""
        key = (payload_digest(body), "given" if isinstance(given, str) else charset)
        if key in self.parsed:
            decoded, page = self.parsed[key]
        else:
            decoded = Decoded(clean_text(given), "utf-8", "given", 0) if isinstance(given, str) else decode(body, charset)
            page = _undecodable(decoded, self.settings) or read_page(decoded.text, self.settings)
            decoded = decoded._replace(text="")     # the HTML itself is needed no more
            self.parsed[key] = decoded, page
            self.held += len(page.text) if isinstance(page, Page) else 0
            while self.held > _REMEMBERED:
                _, (_, old) = self.parsed.popitem(last=False)
                self.held -= len(old.text) if isinstance(old, Page) else 0
        return page if isinstance(page, Refusal) else (decoded, page)

    def _plain(self, body: bytes, charset: str | None) -> tuple[Decoded, Page] | Refusal:
        """The text in a body without markup."""
        decoded = decode(body, charset)
        refused = _undecodable(decoded, self.settings)
        read = self._text(decoded.text)
        return refused or (read if isinstance(read, Refusal) else (decoded, read[1]))

    def _text(self, text: str) -> tuple[Decoded, Page] | Refusal:
        """A text that is one already."""
        cleaned = clean_text(text)
        if not cleaned.strip():
            return Refusal("empty", detail="the text is empty")
        return Decoded("", "utf-8", "given", 0), Page(cleaned, None, None, (), _NO_LEGAL, None, None, None, None)

    def _document(self, decoded: Decoded, page: Page, body: bytes, path: str, offset: int, length: int | None,
                  head: RecordHead, headers: Headers) -> Document:
        digest = payload_digest(body)
        robots = {found for value in headers.all("x-robots-tag") for found in directives(value)} | set(page.legal.robots)
        reserved = reservation([*headers.all("tdm-reservation"), *([page.legal.tdm_reservation or ""])])
        language = page.declared_language or (headers.first("content-language") or "").partition(",")[0].strip().lower() or None
        return Document(
            id=document_id(self.source, head.record_id, head.url, head.date, digest), record_id=head.record_id,
            source=self.source, url=head.url, host=host(head.url), date=head.date,
            published=published(page.dates, head.url, head.date), title=page.title, text=page.text,
            charset=decoded.charset, charset_from=decoded.charset_from, replaced=decoded.replaced,
            declared_language=language, robots=sorted(robots), tdm_reservation=reserved, license=page.legal.license,
            license_from=page.legal.license_from, paywalled=page.legal.paywalled,
            content_type=headers.first("content-type"), payload_bytes=len(body), payload_digest=digest,
            anchor_chars=page.anchor_chars, links=page.links, page_anchor_chars=page.page_anchor_chars,
            page_chars=page.page_chars, file=path, offset=offset, length=length, extra=None)


def no_page(body: bytes) -> str | None:
    """What a body is, by its first bytes, where it is neither HTML nor text, whatever its label says; None for a page."""
    start = body.lstrip()[:1024]
    if _BINARY.match(body):
        return "binary"
    if b"\0" in start[:64] and not body.startswith((b"\xff\xfe", b"\xfe\xff")) and b"<\0" not in start and b"\0<" not in start:
        return "binary"
    if _XML_NO_PAGE.match(start):
        return "xml"
    if start.startswith((b"{", b"[")) and body.rstrip().endswith((b"}", b"]")):
        try:
            json.loads(body)
        except (ValueError, RecursionError):
            return None
        return "json"
    return None


def _undecodable(decoded: Decoded, settings: Extract) -> Refusal | None:
    share = decoded.replaced / max(len(decoded.text), 1)
    if share <= settings.replaced:
        return None
    return Refusal("undecodable", f"{share:.3f}", str(settings.replaced), f"{decoded.replaced} characters could not be decoded")


def _failed(error: Exception) -> Refusal:
    said = next(iter(str(error).splitlines()), "")
    return Refusal("extractor_error", detail=f"{type(error).__name__}: {said[:200]}")


def _text(value: int | None) -> str | None:
    return None if value is None else str(value)
