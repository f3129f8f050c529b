"""A rules file with moved bounds: read again it says what the page showed, and every comment is still there."""

import pytest

from tests.paths import ROOT
from textmill.base.strict import SettingsError, read_yaml
from textmill.pipelines.browse.rules_file import with_bounds
from textmill.pipelines.browse.what_if import moved
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.screen.rules import parse_rules

SHIPPED = (ROOT / "rules.yaml").read_text("utf-8")
# A rule in several lines with bounds by language, one in one line, one with a bound more, one with a bound less, one without bounds of its own.
BOUNDS = {"word_count": (20, 5_000.0), "stop_words": (1, None), "digit_share": (0, 0.125), "mean_word_length": (None, 9.5), "language_score": (0.25, 1)}


def rules_of(text):
    return list(parse_rules(read_yaml("rules.yaml", text), RULE_MEASUREMENTS, KINDS, "rules.yaml").rules)


def test_the_file_says_what_the_page_shows_and_keeps_its_comments():
    text = with_bounds(SHIPPED, BOUNDS)
    assert rules_of(text) == moved(rules_of(SHIPPED), BOUNDS) != rules_of(SHIPPED)
    comments = [[line.partition("#")[2] for line in each.splitlines() if "#" in line] for each in (SHIPPED, text)]
    assert comments[0] == comments[1] and len(comments[0]) > 50
    assert with_bounds(SHIPPED, {}) == SHIPPED
    assert {rule.name: (rule.low, rule.high) for rule in rules_of(text)}["word_count"] == (20, 5_000)


@pytest.mark.parametrize("name", [rule.name for rule in rules_of(SHIPPED)])
def test_any_rule_can_be_moved(name):
    """To what the page says, or to nothing where the page refuses it."""
    for bounds in ((0.5, 0.75), (0, None), (None, 1_000_000)):
        try:
            expected = moved(rules_of(SHIPPED), {name: bounds})
        except SettingsError:
            with pytest.raises(SettingsError, match="no document could lie between"):
                rules_of(with_bounds(SHIPPED, {name: bounds}))
        else:
            assert rules_of(with_bounds(SHIPPED, {name: bounds})) == expected, bounds


def test_a_rule_without_bounds_is_out():
    """One with bounds of its own for some languages stays for them."""
    for name, stays in (("url_spam_phrases", False), ("newline_ratio", False), ("sentence_count", True), ("word_count", True)):
        assert (name in [rule.name for rule in rules_of(with_bounds(SHIPPED, {name: (None, None)}))]) == stays, name


@pytest.mark.parametrize(("text", "there"), [
    ("rules:\n  word_count:\n", "  word_count: {low: 2, high: 9}\n"), ("rules:\n  word_count: null  # off\n", "  word_count: {low: 2, high: 9}  # off\n"), ("rules:\n  word_count: {}\n", "  word_count: {low: 2, high: 9}\n"),
    ("rules:\n  word_count: {action: tag}  # seldom\n", "  word_count: {low: 2, high: 9, action: tag}  # seldom\n"),
    ("rules:\n  word_count:\n    # none\n    high: 8\n", "  word_count:\n    # none\n    low: 2\n    high: 9\n"),
    ("rules: {word_count: {high: 8, low: 1}}\n", "rules: {word_count: {high: 9, low: 2}}\n")])
def test_any_way_to_write_a_rule(text, there):
    assert with_bounds(text, {"word_count": (2, 9)}).removeprefix("rules:\n") == there


@pytest.mark.parametrize("text", ["", "rules: [", "rules: 1", "other: {}", "rules:\n  digit_share: {low: 1}\n", "[1]", "\0"])
def test_a_file_without_the_rule_is_a_sentence(text):
    with pytest.raises(SettingsError, match="has no rule word_count"):
        with_bounds(text, {"word_count": (1, 2)})
