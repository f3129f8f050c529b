"""Pieces: joined they are the text, their edits are the document's, and they end where a reader pauses."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from textmill.pipelines.curate.edits import apply_edits
from textmill.pipelines.curate.pieces import cut

ALPHABET = st.sampled_from("ab .!?\n。漢é\u0301😀\u200d\u0430")


@st.composite
def texts_with_edits(draw):
    text = draw(st.text(ALPHABET, max_size=300))
    marks = sorted(draw(st.sets(st.integers(0, len(text)), max_size=20)))
    kinds = st.sampled_from(["EMAIL", "PHONE", "tag:IP"])
    return text, [(draw(kinds), a, b) for a, b in zip(marks[::2], marks[1::2], strict=False)]


@given(texts_with_edits(), st.integers(4, 80))
@settings(max_examples=300, deadline=None, derandomize=True)
def test_edits_and_places_give_the_pieces_byte_for_byte(text_and_edits, max_bytes):
    text, edits = text_and_edits
    places = cut(text, edits, max_bytes)
    assert [a for a, _ in places] == [0] + [b for _, b in places[:-1]] and places[-1][1] == len(text)
    assert "".join(text[a:b] for a, b in places) == text
    assert all(a < b for a, b in places) or text == ""
    for a, b in places:
        covered = any(a <= first and last <= b and last - first > 1 for _, first, last in edits)
        assert len(text[a:b].encode()) <= max_bytes or covered
    whole = apply_edits(text, edits)
    assert "".join(apply_edits(text, edits, a, b) for a, b in places) == whole
    for kind, first, last in edits:
        assert any(a <= first and last <= b for a, b in places), (kind, first, last)


def test_a_cut_prefers_a_line_end_then_a_sentence_then_a_space_then_a_letter():
    line = "One two three. Four five six.\nSeven eight nine ten eleven."
    assert [line[a:b] for a, b in cut(line, [], 40)] == ["One two three. Four five six.\n", "Seven eight nine ten eleven."]
    sentence = "One two three. Four five six seven eight nine ten"
    assert [sentence[a:b] for a, b in cut(sentence, [], 26)] == ["One two three. ", "Four five six seven ", "eight nine ten"]
    chinese = "漢字仮名。続く文の終わり"
    assert [chinese[a:b] for a, b in cut(chinese, [], 28)] == ["漢字仮名。", "続く文の終わり"]
    assert cut("aaaa bbbbbbbb", [], 9) == [(0, 5), (5, 13)]
    assert cut("a" * 10, [], 4) == [(0, 4), (4, 8), (8, 10)]


def test_a_cut_never_falls_inside_an_edit():
    assert cut("x" * 30, [("EMAIL", 8, 12)], 10) == [(0, 8), (8, 18), (18, 26), (26, 30)]
    assert cut("x" * 30, [("SECRET", 0, 25)], 10) == [(0, 25), (25, 30)]


def test_no_piece_is_a_leftover():
    text = " ".join(["word"] * 1000)
    sizes = [b - a for a, b in cut(text, [], 600)]
    assert min(sizes) >= 200 and max(sizes) <= 600 and sum(sizes) == len(text)


def test_a_short_or_empty_text_is_one_piece():
    assert cut("", [], 10) == [(0, 0)]
    assert cut("0123456789", [], 10) == [(0, 10)]
    assert cut("漢字漢", [], 9) == [(0, 3)]


@pytest.mark.parametrize("sentence, more", [
    ("یہ پہلا جملہ ہے۔ ", "دوسرا"), ("यह पहला वाक्य है। ", "दूसरा"), ("هل هذا سؤال؟ ", "نعم"), ("Սա նախադասություն է։ ", "Եվս"),
    ("ይህ ዓረፍተ ነገር ነው። ", "ሌላ"), ("これは文です。", "つぎ"), ("នេះជាប្រយោគ។", "មួយទៀត"), ("\u201eEin Satz.\u201d ", "Noch"), ("(One!) ", "Two")])
def test_a_sentence_ends_where_its_script_says(sentence, more):
    text = sentence * 8 + more * 3
    for a, b in cut(text, [], 4 * len(sentence.encode()))[:-1]:
        assert text[a:b].endswith(sentence)


@pytest.mark.parametrize("character", ["👩🏽\u200d🔬", "🇩🇪", "क्षि", "각", "e\u0301\u0323", "❤\ufe0f", "ก็"])
def test_what_a_reader_takes_for_one_character_is_never_cut(character):
    text = character * 40
    sizes = {b - a for a, b in cut(text, [], 3 * len(character.encode()) + 2)}
    assert all(size % len(character) == 0 for size in sizes)


def test_accents_stay_on_their_letter():
    text = "e\u0301" * 9
    assert all((b - a) % 2 == 0 for a, b in cut(text, [], 10))
