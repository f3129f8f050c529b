"""Moved bounds: the same effect as `textmill what-if` counts from the stored signals, document by document."""

from dataclasses import replace

import pytest

from textmill.base.strict import SettingsError
from textmill.pipelines.browse import what_if
from textmill.pipelines.browse.rules_pages import bounds_of, changed_bounds
from textmill.pipelines.browse.what_if import effect, moved
from textmill.pipelines.browse.what_if import table as rules_table
from textmill.pipelines.ledger.what_if.lines import compare
from textmill.pipelines.screen.rules import Rule

MOVES = {
    "nothing": {}, "fewer words": {"word_count": (20, 1_000_000)}, "more words": {"word_count": (400, None)},
    "several": {"word_count": (20, None), "stop_words": (1, None), "mean_word_length": (4.5, 6), "digit_share": (None, 0.02), "top_2gram": (None, 0.5)},
    "off": {"word_count": (None, None), "sentence_count": (None, None)}, "zero": {"digit_share": (None, 0), "emoji_share": (0, 0)}}


@pytest.mark.parametrize("name", MOVES)
def test_the_same_effect_as_what_if(browsed, name):
    old = rules_table(browsed.indexes)
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


def test_tokens_are_those_of_the_stored_pieces(browsed):
    """By document: what is kept and what is lost is counted, what is gained is estimated by the words of its language."""
    from collections import Counter
    from pathlib import Path

    from tests.command_line import table
    data = Path(browsed.context.data.uri)
    tokens = Counter()
    for row in table(data, "tokens/test-1k").to_pylist():
        tokens[row["id"]] += row["token_count"]
    old = rules_table(browsed.indexes)
    found = effect(browsed.indexes, old, moved(old, {"digit_share": (None, 0.01), "word_count": (20, None)}), "test-1k")
    assert found.tokenizer == "test-1k" and found.all.tokens_before == sum(tokens.values()) == sum(row.tokens_before for row in found.languages)
    rows = browsed.indexes.connection.execute("SELECT id, kind, language, word_count, number FROM facts WHERE digit_share > 0.01 AND rules_broken = 0").fetchall()
    assert found.all.tokens_lost == sum(tokens[id_] for id_, kind, *_ in rows if kind is None) > 0
    ((language, words),) = browsed.indexes.connection.execute("SELECT language, word_count FROM facts WHERE number IN (SELECT unnest(?))", [found.gained]).fetchall()
    own = browsed.indexes.connection.execute('SELECT sum("tokens/test-1k"), sum(word_count) FROM facts WHERE "tokens/test-1k" > 0 AND language = ?', [language]).fetchall()[0]
    assert found.all.gained == 1 and found.all.tokens_gained == int(words * own[0] / own[1])
    assert effect(browsed.indexes, old, old, "other").tokenizer is None


def test_examples_change_sides(browsed):
    old = rules_table(browsed.indexes)
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
    assert changed_bounds(rules, [replace(rules[0], low=20), rules[1]]) == {"word_count": (20, 100)}


def test_a_language_moves_with_a_bound_that_it_shares():
    """As the file would say: Finnish has a low bound of its own and inherits the high one; Japanese has none."""
    rule = Rule("word_count", 50, 100, {"fi": (33, 100), "ja": (None, None)})
    assert moved([rule], {"word_count": (40, 90)}) == [Rule("word_count", 40, 90, {"fi": (33, 90), "ja": (None, None)})]
    with pytest.raises(SettingsError, match="low 33 is above high 20 for fi"):
        moved([rule], {"word_count": (10, 20)})


def test_without_verdicts_it_says_what_to_run(browsed, tmp_path):
    import shutil

    from tests.browse.served import browser, without
    from textmill.pipelines.contract.filesystems import StageError
    shutil.copytree(browsed.context.data.uri, tmp_path / "data", ignore=shutil.ignore_patterns("raw"))
    for missing in ("signals", "verdicts"):
        shutil.copytree(tmp_path / "data", tmp_path / missing)
        with pytest.raises(StageError, match="run `textmill screen`"):
            what_if.table(browser(without(tmp_path / missing, missing)).indexes)
