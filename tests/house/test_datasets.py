"""docs/datasets.md and docs/sql.md hold: every column has one meaning, and every question gets a sensible answer."""

import json
import re
import subprocess
import sys

import duckdb
import pyarrow as pa
import pytest

from tests.paths import ROOT
from textmill.pipelines.measure.signals import MEASUREMENTS
from textmill.pipelines.publish.columns import SCHEMAS, fields, stated
from textmill.pipelines.report.meanings import measurement

STATED = stated()
QUESTIONS = re.findall(r"```sql\n(.*?)```", (ROOT / "docs/sql.md").read_text("utf-8"), re.DOTALL)
NAMES = ("rejected by language", "hosts of near duplicates", "tokens by source", "published after capture", "personal data",
         "least alike", "opt-outs", "records by outcome", "documents by outcome", "a lower bound", "domains")


def test_the_page_is_what_the_schemas_say():
    ran = subprocess.run([sys.executable, "-m", "docs.datasets", "--check"], capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 0, ran.stderr


@pytest.mark.parametrize("dataset", SCHEMAS)
def test_every_column_has_one_meaning_and_every_meaning_a_column(dataset):
    columns = [name for name, _ in fields(SCHEMAS[dataset])]
    measured = MEASUREMENTS if dataset == "signals" else ()
    assert list(STATED[dataset]["columns"]) == [name for name in columns if name not in measured]
    assert all(measurement(name) for name in measured)


def test_units_are_of_measurements():
    assert set(STATED["units"]) < set(MEASUREMENTS)
    assert {name for name in MEASUREMENTS if measurement(name).startswith("Share")} & set(STATED["units"]) == set()


def test_every_key_of_the_files_beside_the_parts_has_a_meaning(milled):
    data, _ = milled
    seen = {file: set() for file in STATED["files"]}
    for path in data.rglob("*.json"):
        kind = "receipts/<key>.<fingerprint>.json" if path.parent.name.endswith("receipts") else path.name.removeprefix("_")
        if kind in seen and path.parent.name not in ("train", "validation"):
            found = json.loads(path.read_text("utf-8"))
            seen[kind] |= found.keys()
            if kind == "manifest.json":
                seen["part, in the lists of manifests and receipts"] |= found["parts"][0].keys()
    stream = next((data / "blocks/mixture/train").glob("*.arrow"))
    with pa.ipc.open_stream(stream) as blocks:
        seen["metadata of an Arrow stream of blocks"] |= {key.decode() for key in blocks.schema.metadata}
    assert seen == {file: set(told["keys"]) for file, told in STATED["files"].items()}


@pytest.fixture(scope="module")
def answers(milled, tmp_path_factory):
    """Name of a question → its answer about the sample crawl, as a list of rows."""
    folder = tmp_path_factory.mktemp("asked")
    (folder / "data").symlink_to(milled[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        mill = duckdb.connect()
        mill.execute((ROOT / "docs/views.sql").read_text("utf-8"))
        found = {name: mill.execute(question).fetchall() for name, question in zip(NAMES, QUESTIONS, strict=True)}
        found["ids"] = mill.execute("SELECT d.id, s.id, v.id, u.id FROM documents d JOIN signals s USING (part, row) "
                                    "JOIN verdicts v USING (part, row) JOIN duplicates u USING (part, row)").fetchall()
    return found


def test_aligned_datasets_are_joined_by_part_and_row(answers):
    assert len(answers["ids"]) == 126
    assert all(len(set(ids)) == 1 for ids in answers["ids"])


def test_shares_by_language_and_rule(answers):
    assert all(share == pytest.approx(rejected / documents, abs=0.0006)
               for _, documents, _, rejected, share in answers["rejected by language"])
    assert ("de", "tdm_reservation", 1) in {(language, rule, rejected)
                                            for language, _, rule, rejected, _ in answers["rejected by language"]}
    assert answers["rejected by language"][0][0] == "en"


def test_hosts_with_near_duplicates(answers):
    assert {(host, removed) for host, removed, _ in answers["hosts of near duplicates"]} == {
        (f"{host}.example", 1) for host in ("de.halmanach", "en.merelle", "en.quillop", "es.bellomund", "fr.merelle",
                                            "it.bellomund")}
    assert all(0.8 <= similarity < 1 for *_, similarity in answers["hosts of near duplicates"])


def test_tokens_of_the_sample(answers, milled):
    ((tokenizer, source, documents, tokens, per_token),) = answers["tokens by source"]
    stats = json.loads((milled[0] / "ledger/tokens/test-1k/stats.json").read_text())
    assert (tokenizer, source, documents, tokens) == ("test-1k", "sample", 95, stats["tokens"])
    assert 1.5 < per_token < 3


def test_nothing_is_published_after_it_was_captured(answers):
    assert answers["published after capture"] == []


def test_personal_data_by_kind(answers, milled):
    counted = json.loads((milled[0] / "ledger/signals/stats.json").read_text())["personal_data"]
    assert {kind: findings for kind, findings, *_ in answers["personal data"]} == counted
    assert all(1 <= documents <= findings and rate > 0 for _, findings, documents, rate in answers["personal data"])


def test_the_near_duplicates_least_alike(answers):
    rows = answers["least alike"]
    assert len(rows) == 6 and rows == sorted(rows)
    assert rows[0] == (0.883, "https://de.halmanach.example/de/wandern/bohlenweg",
                       "https://de.halmanach.example/de/natur/moor-im-november")


def test_pages_that_ask_not_to_be_used(answers):
    assert {(url.rpartition("/")[2], kept, *broken, *tags) for url, _, _, kept, broken, tags in answers["opt-outs"]} == {
        ("erster-winter.html", False, "tdm_reservation"), ("the-last-tram.html", False, "noai"),
        ("how-a-river-freezes", True, "noindex"), ("la-maestra-de-la-isla", False, "tdm_reservation"),
        ("guida-pratica-alla-nebbia", False, "noai")}


def test_every_record_and_every_document_is_accounted_for(answers, milled):
    stats = json.loads((milled[0] / "ledger/documents/stats.json").read_text())
    lost = [sum(stats[outcome].values()) for outcome in ("quarantined", "rejected")]
    assert answers["records by outcome"] == [("sample", 126, *lost)]
    ((documents, curated, rejected),) = answers["documents by outcome"]
    assert documents == curated + rejected == 126


def test_a_lower_bound_on_words(answers):
    assert answers["a lower bound"] == [("fr", 1, 21)]


def test_domains_share_the_tokens(answers):
    rows = answers["domains"]
    assert len(rows) == 10 and rows == sorted(rows, key=lambda row: -row[2])
    assert rows[0][0].endswith(".example") and 0.9 < sum(row[3] for row in rows) <= 1 + len(rows) * 0.0005      # each rounded
