"""What extract parses: archives, codings, pages, rows, addresses, lists."""

import gzip
import io
from collections.abc import Callable, Iterator, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pyarrow as pa
import pyarrow.parquet as pq
import zstandard

from tests.fuzz.target import Target
from tests.pages import sample_pages
from tests.paths import ROOT
from textmill.pipelines.contract.named_files import ContentError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.blocklists import read_blocklist
from textmill.pipelines.extract.files.raw import read_lists
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.files.records import HeadError, http_response, payload
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.pages.charset import Decoded, decode, http_charset
from textmill.pipelines.extract.pages.legal import Legal
from textmill.pipelines.extract.pages.page import Page
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.pages.reader import Reader
from textmill.pipelines.extract.pages.reader_process import Answer, Job, read_html
from textmill.pipelines.extract.rows import batches
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import Split, plan_splits
from textmill.pipelines.web.address import canonical_url, domain, host

LIMITS = ExtractSettings(max_record_bytes=1 << 20, max_page_bytes=1 << 20)
HEADERS = (b"WARC/1.0\r\n", b"WARC/1.1\n", b"WARC-Type: response\r\n", b"WARC-Type: revisit\r\n", b"Content-Length: ", b"WARC-Target-URI: ",
           b"WARC-Date: 2026-01-12T04:00:00Z\r\n", b"Content-Type: text/html; charset=", b"Content-Type: text/plain\r\n", b"HTTP/1.1 200 OK\r\n",
           b"HTTP/1.1 100 Continue\r\n\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"Content-Encoding: br, zstd\r\n",
           b"5\r\n", b"ffffffff\r\n", b"0\r\n\r\n", b"\r\n", b"X-Robots-Tag: ", b"noai, googlebot: noindex\r\n", b"<urn:uuid:", b"http://", b"<html>")
JSON = (b'{"', b'": ', b'", "', b'"}', b"null", b"true", b"[]", b"{}", b'"text"', b'"url"', b'"id"', b'"date"', b'"title"', b'"html"', b'"\\ud83d"',
        b'"\\ud800\\udc00"', b'"\\u0000"', b"1e999", b"-", b"NaN", b"\n", b'"x": {"y": [1, {"z": "\\udfff"}]},')
PAGE = b"<!doctype html><html lang=en><head><title>Quay</title></head><body><p>The ferry leaves at seven.</p></body></html>"


class OneAnswer(Reader):
    """Answers every page alike, at once: reading pages is a target of its own."""

    def __init__(self) -> None:
        super().__init__(LIMITS, 1, 64)

    def read(self, pages: Sequence[Job]) -> Iterator[Answer]:
        page = Page("The ferry leaves at seven.", "Quay", "en", ("2025-01-02",), Legal(robots=("noai",)), 0, 0, 0, 22)
        return (((Decoded("", "utf-8", "detected", 0), page)) for _ in pages)


def file(name: str) -> Callable[[bytes], object]:
    """Extraction of a file of this name, to the batches that are written."""
    def parse(data: bytes) -> object:
        splits = plan_splits([RawFile(f"fuzz/{name}", len(data), "")], lambda _: io.BytesIO(data), LIMITS)
        rows = (row for split in splits for row in extract_split(split, lambda _: io.BytesIO(data), LIMITS, OneAnswer()))
        written = list(batches(rows))
        for batch in written:
            batch.validate(full=True)
        return written

    return parse


def loose_split(kind: str) -> Callable[[bytes], object]:
    """The second half of a file that is read in two ranges."""
    def parse(data: bytes) -> object:
        split = Split("s", "fuzz", kind, (Range("fuzz/f", "", len(data) // 2, len(data)),))
        return list(batches(extract_split(split, lambda _: io.BytesIO(data), LIMITS, OneAnswer())))

    return parse


def record(body: bytes, *headers: bytes, kind: bytes = b"response") -> bytes:
    head = [b"WARC/1.0", b"WARC-Type: " + kind, b"WARC-Record-ID: <urn:uuid:25db671c-aa19-5e81-91f8-f5fee95cb9da>",
            b"WARC-Target-URI: https://a.example/quay?id=7", b"WARC-Date: 2026-01-12T04:00:00Z", *headers, b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*head, b"", body, b"", b""])


def response(body: bytes, *headers: bytes, kind: bytes = b"text/html; charset=utf-8") -> bytes:
    return b"\r\n".join([b"HTTP/1.1 200 OK", b"Content-Type: " + kind, b"X-Robots-Tag: noai, otherbot: noindex", *headers, b"", body])


def chunked(body: bytes) -> bytes:
    return b"%x\r\n" % (len(body) // 2) + body[:len(body) // 2] + b"\r\n%x;name=value\r\n" % (len(body) - len(body) // 2) \
        + body[len(body) // 2:] + b"\r\n0\r\n\r\n"


@cache
def responses() -> list[bytes]:
    zipped = zstandard.ZstdCompressor().compress(PAGE)
    return [response(PAGE), response(chunked(PAGE), b"Transfer-Encoding: chunked"), response(gzip.compress(PAGE, mtime=0), b"Content-Encoding: gzip"),
            response(zipped, b"Content-Encoding: zstd"), response(chunked(gzip.compress(PAGE, mtime=0)), b"Transfer-Encoding: chunked",
                                                                  b"Content-Encoding: gzip"),
            response(b"Plain words of a quay.\n" * 3, kind=b"text/plain"), response(b'<?xml version="1.0"?><!-- c --><rss></rss>'),
            response(b'{"a": [1, 2]}'), b"Content-Type: text/html\r\n\r\n" + PAGE]


@cache
def archives() -> list[bytes]:
    info = record(b"software: fuzz\r\n", b"Content-Type: application/warc-fields", kind=b"warcinfo")
    alone = [record(block, b"Content-Type: application/http; msgtype=response") for block in responses()]
    return [info + alone[0], alone[1] + alone[2], *alone, info + b"".join(alone[3:6]), record(PAGE, b"Content-Type: text/html", kind=b"resource"),
            record(b"Worte vom Kai und mehr.", b"Content-Type: text/plain", kind=b"conversion"), record(b"", kind=b"revisit")]


def arcs() -> list[bytes]:
    head = b"filedesc://fuzz.arc 0.0.0.0 20260112040000 text/plain 73\n1 0 InternetArchive\nURL IP-address Archive-date Content-type Archive-length\n\n"
    return [head + b"http://a.example/quay 10.0.0.1 20260112040000 text/html %d\n" % len(block) + block + b"\n" for block in responses()[:3]]


@cache
def lines() -> list[bytes]:
    rows = (ROOT / "sample/raw/letters/letters.jsonl").read_bytes().splitlines(keepends=True)
    own = (b'{"text": "Words of a quay.", "url": "https://a.example/1", "id": 7, "date": "2026-01-12", "extra": {"a": [1, 2.5, null, "x"]}}\n'
           b'{"html": "<p>Words</p>", "title": "Quay", "lang": "en", "timestamp": "2026-01-12T04:00:00Z"}\n')
    return [own, rows[0][:2000], own + rows[0], own.replace(b"text", b"content")]


@cache
def tables() -> list[bytes]:
    rows = {"text": ["Words of a quay.", "And more.", None], "url": ["https://a.example/1", None, "x"], "date": ["2026-01-12", None, None],
            "n": [1, 2, 3], "tags": [["a"], [], None], "meta": [{"a": 1}] * 3, "when": pa.array([1, 2, None], pa.timestamp("us", "UTC"))}
    found = []
    for compression in ("none", "snappy", "zstd"):
        stored = io.BytesIO()
        pq.write_table(pa.table(rows), stored, compression=compression, row_group_size=2, write_page_checksum=True)
        found.append(stored.getvalue())
    return found


def http(data: bytes) -> object:
    found = http_response(data)
    return payload(found, LIMITS.max_page_bytes), http_charset(found.headers.first("content-type"))


def charset(data: bytes) -> object:
    name, _, body = data.partition(b"\n")
    return decode(body, http_charset(name.decode("latin-1"))).text.encode("utf-8", "replace")


def charsets() -> list[bytes]:
    text = "Der Zollstock, längst ohne Zölle. Паром уходит в семь, Їжак. 渡し船は七時に出ます。여객선은 일곱 시에 떠난다."
    meta = '<meta charset="{}"><p>{}</p>'
    names = ("utf-8", "windows-1252", "koi8-r", "shift_jis", "euc-kr", "gb18030", "utf-16-le", "iso-2022-jp", "big5")
    return [b"text/html; charset=" + name.encode() + b"\n" + meta.format(name, text).encode(name, "replace") for name in names]


def url(data: bytes) -> object:
    text = data.decode("utf-8", "surrogateescape")
    return canonical_url(text), domain(host(text))


URLS = (b"https://www.Example.co.uk:443/a/./b/../c%7e?utm_source=x&b=2&a=1#frag", b"http://b\xc3\xbccher.example/\xc3\xa4?q=\xc3\xb6#!/page",
        b"http://[2001:db8::1]:8080/x;jsessionid=12?sid=0123456789abcdef01", b"http://user:pw@192.168.0.1/%2e%2e/", b"mailto:a@b.example",
        "https://faß.example。/a b?c=d&c".encode())


def list_of_files(name: str) -> Callable[[bytes], object]:
    """The lines of a list; the files that it names are not looked for."""
    def parse(data: bytes) -> object:
        with TemporaryDirectory() as folder:
            Path(folder, "web").mkdir()
            Path(folder, "web", name).write_bytes(data)
            problems: list[str] = []
            found = read_lists(Folder(folder), [f"web/{name}"], problems)
            "\n".join(problems).encode()
            return [one.path.encode() for one in found]

    return parse


PATHS = (b"# a list\nhttps://data.example/a.warc.gz\ns3://bucket/b.warc.gz\n/srv/c.jsonl\n", b"\xef\xbb\xbfgs://bucket/d\r\nhttps://a.example/x?sig=1\n",
         b"crawl-data/CC/1.warc.gz\nhttps://u:p@a.example/e\n\n")
HTML = (b"<p>", b"</p>", b"<table>", b"<tr><td>", b"<a href='x'>", b"</a>", b"<script type='application/ld+json'>", b"</script>", b"<style>", b"<!--",
        b"-->", b"<meta name=robots content=noai>", b"<meta charset=utf-16>", b"<title>", b"<svg>", b"<template>", b"<li>", b"<article>", b"<footer>",
        b"\xc2\xa9 2024 Quay", b"<br>", b"<![CDATA[", b"<?php", b" a='b'", b"&nbsp;", b'{"@type": "Article", "license": {"@id": "http://x"}}')


def html_seeds() -> list[bytes]:
    short = sorted(sample_pages(), key=len)[::12][:12]
    return [PAGE, *(page.encode() for page in short)]


TARGETS = {
    "warc": Target(archives, file("f.warc"), words=HEADERS),
    "warc range": Target(lambda: [gzip.compress(one, mtime=0) * 2 for one in archives()], loose_split("warc"), words=HEADERS),
    "wet": Target(archives, file("f.wet"), words=HEADERS),
    "arc": Target(arcs, file("f.arc"), words=HEADERS),
    "gzip": Target(archives, file("f.warc.gz"), words=HEADERS, wrap=lambda data: gzip.compress(data, 1, mtime=0)),
    "zstd": Target(archives, file("f.warc.zst"), words=HEADERS, wrap=lambda data: zstandard.ZstdCompressor(level=1).compress(data)),
    "http": Target(responses, http, (HeadError,), words=HEADERS),
    "html": Target(html_seeds, lambda data: read_html((data, None), LIMITS, read_page), words=HTML, seconds=10),
    "jsonl": Target(lines, file("f.jsonl"), words=JSON),
    "jsonl.gz": Target(lines, file("f.jsonl.gz"), words=JSON, wrap=lambda data: gzip.compress(data, 1, mtime=0)),
    "jsonl.zst": Target(lines, file("f.jsonl.zst"), words=JSON, wrap=lambda data: zstandard.ZstdCompressor(level=1).compress(data)),
    "parquet": Target(tables, file("f.parquet"), words=(b"PAR1", b"\x15\x00\x15\x10", b"\x00\x00\x00\x08")),
    "charset": Target(charsets, charset, words=(b'<meta charset="', b"utf-16", b"utf-7", b"iso-2022-kr", b"hz-gb-2312", b"\x1b$B", b"\x1b(B", b"~{")),
    "url": Target(lambda: list(URLS), url, words=(b"http://", b"https://", b"xn--", b"[::1]", b"%2F", b"%E4", b"\xe3\x80\x82", b"@", b":99999", b"www.")),
    "paths list": Target(lambda: list(PATHS), list_of_files("l.paths"), words=(b"https://", b"s3://", b"gs://", b"/", b"\0", b"\x85", b"\xe2\x80\xa8")),
    "paths list, gzipped": Target(lambda: list(PATHS), list_of_files("l.paths.gz"), wrap=lambda data: gzip.compress(data, 1, mtime=0)),
    "blocklist": Target(lambda: [b"example.com\n*.a.example\n0.0.0.0 b.example c.example\n||d.example^\ne.example/*/print?x=*\n# no\n! no\n.zip\n"],
                        lambda data: read_blocklist("l", io.BytesIO(data)), (ContentError,), words=(b"||", b"^", b"*.", b"0.0.0.0 ", b"/*", b"#", b"xn--")),
}
