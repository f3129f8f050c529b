"""Small archives of other projects, sound and broken: every record that a standard reader sees, and what becomes of it."""

import re
from collections import Counter

import pytest

from tests.pages import InProcess
from tests.paths import SHARED
from textmill.pipelines.extract.files.archive import read_records
from textmill.pipelines.extract.files.framing import Framed, Limits
from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.files.records import record_head
from textmill.pipelines.extract.formats.arc import read_arc
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.rows import Document
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import Split, plan_splits

DATA = SHARED
FIXTURES = DATA / "warc-fixtures"
pytestmark = pytest.mark.skipif(not FIXTURES.is_dir(), reason="the development data (a folder shared beside the checkout) is not here")

# File: (records by type, rows by outcome). A record whose framing failed has the type "-".
EXPECTED = {
    "aut/badexample.arc.gz": ({"-": 1, "warcinfo": 1}, {"damaged": 1, "record_type": 1}),
    "aut/example.arc.gz": ({"response": 299, "warcinfo": 1}, {}),
    "aut/example.warc.gz": ({"metadata": 261, "request": 261, "response": 299, "warcinfo": 1}, {"content_type": 84, "document": 127, "empty": 1, "http_status": 47, "record_type": 561, "redirect": 2}),
    "dolma/sample-0000.warc.gz": ({"metadata": 1, "request": 22, "resource": 2, "response": 22, "warcinfo": 1}, {"document": 22, "record_type": 26}),
    "dolma/sample-0001.warc.gz": ({"metadata": 1, "request": 15, "resource": 2, "response": 15, "warcinfo": 1}, {"document": 15, "record_type": 19}),
    "pywb/bad.arc": ({"response": 3, "warcinfo": 1}, {"bad_record": 2, "empty": 1, "record_type": 1}),
    "pywb/dupes.warc.gz": ({"request": 12, "response": 3, "revisit": 9, "warcinfo": 1}, {"content_type": 1, "document": 1, "http_status": 1, "record_type": 13, "revisit": 9}),
    "pywb/example-bad.warc.gz.bad": ({"request": 2, "response": 2, "revisit": 1, "warcinfo": 1}, {"document": 1, "http_status": 1, "record_type": 3, "revisit": 1}),
    "pywb/example-extra.warc": ({"request": 2, "response": 2, "revisit": 2}, {"document": 2, "record_type": 2, "revisit": 2}),
    "pywb/example-url-agnostic-orig.warc.gz": ({"response": 1, "warcinfo": 1}, {"document": 1, "record_type": 1}),
    "pywb/example-url-agnostic-revisit.warc.gz": ({"revisit": 1, "warcinfo": 1}, {"record_type": 1, "revisit": 1}),
    "pywb/example-wget-1-14.warc.gz": ({"request": 1, "resource": 3, "response": 1, "warcinfo": 1}, {"document": 1, "record_type": 5}),
    "pywb/example-wpull.warc.gz": ({"request": 1, "resource": 1, "response": 1, "warcinfo": 1}, {"document": 1, "record_type": 3}),
    "pywb/example.arc": ({"response": 1, "warcinfo": 1}, {"document": 1, "record_type": 1}),
    "pywb/example.arc.gz": ({"response": 1, "warcinfo": 1}, {"document": 1, "record_type": 1}),
    "pywb/example.warc": ({"request": 2, "response": 2, "revisit": 1, "warcinfo": 1}, {"document": 1, "http_status": 1, "record_type": 3, "revisit": 1}),
    "pywb/example.warc.gz": ({"request": 2, "response": 2, "revisit": 1, "warcinfo": 1}, {"document": 1, "http_status": 1, "record_type": 3, "revisit": 1}),
    "pywb/example2.warc.gz": ({"request": 1, "response": 1, "warcinfo": 1}, {"document": 1, "record_type": 2}),
    "pywb/httpbin-resource.warc.gz": ({"resource": 1}, {"content_type": 1}),
    "pywb/iana.warc.gz": ({"request": 171, "response": 48, "revisit": 123, "warcinfo": 1}, {"content_type": 28, "document": 16, "http_status": 4, "record_type": 172, "revisit": 123}),
    "pywb/missing-status-text.warc": ({"response": 1}, {"http_status": 1}),
    "pywb/post-test.warc.gz": ({"request": 3, "response": 3}, {"content_type": 3, "record_type": 3}),
    "warcio/example-bad-non-chunked.warc.gz": ({"request": 2, "response": 1, "revisit": 1, "warcinfo": 2}, {"document": 1, "record_type": 4, "revisit": 1}),
    "warcio/example-digest.warc": ({"request": 4}, {"record_type": 4}),
    "warcio/example-iana.org-chunked.warc": ({"request": 1, "response": 1, "warcinfo": 1}, {"document": 1, "record_type": 2}),
    "warcio/example-resource.warc.gz": ({"resource": 1, "warcinfo": 2}, {"document": 1, "record_type": 2}),
    "warcio/example-space-in-target-uri.warc.gz": ({"resource": 1, "warcinfo": 1}, {"record_type": 2}),
    "warcio/example-space-in-url.arc": ({"response": 1, "warcinfo": 1}, {"record_type": 1, "truncated": 1}),   # 12 bytes went with its carriage returns
    "warcio/example-trunc.warc": ({"request": 1, "response": 1, "warcinfo": 2}, {"document": 1, "record_type": 3}),
    "warcio/example-wget-bad-target-uri.warc.gz": ({"metadata": 1, "request": 1, "resource": 2, "response": 1, "warcinfo": 1}, {"document": 1, "record_type": 5}),
    "warcio/example-wrong-chunks.warc.gz": ({"-": 1, "response": 1}, {"damaged": 1, "empty": 1}),
    "warcio/example.warc": ({"request": 2, "response": 1, "revisit": 1, "warcinfo": 2}, {"document": 1, "record_type": 4, "revisit": 1}),
    "warcio/example.warc.gz": ({"request": 2, "response": 1, "revisit": 1, "warcinfo": 2}, {"document": 1, "record_type": 4, "revisit": 1}),
    "whirlwind/whirlwind.warc.gz": ({"metadata": 1, "request": 1, "response": 1, "warcinfo": 1}, {"document": 1, "record_type": 3}),
    "whirlwind/whirlwind.warc.wat.gz": ({"metadata": 1, "warcinfo": 1}, {"record_type": 2}),
    "whirlwind/whirlwind.warc.wet.gz": ({"conversion": 1, "warcinfo": 1}, {"document": 1, "record_type": 1}),
}

# Where the counts by type differ from those of the standard reader, and why.
DEVIATIONS = {
    "aut/badexample.arc.gz": "one gzip member holds the whole file, which warcio cannot read; the rest is one damaged row",
    "pywb/example-bad.warc.gz.bad": "plain records under a name that ends in .gz: the standard reader gives up, all six are read",
    "warcio/example-bad-non-chunked.warc.gz": "one gzip member holds the whole file: the standard reader gives up, all six are read",
    "warcio/example-wrong-chunks.warc.gz": "one record lies in three gzip members: its head is read, the rest is a damaged row",
}

TWIN = "aut/example.arc.gz"     # holds the pages of aut/example.warc.gz, which are extracted once, there


def split_of(path: str) -> Split:
    file = RawFile(f"fixtures/{path}", (FIXTURES / path).stat().st_size, "")
    (split,) = plan_splits([file], opened, ExtractSettings())
    return split


def opened(path: str):
    return (DATA / path.replace("fixtures/", "warc-fixtures/", 1)).open("rb")


def framed(split: Split) -> list[Framed]:
    (part,) = split.ranges
    with opened(part.path) as file:
        limits = Limits(ExtractSettings().max_record_bytes, ExtractSettings().max_inflation)
        return list(read_arc(file, limits) if split.kind == "arc" else read_records(file, "", 0, part.end, limits, []))


def kinds(records: list[Framed]) -> dict[str, int]:
    return dict(Counter(record_head(record.head).type if record.head else "-" for record in records))


@pytest.mark.parametrize("path", [path for path in EXPECTED if path != TWIN])
def test_every_record_of_the_file_ends_as_the_table_says(path):
    split = split_of(path)
    records = framed(split)
    rows = list(extract_split(split, opened, ExtractSettings(), InProcess(ExtractSettings())))
    assert [row.offset for row in rows] == [record.offset for record in records]
    assert (kinds(records), dict(Counter("document" if isinstance(row, Document) else row.rule for row in rows))) == EXPECTED[path]


def test_the_table_has_every_file_and_the_counts_of_a_standard_reader():
    said = re.findall(r"^- `(\S+): (.*)`$", (DATA / "README.md").read_text(), re.M)
    assert {path for path, _ in said} == set(EXPECTED)
    for path, counts in said:
        standard = {{"arc_header": "warcinfo"}.get(name, name): int(number)
                    for name, number in re.findall(r"(\w+) (\d+)", counts)}
        assert (EXPECTED[path][0] == standard) == (path not in DEVIATIONS), path


def test_an_arc_file_and_a_warc_file_of_one_crawl_hold_the_same_responses():
    arc, warc = framed(split_of(TWIN)), framed(split_of("aut/example.warc.gz"))
    responses = [[record.block for record in records if record_head(record.head).type == "response"] for records in (arc, warc)]
    assert responses[0] == responses[1] and kinds(arc) == EXPECTED[TWIN][0]


def test_a_missing_reason_is_a_whole_record():
    (record,) = framed(split_of("pywb/missing-status-text.warc"))
    assert (record.rule, record.block[:14], len(record.block)) == (None, b"HTTP/1.0 302 \r", 107)


def test_an_arc_file_that_cannot_be_read_on_says_where_and_how_much():
    row = framed(split_of("aut/badexample.arc.gz"))[-1]
    assert (row.rule, row.offset, row.length) == ("damaged", 0, 1221)
    assert row.detail == "ArchiveLoadFailed: the ARC file cannot be read on; 1221 bytes from 0 on skipped"
