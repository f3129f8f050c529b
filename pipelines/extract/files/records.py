"""Parsing of WARC records: type, address, date, HTTP status and headers, and the decoded payload."""

import io
import re
import zlib
from typing import NamedTuple

import brotli
import zstandard
from fastwarc.warc import HeaderMap

from textmill.pipelines.extract.files.deflate import GZIP, Deflate
from textmill.pipelines.extract.files.zstd import FRAME, Frame
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.rows import capture_date
from textmill.pipelines.web.address import given_url

HEAD_BYTES = 1 << 16        # of headers, with CRLF at the end of each line: FastWARC reads no more
_LINE_END = re.compile(rb"(?<!\r)\r*+\n")      # begins nowhere within a run of \r, or a run would be walked for each of them
_BLANK_LINE = re.compile(rb"\n\r*+\n")
_INTERIM = re.compile(rb"HTTP/[\d.]+[ \t]+1\d\d\b")
_MEMBERS = 1_000            # of a gzipped body; servers send one
_STATUS = re.compile(rb"HTTP/[\d.]+[ \t]+(\d{3})")
_HEADER_LINE = re.compile(rb"[A-Za-z][A-Za-z0-9-]*:[ \t]")
_CHUNK_SIZE = re.compile(rb"\s{0,64}([0-9A-Fa-f]{1,8})[ \t]{0,64}(?:;[^\r\n]{0,4096})?\r?\n")
_CHUNK_END = re.compile(rb"\r?\n")


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


def parse_headers(lines: bytes) -> Headers:
    """The headers of a head that begins with a status or version line. HeadError where they are longer than HEAD_BYTES."""
    spelled = _LINE_END.sub(b"\r\n", lines[:HEAD_BYTES + 1])         # FastWARC sees no lines that end with LF alone
    if len(lines) > HEAD_BYTES or len(spelled) > HEAD_BYTES - 2:
        raise HeadError(f"the headers are longer than {HEAD_BYTES:,} bytes, or have no end")
    head = HeaderMap()
    head.parse(io.BytesIO(spelled), True)
    return Headers(head.to_tuples())


def record_head(head: bytes) -> RecordHead:
    """The parsed WARC headers; a missing or invalid value is None, a missing type is ""."""
    headers = parse_headers(head)
    return RecordHead((headers.first("warc-type") or "").lower(), headers.first("warc-record-id"),
                      given_url(headers.first("warc-target-uri")), capture_date(headers.first("warc-date")),
                      headers.first("content-type"))


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


def payload(response: Response, most: int) -> bytes | Refusal:
    """The body without transfer and content coding, of at most `most` bytes.

    A body that was stored decoded under headers that say otherwise is taken as it is; one whose coding is truncated or
    damaged is refused, because half a page, or a page with chunk sizes in it, is not the page.
    """
    body = response.body
    if "chunked" in (response.headers.first("transfer-encoding") or "").lower():
        unchunked = _unchunk(body)
        if isinstance(unchunked, Refusal):
            return unchunked
        body = unchunked
    codings = [coding.strip() for value in response.headers.all("content-encoding") for coding in value.lower().split(",")]
    for coding in reversed(codings):
        decoded = _decode(body, coding, most)
        if isinstance(decoded, Refusal):
            return decoded
        body = decoded
    if len(body) > most:
        return Refusal("too_large", str(len(body)), str(most))
    return body


def _head_end(block: bytes) -> int:
    """Where the headers end, the empty line included; the whole block where that is nowhere near. Lines end as each likes."""
    found = _BLANK_LINE.search(block, 0, HEAD_BYTES)
    return found.end() if found else len(block)


def _unchunk(body: bytes) -> bytes | Refusal:
    """The body without chunk lines; as it is where it begins with none. A missing last chunk loses nothing and is accepted."""
    match = _CHUNK_SIZE.match(body)
    if not match:
        return body
    parts: list[bytes] = []
    position = 0
    while match:
        size, position = int(match[1], 16), match.end()
        if not size:
            return b"".join(parts)
        parts.append(body[position:position + size])
        if len(parts[-1]) < size:
            return Refusal("truncated", detail="the body ends inside a chunk")
        position += size
        ended = _CHUNK_END.match(body, position)
        if not ended and position < len(body):
            return Refusal("damaged", detail="a chunk is not as long as it says")
        position = ended.end() if ended else position
        match = _CHUNK_SIZE.match(body, position)
    return b"".join(parts) if position >= len(body) else Refusal("damaged", detail="a chunk size is not a number")


def _decode(body: bytes, coding: str, most: int) -> bytes | Refusal:
    """The body without one content coding; as it is where it is not in that coding from its first bytes on."""
    if coding in ("gzip", "x-gzip") and body.startswith(GZIP):
        return _inflate(body, 31, most)
    if coding == "deflate" and body:
        zlib_header = body[0] & 15 == 8 and int.from_bytes(body[:2]) % 31 == 0
        plain = body.lstrip()[:1] == b"<"
        return body if plain else _inflate(body, 15 if zlib_header else -15, most)
    if coding == "br" and body.lstrip()[:1] != b"<":
        return _unbrotli(body, most)
    if coding == "zstd" and body.startswith(FRAME):
        return _unzstd(body, most)
    return body


def _inflate(body: bytes, window: int, most: int) -> bytes | Refusal:
    out, at = bytearray(), 0
    for _ in range(_MEMBERS):
        member, whole = Deflate(window), len(out)
        try:
            while not member.eof and at < len(body) and len(out) <= most:
                inflated, taken = member.feed(body, at, most + 1 - len(out))
                out += inflated
                at += taken
        except zlib.error as error:
            return bytes(out[:whole]) if whole else Refusal("damaged", detail=f"Content-Encoding: {error}")
        if len(out) > most:
            return Refusal("bomb", f">{most}", str(most), "the body inflates beyond the limit")
        if not member.eof:
            return Refusal("truncated", detail="the compressed body breaks off")
        if window != 31 or not body.startswith(GZIP, at):
            return bytes(out)
    return Refusal("bomb", f">{_MEMBERS}", str(_MEMBERS), "gzip members of one body")


def _unbrotli(body: bytes, most: int) -> bytes | Refusal:
    stream = brotli.Decompressor()
    try:
        out: bytes = stream.process(body, output_buffer_limit=most + 1)
        while len(out) <= most and not stream.is_finished() and (more := stream.process(b"", output_buffer_limit=most)):
            out += more
    except brotli.error:
        return Refusal("damaged", detail="Content-Encoding: the brotli stream is not valid")
    if len(out) > most:
        return Refusal("bomb", f">{most}", str(most), "the body inflates beyond the limit")
    return out if stream.is_finished() else Refusal("truncated", detail="the compressed body breaks off")


def _unzstd(body: bytes, most: int) -> bytes | Refusal:
    out, position = bytearray(), 0
    while position < len(body):
        frame = Frame()
        try:
            while position < len(body) and not frame.eof and len(out) <= most:
                taken = body[position:position + frame.wanted]
                out += frame.feed(taken)
                position += len(taken)
        except zstandard.ZstdError:
            return Refusal("damaged", detail="Content-Encoding: the zstd stream is not valid")
        if len(out) > most:
            return Refusal("bomb", f">{most}", str(most), "the body inflates beyond the limit")
        if not frame.eof:
            return Refusal("truncated", detail="the compressed body breaks off")
    return bytes(out)
