"""Records without a document: each has a page, is found by its names, and is listed by the rule that took it."""

from collections import Counter
from pathlib import Path

import pytest

from tests.browse.served import context
from tests.command_line import table
from textmill.pipelines.browse.raw_page import visible_page
from textmill.pipelines.browse.record_pages import _is_taken
from textmill.pipelines.browse.records import Record, key_of
from textmill.pipelines.browse.search import by_numbers


@pytest.fixture(scope="module")
def rejected(browsed):
    return table(Path(browsed.context.data.uri), "documents", rejected=True).to_pylist()


def body(response):
    assert response.status_code == 200, response.text
    return response.text


def key(rejected, rule):
    row = next(row for row in rejected if row["rule"] == rule)
    return key_of(row["file"], row["offset"])


def test_the_index_has_every_row_and_counts_them_by_rule(browsed, rejected):
    records = browsed.indexes.records
    assert [record.row for record in sorted(records.of_rule("", 0, 1_000))] == rejected and len(rejected) > 20
    assert {(outcome, rule): n for outcome, rule, n in records.by_rule()} == Counter((row["outcome"], row["rule"]) for row in rejected)
    assert [record.row["outcome"] for record in records.of_rule("", 0, 2)] == ["quarantined"] * 2
    for row in rejected:
        assert row in [record.row for record in records.at(key_of(row["file"], row["offset"]))]
        for name in filter(None, (row["url"], row["record_id"])):
            assert row in [record.row for record in records.named(name)]
    pages = [records.of_rule("record_type", first, 4) for first in (0, 4, 8)]
    assert [record.row for page in pages for record in page] == [row for row in rejected if row["rule"] == "record_type"]


def test_a_record_is_found_by_its_names_and_says_why(pages, rejected):
    row = next(row for row in rejected if row["rule"] == "http_status" and row["value"] == "404")
    own = f"/record/{key_of(row['file'], row['offset'])}"
    for name in (row["url"], row["record_id"], row["url"] + "?utm_source=x"):
        assert f'href="{own}"' in body(pages.get("/search", params={"q": name})), name
    said = body(pages.get(own))
    assert "an error status or a partial page; value <span" in said and "404" in said and 'href="/records?rule=http_status"' in said
    assert f'href="{own}"' in body(pages.get("/records?rule=http_status"))
    assert "/records?rule=http_status" in body(pages.get("/")) and 'href="/records">25</a>' in body(pages.get("/"))


@pytest.mark.parametrize(("rule", "said"), [
    ("http_status", "The page you asked for is not here"), ("content_type", "the page cannot be read: content_type"),
    ("too_deep", "the page cannot be read: too_deep"), ("record_type", "has no page"), ("bad_json", "has no page")])
def test_the_visible_text_of_a_page_that_gave_no_document(pages, rejected, rule, said):
    assert said in body(pages.get(f"/record/{key(rejected, rule)}/page"))


def test_requests_and_metadata_are_listed_only_where_there_is_nothing_else(pages, browsed, rejected, monkeypatch):
    (row,) = browsed.indexes.snapshot.rows("documents", [by_numbers(browsed.indexes, [0])[0].row], ["url"])
    beside = [Record(0, "a" * 16, rejected[0] | {"rule": rule, "url": row["url"]}) for rule in ("record_type", "http_status")]
    monkeypatch.setattr(browsed.indexes.records, "named", lambda name: beside if name == row["url"] else [])
    said = body(pages.get("/search", params={"q": row["url"]}))
    assert "And without a document" in said and said.count('href="/record/') == 1
    monkeypatch.undo()
    request = next(row for row in rejected if row["value"] == "request")
    assert 'href="/record/' in body(pages.get("/search", params={"q": request["url"]}))


def test_what_could_not_be_read_names_its_line_and_the_cure(pages, rejected):
    said = body(pages.get(f"/record/{key(rejected, 'bad_json')}"))
    assert "letters.jsonl, line " in said and "To let it through, repair the line." in said


def test_the_same_address_that_gave_a_document_is_linked(pages, rejected, browsed):
    """A redirect, and a page that was captured: the revisit of a page has its address."""
    row = next(row for row in rejected if row["rule"] == "revisit")
    assert "The same address" in body(pages.get(f"/record/{key_of(row['file'], row['offset'])}"))


def test_an_unknown_record_is_a_sentence(pages):
    for path in ("/record/none", "/record/0000000000000000/page"):
        answer = pages.get(path)
        assert answer.status_code == 400 and "there is no record" in answer.text
    assert "No record was rejected by nothing" in body(pages.get("/records?rule=nothing"))


def test_what_was_taken_down_is_not_shown():
    assert _is_taken([Record(0, "", {"rule": "empty"}), Record(1, "", {"rule": "takedown"})]) and not _is_taken([Record(0, "", {"rule": "empty"})])


@pytest.mark.parametrize(("file", "said"), [
    ("https://mill.example/a.warc.gz", "not on this machine"), ("s3://bucket/a.warc.gz", "not on this machine"), ("../secret.html", "leads out of raw/"),
    ("web/../../secret.html", "leads out of raw/"), ("/a/../secret.html", "leads out of raw/"), ("a\0b.html", "leads out of raw/")])
def test_no_file_elsewhere_is_opened(tmp_path, file, said):
    """Not even by a name that a dataset of a stranger has."""
    (tmp_path / "raw").mkdir()
    (tmp_path / "secret.html").write_text("<p>secret")
    row = {"file": file, "offset": 0, "source": "web", "host": None}
    problem, lines = visible_page(context(tmp_path), row, {}, None)        # without a reader: nothing may be parsed
    assert said in problem and lines == []
