"""The kind of a body by its first bytes, where its label may be wrong."""

import json
import re

from textmill.pipelines.extract.pages.charset import wide_charset

TEXT_TYPES = frozenset({"text/plain", "text/markdown"})
_BINARY = re.compile(rb"%PDF-|\x89PNG|GIF8|\xff\xd8\xff|PK\x03\x04|\x1f\x8b|BZh|7z\xbc\xaf|Rar!|RIFF|OggS|ID3|\x7fELF|wOF[F2]|"
                     rb"\x00\x00\x01\x00|\xd0\xcf\x11\xe0|FWS|CWS|MZ\x90")
# Atomic and possessive: a comment ends at its first -->, and there is one way to read what comes before the element.
_XML_NO_PAGE = re.compile(rb"\s*+(?:<\?[^>]*+>\s*+|<!--(?>.*?-->)\s*+|<!doctype(?!\s+html)[^>]*+>\s*+)*+"
                          rb"<(?:rss|feed|urlset|sitemapindex|rdf:rdf|svg|opml)\b", re.I | re.S)
_HTML_START = re.compile(r"\s*+(?:<\?xml[^>]*+>\s*+)?+(?:<!--(?>.*?-->)\s*+)*+"
                         r"<(?:!doctype\s++html|html|head|body)\b", re.I | re.S)


def is_text(body: bytes, content_type: str) -> bool:
    """Whether a body is text without markup: labelled so, and not a page all the same."""
    return content_type in TEXT_TYPES and not _HTML_START.match(body[:4096].decode("latin-1"))


def no_page(body: bytes) -> str | None:
    """The type of a body by its first bytes, where that is neither HTML nor text, whatever its label; None for a page."""
    start = body.lstrip()[:1024]
    if _BINARY.match(body):
        return "binary"
    if b"\0" in start[:64] and not wide_charset(body):
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
