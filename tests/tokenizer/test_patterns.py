"""Cutting with RE2 gives what Hugging Face's engine and tiktoken's published pattern give."""

import random

import pyarrow as pa
import pytest
import regex
from tokenizers import Regex, pre_tokenizers

from textmill.tokenizer.patterns import PATTERNS, cut

# o200k_base as tiktoken publishes it (tiktoken_ext/openai_public.py), part by part.
O200K = "|".join([
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
    r"""[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]+[\p{Ll}\p{Lm}\p{Lo}\p{M}]*(?i:'s|'t|'re|'ve|'m|'ll|'d)?""",
    r"""\p{N}{1,3}""",
    r""" ?[^\s\p{L}\p{N}]+[\r\n/]*""",
    r"""\s*[\r\n]+""",
    r"""\s+(?!\S)""",
    r"""\s+""",
])

# What the parts of the patterns tell apart, and letters, marks and digits of many scripts.
CHARACTERS = [*" \t\n\r\v\f'!/.<|>\0\ufdd0\u200b\u200d\x85\xa0\u2028\u3000", *"aBsSdDlLrReEvV1270", "ſ", "İ", "ß", "É", "é", "e\u0301", "ǅ",
              "ʰ", "漢", "カ", "한", "ไ", "ท", "ก็", "हि", "न्", "दी", "မြ", "န်", "ع", "عَ", "א", "²", "Ⅷ", "٣", "𝟜", "🙂", "👩\u200d👧", "\U0001F3FD"]


def texts_of(seed: int, number: int = 400) -> dict[str, list[str]]:
    """Random texts without NUL, with it, and with it where the second separator never stands."""
    at_random = random.Random(seed)
    texts = ["".join(at_random.choices(CHARACTERS[at_random.randrange(20):], k=at_random.randrange(1, 40)))
             for _ in range(number)]
    return {"plain": [text for text in texts if "\0" not in text],
            "with NUL": [text.replace("\ufdd0", "x") for text in texts if "\0" in text]}


def pieces_of(texts: list[str | None], pattern: str) -> list[str]:
    return [piece for piece in cut(pa.array(texts, pa.string()), pattern).flatten().to_pylist() if piece]


@pytest.mark.parametrize("pattern", PATTERNS)
@pytest.mark.parametrize("seed", range(5))
def test_cuts_where_hugging_face_cuts(pattern, seed):
    cutter = pre_tokenizers.Split(Regex(PATTERNS[pattern]), "isolated")
    for texts in texts_of(seed).values():
        expected = [piece for text in texts for piece, _ in cutter.pre_tokenize_str(text)]
        assert pieces_of(texts, pattern) == expected


def test_gpt_4o_is_the_published_pattern():
    published = regex.compile(O200K)
    for texts in texts_of(11, 5000).values():
        assert pieces_of(texts, "gpt-4o") == [piece for text in texts for piece in published.findall(text)]


def test_texts_are_cut_each_by_itself():
    lists = cut(pa.array(["two words", None, "", "a\0b  c"]), "qwen2").to_pylist()
    assert [[piece for piece in pieces if piece] for pieces in lists] == [
        ["two", " words"], [], [], ["a", "\0b", " ", " c"]]
    assert pieces_of([], "qwen2") == []


def test_marks_stay_in_their_words():
    assert pieces_of(["हिन्दी में"], "gpt-4o") == ["हिन्दी", " में"]
    assert len(pieces_of(["हिन्दी में"], "qwen2")) > 2
