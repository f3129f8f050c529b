"""ExtractSettings: every record ends as a document with exact columns or as a row that names its rule; nothing is raised."""

import gzip
import io
import itertools
import json
import random

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from tests.pages import InProcess
from textmill.pipelines.contract.lines import read_lines
from textmill.pipelines.extract.files.framing import Limits
from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.formats.arc import read_arc
from textmill.pipelines.extract.formats.rows import canonical_json
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.pages.kind import no_page
from textmill.pipelines.extract.pages.page import Page, published
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.pages.text import clean_text
from textmill.pipelines.extract.pages.tree import parse
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.rows import DOCUMENTS, REJECTED, Document, Rejected, batches, document_id
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import plan_splits
from textmill.pipelines.text.dates import read_date

SETTINGS = ExtractSettings()
PARAGRAPHS = [
    "The ferry to the island leaves at seven, and on most mornings the captain waits for the baker's van.",
    "Nobody on the quay finds this odd, because the bread is the reason why half of the passengers come along.",
    "In winter the crossing takes an hour, in summer a little less, and the price has not changed since spring.",
    "Those who stay the night walk up to the lighthouse, where a kettle and two chairs stand ready for guests."]
STORY = "".join(f"<p>{paragraph}</p>" for paragraph in PARAGRAPHS)


def html(body: str = STORY, head: str = "", attributes: str = ' lang="en-GB"') -> str:
    return f"""<!DOCTYPE html><html{attributes}><head><title>The  morning
        ferry</title>{head}</head><body><nav><ul><li><a href="/">Home</a></li><li><a href="/news">All news</a></li></ul></nav>
        <article><h1>The morning ferry</h1>{body}</article><footer><p>Written by hand.</p></footer></body></html>"""


def warc(*records: tuple) -> bytes:
    """WARC bytes from (type, url, block parts): a response's parts are status line, header list, payload."""
    out = io.BytesIO()
    writer = WARCWriter(out, gzip=True)
    for number, (kind, url, *parts) in enumerate(records):
        headers = {"WARC-Record-ID": f"<urn:uuid:00000000-0000-0000-0000-{number:012d}>", "WARC-Date": "2024-03-02T01:00:00Z"}
        http = StatusAndHeaders(parts[0], parts[1], protocol="HTTP/1.1") if kind in ("response", "revisit") and len(parts) > 1 else None
        writer.write_record(writer.create_warc_record(url, kind, payload=io.BytesIO(parts[-1] if parts else b""), http_headers=http,
                                                      warc_headers_dict=headers, warc_content_type="" if http else "text/plain"))
    return out.getvalue()


def ok(body: bytes | str, *headers: tuple[str, str], kind: str = "text/html; charset=utf-8") -> tuple:
    return ("response", "http://Ferry.example/one", "200 OK", [("Content-Type", kind), *headers], body if isinstance(body, bytes) else body.encode())


def run(files: dict[str, bytes], settings: ExtractSettings = SETTINGS) -> list[Document | Rejected]:
    splits = plan_splits([RawFile(path, len(data), path) for path, data in files.items()], lambda path: io.BytesIO(files[path]), settings)
    return [row for split in splits for row in extract_split(split, lambda path: io.BytesIO(files[path]), settings,
                                                                InProcess(settings))]


def only(files: dict[str, bytes], settings: ExtractSettings = SETTINGS):
    rows = run(files, settings)
    assert len(rows) == 1
    return rows[0]


def from_warc(*records: tuple, settings: ExtractSettings = SETTINGS) -> list:
    return run({"web/x.warc.gz": warc(*records)}, settings)


def test_a_page_becomes_a_document_with_every_column():
    head = ('<meta name="robots" content="NoArchive, follow"><meta property="article:published_time" content="2024-02-01T10:00:00Z">'
            '<link rel="license" href="https://creativecommons.org/licenses/by/4.0/">'
            '<script type="application/ld+json">{"@type": "Article", "isAccessibleForFree": "False", "copyrightYear": 2024, "copyrightHolder": {"name": "The Ferrymen"}}</script>')
    body = html(STORY + '<p>More about it in <a href="/bread">the story of the bread van</a> of last week, by the same author.</p>', head)
    data = warc(ok(body, ("X-Robots-Tag", "noai"), ("tdm-reservation", "1"), ("TDM-Policy", "https://ferry.example/terms")))
    document = only({"web/x.warc.gz": data})
    last = "More about it in the story of the bread van of last week, by the same author."
    assert document.text.splitlines() == ["The morning ferry", *PARAGRAPHS, last]
    expected = {
        "record_id": "<urn:uuid:00000000-0000-0000-0000-000000000000>", "source": "web", "url": "http://Ferry.example/one", "host": "ferry.example", "domain": "ferry.example",
        "date": "2024-03-02T01:00:00Z", "published": "2024-02-01", "title": "The morning ferry", "charset": "utf-8", "charset_from": "http", "replaced": 0,
        "declared_language": "en-gb", "robots": ["follow", "noai", "noarchive"], "tdm_reservation": "1", "tdm_policy": "https://ferry.example/terms",
        "license": "https://creativecommons.org/licenses/by/4.0/", "license_from": "rel", "license_position": "head", "paywalled": True, "copyright": "© 2024 The Ferrymen", "content_type": "text/html; charset=utf-8",
        "payload_bytes": len(body.encode()), "anchor_chars": len("thestoryofthebreadvan"), "links": 1,
        "page_anchor_chars": len("thestoryofthebreadvanHomeAllnews"), "file": "web/x.warc.gz", "offset": 0, "length": len(data), "extra": None}
    assert {name: getattr(document, name) for name in expected} == expected
    assert document.id == document_id("web", expected["record_id"], expected["url"], expected["date"], document.payload_digest)
    assert len(document.id) == len(document.payload_digest) == 32


@pytest.mark.parametrize(("record", "rule", "value"), [
    (("request", "http://a.example/", b"GET / HTTP/1.1\r\n\r\n"), "record_type", "request"),
    (("metadata", "http://a.example/", b"fetched: yes"), "record_type", "metadata"),
    (("conversion", "http://a.example/", b"text of a page"), "record_type", "conversion"),
    (("resource", "dns:a.example", b"a.example. A 192.0.2.1"), "record_type", "resource"),
    (("revisit", "http://a.example/", "200 OK", [], b""), "revisit", None),
    (("response", "http://a.example/", "404 Not Found", [("Content-Type", "text/html")], html().encode()), "http_status", "404"),
    (("response", "http://a.example/", "206", [("Content-Type", "text/html")], html().encode()), "http_status", "206"),
    (ok(b"\x89PNG\r\n", kind="image/png"), "content_type", "image/png"),
    (ok(b"%PDF-1.7 and so on"), "content_type", "text/html (binary)"),
    (ok(b'{"a": [1, 2]}'), "content_type", "text/html (json)"),
    (ok(b'<?xml version="1.0"?><urlset><url><loc>x</loc></url></urlset>'), "content_type", "text/html (xml)"),
    (ok(b" \n "), "empty", None),
    (ok("<html><body><script>var a = 1;</script></body></html>"), "empty", None),
    (ok('<html><head><meta http-equiv="refresh" content="0; url=/new"></head><body>You are sent on.</body></html>'), "redirect", None),
    (ok(b"\xc3\xa9 \xff" * 60, kind="text/plain"), "undecodable", None),
    (ok(b"ff\r\nhalf", ("Transfer-Encoding", "chunked")), "truncated", None),
])
def test_what_is_no_page_names_its_rule(record, rule, value):
    row = from_warc(record)[0]
    assert isinstance(row, Rejected) and (row.rule, row.offset, row.record_id) == (rule, 0, "<urn:uuid:00000000-0000-0000-0000-000000000000>")
    assert value is None or row.value == value
    assert row.outcome == ("quarantined" if rule in ("undecodable", "truncated") else "rejected")


@pytest.mark.parametrize(("header", "mark"), [
    (b"WARC-Truncated: length\r\n", "length"), (b"WARC-Truncated: Disconnect\r\n", "disconnect"), (b"WARC-Truncated: 7 GB\r\n", "unspecified"),
    (b"WARC-Segment-Number: 1\r\n", "segment"), (b"", None)])
def test_half_a_page_is_marked_and_its_continuation_is_a_row(header, mark):
    http = b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html().encode()

    def record(kind: bytes, headers: bytes, block: bytes) -> bytes:
        return (b"WARC/1.1\r\nWARC-Type: " + kind + b"\r\nWARC-Target-URI: http://a.example/\r\nWARC-Date: 2024-03-02T01:00:00Z\r\n"
                + headers + b"Content-Length: %d\r\n\r\n" % len(block) + block + b"\r\n\r\n")

    rest = b"WARC-Segment-Number: 2\r\nWARC-Segment-Origin-ID: <urn:uuid:1>\r\n"
    document, after = run({"web/x.warc": record(b"response", header, http[:-250]) + record(b"continuation", rest, http[-250:])})
    assert PARAGRAPHS[0] in document.text and document.truncated == mark
    assert (after.rule, after.value) == ("record_type", "continuation")


def test_limits_are_counted_and_say_their_bound():
    def refused(body: str, **limits) -> tuple:
        row = read_page(html(body), ExtractSettings(**limits))
        return row.rule, row.value, row.bound
    assert refused("<div>" * 300 + "deep") == ("too_deep", ">200", "200")
    assert refused("<div>" * 50_000 + "deep") == ("too_deep", ">200", "200")
    assert refused("<a href=x>y</a>" * 30_000) == ("too_many_links", "30002", "20000")
    assert refused("<br>" * 61_000)[0] == "too_many_nodes"
    assert refused("<ul><li>x" * 90 + STORY + "</li></ul>" * 90, max_nesting=9_000) == ("too_nested", ">9000", "9000")
    assert refused("<table><tr>" + "<td>a</td>" * 2_001 + "</tr></table>") == ("too_many_cells", "2001", "2000")
    assert refused("x" * 5000, max_page_bytes=4000)[0] == "too_large"
    assert isinstance(read_page(html("<div>" * 180 + STORY), SETTINGS), Page)


def attributes(count: int, value: str = '=">"') -> str:
    return "<p " + " ".join(f"name{n}{value}" for n in range(count)) + ">"


# What stalled the extractor, or took gigabytes, before it was counted (in brackets: CPU seconds without the limit).
STALLS = {
    "100k nested tags": ("<div>" * 100_000, "too_many_nodes"),
    "300k links": ("<a href=x>y</a>" * 300_000, "too_many_nodes"),
    "200k table rows": ("<table>" + "<tr><td>a</td></tr>" * 200_000 + "</table>", "too_many_nodes"),
    "paragraphs never closed [9.6]": ("<p>words and words of text " * 190_000, "too_many_nodes"),
    "150k cells in a row [over 25]": ("<table><tr>" + "<td>a b</td>" * 55_000, "too_many_cells"),
    "lists 90 deep, 330 times [7.7]": (("<ul><li>x" * 90 + "</li></ul>" * 90) * 300, "too_nested"),
    "tables 70 deep": ("<table><tr><td>" * 70 + "x" + "</td></tr></table>" * 70, "too_deep"),
    "300k attributes in a tag [over 25]": (attributes(300_000), "too_many_attributes"),
    "400 attributes in each of 15k tags [15]": (attributes(400, "") * 5_000, "too_many_attributes"),
    "a megabyte of tags with quotes never closed": ('<a href="x ' * 100_000, "too_many_nodes"),
    "colspan of 2**53 - 1": ("<table><tr><td colspan=9007199254740991>a</td><td>b</td></tr></table>", None),
    "a megabyte of attribute never closed": ('<a href="' + "x " * 500_000, None),
    "a line of 2 MB": ("<p>" + "word " * 400_000 + "</p>", None),
    "a word of 2 MB": ("<p>" + "w" * 2_000_000 + "</p>", None),
    "entities": ("<p>" + "&amp;&nbsp;&eacute;&#128;&#9999999999;&foo" * 30_000 + "</p>", None),
    "angle brackets": ("<" * 1_000_000 + "<!" * 100_000 + "<!--" * 100_000, None),
    "600k marks on one letter [over 25]": ("<p>a" + "\u0301\u0316" * 300_000 + "</p>", None),
    "20 lists of 400k numbers in JSON-LD [over 25]": (
        ('<script type="application/ld+json">[' + "1," * 400_000 + "1]</script>") * 2, None),
}


@pytest.mark.parametrize("name", STALLS)
def test_what_could_stall_a_run_is_refused_by_a_count_or_read(name):
    body, rule = STALLS[name]
    row = read_page(html(STORY + body), SETTINGS)
    assert (row.rule if isinstance(row, Refusal) else None) == rule
    if rule is None:
        assert isinstance(row, Page) and PARAGRAPHS[0] in row.text
    else:
        assert int(row.value.removeprefix(">")) + row.value.startswith(">") > int(row.bound)


def test_runs_of_marks_are_broken_as_the_stream_safe_format_does():
    assert clean_text("e" + "\u0301" * 31) == "é" + "\u0301" * 29 + "\u034f\u0301"
    assert clean_text("e" + "\u0301" * 30) == "é" + "\u0301" * 29


def test_a_page_does_not_depend_on_its_neighbours():
    story = html("<p>Repeated on every page: the timetable of the ferry hangs in the harbour office, behind the glass door.</p>" + STORY)
    alone = read_page(story, SETTINGS)
    rng = random.Random(3)
    for number in range(50):
        read_page(html("".join(f"<p>{rng.choice(PARAGRAPHS)} {number}</p>" for _ in range(4)) + STORY), SETTINGS)
    assert read_page(story, SETTINGS) == alone


def test_equal_payloads_are_documents_of_their_own():
    rows = from_warc(ok(html()), ok(html()))
    assert rows[0].text == rows[1].text and rows[0].payload_digest == rows[1].payload_digest and rows[0].id != rows[1].id


def test_what_breaks_the_extractor_is_quarantined_and_the_run_goes_on(monkeypatch):
    calls = []

    def breaks_once(text, limits):
        calls.append(text)
        if len(calls) == 1:
            raise RecursionError("too deep\nat /a/path")
        return read_page(text, limits)
    monkeypatch.setattr("tests.pages.read_page", breaks_once)
    rows = from_warc(ok(html()), ok(html(STORY + "<p>Another page.</p>")))
    assert (rows[0].rule, rows[0].detail, rows[0].outcome) == ("extractor_error", "RecursionError: too deep", "quarantined")
    assert isinstance(rows[1], Document)


def test_tables_and_lists_are_plain_lines_and_comments_are_out():
    body = STORY + "<table><tr><td>Monday</td><td>seven o'clock</td></tr></table><ul><li>bring a coat</li></ul><!-- hidden -->"
    lines = read_page(html(body), SETTINGS).text.splitlines()
    assert "- bring a coat" in lines and any("Monday" in line and "seven o'clock" in line for line in lines)
    assert "hidden" not in "".join(lines)


def test_characters():
    text = read_page(html(STORY + "<p>It&#146;s the ferryman&#x2019;s cafe\u0301, with a NUL\0 in it and nothing else to report today.</p>"), SETTINGS).text
    assert text.splitlines()[-1] == "It’s the ferryman’s café, with a NUL in it and nothing else to report today."


def test_every_line_ends_with_lf():
    rows = run({"mine/a.jsonl": json.dumps({"text": "one\r\ntwo\rthree\n\r\nfour"}).encode(), "mine/b.txt": b"one\r\ntwo\rthree\n",
                "mine/c.html": html("<pre>" + "a line of code;&#13;&#10;" * 12 + "</pre>" + STORY).encode()})
    texts = {row.file[5]: row.text for row in rows}
    assert (texts["a"], texts["b"]) == ("one\ntwo\nthree\n\nfour", "one\ntwo\nthree\n")
    assert "\r" not in texts["c"] and "a line of code;" in texts["c"]


@pytest.mark.parametrize(("head", "expected"), [
    ('<meta name="date" content="2024-02-31"><meta name="pubdate" content="2023-05-06">', "2023-05-06"),
    ('<meta name="date" content="2031-01-01">', None),      # after the capture
    ('<script type="application/ld+json">[{"@graph": [{"datePublished": "2022/07/08"}]}]</script>', "2022-07-08"),
    ('<p>2020-01-01</p><time datetime="2020-01-01">', None)])
def test_published_comes_from_meta_and_json_ld(head, expected):
    page = read_page(html(head=head), SETTINGS)
    assert published(page.dates, "http://a.example/x", "2024-03-02T01:00:00Z") == expected


def test_published_comes_from_the_url_last():
    assert published((), "http://a.example/2021/03/04/title", None) == "2021-03-04"
    assert published(("2020-01-01",), "http://a.example/2021/03/04/title", None) == "2020-01-01"
    assert published((), "http://a.example/2021/30/04", None) is None


def test_wet_records_are_text_as_given():
    data = warc(("warcinfo", "", b"x"), ("conversion", "http://a.example/", "Ein Text.\nZweite Zeile mit Umläuten: äöü.".encode()))
    rows = run({"web/x.warc.wet.gz": data})
    assert [row.rule for row in rows if isinstance(row, Rejected)] == ["record_type"]
    assert [(row.text, row.links) for row in rows if isinstance(row, Document)] == [("Ein Text.\nZweite Zeile mit Umläuten: äöü.", None)]


def test_jsonl_columns_come_back():
    rows = [{"id": 7, "text": "A first text.", "url": "http://A.example/", "date": "2024-01-02", "title": "T", "language": "en", "score": 0.5, "meta": {"b": 1, "a": [None]}},
            {"content": "A second text.", "id": "two"}, {"html": html(), "lang": "en"}]
    found = run({"mine/x.jsonl": "".join(json.dumps(row) + "\n" for row in rows).encode()})
    first, second, third = found
    assert (first.text, first.record_id, first.url, first.host, first.date, first.title, first.declared_language) == \
           ("A first text.", "7", "http://A.example/", "a.example", "2024-01-02T00:00:00Z", "T", "en")
    assert first.extra == '{"date":"2024-01-02","id":7,"meta":{"a":[null],"b":1},"score":0.5}'      # what the columns cannot hold as given
    assert (second.text, second.record_id, second.extra, second.charset_from) == ("A second text.", "two", None, "given")
    assert third.text.splitlines()[-1] == PARAGRAPHS[-1] and third.links == 0 and third.extra == '{"lang":"en"}'
    lengths = [len(json.dumps(row)) for row in rows]
    assert [(row.offset, row.length) for row in found] == [(0, lengths[0]), (lengths[0] + 1, lengths[1]), (lengths[0] + lengths[1] + 2, lengths[2])]


@pytest.mark.parametrize("pack", [lambda rows: "".join(json.dumps(row) + "\n" for row in rows).encode(), lambda rows: parquet_of(rows)])
@pytest.mark.parametrize(("row", "text", "expected"), [
    ({"text": "", "content": "Full."}, "Full.", {"extra": '{"text":""}'}),
    ({"text": " \n", "html": html()}, None, {"links": 0}),
    ({"Text": "In capitals.", "URL": "http://a.example/1", "Lang": "de"}, "In capitals.", {"url": "http://a.example/1", "declared_language": "de"}),
    ({"meta": {"Body": "One level down.", "url": "http://a.example/2", "n": 1}}, "One level down.",
     {"url": "http://a.example/2", "extra": '{"meta":{"n":1,"url":"http://a.example/2"}}'}),
    ({"text": "Dolma.", "id": "7", "metadata": {"url": "http://a.example/3", "created": "2021-05-05", "title": "T"}}, "Dolma.",
     {"url": "http://a.example/3", "date": "2021-05-05T00:00:00Z", "title": "T", "record_id": "7"}),
    ({"content": "OSCAR.", "warc_headers": {"warc-target-uri": "http://a.example/4", "warc-date": "2021-05-05T01:02:03Z", "warc-record-id": "<urn:uuid:1>"}},
     "OSCAR.", {"url": "http://a.example/4", "date": "2021-05-05T01:02:03Z", "record_id": "<urn:uuid:1>"}),
    ({"meta.body": "A dot in a name.", "meta": {"body": "Not this."}}, "A dot in a name.", {"extra": '{"meta":{"body":"Not this."}}'})])
def test_text_and_facts_where_data_sets_keep_them(pack, row, text, expected):
    name = "mine/x.parquet" if pack([row]).startswith(b"PAR1") else "mine/x.jsonl"
    document = only({name: pack([row])}, ExtractSettings(text_columns=("text", "content", "meta.body")))
    assert isinstance(document, Document) and (document.text == text or text is None)
    assert {key: getattr(document, key) for key in expected} == expected


def parquet_of(rows: list[dict]) -> bytes:
    stored = io.BytesIO()
    pq.write_table(pa.Table.from_pylist(rows), stored)
    return stored.getvalue()


@pytest.mark.parametrize(("line", "rule"), [
    (b"{broken", "bad_json"), (b"[1, 2]", "bad_json"), (b'{"title": "x"}', "missing_text"), (b'{"text": 5}', "missing_text"),
    (b'{"text": " "}', "empty"), (b'{"text": "\xff"}', "bad_json"), (b'{"text": "' + b"x" * 5000 + b'"}', "too_large")])
def test_bad_lines_are_rows_with_their_offset(line, rule):
    good = b'{"text": "good"}\n'
    rows = run({"mine/x.jsonl": good + line + b"\n" + good}, ExtractSettings(max_record_bytes=4000))
    assert isinstance(rows[0], Document) and isinstance(rows[2], Document)
    assert (rows[1].rule, rows[1].offset) == (rule, len(good))


def test_lone_surrogates_and_line_separators_in_jsonl():
    document = only({"mine/x.jsonl": b'{"text": "a\\ud800b \xe2\x80\xa8 c\\u0000"}\n'})
    assert document.text == "a\ufffdb \u2028 c"


@pytest.mark.parametrize("seed", range(5))
def test_lines_of_any_ranges_are_the_lines(seed):
    rng = random.Random(seed)
    lines = [b"%d" % number + b"x" * rng.choice([0, 1, 5, 40]) for number in range(60)]
    data = b"\n".join(lines) + (b"\n" if seed % 2 else b"")
    for cuts in (rng.sample(range(1, len(data)), 6), [data.index(b"\n") + 1, data.index(b"\n", 200) + 1]):
        edges = [0, *sorted(cuts), len(data)]
        assert [line.data for a, b in itertools.pairwise(edges) for line in read_lines(io.BytesIO(data), a, b, 100)] == lines


@pytest.mark.parametrize("compress", [lambda data: gzip.compress(data, mtime=0), zstandard.compress])
def test_compressed_jsonl_that_breaks_off_keeps_what_came_before(compress):
    row = b'{"text": "line of some length, number %06d", "noise": "%s"}\n'
    data = b"".join(row % (n, random.Random(n).randbytes(40).hex().encode()) for n in range(6_000))
    suffix = "gz" if compress(b"")[:2] == b"\x1f\x8b" else "zst"
    whole = run({f"mine/x.jsonl.{suffix}": compress(data)})
    assert len(whole) == 6_000 and all(isinstance(row, Document) for row in whole)
    cut = run({f"mine/x.jsonl.{suffix}": compress(data)[:-2000]})
    documents = [row for row in cut if isinstance(row, Document)]
    assert 1000 < len(documents) < 6_000 and [row.id for row in documents] == [row.id for row in whole[:len(documents)]]
    assert [(row.rule, row.offset) for row in cut if isinstance(row, Rejected)] == [("truncated", whole[len(documents)].offset)]


def test_parquet_rows_and_their_numbers():
    out = io.BytesIO()
    pq.write_table(pa.table({"text": ["one", None, "three"], "id": ["a", "b", "c"], "n": pa.array([1, 2, None], pa.int32())}), out, row_group_size=2)
    rows = run({"mine/x.parquet": out.getvalue()})
    assert [(row.offset, getattr(row, "text", None), getattr(row, "extra", None)) for row in rows] == \
           [(0, "one", '{"n":1}'), (1, None, None), (2, "three", '{"n":null}')]
    assert rows[1].rule == "missing_text"


def test_a_damaged_row_group_is_a_row_and_the_next_is_read():
    out = io.BytesIO()
    table = pa.table({"text": [f"text number {n} of a table" for n in range(20)]})
    pq.write_table(table, out, row_group_size=10, write_page_checksum=True, compression="none", use_dictionary=False)
    data = bytearray(out.getvalue())
    data[data.index(b"text number 3")] ^= 1
    rows = run({"mine/x.parquet": bytes(data)})
    assert [row.rule for row in rows if isinstance(row, Rejected)] == ["damaged"]
    assert [row.offset for row in rows if isinstance(row, Document)] == list(range(10, 20))


def test_files_that_are_documents():
    rows = run({"mine/a.html": html().encode(), "mine/b.txt": "Grüße vom Hafen.\n".encode("cp1252"), "mine/c.html": b""})
    found = {row.file: row for row in rows}
    assert found["mine/a.html"].text.splitlines()[-1] == PARAGRAPHS[-1] and found["mine/a.html"].url is None
    assert (found["mine/b.txt"].text, found["mine/b.txt"].charset) == ("Grüße vom Hafen.\n", "cp1252")
    assert found["mine/c.html"].rule == "empty"


def test_arc():
    def arc(url: str, body: bytes, kind: str = "text/html") -> bytes:
        return f"{url} 192.0.2.1 20240302010000 {kind} {len(body)}\n".encode() + body + b"\n"
    version = b"1 0 Test\nURL IP-address Archive-date Content-type Archive-length\n"
    page = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n" + html().encode()
    data = arc("filedesc://x.arc", version, "text/plain") + arc("http://a.example/x", page)
    rows = run({"old/x.arc": data})
    assert [getattr(row, "rule", "document") for row in rows] == ["record_type", "document"]
    assert (rows[1].url, rows[1].date, rows[1].record_id) == ("http://a.example/x", "2024-03-02T01:00:00Z", None)
    cut = run({"old/x.arc": data[:-100]})
    assert [getattr(row, "rule", "document") for row in cut] == ["record_type", "truncated"]
    assert [row.id for row in run({"old/x.arc": data}) if isinstance(row, Document)] == [rows[1].id]
    parts = [arc("filedesc://x.arc", version, "text/plain"), *(arc(f"http://a.example/{n}", page) for n in range(3))]
    for name, whole in {"old/y.arc": b"".join(parts), "old/y.arc.gz": b"".join(gzip.compress(part, mtime=0) for part in parts)}.items():
        assert [getattr(row, "rule", row.url) for row in run({name: whole[:-100]})] == [
            "record_type", "http://a.example/0", "http://a.example/1", "truncated"], name


def test_an_arc_file_with_any_byte_flipped_loses_nothing_before_it_and_says_where_it_stopped():
    def member(text: bytes) -> bytes:
        return gzip.compress(text, mtime=0)
    head = b"1 0 Test\nURL IP-address Archive-date Content-type Archive-length\n"
    parts = [member(b"filedesc://x.arc 0.0.0.0 20240302010000 text/plain %d\n" % len(head) + head + b"\n")]
    for number in range(3):
        page = b"HTTP/1.1 200 OK\r\n\r\n" + random.Random(number).randbytes(300).hex().encode()
        parts.append(member(b"http://a.example/%d 192.0.2.1 20240302010000 text/html %d\n" % (number, len(page)) + page + b"\n"))
    starts = [sum(map(len, parts[:number])) for number in range(5)]
    data = b"".join(parts)
    for at in range(starts[2] + 20, starts[3], 9):
        broken = bytearray(data)
        broken[at] ^= 0x10
        rows = list(read_arc(io.BytesIO(bytes(broken)), Limits(1 << 20, 500)))
        assert [row.offset for row in rows if row.rule is None] == starts[:2]
        assert (rows[-1].rule, rows[-1].offset, rows[-1].length) == ("damaged", starts[2], len(data) - starts[2])


def test_capture_dates():
    assert read_date("2024-03-02T01:00:00.123+02:00") == "2024-03-01T23:00:00Z"
    assert read_date("2024-03-02") == "2024-03-02T00:00:00Z" and read_date("0000-13-45") is None and read_date("soon") is None


def test_batches_fit_the_schemas():
    rows = from_warc(ok(html()), ok(b"\x89PNG", kind="image/png"), ok(html(STORY + "<p>Two.</p>")))
    first, second = batches(rows)
    assert (first.schema, first.num_rows, second.schema, second.num_rows) == (DOCUMENTS, 2, REJECTED, 1)
    assert second.to_pylist()[0]["outcome"] == "rejected"


def test_small_functions():
    assert canonical_json({"b": float("nan"), "a": b"\0", "ä": "ü"}) == '{"a":"AA==","b":null,"ä":"ü"}'
    assert no_page(b"{not json}") is None and no_page(b"<p>") is None and no_page(b"\0\1\2\3") == "binary"
    assert parse(" \0 ") is None and parse("<!-- only a comment -->") is None and read_page("", SETTINGS) == Refusal("empty")
    assert list(ExtractSettings(max_depth=500, max_inflation=0, max_replaced_share=2.0).problems()) == [
        "max_inflation is 0; give a number of at least 1", "max_depth is 500; the extractor walks a page by recursion, so give at most 400",
        "max_replaced_share is 2.0; it is a share, give a number from 0 to 1"]
