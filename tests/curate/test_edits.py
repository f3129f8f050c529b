"""Edits: what the policy makes of findings, and the text that its edits give."""

import pytest

from textmill.base.strict import SettingsError, parse
from textmill.pipelines.curate.edits import apply_edits, edits_for, too_many
from textmill.pipelines.curate.leftovers import leftovers
from textmill.pipelines.screen.policies import KindPolicy, PersonalDataPolicy

TEXT = "mail a@b.example, 8.8.8.8 or 030 123"
FINDINGS = [("EMAIL", 5, 16), ("IP", 18, 25), ("PHONE", 29, 36)]
POLICY = PersonalDataPolicy({"IP": KindPolicy("tag"), "PHONE": KindPolicy("keep")})


def test_a_kind_is_replaced_tagged_or_kept_as_its_policy_says():
    edits = edits_for(FINDINGS, POLICY)
    assert edits == [("EMAIL", 5, 16), ("tag:IP", 18, 25)]
    assert apply_edits(TEXT, edits) == "mail <EMAIL>, 8.8.8.8 or 030 123"


def test_a_kind_without_a_policy_is_replaced():
    assert apply_edits(TEXT, edits_for(FINDINGS, PersonalDataPolicy())) == "mail <EMAIL>, <IP> or <PHONE>"


def test_a_part_of_the_text_gets_the_edits_that_lie_in_it():
    edits = edits_for(FINDINGS, PersonalDataPolicy())
    assert [apply_edits(TEXT, edits, 0, 17), apply_edits(TEXT, edits, 17, 36)] == ["mail <EMAIL>,", " <IP> or <PHONE>"]


@pytest.mark.parametrize("edits, start, end", [([("IP", 18, 25)], 0, 20), ([("IP", 18, 25)], 20, 36),
                                              ([("EMAIL", 5, 16), ("IP", 10, 25)], 0, 36)])
def test_half_an_edit_is_an_error(edits, start, end):
    with pytest.raises(ValueError, match="overlaps"):
        apply_edits(TEXT, edits, start, end)


def test_zero_is_a_bound_and_off_is_absent():
    assert too_many(FINDINGS, PersonalDataPolicy({"IP": KindPolicy(drop_above=0)})) == [("IP", 1, 0)]
    assert too_many(FINDINGS, PersonalDataPolicy({"IP": KindPolicy(drop_above=1)})) == []
    assert too_many(FINDINGS, PersonalDataPolicy()) == []


def test_a_negative_bound_is_refused():
    with pytest.raises(SettingsError, match="drop_above is -1"):
        parse(KindPolicy, {"drop_above": -1}, "rules.yaml")


@pytest.mark.parametrize("text, left", [
    ("a\n| name | age |\n| | |\n|  |  |\n| Ines | 7 |\nb", "a\n| name | age |\n| Ines | 7 |\nb"),
    ("| | |\n|---|---|\n| one | two |\n", "| one | two |\n"),
    ("| one | two |\n| |", "| one | two |\n")])
def test_rows_of_a_table_without_a_word_leave_nothing(text, left):
    edits = leftovers(text)
    assert apply_edits(text, edits) == left
    assert {kind for kind, _, _ in edits} == {"clean:table"}


@pytest.mark.parametrize("text", [
    "| name | age |\n|---|---|\n| Ines | 7 |", "* | one\n| |\n|/ two", "|  graph  |\n|         |\n+---------+",
    "x || y\n| |\nz", "a | b", "|", "| |", "", "---|---\n|---|---|"])
def test_headed_tables_diagrams_and_code_stay(text):
    assert leftovers(text) == []
