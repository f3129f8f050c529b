"""What becomes of every record of the sample crawl, held against its label; and that every count balances."""

import json
from collections import Counter

import pytest

from tests.command_line import ROOT, STAGES, manifest, table
from textmill.pipelines.contract.storage import Folder

pytestmark = pytest.mark.slow

LABELS = [json.loads(line) for line in (ROOT / "sample/labels.jsonl").read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def found(milled):
    """(file, offset) → what the datasets say of the record there."""
    data, _ = milled
    rows: dict[tuple[str, int], dict] = {}
    documents = table(data, "documents").to_pylist()
    beside = [table(data, name).to_pylist() for name in ("signals", "verdicts", "duplicates")]
    for document, signals, verdict, duplicate in zip(documents, *beside, strict=True):
        assert document["id"] == signals["id"] == verdict["id"] == duplicate["id"]
        rows[document["file"], document["offset"]] = {
            "document": document, "signals": signals, "verdict": verdict, "duplicate": duplicate, "pieces": [], "rejected": []}
    for row in table(data, "documents", rejected=True).to_pylist():
        assert (row["file"], row["offset"]) not in rows
        rows[row["file"], row["offset"]] = {"quarantine": row, "pieces": [], "rejected": []}
    places = {(row["id"], row["file"]): [] for row in table(data, "curated", rejected=True).to_pylist()}
    for row in table(data, "curated", rejected=True).to_pylist():
        rows[row["file"], row["offset"]]["rejected"].append(row)
    by_id: dict[str, list] = {}
    for document in documents:
        by_id.setdefault(document["id"], []).append(document)
    for piece in table(data, "curated").to_pylist():
        (document,) = [d for d in by_id[piece["id"]] if (d["id"], d["file"]) not in places or len(by_id[piece["id"]]) == 1
                       or not rows[d["file"], d["offset"]]["rejected"]]
        rows[document["file"], document["offset"]]["pieces"].append(piece)
    return rows


def outcome(row: dict) -> tuple[str, str | None, list[str]]:
    """(what became of it, in which stage, by which rules)"""
    if "quarantine" in row:
        return row["quarantine"]["outcome"], "extract", [row["quarantine"]["rule"]]
    if not row["verdict"]["kept"]:
        return "rejected", "screen", [broken["rule"] for broken in row["verdict"]["broken"]]
    if kind := row["duplicate"]["kind"]:
        return "rejected", "dedup", [f"duplicate_{kind}"]
    if row["rejected"]:
        return "rejected", "curate", [row["rejected"][0]["rule"]]
    return "curated", None, []


@pytest.mark.parametrize("label", LABELS, ids=[f"{n}-{label['what']}" for n, label in enumerate(LABELS)])
def test_each_record_ends_as_its_label_says(found, label):
    row = found[f"sample/{label['file']}", label["offset"]]
    became, stage, rules = outcome(row)
    assert (became, stage) == (label["becomes"], label["stage"]), rules
    assert not label["rule"] or set(label["rule"]) & set(rules), rules
    if "document" in row:
        assert bool(row["pieces"]) == (became == "curated") and bool(row["rejected"]) == (became != "curated")
        assert row["document"]["url"] == label["url"]
    if became == "curated":
        text = " ".join("".join(piece["text"] for piece in row["pieces"]).split())
        assert [snippet for snippet in label["must"] if " ".join(snippet.split()) not in text] == []
        assert [snippet for snippet in label["must_not"] if " ".join(snippet.split()) in text] == []
        assert row["signals"]["language"] == label["language"]
        edits = Counter(edit["kind"] for piece in row["pieces"] for edit in piece["edits"])
        assert edits == label["edits"]
        assert set(label["tags"]) <= set(row["verdict"]["tags"])
    if label["twin"] and stage == "dedup":
        kept = [r["document"] for r in found.values() if "document" in r and outcome(r)[0] == "curated"
                and r["document"]["id"] == row["duplicate"]["kept_id"]]
        assert {document["record_id"] for document in kept} == {label["twin"]}


def test_every_record_has_a_label_and_every_label_a_record(found):
    assert sorted(found) == sorted((f"sample/{label['file']}", label["offset"]) for label in LABELS)


def test_every_dataset_has_at_least_eight_parts(milled):
    data, _ = milled
    for name in ("documents", "signals", "verdicts", "duplicates", "curated", "tokens/test-1k", "blocks/mixture"):
        assert len(manifest(data, name)["parts"]) >= 8, name


def test_counts_balance_from_record_to_block(milled):
    data, _ = milled
    stats = {name: json.loads((Folder(str(data)) / name).read("_stats.json"))
             for name in ("documents", "signals", "verdicts", "duplicates", "curated", "tokens/test-1k", "blocks/mixture")}
    for name, counts in stats.items():
        out = counts["kept"] + sum(counts.get("rejected", {}).values()) + sum(counts.get("quarantined", {}).values())
        assert counts["read"] == out, name
    assert stats["documents"]["read"] == len(LABELS)
    assert stats["documents"]["kept"] == stats["signals"]["read"] == stats["verdicts"]["read"] == stats["curated"]["read"]
    assert stats["verdicts"]["kept"] == stats["duplicates"]["read"] - stats["duplicates"]["rejected"]["screened_out"]
    assert stats["duplicates"]["kept"] == stats["curated"]["kept"]
    assert stats["curated"]["pieces"] == stats["tokens/test-1k"]["read"] == stats["blocks/mixture"]["read"]
    assert stats["documents"]["kept"] == table(data, "documents").num_rows
    rejected = sum(sum(stats["documents"].get(o, {}).values()) for o in ("rejected", "quarantined"))
    assert rejected == table(data, "documents", rejected=True).num_rows


def test_no_traceback_and_one_line_a_stage(milled):
    _, said = milled
    assert list(said) == list(STAGES) and all("\n" not in line for line in said.values())
