"""The hostile and the broken archive, entry by entry: what was done to the page, what a sane pipeline does, what we do."""

import json

import pytest

from tests.pages import InProcess
from tests.paths import SHARED
from textmill.pipelines.extract.files.raw_file import RawFile
from textmill.pipelines.extract.outcome import extract_split
from textmill.pipelines.extract.pages.charset import CODECS
from textmill.pipelines.extract.rows import Document, Rejected
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.extract.splits import plan_splits

CRAWL = SHARED / "crawl"
pytestmark = pytest.mark.skipif(not CRAWL.is_dir(), reason="the development data (a folder shared beside the checkout) is not here")

# What a decision of the manifest asks of extract; None leaves it open.
ASKED = {"keep": True, "keep_one": True, "recover": True, "drop": False, "skip_record": False, "either": None}

# Entries that end otherwise, by kind: their outcome, and why it is right here.
REASONS = {
    "chunked-bad-size": ("damaged", "where the chunk ends is a guess, and a wrong guess puts chunk sizes into the text"),
    "chunked-bad-hex": ("damaged", "as above"),
    "gzip-truncated": ("truncated", "half a page is not the page"),
    "truncated-member": ("truncated", "as above; its row names the record and the bytes skipped"),
    "bad-crc": ("damaged", "zlib gives all bytes and says that they are not the ones that were stored"),
    "bit-flip": ("damaged", "as above"),
    "many-bad-bytes": ("document", "read as windows-1252, in which almost all bytes are letters; the language score takes it out"),
    "soft-404-en": ("document", "the server says 200 and the page has text; measure and screen judge texts"),
    "soft-404-de": ("document", "as above"),
    "soft-404-ja": ("document", "as above"),
}
# Entries to drop by what they say, not by what they are: their text is judged by measure and screen, or by the legal policy.
JUDGED_LATER = frozenset({"opt_out", "quality"})

# The rule of every entry that gives no document, with the value it names.
RULES = {
    "chunked-bad-size": ("damaged", None),
    "chunked-bad-hex": ("damaged", None),
    "gzip-truncated": ("truncated", None),
    "record-request": ("record_type", "request"),
    "record-metadata": ("record_type", "metadata"),
    "record-resource": ("record_type", "resource"),
    "record-conversion": ("record_type", "conversion"),
    "record-warcinfo": ("record_type", "warcinfo"),
    "revisit-identical": ("revisit", None),
    "revisit-not-modified": ("revisit", None),
    "deep-nesting": ("too_deep", ">200"),
    "many-links": ("too_many_nodes", "100019"),
    "empty": ("empty", None),
    "blank": ("empty", None),
    "script-only": ("empty", None),
    "comment-only": ("empty", None),
    "frameset": ("empty", None),
    "deep-tables": ("too_deep", ">200"),
    "404": ("http_status", "404"),
    "404-full": ("http_status", "404"),
    "410": ("http_status", "410"),
    "301": ("http_status", "301"),
    "302-login": ("http_status", "302"),
    "403": ("http_status", "403"),
    "429": ("http_status", "429"),
    "500": ("http_status", "500"),
    "503": ("http_status", "503"),
    "206": ("http_status", "206"),
    "meta-refresh": ("redirect", None),
    "js-redirect": ("empty", None),
    "pdf": ("content_type", "application/pdf"),
    "pdf-as-html": ("content_type", "text/html (binary)"),
    "png": ("content_type", "image/png"),
    "png-untyped": ("content_type", "none (binary)"),
    "json": ("content_type", "application/json"),
    "json-as-html": ("content_type", "text/html (json)"),
    "css": ("content_type", "text/css"),
    "js": ("content_type", "application/javascript"),
    "rss": ("content_type", "application/rss+xml"),
    "sitemap": ("content_type", "text/html (xml)"),
    "zip": ("content_type", "application/octet-stream (binary)"),
    "truncated-member": ("truncated", None),
    "garbage": ("damaged", None),
    "bad-crc": ("damaged", None),
    "bit-flip": ("damaged", None),
}


def run(name: str) -> dict[int, Document | Rejected]:
    """The rows of an archive by the offset of their record."""
    path = f"web/{name}"
    file = RawFile(path, (CRAWL / name).stat().st_size, "")
    rows = [row for split in plan_splits([file], lambda path: (CRAWL / name).open("rb"), ExtractSettings())
            for row in extract_split(split, lambda path: (CRAWL / name).open("rb"), ExtractSettings(), InProcess(ExtractSettings()))]
    found = {row.offset: row for row in rows}
    assert len(found) == len(rows)
    return found


@pytest.fixture(scope="module")
def world() -> list[tuple[dict, Document | Rejected | None]]:
    """Every entry of the manifest with its row; the warcinfo record that begins an archive is no entry."""
    entries = json.loads((CRAWL / "hostile.json").read_text())["records"]
    rows = {(name, offset): row for name in ("hostile.warc.gz", "broken.warc.gz") for offset, row in run(name).items()}
    for name in ("hostile.warc.gz", "broken.warc.gz"):
        assert rows.pop((name, 0)).value == "warcinfo"
    paired = [(entry, rows.pop((entry["warc"], entry["offset"]), None)) for entry in entries]
    assert rows == {}, "rows that no entry of the manifest accounts for"
    return paired


def outcome(row: Document | Rejected | None) -> str | None:
    return row.rule if isinstance(row, Rejected) else row and "document"


def test_every_entry_has_its_row_and_only_the_empty_member_has_none(world):
    assert [entry["kind"] for entry, row in world if row is None] == ["empty-member"]
    assert all(row.length == entry["length"] for entry, row in world
               if row and entry["kind"] != "uncompressed")        # a plain record's blank lines are not its own


def test_every_entry_ends_as_the_manifest_asks_or_for_a_reason(world):
    for entry, row in world:
        wanted = ASKED[entry["expect"]["decision"]]
        if row is None or wanted is None or (not wanted and entry["group"] in JUDGED_LATER):
            continue
        if entry["kind"] in REASONS:
            assert outcome(row) == REASONS[entry["kind"]][0] and isinstance(row, Document) != wanted, entry["kind"]
        else:
            assert isinstance(row, Document) == wanted, (entry["kind"], outcome(row))


def test_what_gives_no_document_names_its_rule(world):
    assert {entry["kind"]: (row.rule, row.value) for entry, row in world if isinstance(row, Rejected)} == RULES


def test_what_a_page_says_of_its_use_is_a_column(world):
    for entry, row in world:
        if entry["group"] == "opt_out" and entry["expect"]["decision"] != "either":
            reserved = bool(set(row.robots) & {"noai", "noimageai", "noindex", "none"}) or row.tdm_reservation not in (None, "0")
            assert reserved == (entry["expect"]["decision"] == "drop"), entry["kind"]
    licences = {entry["kind"]: (row.license, row.license_from) for entry, row in world if entry["group"] == "licence"}
    assert licences == {
        "lic-by": ("https://creativecommons.org/licenses/by/4.0/", "rel"),
        "lic-by-nc": ("http://creativecommons.org/licenses/by-nc/4.0/deed.en", "rel"),
        "lic-by-sa": ("//creativecommons.org/licenses/by-sa/3.0/de/", "rel"),
        "lic-link-head": ("https://creativecommons.org/publicdomain/zero/1.0/", "rel"),
        "lic-jsonld": ("https://creativecommons.org/licenses/by-nc-nd/4.0/", "json-ld"),
        "lic-dc": ("https://creativecommons.org/licenses/by/4.0/", "meta"),
        "lic-arr": (None, None), "lic-image-only": (None, None), "lic-mention": (None, None)}


def test_the_charset_of_every_page_is_found(world):
    for entry, row in world:
        if isinstance(row, Document) and entry.get("true_charset"):
            assert row.charset in (entry["true_charset"], CODECS.get(entry["true_charset"])), entry["kind"]
