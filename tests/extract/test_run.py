"""Extract as a process: pages that no counted limit stops are stopped all the same, and cost their own row."""

import json
from datetime import datetime

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from tests.command_line import SETTINGS, run, table
from textmill.cli import main

pytestmark = pytest.mark.slow

GOOD = "<html><body><p>{}</p></body></html>".format("The miller weighs the flour twice and writes it into the book. " * 12)
# Attributes of one tag: the parser looks through all for each, seconds of work where the limit lets them through.
SLOW = "<html><body><p " + " ".join(f"a{n}" for n in range(60_000)) + ">text</p></body></html>"
LARGE = "<html><body>" + "".join(f"<p>{n} sacks of rye went to the river.</p>" for n in range(60_000)) + "</body></html>"


def test_a_page_that_takes_too_long_or_too_much_is_quarantined_and_the_run_goes_on(tmp_path):
    raw = tmp_path / "data/raw/mine"
    raw.mkdir(parents=True)
    pages = {"a": GOOD, "b": SLOW, "c": GOOD.replace("flour", "bran"), "d": LARGE, "e": GOOD.replace("flour", "rye")}
    raw.joinpath("pages.jsonl").write_text("".join(json.dumps({"id": key, "html": html}) + "\n" for key, html in pages.items()))
    settings = yaml.safe_load(SETTINGS.read_text())
    settings["extract"] |= {"max_page_seconds": 1, "max_page_memory_mb": 64, "max_nodes": 10**9, "max_tag_attributes": 10**9, "max_attributes": 10**9,
                             "max_quarantined": 1.0}
    (tmp_path / "settings.yaml").write_text(yaml.safe_dump(settings))
    ran = run("extract", tmp_path / "data", settings=tmp_path / "settings.yaml")
    assert ran.returncode == 0, ran.stderr
    kept = pq.read_table(tmp_path / "data/documents", columns=["record_id", "text"]).to_pylist()
    lost = pq.read_table(tmp_path / "data/ledger/documents/rejected").to_pylist()
    assert [row["record_id"] for row in kept] == ["a", "c", "e"] and all("twice" in row["text"] for row in kept)
    assert [(row["record_id"], row["outcome"], row["rule"], row["value"], row["bound"]) for row in lost] == [
        ("b", "quarantined", "deadline", ">1", "1"), ("d", "quarantined", "out_of_memory", ">64", "64")]


def test_addresses_and_dates_of_rows_as_people_write_them(tmp_path):
    source = tmp_path / "data/raw/rows"
    source.mkdir(parents=True)
    texts = [f"A text of its own, number {n}, about the river and the mill." for n in range(5)]
    (source / "a.jsonl").write_text("".join(json.dumps(row) + "\n" for row in (
        {"text": texts[0], "url": "N/A", "date": "20210505102030"}, {"text": texts[1], "url": "-", "timestamp": 1620000000},
        {"text": texts[2], "url": "doi:10.1000/182", "date": "soon", "timestamp": "2019-01"})))
    pq.write_table(pa.table({"text": texts[3:], "url": ["null", "https://a.example/"],
                             "timestamp": pa.array([datetime(2020, 1, 1), None], pa.timestamp("us"))}), source / "b.parquet")
    assert main(["extract", "--data", str(tmp_path / "data"), "--workers", "1"]) == 0
    rows = {row["text"]: (row["url"], row["date"]) for row in table(tmp_path / "data", "documents").to_pylist()}
    assert [rows[text] for text in texts] == [(None, "2021-05-05T10:20:30Z"), (None, "2021-05-03T00:00:00Z"),
                                              ("doi:10.1000/182", "2019-01-01T00:00:00Z"), (None, "2020-01-01T00:00:00Z"),
                                              ("https://a.example/", None)]
