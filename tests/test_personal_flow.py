"""Planted personal data: gone from curated text and from every decoded block, and what only looks like it still there."""

import json
from io import BytesIO
from pathlib import Path
from urllib.parse import urlsplit

import pyarrow as pa
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType
from tokenizers import Tokenizer

from pipelines.curate.edits import apply_edits, edits_for
from pipelines.extract.pages.charset import decode, http_charset
from pipelines.extract.pages.read_page import read_page
from pipelines.extract.settings import Extract
from pipelines.measure.personal import find_personal_data
from pipelines.rules import PersonalDataPolicy
from tests.flow import ROOT, manifest, table

CRAWL = Path(__file__).parents[2] / "shared" / "data" / "crawl"
PLANTED = [label for line in (ROOT / "sample/labels.jsonl").read_text("utf-8").splitlines()
           if (label := json.loads(line))["what"] == "personal_data"]


@pytest.fixture(scope="module")
def blocks(milled):
    """The text of all blocks, training and validation, each decoded whole and one after the other."""
    data, _ = milled
    tokenizer = Tokenizer.from_file(str(data / "tokenizers/test-1k/tokenizer.json"))
    rows = packed(data)
    assert len(rows) > 8
    return "".join(tokenizer.decode_batch(rows["tokens"].to_pylist(), skip_special_tokens=False))


def packed(data):
    """Every block, in the manifest's order."""
    files = [data / "blocks/mixture" / part["path"] for part in manifest(data, "blocks/mixture")["parts"] if part["path"].endswith(".arrow")]
    return pa.concat_tables([pa.ipc.open_stream(file).read_all() for file in files])


def test_nothing_planted_in_the_sample_is_in_curated_or_in_a_block(milled, blocks):
    data, _ = milled
    curated = table(data, "curated").to_pylist()
    everything = "\n".join(row["text"] for row in curated)
    items = [item for label in PLANTED for item in label["must_not"] if any(c in item for c in "@.-: ") and any(c.isdigit() or c == "@" for c in item)]
    assert len(items) >= 20
    assert [item for item in items if item in everything or item in blocks] == []
    assert "<EMAIL>" in blocks and "<PHONE>" in blocks and "<IBAN>" in blocks and "<CREDIT_CARD>" in blocks and "<IP>" in blocks


def test_what_only_looks_like_it_is_still_in_curated_and_in_the_blocks(milled, blocks):
    data, _ = milled
    texts = {row["url"]: row["text"] for row in table(data, "curated").to_pylist()}
    looks = [(label["url"], snippet) for label in PLANTED for snippet in label["must"] if any(c.isdigit() for c in snippet)]
    assert len(looks) >= 6
    assert [snippet for url, snippet in looks if snippet not in texts[url]] == []
    in_blocks = {span["id"] for row in packed(data)["spans"].to_pylist() for span in row}
    ids = {row["url"]: row["id"] for row in table(data, "curated").to_pylist()}
    there = [(url, snippet) for url, snippet in looks if ids[url] in in_blocks]
    assert there and [snippet for _, snippet in there if snippet not in blocks] == []


HOSTILE = CRAWL / "hostile.warc.gz"
ENTRIES = {} if not HOSTILE.exists() else {
    entry["record_id"]: entry for entry in json.loads((CRAWL / "hostile.json").read_text())["records"] if entry.get("group") == "pii"}


@pytest.fixture(scope="module")
def cleaned():
    """record id → (text as extracted, text as curated) of the hostile crawl's pages with personal data."""
    pages = {}
    archive = HOSTILE.read_bytes()
    for name, entry in ENTRIES.items():
        member = BytesIO(archive[entry["offset"]:entry["offset"] + entry["length"]])
        record = next(ArchiveIterator(member, record_types=WarcRecordType.response, auto_decode="all"))
        text = read_page(decode(record.reader.read(), http_charset(record.http_headers.get("Content-Type"))).text, Extract()).text
        language = entry["kind"].rsplit("-", 1)[1]
        found, = find_personal_data([text], [language if len(language) == 2 else "en"], [urlsplit(entry["url"]).hostname])
        pages[name] = text, apply_edits(text, edits_for(found, PersonalDataPolicy()))
    return pages


@pytest.mark.skipif(not ENTRIES, reason="the development data (a folder shared beside the checkout) is not here")
@pytest.mark.parametrize("record", ENTRIES, ids=[entry["kind"] for entry in ENTRIES.values()])
def test_the_hostile_pages_lose_what_is_planted_and_nothing_else(cleaned, record):
    before, after = cleaned[record]
    entry = ENTRIES[record]
    planted = [item["value"] for item in entry["pii"] if item["mask"] is True]
    stays = [item["value"] for item in entry["pii"] if item["mask"] is False] + [item["value"] for item in entry["hard_negatives"]]
    assert [value for value in planted if value not in before] == [] and planted + stays
    assert [value for value in planted if value in after] == []
    assert [value for value in stays if value in before and value not in after] == []
