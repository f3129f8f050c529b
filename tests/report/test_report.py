"""Report: exact numbers from small datasets, nothing on the page that can act or identify, the same bytes every time."""

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest

from tests.command_line import refused
from tests.paths import ROOT
from textmill.base.sealed import seal
from textmill.cli import main
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.parts import STATS, Manifest, read_counts
from textmill.pipelines.contract.storage import MANIFEST, Folder
from textmill.pipelines.curate.rows import CURATED
from textmill.pipelines.dedup.keep import DUPLICATES
from textmill.pipelines.display import numbers
from textmill.pipelines.display.masking import masked
from textmill.pipelines.extract.rows import DOCUMENTS, REJECTED
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS, SIGNALS
from textmill.pipelines.pack.mixture import Entry, Mixture
from textmill.pipelines.report import (
    domains,
    duplicates,
    figures,
    funnel,
    lengths,
    meanings,
    packing,
    personal,
    published,
    rules,
    samples,
    shares,
    training,
)
from textmill.pipelines.report.dataset import open_datasets
from textmill.pipelines.report.page import build
from textmill.pipelines.report.render import render
from textmill.pipelines.screen.verdicts import VERDICTS

MIXTURE = Mixture("tiny", 2048, 4096, 1, 0.1, "tok", {"web": Entry({"source": "crawl"}, 1.0, 2)})
IDS = [f"{n:032x}" for n in range(7)]
A, B, C, D, E, F, G = IDS
TITLES = ["<script>alert(1)</script>", None, "Mail anna@mail.example.de now\u202e\x07", "near copy", "Brief", None, "<b>bold</b>"]
RULES = [{"name": "word_count", "low": 50, "high": 1_000_000, "languages": {}, "action": "exclude"},
         {"name": "link_density", "low": None, "high": 0.6, "languages": {"de": [None, None]}, "action": "exclude"},
         {"name": "stop_words", "low": 2, "high": None, "languages": {}, "action": "exclude"},
         {"name": "noindex", "low": None, "high": 0, "languages": {}, "action": "tag"}]
WORDS = [100, 100, 3, 60, 80, 70, 3]


def put(data: Folder, name: str, stage: str, parts: dict[str, pa.RecordBatch], counts: dict, settings=None,
        rejected: pa.RecordBatch | None = None) -> None:
    """A complete dataset as a stage would leave it, without receipts."""
    folder, made, aside = data / name, [], []
    for key, batch in parts.items():
        with PartWriter(folder, key, f"{key}.f.parquet", batch.schema) as writer:
            writer.write(batch)
        made.append(writer.part)
    if rejected is not None:
        with PartWriter(folder, "0", "_rejected/0.f.parquet", rejected.schema) as writer:
            writer.write(rejected)
        aside.append(writer.part)
    folder.write(STATS, seal(counts))
    folder.write(MANIFEST, Manifest(stage, 1, "w", tuple(made), tuple(aside), (), {"settings": settings}).to_json())


def batch(schema: pa.Schema, rows: list[dict]) -> pa.RecordBatch:
    """Rows of a schema: what a row leaves out is null, or empty where the column cannot be null."""
    empty = {name: [] if pa.types.is_list(kind) else 0 if not pa.types.is_string(kind) else ""
             for name, kind in zip(schema.names, schema.types, strict=True)}
    empty |= {"minhash": [0] * 120, "content_hash": bytes(16)}
    return pa.RecordBatch.from_pylist(
        [{field.name: row.get(field.name, None if field.nullable else empty[field.name]) for field in schema} for row in rows],
        schema)


def in_parts(schema: pa.Schema, rows: list[dict]) -> dict[str, pa.RecordBatch]:
    return {"0": batch(schema, rows[:4]), "1": batch(schema, rows[4:])}


def world(path: Path, until: str = "pack") -> Folder:
    """Nine records of two sources: seven documents, of which two break rules, two are copies, one holds too much personal
    data and two are kept, one of them in two pieces."""
    data = Folder(str(path))
    languages = ["en", "en", "en", "en", "de", "fr", "und"]
    steps = {}
    steps["extract"] = lambda: put(
        data, "documents", "extract",
        in_parts(DOCUMENTS, [{"id": i, "source": "crawl" if n < 5 else "wiki", "url": f"https://h.example/{n}", "host": "h.example",
                              "title": TITLES[n], "text": f"text {n}"} for n, i in enumerate(IDS)]),
        {"read": 9, "kept": 7, "rejected": {"http_status": 1}, "quarantined": {"damaged": 1},
         "charset_from": {"http": 6, "meta": 1},
         "source": {"crawl": {"documents": 5, "payload_bytes": 50, "text_bytes": 30},
                    "wiki": {"documents": 2, "payload_bytes": 20, "text_bytes": 10}}},
        rejected=batch(REJECTED, [
            {"file": "crawl/a.warc.gz", "offset": 10, "outcome": "rejected", "rule": "http_status"},
            {"file": "crawl/a.warc.gz", "offset": 1234, "outcome": "quarantined", "rule": "damaged", "detail": "<i>bad</i>"}]))
    steps["measure"] = lambda: put(
        data, "signals", "measure",
        in_parts(SIGNALS, [{"id": i, "language": languages[n], "word_count": WORDS[n], "link_density": [0.1, None, 0.9, 0.6][n % 4],
                            "stop_words": 30 if n else 1.5, "noindex": float(n == 4)} for n, i in enumerate(IDS)]),
        {"read": 7, "kept": 7, "personal_data": {"EMAIL": 3, "PHONE": 1},
         "language": {"en": {"documents": 4, "words": 263}, "de": {"documents": 1, "words": 80},
                      "fr": {"documents": 1, "words": 70}, "und": {"documents": 1, "words": 3}}})
    broken = {C: [("word_count", 3.0, 50.0), ("link_density", 0.9, 0.6)], G: [("word_count", 3.0, 50.0)]}
    steps["screen"] = lambda: put(
        data, "verdicts", "screen",
        in_parts(VERDICTS, [{"id": i, "kept": i not in broken,
                             "broken": [dict(zip(("rule", "value", "bound"), entry, strict=True)) for entry in broken.get(i, [])]}
                            for i in IDS]),
        {"read": 7, "kept": 5, "rejected": {"word_count": 2}, "tags": {"noindex": 1},
         "rules": {"word_count": {"applied": 7, "broken": 2, "unmeasured": 0, "unbounded": 0},
                   "link_density": {"applied": 4, "broken": 1, "unmeasured": 2, "unbounded": 1},
                   "stop_words": {"applied": 0, "broken": 0, "unmeasured": 7, "unbounded": 0},
                   "noindex": {"applied": 7, "broken": 1, "unmeasured": 0, "unbounded": 0}},
         "language": {"en": {"documents": 4, "words": 263, "kept": 3, "kept_words": 260}, "de": {"documents": 1, "kept": 1},
                      "fr": {"documents": 1, "kept": 1}, "und": {"documents": 1, "kept": 0}},
         "source": {"crawl": {"documents": 5, "words": 343, "kept": 4}, "wiki": {"documents": 2, "words": 73, "kept": 1}}}, RULES)
    copies = {A: (None, A, None), B: ("exact", A, 1.0), D: ("near", A, 0.875)}
    steps["dedup"] = lambda: put(
        data, "duplicates", "dedup",
        in_parts(DUPLICATES, [{"id": i} | ({"cluster": A, "kind": copies[i][0], "kept_id": copies[i][1],
                                            "similarity": copies[i][2], "cluster_size": 3} if i in copies else {}) for i in IDS]),
        {"read": 7, "kept": 3, "rejected": {"screened_out": 2, "exact": 1, "near": 1}})
    texts = [{"text": "a" * 300, "id": A, "url": "https://h.example/0", "piece": 0, "pieces": 1, "source": "crawl", "language": "en"},
             {"text": "Write to <EMAIL>.\n" + "b" * 300, "id": E, "url": None, "piece": 0, "pieces": 2, "source": "crawl",
              "language": "de"},
             {"text": "second piece", "id": E, "piece": 1, "pieces": 2, "source": "crawl", "language": "de"}]
    steps["curate"] = lambda: put(
        data, "curated", "curate", {"0": batch(CURATED, texts[:1]), "1": batch(CURATED, texts[1:])},
        {"read": 7, "kept": 2, "pieces": 3, "bytes": 630, "edits": {"EMAIL": 1, "tag:PHONE": 1},
         "rejected": {"word_count": 2, "duplicate_exact": 1, "duplicate_near": 1, "personal_data": 1},
         "language": {"en": {"documents": 1, "pieces": 1, "bytes": 300}, "de": {"documents": 1, "pieces": 2, "bytes": 330}},
         "source": {"crawl": {"documents": 2, "pieces": 3, "bytes": 630}}})
    steps["tokenizer"] = lambda: put(data, "tokenizers/tok", "tokenizer", {}, {
        "read": 3, "kept": 2, "rejected": {"beyond_sample_bytes": 1}, "tokens": 300, "bytes": 600})
    steps["tokenize"] = lambda: put(data, "tokens/tok", "tokenize", {}, {
        "read": 3, "kept": 3, "tokens": 200,
        "language": {"de": {"documents": 2, "bytes": 330, "tokens": 100, "words": 5},
                     "en": {"documents": 1, "bytes": 300, "tokens": 100, "words": 1}},
        "source": {"crawl": {"documents": 3, "bytes": 630, "tokens": 200}}})
    entry = {"blocks": 2, "documents": 2, "tokens": 4000, "empty": 96, "passes": 2, "cut": 1}
    held = {"blocks": 1, "documents": 1, "tokens": 48, "empty": 2000, "passes": 1, "cut": 0}
    steps["pack"] = lambda: put(data, "blocks/tiny", "pack", {}, {
        "read": 3, "kept": 2, "vocabulary": 301, "rejected": {"no_entry": 1, "beyond_the_recipe": 0},
        "train": {"blocks": 2, "tokens": 4000, "empty": 96, "entries": {"web": entry}},
        "validation": {"blocks": 1, "tokens": 48, "empty": 2000, "entries": {"web": held}}},
        [{"block": 2048, "entries": {"web": {"where": {"source": ["crawl", "wiki"]}, "share": 1.0, "repeat": 2}}}, {}, "tok"])
    for stage, make in steps.items():
        make()
        if stage == until:
            break
    return data


def train(data: Folder, *lines: dict, torn: str = "") -> None:
    text = "".join(json.dumps(line) + "\n" for line in lines) + torn
    (data / "checkpoints/tiny").write("log.jsonl", text.encode())


@pytest.fixture
def data(tmp_path):
    return world(tmp_path)


def test_the_funnel_balances_and_each_step_reads_what_the_last_one_kept(data):
    steps = funnel.funnel(open_datasets(data, MIXTURE))
    assert steps == [
        funnel.FunnelStep("extract", "records", 9, 7, (("http_status", 1),), (("damaged", 1),)),
        funnel.FunnelStep("screen", "documents", 7, 5, (("word_count", 2),)),
        funnel.FunnelStep("dedup", "documents", 5, 3, (("nearly the same text", 1), ("same text", 1))),
        funnel.FunnelStep("curate", "documents", 3, 2, (("personal_data", 1),))]
    assert all(step.balances for step in steps)
    assert not funnel.FunnelStep("screen", "documents", 7, 5, (("word_count", 1),)).balances


def test_quarantined_records_are_listed_with_their_place_up_to_the_limit(data):
    documents = open_datasets(data, MIXTURE).documents
    assert funnel.quarantined(documents) == [funnel.Quarantined("crawl/a.warc.gz", 1234, "damaged", "<i>bad</i>", "")]
    assert funnel.quarantined(documents, 0) == []


def test_languages_and_sources_put_the_counts_of_all_stages_together(data):
    found = open_datasets(data, MIXTURE)
    assert shares.languages(found) == [
        shares.Group("en", 4, None, None, 263, 3, 1, 100, 300), shares.Group("de", 1, None, None, 80, 1, 1, 100, 330),
        shares.Group("fr", 1, None, None, 70, 1, 0, 0, 0), shares.Group("und", 1, None, None, 3, 0, 0, 0, 0)]
    assert shares.sources(found) == [
        shares.Group("crawl", 5, 50, 30, 343, 4, 2, 200, 630), shares.Group("wiki", 2, 20, 10, 73, 1, 0, 0, 0)]
    english = shares.languages(found)[0]
    assert (english.keep_rate, english.bytes_per_token) == (0.25, 3.0)
    assert shares.languages(found)[2].bytes_per_token is None


def test_languages_stand_beside_the_published_shares(data):
    english, *_, vietnamese, others = rows = shares.beside_the_web(shares.languages(open_datasets(data, MIXTURE)))
    assert [row.language for row in rows] == ["en", "ru", "de", "zh", "ja", "fr", "es", "it", "nl", "pl", "pt", "vi", None]
    assert english == shares.Beside("en", 4 / 7, 1 / 2, 0.4588, 1452) and english.times == pytest.approx(0.5 / 0.4588)
    assert vietnamese == shares.Beside("vi", 0, 0, 0.0103, 85) and vietnamese.times is None
    assert others == shares.Beside(None, 1 / 7, 0, 1 - sum(published.COMMON_CRAWL.values()), None)                  # und
    assert published.COMMON_CRAWL.keys() == published.SPEAKERS.keys()
    unkept = shares.beside_the_web([shares.Group("en", 3, *[None] * 7), shares.Group("de", 1, *[None] * 7)])[0]
    assert unkept == shares.Beside("en", 0.75, None, 0.4588, 1452) and unkept.times == pytest.approx(0.75 / 0.4588)
    assert {row.read for row in shares.beside_the_web([])} == {0}


DOMAINS = ["big.co.uk", "big.co.uk", None, "one.co.uk", "a.example", "a.example", "b.example", "a.example", "long.example"]


def of_domains(path: Path) -> tuple:
    """Nine documents: two broke a rule, one is a copy."""
    data, words = Folder(str(path)), [10, 20, 30, 40, 1, 1, 1, 1, 2_000_000]
    put(data, "documents", "extract", in_parts(DOCUMENTS, [{"id": str(n), "domain": name} for n, name in enumerate(DOMAINS)]),
        {"read": 9, "kept": 9})
    put(data, "signals", "measure", in_parts(SIGNALS, [{"id": str(n), "language": "en", "word_count": count}
                                                       for n, count in enumerate(words)]), {"read": 9, "kept": 9})
    put(data, "verdicts", "screen", in_parts(VERDICTS, [{"id": str(n), "kept": n not in (0, 4)} for n in range(9)]), {"read": 9, "kept": 7})
    put(data, "duplicates", "dedup", in_parts(DUPLICATES, [{"id": str(n)} | ({"kind": "near"} if n == 5 else {}) for n in range(9)]),
        {"read": 9, "kept": 6, "rejected": {"screened_out": 2, "near": 1}})
    found = open_datasets(data, MIXTURE)
    return found.documents, found.signals, found.verdicts, found.duplicates


def test_domains_and_suffixes_are_counted_and_the_largest_by_documents_or_words_shown(tmp_path):
    seen = domains.domains(*of_domains(tmp_path), most=1)
    assert (seen.count, seen.single, seen.documents, seen.words, seen.without) == (5, 3, 8, 2_000_074, 1)
    assert seen.largest == (domains.DomainRow("a.example", 1, 3, 3, 2, 1), domains.DomainRow("long.example", 1, 1, 2_000_000, 1, 1))
    assert seen.suffix_count == 2 and seen.suffixes == (domains.DomainRow("example", 3, 5, 2_000_004, 4, 3),)
    every = domains.domains(*of_domains(tmp_path)).largest
    assert [(row.name, row.documents) for row in every] == [
        ("a.example", 3), ("big.co.uk", 2), ("long.example", 1), ("one.co.uk", 1), ("b.example", 1)]


@pytest.mark.parametrize("per_pass", [1, 2, 4])
def test_the_number_of_passes_changes_no_count_of_domains(tmp_path, per_pass, monkeypatch):
    rows = of_domains(tmp_path)
    monkeypatch.setattr(domains, "MERGED", 1)
    assert domains.domains(*rows, per_pass=per_pass) == domains.domains(*rows)


def test_lengths_of_all_documents_and_of_those_that_stay(tmp_path):
    _, *rows = of_domains(tmp_path)
    seen = lengths.lengths(*rows)
    assert seen.read == lengths.Spread(9, 2_000_104, 1, 10, lengths.CEILING)         # 1 1 1 1 10 20 30 40 and a long one
    assert seen.kept == lengths.Spread(6, 2_000_092, 1, 20, lengths.CEILING)         # 1 1 20 30 40
    assert {n: count for n, count in enumerate(seen.bins) if count} == {0: 4, 6: 1, 7: 1, 8: 1, 9: 1, 36: 1}
    assert {n: count for n, count in enumerate(seen.lost_bins) if count} == {0: 2, 6: 1}


def test_what_curate_changed_is_said_in_plain_words(data):
    assert funnel.edits(open_datasets(data, MIXTURE).curated) == (
        ("personal data marked and left", 1), ("personal data replaced by a placeholder", 1))
    counts = {"read": 7, "kept": 2, "pieces": 3, "bytes": 630, "with_evaluation_items": 1, "edits": {"EMAIL": 2, "clean:table": 5}}
    put(data, "curated", "curate", {"0": batch(CURATED, [])}, counts)
    found = open_datasets(data, MIXTURE)
    assert funnel.edits(found.curated) == (
        ("table rows without a word taken out", 5), ("personal data replaced by a placeholder", 2),
        ("texts kept with an item of an evaluation set", 1))
    assert [kind.name for kind in personal.kinds(found)] == ["EMAIL", "PHONE"]        # clean:table is no personal data


def test_a_page_that_was_taken_down_is_shown_as_such(data):
    taken = [{"id": i, "kept": i != C, "broken": [{"rule": "takedown", "value": 1.0, "bound": 0.0}] if i == C else []} for i in IDS]
    counts = read_counts(data / "verdicts")
    put(data, "verdicts", "screen", in_parts(VERDICTS, taken), counts | {"kept": 6, "rejected": {"takedown": 1}}, RULES)
    found = open_datasets(data, MIXTURE)
    assert [row.name for row in rules.rule_rows(found.signals, found.verdicts)] == ["word_count", "link_density", "noindex", "stop_words"]
    page, _ = build(data, MIXTURE)
    assert "listed in takedown.txt" in page and '<span class="name">takedown</span> taken down</li>' in page


def test_a_stage_that_has_not_run_counts_nothing_rather_than_zero(tmp_path):
    found = open_datasets(world(tmp_path, until="screen"), MIXTURE)
    assert shares.languages(found)[0] == shares.Group("en", 4, None, None, 263, 3, None, None, None)
    assert shares.languages(found)[0].keep_rate is None
    assert found.missing() == ["dedup", "curate", "tokenizer", "tokenize", "pack"]


def test_rules_come_with_counts_bounds_and_bins(data):
    found = open_datasets(data, MIXTURE)
    rows = rules.rule_rows(found.signals, found.verdicts)
    assert [(row.name, row.breaks, row.applied, row.unmeasured, row.unbounded, row.bound) for row in rows] == [
        ("word_count", 2, 7, 0, 0, "50 to 1,000,000"), ("link_density", 1, 4, 2, 1, "at most 0.6"),
        ("noindex", 1, 7, 0, 0, "at most 0"), ("stop_words", 0, 0, 7, 0, "at least 2")]
    words, links, noindex, stop = rows
    assert sum(words.values) == 7 and {n: v for n, v in enumerate(words.broken) if v} == {int(np.log(3) / np.log(1e7) * 40): 2}
    assert {n: v for n, v in enumerate(links.values) if v} == {3: 2, 20: 1, 30: 2}          # nulls lie nowhere
    assert {n: v for n, v in enumerate(links.broken) if v} == {30: 1}
    assert (noindex.values, noindex.broken, noindex.tags) == ((6, 1), None, True)
    assert stop.axis.bins == 20 and {n: v for n, v in enumerate(stop.values) if v} == {1: 1, 20: 6}    # 30 lies above the axis
    assert links.languages == ("de",) and rules.idle(rows) == ["stop_words"]
    assert links.marks == [(20.0, "0.6")] and noindex.marks == [(1.0, "bound 0")]


def test_bins_hold_every_value_and_the_last_one_what_lies_beyond():
    axis = rules.Axis(0.0, 1.0, 4)
    assert axis.count(np.array([-1, 0, 0.25, 0.99, 1.0, 7, np.nan])).tolist() == [2, 1, 0, 2, 1]
    sizes = rules.Axis(1, 1000, 3, logarithmic=True)
    assert sizes.count(np.array([0, 5, 50, 500, 5000.0])).tolist() == [2, 1, 1, 1]
    assert rules.Axis(0, 1, 1, flag=True).count(np.array([0, 0, 1, 2.0])).tolist() == [2, 2]
    assert rules.axis_for(0.15, 1.0) == rules.Axis(0.0, 2.0, 40) and rules.axis_for(2, None) == rules.Axis(0.0, 20, 20)
    assert rules.axis_for(0.7, None) == rules.Axis(0.0, 1.0, 40) and rules.axis_for(None, None) == rules.Axis(0.0, 1.0, 40)
    assert axis.count(np.array([])).tolist() == [0, 0, 0, 0, 0]


def test_clusters_are_counted_and_the_largest_shown_with_all_members(data):
    found = open_datasets(data, MIXTURE)
    seen = duplicates.clusters(found.duplicates, found.documents)
    assert (seen.count, seen.documents, seen.removed) == (1, 3, 2)
    assert seen.sizes == (duplicates.SizeRow(3, 3, 1, 3, 2),)
    assert seen.largest == (duplicates.ReportedCluster(
        A, 3, [(A, "https://h.example/0", "<script>alert(1)</script>")],
        [duplicates.Copy(B, "https://h.example/1", "exact", 1.0, A), duplicates.Copy(D, "https://h.example/3", "near", 0.875, A)], 1, 2),)


def test_only_the_largest_clusters_and_their_first_members_are_shown(tmp_path):
    data, sizes = Folder(str(tmp_path)), [2] * 9 + [15, 7]
    rows = [{"id": f"{c:02}{m:02}", "cluster": f"{c:02}", "cluster_size": size, "kept_id": f"{c:02}00",
             "kind": "near" if m else None} for c, size in enumerate(sizes) for m in range(size)]
    pages = [{"id": row["id"], "url": f"https://h.example/{row['id']}"} for row in rows]
    put(data, "documents", "extract", in_parts(DOCUMENTS, pages), {"read": 40, "kept": 40})
    put(data, "duplicates", "dedup", in_parts(DUPLICATES, rows), {"read": 40, "kept": 11, "rejected": {"near": 29}})
    found = open_datasets(data, MIXTURE)
    seen = duplicates.clusters(found.duplicates, found.documents)
    assert [(cluster.id, cluster.size) for cluster in seen.largest] == [
        ("09", 15), ("10", 7), *((f"{n:02}", 2) for n in range(6))]
    assert (len(seen.largest[0].removed), seen.largest[0].removed_count, seen.largest[0].kept_count) == (10, 14, 1)
    assert seen.sizes == (duplicates.SizeRow(2, 2, 9, 18, 9), duplicates.SizeRow(6, 10, 1, 7, 6), duplicates.SizeRow(11, 20, 1, 15, 14))


def test_personal_data_is_counted_by_kind_and_never_shown(data):
    found = open_datasets(data, MIXTURE)
    assert personal.kinds(found) == [personal.PersonalKind("EMAIL", 3, 1, 0), personal.PersonalKind("PHONE", 1, 0, 1)]
    assert masked("anna@mail.example.de called +49 30 901820") == "<EMAIL> called <PHONE>"
    page, _ = build(data, MIXTURE)
    assert "anna@" not in page and "Mail &lt;EMAIL&gt; now" in page


def test_samples_are_the_ones_of_smallest_hash_whatever_their_order():
    ids = [f"{n:032x}" for n in range(50)]
    once = samples.smallest(iter([(0, ids[:30]), (1, ids[30:])]))
    again = samples.smallest(iter([(0, ids[:30][::-1]), (1, ids[30:][::-1])]))
    assert once == again and len(once) == 10 and once == sorted(once)
    assert len(samples.smallest(iter([(0, ids[:3]), (1, ids[:3])]))) == 3            # a record stored twice is one sample


def test_a_sample_of_a_dialogue_says_who_says_what(tmp_path):
    data = world(tmp_path, "curate")
    turns = [{"role": "user", "start": 0, "end": 4}, {"role": "assistant", "start": 6, "end": 406}, {"role": "user", "start": 408, "end": 412}]
    dialogue = {"id": A, "piece": 0, "source": "chat", "text": "Who?\n\n" + "m" * 400 + "\n\nYou.", "turns": turns}
    put(data, "curated", "curate", {"0": batch(CURATED, [dialogue])}, open_datasets(data, MIXTURE).curated.counts)
    assert samples.texts(open_datasets(data, MIXTURE).curated)[0].turns == (("user", "Who?"), ("assistant", "m" * 294))
    assert f'<b class="role">user</b> Who?\n<b class="role">assistant</b> {"m" * 294}…</blockquote>' in build(data, MIXTURE)[0]


def test_a_card_says_who_has_other_bounds(data):
    found = open_datasets(data, MIXTURE)
    row = next(row for row in rules.rule_rows(found.signals, found.verdicts) if row.name == "link_density")
    other = replace(row, languages=("de",), forms=("list", "verse"), kinds=("forum",), dialogues=True)
    assert (row.others, other.others) == ("1 language", "1 language, 2 forms of text, 1 kind of page, dialogues")
    page = build(data, MIXTURE)[0]
    assert "others for 1 language</p>" in page and "contain <code>noindex</code>" in page


def test_sample_texts_are_beginnings_of_first_pieces_and_rejected_pages_have_every_broken_rule(data):
    found = open_datasets(data, MIXTURE)
    by_id = {text.id: text for text in samples.texts(found.curated)}
    assert by_id == {A: samples.SampleText(A, "https://h.example/0", "crawl", "en", "a" * 300, False),
                     E: samples.SampleText(E, "", "crawl", "de", "Write to <EMAIL>.\n" + "b" * 282, True)}
    pages = {page.id: page for page in samples.rejected_pages(found.documents, found.verdicts, found.signals)}
    assert pages == {
        C: samples.RejectedPage(C, "https://h.example/2", "crawl", "Mail <EMAIL> now\u202e\x07", "en",
                                (("word_count", 3.0, 50.0), ("link_density", 0.9, 0.6))),
        G: samples.RejectedPage(G, "https://h.example/6", "wiki", "<b>bold</b>", "und", (("word_count", 3.0, 50.0),))}


def test_packing_says_what_each_entry_gave(data):
    packed = packing.packing(open_datasets(data, MIXTURE).blocks)
    assert packed == packing.Packing(2048, 4000, 2, 96 / 4096, 48, 1, 3, 2, (("no_entry", 1),), (packing.EntryRow(
        "web", "source crawl or wiki", 1.0, 1.0, 4000, 2, 96, 2, 1, 2, 2, 1, 48),))


def test_the_training_log_is_read_up_to_a_torn_last_line(data):
    run = data / "checkpoints/tiny"
    assert training.training(run) is None
    train(data, {"step": 0, "validation": 8.0, "entries": {"web": 8.0}}, {"step": 1, "loss": 5.0, "norm": 1.0, "lr": 0.1},
          {"step": 2, "loss": 4.0, "norm": 1.0, "lr": 0.1}, {"step": 2, "tokens": 4096, "seconds": 1.5},
          {"step": 2, "validation": 6.5, "entries": {"web": 6.5}}, torn='{"step": 3, "lo')
    assert training.training(run) == training.Training(
        2, 4096, ((1.0, 5.0), (2.0, 4.0)), ((0, 8.0), (2, 6.5)), (("web", ((0, 8.0), (2, 6.5))),))
    page, said = build(data, MIXTURE)
    assert "8.00 → 6.50" in page and said.endswith("from 8.000 to 6.500 bits per byte in 2 steps")


def test_a_long_loss_is_thinned_to_means():
    thin = training.thinned([(n, float(n)) for n in range(1000)], 10)
    assert len(thin) == 10 and thin[0] == (49.5, 49.5)
    assert training.thinned([]) == ()


def test_the_page_escapes_what_pages_bring_and_cannot_run_anything(data):
    train(data, {"step": 0, "validation": 8.0, "entries": {"<img src=x>": 8.0}})
    page, _ = build(data, MIXTURE)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page and "&lt;i&gt;bad&lt;/i&gt;" in page
    own = "<script type=\"module\">" + (ROOT / "pipelines/report/page.js").read_text("utf-8") + "</script>"
    before, after = page.split(own)                                             # the one script is the report's
    shown = before.split("</style>")[0] + after
    assert not re.search(r"<script|<b>bold|<img|<i>bad|javascript:|\son\w+=|\sstyle=|https?://(?!h\.example)", shown)
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202e]", page)
    assert re.search(r"default-src 'none'; style-src 'sha256-[^']+'; script-src 'sha256-[^']+'; base-uri", page)
    links = re.findall(r'href="([^"]*)"', shown)
    assert all(re.fullmatch(r"#\w+|report\.(json|md)|tables/\w+\.csv", link) for link in links)
    assert {link[1:] for link in links if link.startswith("#")} == set(re.findall(r'<section id="(\w+)"', page))


def test_the_same_datasets_give_the_same_bytes(tmp_path):
    one, two = (world(tmp_path / name) for name in ("one", "two"))
    assert build(one, MIXTURE) == build(two, MIXTURE)


@pytest.mark.parametrize("until, absent", [("extract", "textmill screen"), ("measure", "textmill dedup"), ("screen", "textmill curate"),
                                           ("curate", "textmill tokenizer"), ("tokenize", "textmill pack"), ("pack", "textmill train")])
def test_what_is_not_there_yet_is_said_with_its_target(tmp_path, until, absent):
    page, _ = build(world(tmp_path, until), MIXTURE)
    assert f"<code>{absent}</code>" in page and "Traceback" not in page


def test_a_folder_without_datasets_and_datasets_of_two_runs_are_refused(tmp_path):
    with pytest.raises(StageError, match=r"there is no dataset in .* run `textmill all`"):
        open_datasets(Folder(str(tmp_path / "none")), MIXTURE)
    data = world(tmp_path)
    put(data, "signals", "measure", in_parts(SIGNALS, [{"id": A, "language": "en"}]), {"read": 1, "kept": 1})
    with pytest.raises(StageError, match="signals was made from other documents than lie there now; run `textmill measure`"):
        open_datasets(data, MIXTURE)
    data = world(tmp_path)
    data.write("ledger/tokens/tok/stats.json", seal({"read": 4, "kept": 4, "tokens": 1}))
    with pytest.raises(StageError, match="tokens/tok was made from other curated than lie there now; run `textmill tokenize`"):
        open_datasets(data, MIXTURE)
    data.write("ledger/tokens/tok/stats.json", b"{")
    with pytest.raises(StageError, match=r"ledger/tokens/tok/stats.json is missing or damaged; run its stage again"):
        open_datasets(data, MIXTURE)


def test_an_empty_corpus_has_a_report_too(tmp_path):
    data, none = Folder(str(tmp_path)), {"read": 0, "kept": 0}
    put(data, "documents", "extract", {"0": batch(DOCUMENTS, [])}, none, rejected=batch(REJECTED, []))
    put(data, "signals", "measure", {"0": batch(SIGNALS, [])}, none)
    put(data, "verdicts", "screen", {"0": batch(VERDICTS, [])},
        none | {"rules": {rule["name"]: {"applied": 0, "broken": 0, "unmeasured": 0, "unbounded": 0} for rule in RULES}}, RULES)
    put(data, "duplicates", "dedup", {"0": batch(DUPLICATES, [])}, none | {"rejected": {}})
    put(data, "curated", "curate", {"0": batch(CURATED, [])}, none | {"pieces": 0, "bytes": 0})
    page, said = build(data, MIXTURE)
    assert "0 records = <b" in page and said.startswith("0 records from 0 sources gave 0 documents")


def test_every_measurement_that_a_rule_may_name_is_explained():
    assert [name for name in RULE_MEASUREMENTS if not 5 <= len(meanings.measurement(name)) <= 140] == []
    assert meanings.measurement("no_such_thing") == ""


def test_every_rule_of_extract_is_explained():
    sources = [path.read_text("utf-8") for path in (ROOT / "pipelines/extract").rglob("*.py")]
    named = {name for source in sources for name in re.findall(r"""Refusal\(\s*"(\w+)\"""", source)}
    assert {"empty", "url_blocked", "damaged"} <= named and named - meanings.REASONS.keys() == set()


def test_figures_draw_what_they_are_told():
    half = figures.bar([("kept", 1), ("lost", 1)], 2, "1 & 2")
    assert 'class="kept" x="0.00" width="50.00"' in half and 'class="lost" x="50.00" width="50.00"' in half and "1 &amp; 2" in half
    assert 'x="99.20" width="0.80"' in figures.bar([("kept", 9999), ("lost", 1)], 10_000, "")     # one in 10,000 is seen
    assert figures.bar([("kept", 0)], 0, "").count("<rect") == 1
    drawn = figures.histogram([3, 0, 1], [0, 0, 1], [(2, "2 <")], "0", "above 3", "h")
    assert drawn.count('class="kept"') == 2 and drawn.count('class="lost"') == 1 and "2 &lt;" in drawn
    assert figures.histogram([1, 2], None, [], "0", "1", "h").count('class="plain"') == 2
    curve = figures.lines([("a", [(0, 8.0), (10, 2.0)]), ("b", [(0, 7.0)])], "step", 10, "bits")
    assert curve.count('<path class="line n0"') == 1 and curve.count('<circle class="line n1"') == 1
    assert figures.ticks(5, 5) == [4.4, 4.6, 4.8, 5, 5.2, 5.4, 5.6]


@pytest.mark.parametrize("module", [numbers, figures, rules, meanings, personal, training])
def test_examples_in_docstrings_hold(module):
    import doctest
    assert doctest.testmod(module).failed == 0


def test_the_command_writes_the_page_and_says_where(data, capsys):
    mixture = Path(data.uri) / "tiny.yaml"
    mixture.write_text("{name: tiny, block: 2048, tokens: 4096, seed: 1, validation: 0.1, tokenizer: tok, "
                       "entries: {web: {where: {source: crawl}, share: 1.0}}}")
    assert main(["report", "--data", data.uri, "--mixture", str(mixture)]) == 0
    assert (Path(data.uri) / "report/index.html").read_text() == build(data, MIXTURE)[0]
    (line,) = capsys.readouterr().out.splitlines()
    assert line == ("report: 9 records from 2 sources gave 7 documents with text; 1 could not be read; 28.6 % of the documents are "
                    "kept, as 3 texts of 630 bytes: 2 broke a rule, 2 are copies; 200 tokens of tok, 3.15 bytes each; 2 blocks of "
                    f"2,048 to train on; {data.uri}/report/index.html")
    assert refused(capsys, "report", "--data", data.uri, "--mixture", "none.yaml") == "report: none.yaml: there is no such file; check the path"


def test_errors_of_the_command_are_one_sentence_and_exit_1(tmp_path):
    ran = subprocess.run([sys.executable, "-m", "textmill", "report", "--data", str(tmp_path), "--mixture", "mixtures/demo.yaml"],
                         capture_output=True, text=True, cwd=ROOT)
    assert ran.returncode == 1 and len(ran.stderr.splitlines()) == 1 and ran.stderr.startswith("report: there is no dataset")


def test_the_template_leaves_no_name_undefined():
    with pytest.raises(Exception, match="undefined"):
        render("page.html", {})
