"""Words, lines and paragraphs of one reading, written out by hand; and nothing depends on the batch."""

import random

import numpy as np
import pytest

from textmill.pipelines.text import words as module
from textmill.pipelines.text.characters import LETTER, MARK, NOSPACE, NUMBER, TERMINAL, UPPER, WORD, character_table
from textmill.pipelines.text.words import read_words, sums

TEXTS = ["", "\n", " \t", "One.", "Two words\nand a line\n\nnew paragraph", "水車 mill", "🙂", "a\n\n\n\nb\n"]


def listed(texts: list[str]) -> list[list[str]]:
    words = read_words(texts)
    joined = "".join(text + "\n" for text in texts)
    found = [joined[start:end] for start, end in zip(words.word_starts, words.word_ends, strict=True)]
    return [found[start:end] for start, end in zip(words.word_offsets[:-1], words.word_offsets[1:], strict=True)]


@pytest.mark.parametrize(("text", "expected"), [
    ("", []),
    (" \n\t", []),
    ("-- !? --", []),
    ("The mill turns.", ["The", "mill", "turns"]),
    ("don't e-mail me_2 3.14", ["don", "t", "e", "mail", "me_2", "3", "14"]),
    ("naïve Straße", ["naïve", "Straße"]),
    ("nai\u0308ve", ["nai\u0308ve"]),
    ("हिन्दी में", ["हिन्दी", "में"]),
    ("می\u200cشود", ["می\u200cشود"]),
    ("水車は回る", ["水", "車", "は", "回", "る"]),
    ("カード、々〆ー", ["カ", "ー", "ド", "々", "〆", "ー"]),
    ("น้ำกิน", ["น้", "ำ", "กิ", "น"]),
    ("か\u3099く", ["か\u3099", "く"]),
    ("mill水mill", ["mill", "水", "mill"]),
    ("𠀋𠀌 𝒳🙂", ["𠀋", "𠀌", "𝒳"]),
    ("한국어 단어", ["한국어", "단어"]),
    ("Wort1 ²x", ["Wort1", "²x"]),
])
def test_words_of_many_scripts(text, expected):
    assert listed([text]) == [expected]


def test_lines_and_paragraphs():
    words = read_words(["  first line \r\nsecond\n \n\nthird\t\n", "", "only"])
    joined = "  first line \r\nsecond\n \n\nthird\t\n" + "\n" + "\n" + "only\n"
    assert [joined[s:e] for s, e in zip(words.line_starts, words.line_ends, strict=True)] == ["first line", "second", "third", "only"]
    assert words.line_offsets.tolist() == [0, 3, 3, 4]
    assert [joined[s:e] for s, e in zip(words.paragraph_starts, words.paragraph_ends, strict=True)] == ["first line \r\nsecond", "third", "only"]
    assert words.paragraph_offsets.tolist() == [0, 2, 2, 3]
    assert words.characters.tolist() == [32, 0, 4]


def test_a_text_never_shares_a_paragraph_with_its_neighbour():
    assert read_words(["a", "b", "c\nd"]).paragraph_offsets.tolist() == [0, 1, 2, 3]


def test_hashes_are_equal_where_the_words_are_and_ignore_case_only():
    words = read_words(["Mill mill MILL mil lmill", "ΟΔΟΣ οδος οδοσ İ i"])
    groups = words.word_hashes.tolist()
    assert groups[0] == groups[1] == groups[2]
    assert groups[5] == groups[6] == groups[7]
    assert groups[8] == groups[9]
    assert len(set(groups)) == 5
    assert read_words(["x\0", "x"]).line_hashes[0] != read_words(["x"]).line_hashes[0]


@pytest.mark.parametrize("seed", range(3))
def test_reading_alone_equals_reading_together(seed):
    texts = random.Random(seed).sample(TEXTS * 2, 2 * len(TEXTS))
    together = read_words(texts)
    for number, text in enumerate(texts):
        alone = read_words([text])
        for kind in ("word", "line", "paragraph"):
            offsets = getattr(together, f"{kind}_offsets")
            mine = slice(offsets[number], offsets[number + 1])
            assert getattr(together, f"{kind}_hashes")[mine].tolist() == getattr(alone, f"{kind}_hashes").tolist()
            assert (getattr(together, f"{kind}_starts")[mine] - together.text_starts[number]).tolist() == getattr(alone, f"{kind}_starts").tolist()
            assert (getattr(together, f"{kind}_ends")[mine] - together.text_starts[number]).tolist() == getattr(alone, f"{kind}_ends").tolist()


def test_a_text_longer_than_the_kept_powers_hashes_the_same(monkeypatch):
    expected = read_words(["mill " * 300]).word_hashes.tolist()
    monkeypatch.setattr(module, "_CACHED_POWERS", 64)
    assert read_words(["mill " * 300]).word_hashes.tolist() == expected


def test_no_texts_at_all():
    words = read_words([])
    assert len(words) == 0
    assert words.count(words.flags > 0).tolist() == words.word_count.tolist() == []


def test_distinct_words_of_each_text():
    words = read_words(["a b a", "a", ""])
    first = np.argsort(words.terms.first)
    assert words.terms.first[first].tolist() == [0, 1, 3]
    assert words.terms.counts[first].tolist() == [2, 1, 1]
    assert words.terms.size_of_members().tolist() == [2, 1, 2, 1]


def test_sums_of_empty_stretches():
    assert sums(np.array([1, 2, 3]), np.array([0, 0, 2, 2, 3, 3])).tolist() == [0, 3, 0, 3, 0]


@pytest.mark.parametrize(("character", "flags"), [
    ("A", WORD | LETTER | UPPER), ("ß", WORD | LETTER), ("7", WORD | NUMBER), ("水", WORD | LETTER | NOSPACE),
    ("\u0301", WORD | MARK), ("_", WORD), ("。", TERMINAL), ("।", TERMINAL), ("؟", TERMINAL),
])
def test_character_table(character, flags):
    assert character_table().flags[ord(character)] == flags
