"""Transfer and content codings of a body, undone in bounded steps: a page's bytes, or why there are none."""

import re
import zlib
from collections.abc import Sequence
from hashlib import blake2b

import brotli
import zstandard

from textmill.pipelines.contract.deflate import GZIP, Deflate
from textmill.pipelines.contract.zstd import FRAME, Frame
from textmill.pipelines.extract.refusal import Refusal

_MEMBERS = 1_000            # of a gzipped body; servers send one
_CHUNK_SIZE = re.compile(rb"\s{0,64}([0-9A-Fa-f]{1,8})[ \t]{0,64}(?:;[^\r\n]{0,4096})?\r?\n")
_CHUNK_END = re.compile(rb"\r?\n")


def payload(body: bytes, codings: Sequence[str], most: int) -> bytes | Refusal:
    """The body with these codings undone in their order, of at most `most` bytes.

    A body that was stored decoded under headers that say otherwise is taken as it is; one whose coding is truncated or
    damaged is refused, because half a page, or a page with chunk sizes in it, is not the page.
    """
    for coding in codings:
        decoded = _decode(body, coding, most)
        if isinstance(decoded, Refusal):
            return decoded
        body = decoded
    if len(body) > most:
        return Refusal("too_large", str(len(body)), str(most))
    return body


def payload_digest(payload: bytes) -> str:
    """32 hex digits: BLAKE2b-128 of a payload with its transfer and content codings undone."""
    return blake2b(payload, digest_size=16).hexdigest()


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
    """The body without one coding; as it is where it is not in that coding from its first bytes on."""
    if coding == "chunked":
        return _unchunk(body)
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
