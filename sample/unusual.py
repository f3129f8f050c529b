"""Captures that are no ordinary page: other record types, errors, other content, empty, too deep, damaged."""

import dataclasses
import json
import struct
import zlib
from typing import Any

from capture import FIRST_DAY, Capture, Library, label

ODDMENTS = "web/oddments.warc.gz"
DAMAGED = "web/damaged.warc.gz"
DATE = FIRST_DAY.strftime("%Y-%m-%dT%H:%M:%SZ")
HOST = "https://en.vandrel.example"
NESTED = 5000


def oddments(library: Library, plan: dict[str, Any]) -> list[Capture]:
    """Everything a crawler stores that is no page with text."""
    revisited = library.response(library.pages[plan["revisit"]], {}, what="good")
    moved = (("Location", f"{HOST}/new-place"),)
    page = "<!DOCTYPE html><html><head><title>{0}</title></head><body><h1>{0}</h1><p>{1}</p></body></html>"
    missing = page.format("Page not found", "The page you asked for is not here, and the site says so as it should.")
    broken = page.format("Something went wrong", "The database did not answer in time. Please try again a little later.")
    nested = "<html><body>" + "<div>" * NESTED + "<p>At the bottom of it all.</p>" + "</div>" * NESTED + "</body></html>"
    request = b"GET /about HTTP/1.1\r\nHost: en.vandrel.example\r\nUser-Agent: samplebot/1.0\r\n\r\n"
    return [
        Capture(ODDMENTS, "request", f"{HOST}/about", DATE, label("request"), body=request),
        Capture(ODDMENTS, "metadata", f"{HOST}/about", DATE, label("metadata"), body=b"fetchTimeMs: 211\r\n"),
        html(f"{HOST}/lost", missing, "http_error:404", "404 Not Found"),
        html(f"{HOST}/old-place", "", "redirect:301", "301 Moved Permanently", moved),
        html(f"{HOST}/search", broken, "http_error:500", "500 Internal Server Error"),
        Capture(ODDMENTS, "revisit", revisited.url, "2026-01-30T12:00:00Z", label("revisit", twin=revisited.record_id),
                headers=(("Content-Type", "text/html; charset=utf-8"),),
                warc_headers=(("WARC-Profile", "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"),
                              ("WARC-Refers-To", revisited.record_id))),
        other(f"{HOST}/logo.png", "image/png", png()),
        other(f"{HOST}/plan.pdf", "application/pdf", b"%PDF-1.4\n1 0 obj\n<< /Type /Catalog >>\nendobj\n%%EOF\n"),
        other(f"{HOST}/tides.json", "application/json", json.dumps({"station": "Brae Sound", "m": [1.2, 3.4]}).encode()),
        html(f"{HOST}/empty", "", "empty"),
        html(f"{HOST}/deep", nested, "too_deep"),
    ]


def html(url: str, text: str, what: str, status: str = "200 OK", more: tuple[tuple[str, str], ...] = ()) -> Capture:
    headers = (("Server", "nginx"), ("Content-Type", "text/html; charset=utf-8"), *more)
    return Capture(ODDMENTS, "response", url, DATE, label(what), body=text.encode(), status=status, headers=headers)


def other(url: str, content_type: str, body: bytes) -> Capture:
    headers = (("Server", "nginx"), ("Content-Type", content_type), ("Content-Length", str(len(body))))
    return Capture(ODDMENTS, "response", url, DATE, label(f"not_html:{content_type}"), body=body, headers=headers)


def png() -> bytes:
    """An 8 by 8 grey square."""
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    rows = b"".join(b"\x00" + b"\x80" * 8 for _ in range(8))
    header = struct.pack(">IIBBBBB", 8, 8, 8, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def odd_rows(file: str) -> list[Capture]:
    """Lines of a JSONL file that give no document: one cut off, one without a text, one with an empty text."""
    host = "https://en.letters.example"
    cut = b'{"url": "https://en.letters.example/en/cut-off", "text": "This line was cut off in the mid'
    return [Capture(file, "row", None, DATE, label("broken_row"), body=cut),
            Capture(file, "row", f"{host}/en/untold", DATE, label("row_without_text"), row={"url": f"{host}/en/untold"}),
            Capture(file, "row", f"{host}/en/blank", DATE, label("empty"), row={"url": f"{host}/en/blank", "text": ""})]


def damaged_file(library: Library, plan: dict[str, Any]) -> list[Capture]:
    """Sound and broken members in turn: a reader must find its way back after the one with flipped bytes, and say
    that the last one ends too early. The two broken ones are captures of pages that are sound elsewhere."""
    captures = []
    for slug, what in plan["damaged"].items():
        capture = library.response(library.pages[slug], {}, what=what, file=DAMAGED)
        if what != "good":
            capture = dataclasses.replace(capture, label=label(what), url=f"{capture.url}?from=mirror")
        captures.append(capture)
    return captures
