"""Own texts of unusual form under the shipped rules: which good ones are lost, and which junk in the same forms gets through."""

import pytest

from benchmarks.unusual import Measured, measure, own_texts
from tests.screen.test_rules import SHIPPED
from textmill.pipelines.measure.settings import MeasureSettings

# Lost: language of names and lists asked to be surer, notation without words, refrains as dense as keywords, code without marks.
LOST = {"dies-irae", "chess-game-annotated", "drunken-sailor", "litany-of-tools", "jindallae", "thirukkural", "sql-library-loans",
        "carol-of-the-well", "counting-rhyme", "assembly-memcpy"}
LET_IN = {"markov-lines"}           # words drawn at random in lines: they have function words and no repetition


@pytest.fixture(scope="module")
def judged() -> tuple[Measured, list[list[str]]]:
    measured = measure(list(own_texts()), MeasureSettings())
    return measured, measured.broken([rule for rule in SHIPPED.rules if rule.action == "exclude"])


def test_good_texts_of_unusual_form_are_kept(judged):
    measured, broken = judged
    good = [(one.name, rules) for one, rules in zip(measured.texts, broken, strict=True) if one.good]
    assert len(good) == 170
    assert {name: rules for name, rules in good if rules and name not in LOST} == {}


def test_junk_in_the_same_forms_is_not(judged):
    measured, broken = judged
    junk = [(one.name, rules) for one, rules in zip(measured.texts, broken, strict=True) if not one.good]
    assert len(junk) == 54
    assert {name for name, rules in junk if not rules} <= LET_IN
