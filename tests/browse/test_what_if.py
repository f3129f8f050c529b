"""Moved bounds: the same effect as `textmill what-if` counts from the stored signals, document by document."""

from dataclasses import replace

import pytest

from textmill.base.strict import SettingsError
from textmill.pipelines.browse import what_if
from textmill.pipelines.browse.rules_pages import bounds_of, snippet
from textmill.pipelines.browse.what_if import effect, moved, table
from textmill.pipelines.ledger.what_if.lines import compare
from textmill.pipelines.screen.rules import Rule

MOVES = {
    "nothing": {}, "fewer words": {"word_count": (20, 1_000_000)}, "more words": {"word_count": (400, None)},
    "several": {"word_count": (20, None), "stop_words": (1, None), "mean_word_length": (4.5, 6), "digit_share": (None, 0.02), "top_2gram": (None, 0.5)},
    "off": {"word_count": (None, None), "sentence_count": (None, None)}, "zero": {"digit_share": (None, 0), "emoji_share": (0, 0)}}


@pytest.mark.parametrize("name", MOVES)
def test_the_same_effect_as_what_if(browsed, name):
    old = table(browsed.indexes)
    new = moved(old, MOVES[name])
    found = effect(browsed.indexes, old, new)
    _, expected = compare(browsed.context.data, new)
    assert found.read + 0 == expected.read + expected.taken
    everything = ("all", "")
    assert (found.all.before, found.all.gained, found.all.lost) == (
        expected.before[everything], expected.gained.documents[everything], expected.lost.documents[everything])
    assert found.all.words_before == expected.before_words[everything]
    assert found.all.words_after == expected.before_words[everything] + expected.gained.words[everything] - expected.lost.words[everything]
    for key, rows in (("source", found.sources), ("language", found.languages)):
        for row in rows:
            assert (row.before, row.gained, row.lost) == (
                expected.before[key, row.name], expected.gained.documents[key, row.name], expected.lost.documents[key, row.name]), row
            assert row.words_after - row.words_before == expected.gained.words[key, row.name] - expected.lost.words[key, row.name]
    for rule, gained, lost in found.by_rule:
        assert (gained, lost) == (expected.gained.documents["rule", rule], expected.lost.documents["rule", rule]), rule
    assert (len(found.gained), len(found.lost)) == (min(10, found.all.gained), min(10, found.all.lost))
    if name == "several":
        assert found.all.gained and found.all.lost


def test_examples_change_sides(browsed):
    old = table(browsed.indexes)
    found = effect(browsed.indexes, old, moved(old, {"word_count": (20, None)}))
    with browsed.indexes.connection.cursor() as cursor:
        rows = cursor.execute("SELECT broken, word_count FROM facts WHERE number IN (SELECT unnest(?))", [found.gained]).fetchall()
    assert rows and all(broken == ["word_count"] and 20 <= words < 50 for broken, words in rows)


def test_bounds_that_cannot_be_are_sentences():
    rules = [Rule("word_count", 50, 100), Rule("digit_share", high=0.3)]
    with pytest.raises(SettingsError, match="word_count: low 200 is above high 100"):
        moved(rules, {"word_count": (200, 100)})
    for said in ("many", "nan", "inf", "1e999"):
        with pytest.raises(SettingsError, match="is no number"):
            bounds_of(rules, {"word_count.low": said})
    assert bounds_of(rules, {"word_count.low": "", "digit_share.high": " 0 "}) == {"word_count": (None, 100), "digit_share": (None, 0.0)}
    assert snippet(rules, [replace(rules[0], low=20), rules[1]]) == "rules:\n  word_count:\n    low: 20\n    high: 100\n"


def test_without_verdicts_it_says_what_to_run(browsed, tmp_path):
    import shutil

    from tests.browse.served import browser, without
    from textmill.pipelines.contract.filesystems import StageError
    shutil.copytree(browsed.context.data.uri, tmp_path / "data", ignore=shutil.ignore_patterns("raw"))
    with pytest.raises(StageError, match="run `textmill screen`"):
        what_if.table(browser(without(tmp_path / "data", "verdicts")).indexes)
