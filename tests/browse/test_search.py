"""Search: the documents and counts of every filter are those that the stored rows give."""

import pytest

from tests.browse.served import HOSTILE
from tests.command_line import table
from textmill.pipelines.browse.search import PAGE, Query, Range, counts, search


@pytest.fixture(scope="module")
def rows(browsed):
    data = browsed.indexes.snapshot.data.uri
    from pathlib import Path
    stored = [table(Path(data), name).to_pylist() for name in ("documents", "signals", "verdicts", "duplicates")]
    return [one | two | three | four for one, two, three, four in zip(*stored, strict=True)]


def ids(browsed, query):
    found, page = [], 0
    while True:
        results = search(browsed.indexes, Query(query.text, query.equal, query.ranges, query.order, query.descending, page))
        found += [each.facts["id"] for each in results.found]
        page += 1
        if not results.more:
            assert results.total in (None, len(found))
            return found


FILTERS = {
    "source": (Query(equal={"source": "sample"}), lambda row: row["source"] == "sample"),
    "language": (Query(equal={"language": "de"}), lambda row: row["language"] == "de"),
    "kept": (Query(equal={"outcome": "kept"}), lambda row: row["kept"] and row["kind"] is None),
    "rejected": (Query(equal={"outcome": "rejected"}), lambda row: not row["kept"]),
    "copy": (Query(equal={"outcome": "copy"}), lambda row: row["kind"] is not None),
    "rule": (Query(equal={"rule": "word_count"}), lambda row: "word_count" in [each["rule"] for each in row["broken"]]),
    "kind": (Query(equal={"kind": "near"}), lambda row: row["kind"] == "near"),
    "personal": (Query(equal={"personal": "EMAIL"}), lambda row: "EMAIL" in [each["kind"] for each in row["findings"]]),
    "host": (Query(equal={"host": "merelle.example"}), lambda row: (row["host"] or "").endswith("merelle.example")),
    "range": (Query(ranges=[Range("word_count", 50, 200)]), lambda row: row["word_count"] is not None and 50 <= row["word_count"] <= 200),
    "two": (Query(equal={"language": "en", "outcome": "kept"}, ranges=[Range("digit_share", None, 0.01)]),
            lambda row: row["language"] == "en" and row["kept"] and row["kind"] is None and (row["digit_share"] is not None and row["digit_share"] <= 0.01))}


@pytest.mark.parametrize("name", FILTERS)
def test_a_filter_finds_what_the_rows_say(browsed, rows, name):
    query, holds = FILTERS[name]
    expected = [row["id"] for row in rows if holds(row)]
    assert expected and ids(browsed, query) == expected


def test_words_and_filters_together(browsed, rows):
    expected = [row["id"] for row in rows if "tide" in f"{row['title']} {row['text']}".lower().split() and row["kept"] and row["kind"] is None]
    assert expected and set(expected) <= set(ids(browsed, Query("tide", {"outcome": "kept"})))
    assert set(ids(browsed, Query("tide", {"outcome": "kept"}))) <= {row["id"] for row in rows if row["kept"]}


def test_a_phrase_stands_in_the_texts(browsed, rows):
    phrase = "how to read a tide table"
    expected = [row["id"] for row in rows if phrase in " ".join(f"{row['title']} {row['text']}".split()).lower()]
    results = search(browsed.indexes, Query(f'"{phrase}"'))
    assert expected and [each.facts["id"] for each in results.found] == expected and results.looked[0] == results.looked[1]


def test_a_phrase_with_filters_in_another_order(browsed, rows):
    phrase = "the page"
    expected = sorted(((row["word_count"], row["id"]) for row in rows if row["language"] == "en" and row["word_count"] is not None
                       and phrase in " ".join(f"{row['title'] or ''} {row['text']}".split()).casefold()), key=lambda pair: -pair[0])
    found = search(browsed.indexes, Query(f'"{phrase}"', {"language": "en"}, order="word_count"))
    assert expected and [each.facts["word_count"] for each in found.found] == [count for count, _ in expected][:PAGE]


def test_order_by_a_measurement(browsed, rows):
    most = sorted((row["word_count"] or 0 for row in rows), reverse=True)[:PAGE]
    assert [each.facts["word_count"] for each in search(browsed.indexes, Query(order="word_count")).found] == most
    least = search(browsed.indexes, Query(order="word_count", descending=False)).found
    assert [each.facts["word_count"] for each in least] == sorted(row["word_count"] for row in rows if row["word_count"] is not None)[:PAGE]


def test_counts_are_those_of_what_is_found(browsed, rows):
    found = counts(browsed.indexes, Query(equal={"language": "en"}))
    english = [row for row in rows if row["language"] == "en"]
    assert sum(n for _, n in found["source"]) == len(english)
    assert dict(found["outcome"]) == {key: n for key in ("kept", "rejected", "copy") if (n := sum(FILTERS[key][1](row) for row in english))}
    assert dict(found["rule"])["word_count"] == sum(FILTERS["rule"][1](row) for row in english)


@pytest.mark.parametrize("value", HOSTILE)
def test_a_hostile_value_finds_nothing_and_changes_nothing(browsed, value):
    for name in ("source", "language", "outcome", "rule", "kind", "personal", "host", "cluster"):
        assert search(browsed.indexes, Query(equal={name: value})).total == 0
    everything = search(browsed.indexes, Query()).total
    assert search(browsed.indexes, Query(ranges=[Range(value, 1, 2)], order=value)).total == everything > 0
