"""Conditions on stored columns: what each form matches, and what a value that is not stored does."""

import pyarrow as pa
import pytest
import yaml

from textmill.pipelines.measure.signals import RULE_MEASUREMENTS, SIGNALS
from textmill.pipelines.pack.columns import COLUMNS
from textmill.pipelines.pack.where import columns, matches, plain, problems, sentence

ROWS = pa.record_batch({
    "language": ["en", "de", None, "fr"], "url": ["https://docs.a/x", "https://a/docs", None, "https://docs.b/y"],
    "date": ["2020-01-01T00:00:00Z", "2020-06-30T23:59:59Z", "2021-12-31T12:00:00Z", None],
    "classifier_score": pa.array([0.7, 0.2, None, 0.9]), "language_score": pa.array([0.7, 0.2, 0.5, 0.9], pa.float32()),
    "cluster_size": pa.array([None, 2, 10, 3], pa.int32()), "paywalled": [True, False, None, False],
    "tags": [["spam", "noindex"], [], ["noindex"], None]})


def rows_of(text):
    condition = plain(yaml.safe_load(text))
    assert list(problems(condition)) == []
    return "".join("abcd"[row] for row in range(4) if matches(condition, ROWS)[row])


@pytest.mark.parametrize(("condition", "rows"), [
    ("{language: en}", "a"), ("{language: [en, de, xx]}", "ab"), ("{language: xx}", ""),
    ("{classifier_score: {low: 0.7}}", "ad"), ("{classifier_score: {high: 0.7}}", "ab"), ("{classifier_score: {low: 0.2, high: 0.7}}", "ab"),
    ("{language_score: {low: 0.7}}", "ad"), ("{language_score: {high: 0.7}}", "abc"), ("{language_score: 0.7}", "a"),
    ("{cluster_size: {low: 3}}", "cd"), ("{cluster_size: [2, 10]}", "bc"), ("{cluster_size: {low: 2.5}}", "cd"),
    ("{date: {from: 2020-01-01, until: 2020-01-01}}", "a"), ("{date: {from: 2020-06}}", "bc"), ("{date: {until: 2020}}", "ab"),
    ("{date: {from: 2021, until: 2021-12-31}}", "c"),
    ("{url: {prefix: 'https://docs.'}}", "ad"), ("{url: {prefix: ['https://docs.b', 'https://a']}}", "bd"),
    ("{paywalled: true}", "a"), ("{paywalled: false}", "bd"),
    ("{tags: noindex}", "ac"), ("{tags: [spam, other]}", "a"),
    ("{not: {language: en}}", "bcd"), ("{not: {cluster_size: {low: 0}}}", "a"), ("{not: {tags: noindex}}", "bd"),
    ("{any: [{language: en}, {cluster_size: 10}]}", "ac"), ("{all: [{language: [en, de]}, {cluster_size: 2}]}", "b"),
    ("{language: [en, de], not: {classifier_score: {low: 0.5}}}", "b"),
    ("{any: [{all: [{language: de}, {cluster_size: 2}]}, {not: {any: [{language: [en, de]}, {paywalled: false}]}}]}", "bc")])
def test_what_a_condition_matches(condition, rows):
    assert rows_of(condition) == rows


def test_the_columns_that_a_condition_asks_for():
    condition = plain(yaml.safe_load("{source: a, any: [{host: b}, {not: {tags: c, all: [{date: {from: 2020}}]}}]}"))
    assert columns(condition) == {"source", "host", "tags", "date"}


def test_a_condition_as_a_message_says_it():
    condition = plain(yaml.safe_load(
        "{source: [a, b], classifier_score: {low: 0.7, high: 1}, any: [{date: {until: 2020}}, {not: {paywalled: true}}]}"))
    assert sentence(condition) == "source=a|b, classifier_score>=0.7, classifier_score<=1, (date<=2020 or not (paywalled=true))"


def test_every_measurement_that_a_rule_may_bound_can_be_asked_for_and_is_stored():
    assert set(RULE_MEASUREMENTS) <= COLUMNS.keys()
    from textmill.pipelines.dedup.keep import DUPLICATES
    from textmill.pipelines.extract.rows import DOCUMENTS
    from textmill.pipelines.screen.verdicts import VERDICTS
    stored = {"documents": DOCUMENTS, "signals": SIGNALS, "verdicts": VERDICTS, "duplicates": DUPLICATES}
    kinds = {"text": pa.types.is_string, "texts": pa.types.is_list, "date": pa.types.is_string, "flag": pa.types.is_boolean,
             "number": lambda kind: pa.types.is_floating(kind) or pa.types.is_integer(kind)}
    for name, column in COLUMNS.items():
        if column.dataset in stored:
            assert kinds[column.kind](stored[column.dataset].field(name).type), name
