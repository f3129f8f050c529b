"""Planted personal data: gone from curated text and from every decoded block, and what only looks like it still there."""

import json

import pyarrow as pa
import pytest
from tokenizers import Tokenizer

from tests.command_line import DATASETS, ROOT, SETTINGS, manifest, table
from tests.paths import SHARED
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.flow import STAGES
from textmill.pipelines.settings import read_config

pytestmark = pytest.mark.slow

CRAWL = SHARED / "crawl"
PLANTED = [label for line in (ROOT / "sample/labels.jsonl").read_text("utf-8").splitlines()
           if (label := json.loads(line))["what"] == "personal_data"]


@pytest.fixture(scope="module")
def blocks(milled):
    """The text of all blocks, training and validation, each decoded whole and one after the other."""
    data, _ = milled
    assert len(packed(data)) > 8
    return decoded(data)


def decoded(data):
    tokenizer = Tokenizer.from_file(str(data / "tokenizers/test-1k/tokenizer.json"))
    return "".join(tokenizer.decode_batch(packed(data)["tokens"].to_pylist(), skip_special_tokens=False))


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
    in_blocks = {span["id"] for row in packed(data)["spans"].to_pylist() for span in row}
    placeholders = {kind for kind in ("<EMAIL>", "<PHONE>", "<IBAN>", "<CREDIT_CARD>", "<IP>") for row in curated
                    if kind in row["text"] and row["id"] in in_blocks}
    assert len(placeholders) >= 3 and all(kind in blocks for kind in placeholders)


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
def hostile(tmp_path_factory):
    """(documents, curated, text of all blocks) of the hostile crawl's pages with personal data, by the shipped rules."""
    data = tmp_path_factory.mktemp("hostile") / "data"
    (data / "raw/hostile").mkdir(parents=True)
    archive = HOSTILE.read_bytes()
    members = (archive[entry["offset"]:entry["offset"] + entry["length"]] for entry in ENTRIES.values())
    (data / "raw/hostile/pages.warc.gz").write_bytes(b"".join(members))
    recipe = data / "mixture.yaml"
    recipe.write_text("name: mixture\nblock: 2048\ntokens: 8192\nseed: 1\nvalidation: 0.2\ntokenizer: test-1k\n"
                      "entries: {all: {where: {source: hostile}, share: 1, repeat: 4}}\n")
    settings = data / "settings.yaml"
    settings.write_text(SETTINGS.read_text().replace("vocab_size: 1024", "vocab_size: 600"))     # nine pages are little text
    here = RunContext(Folder(str(data)), read_config(str(settings), str(ROOT / "rules.yaml"), str(recipe), None), BeamEngine())
    for stage in DATASETS:
        bring_up_to_date(STAGES[stage], here)
    texts = [{row["record_id"]: row["text"] for row in table(data, "documents").to_pylist()}]
    names = {row["id"]: row["record_id"] for row in table(data, "documents").to_pylist()}
    texts.append({names[row["id"]]: row["text"] for row in table(data, "curated").to_pylist()})
    in_blocks = {span["id"] for row in packed(data)["spans"].to_pylist() for span in row}
    assert in_blocks == set(names), "every page is in a block"
    return *texts, decoded(data)


@pytest.mark.skipif(not ENTRIES, reason="the development data (a folder shared beside the checkout) is not here")
@pytest.mark.parametrize("record", ENTRIES, ids=[entry["kind"] for entry in ENTRIES.values()])
def test_the_hostile_pages_lose_what_is_planted_and_nothing_else(hostile, record):
    documents, curated, blocks = hostile
    entry, before, after = ENTRIES[record], documents[record], curated[record]
    planted = [item["value"] for item in entry["pii"] if item["mask"] is True]
    stays = [item["value"] for item in entry["pii"] if item["mask"] is False] + [item["value"] for item in entry["hard_negatives"]]
    assert [value for value in planted if value not in before] == [] and planted + stays
    assert [value for value in planted if value in after or value in blocks] == []
    assert [value for value in stays if value in before and (value not in after or value not in blocks)] == []
