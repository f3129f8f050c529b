"""Parsing of WARC records: type, address, date, HTTP status, headers and codings."""

import io
import re
from typing import NamedTuple

from fastwarc.warc import HeaderMap

from textmill.pipelines.text.dates import read_date
from textmill.pipelines.web.address import given_url

HEAD_BYTES = 32_000         # of headers, with CRLF at the end of each line: FastWARC reads 32 KiB at most
TRUNCATED = frozenset({"length", "time", "disconnect", "unspecified"})      # WARC 1.1, 5.13
_LINE_END = re.compile(rb"(?<!\r)\r*+\n")      # begins nowhere within a run of \r, or a run would be walked for each of them
_BLANK_LINE = re.compile(rb"\n\r*+\n")
_INTERIM = re.compile(rb"HTTP/[\d.]+[ \t]+1\d\d\b")
_STATUS = re.compile(rb"HTTP/[\d.]+[ \t]+(\d{3})")
_HEADER_LINE = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:[ \t]")


class HeadError(ValueError):
    """Headers that cannot be read as such, in words."""


class Headers:
    """Header lines by lower-case name, repeated ones in order."""

    def __init__(self, lines: tuple[tuple[str, str], ...] = ()):
        self.lines = [(name.lower(), value.strip()) for name, value in lines]

    def first(self, name: str) -> str | None:
        return next((value for key, value in self.lines if key == name and value), None)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.lines if key == name]


class Response(NamedTuple):
    """An HTTP response: status (None where it has no status line), headers, body as stored."""

    status: int | None
    headers: Headers
    body: bytes


class RecordHead(NamedTuple):
    """The headers of a WARC record that decide how it is processed."""

    type: str
    record_id: str | None
    url: str | None
    date: str | None
    content_type: str | None
    truncated: str | None = None        # why the archive has only the beginning: one of TRUNCATED, or "segment"


def parse_headers(lines: bytes) -> Headers:
    """The headers of a head that begins with a status or version line. HeadError where they are longer than HEAD_BYTES."""
    spelled = _LINE_END.sub(b"\r\n", lines[:HEAD_BYTES + 1])         # FastWARC sees no lines that end with LF alone
    if len(lines) > HEAD_BYTES or len(spelled) > HEAD_BYTES:
        raise HeadError(f"the headers are longer than {HEAD_BYTES:,} bytes, or have no end")
    head = HeaderMap()
    try:
        head.parse(io.BytesIO(spelled), True)
    except OSError as error:
        raise HeadError(f"the headers cannot be read: {error}") from None
    return Headers(head.to_tuples())


def record_head(head: bytes) -> RecordHead:
    """The parsed WARC headers; a missing or invalid value is None, a missing type is ""."""
    headers = parse_headers(head)
    return RecordHead((headers.first("warc-type") or "").lower(), headers.first("warc-record-id"),
                      given_url(headers.first("warc-target-uri")), read_date(headers.first("warc-date")),
                      headers.first("content-type"), _truncated(headers))


def http_response(block: bytes) -> Response:
    """The response in a record's block; a block without status line or without any header is taken as it is.

    An interim response (100 Continue) before the response is passed over. HeadError as `parse_headers`.
    """
    while _INTERIM.match(block) and block.startswith(b"HTTP/", end := _head_end(block)):
        block = block[end:]
    if block.startswith(b"HTTP/"):
        end = _head_end(block)
        status = _STATUS.match(block)
        return Response(int(status[1]) if status else None, parse_headers(block[:end]), block[end:])
    if _HEADER_LINE.match(block):
        end = _head_end(block)
        return Response(None, parse_headers(b"HTTP/1.1 200\r\n" + block[:end]), block[end:])
    return Response(None, Headers(), block)


def codings(response: Response) -> tuple[str, ...]:
    """What was done to the body, in the order it is undone: the transfer coding, then the content codings."""
    transfer = ("chunked",) if "chunked" in (response.headers.first("transfer-encoding") or "").lower() else ()
    content = [coding.strip() for value in response.headers.all("content-encoding") for coding in value.lower().split(",")]
    return (*transfer, *reversed(content))


def _truncated(headers: Headers) -> str | None:
    """WARC-Truncated, or "segment" where the rest is in continuation records (WARC 1.1, 7), which are not joined."""
    if reason := headers.first("warc-truncated"):
        return reason.lower() if reason.lower() in TRUNCATED else "unspecified"
    return "segment" if headers.first("warc-segment-number") else None


def _head_end(block: bytes) -> int:
    """Where the headers end, the empty line included; the whole block where that is nowhere near. Lines end as each likes."""
    found = _BLANK_LINE.search(block, 0, HEAD_BYTES)
    return found.end() if found else len(block)
