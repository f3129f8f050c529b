"""Signatures are datasketch's, shingle sets are exact, and neither depends on the batch."""

import hashlib
import random

import datasketch
import numpy as np
import pytest
import regex
import xxhash

from textmill.pipelines.text.shingles import EMPTY, content_hashes, minhash, shingle_hashes
from textmill.pipelines.text.words import read_words

TEXTS = [
    "",
    "  if (a != b) {\n    x += 1;\n  }\n\n  C++, C# and a<b\nout",
    "first\n  second\n  third\n\n   \nfourth\n fifth",
    " \n ",
    "... !!!",
    "one",
    "one two three four",
    "one two three four five",
    "The mill turns. The mill turns. The mill turns. The mill turns.",
    "水車は川の流れで回る。",
    "โรงสีหมุน by the river",
    "Ça tourne, l’eau coule; ΟΔΟΣ οδός İstanbul 𠀋𠀌 🙂 ok",
    "mixed 水 text with 車 inside",
    "x" * 5000,
    " ".join(str(n * n) for n in range(3000)),
]


def slow_terms(text: str) -> list[str]:
    """The definition, line by line and character by character, for letters and digits of these texts."""
    nospace = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}"
    term = rf"(?V1)[{nospace}&&\p{{L}}]\p{{M}}*|[[\p{{L}}\p{{M}}\p{{N}}_]--[{nospace}]]+|[\p{{S}}#%&*/@\[\\\]{{}}]"
    terms, before = [], None
    for line in text.split("\n"):
        if line.strip():
            indent = len(line) - len(line.lstrip())
            terms += [] if before in (None, indent) else ["⇥" if indent > before else "⇤"]
            before = indent
            terms += ["".join("σ" if c in "Σς" else c.lower()[0] for c in one) for one in regex.findall(term, line)]
    return terms


def slow_shingles(text: str) -> list[bytes]:
    terms = slow_terms(text)
    return [" ".join(terms[n:n + 5]).encode() for n in range(max(1, len(terms) - 4))] if terms else []


def random_text(seed: int) -> str:
    source = random.Random(seed)
    alphabet = "aäbcdeéß ğ,.\n\t -ЖжИ水車川กน0123İΣσς🙂+=<#%&*/@[\\]{}()!\n  "
    return "".join(source.choice(alphabet) for _ in range(source.randrange(400)))


@pytest.mark.parametrize("texts", [TEXTS, [random_text(seed) for seed in range(40)]], ids=["chosen", "random"])
def test_signature_is_datasketchs_bit_for_bit(texts):
    offsets, hashes = shingle_hashes(read_words(texts))
    signatures = minhash(offsets, hashes)
    assert signatures.dtype == np.uint32
    for text, signature, start, end in zip(texts, signatures, offsets[:-1], offsets[1:], strict=True):
        sketch = datasketch.MinHash(num_perm=120, seed=1, scheme="affine32",
                                    hashfunc=lambda b: xxhash.xxh3_64_intdigest(b) & 0xFFFFFFFF)
        for shingle in slow_shingles(text):
            sketch.update(shingle)
        assert signature.tolist() == sketch.hashvalues.tolist(), text
        assert hashes[start:end].tolist() == sorted({xxhash.xxh3_64_intdigest(s) for s in slow_shingles(text)}), text


def test_short_texts():
    offsets, hashes = shingle_hashes(read_words(["", "One, two; three", "one two three", "a b c d e f", "a b c d e a b c d e"]))
    assert np.diff(offsets).tolist() == [0, 1, 1, 2, 5]
    assert hashes[0] == hashes[1] == xxhash.xxh3_64_intdigest(b"one two three")
    assert (minhash(offsets, hashes)[0] == EMPTY).all()
    assert minhash(*shingle_hashes(read_words([]))).shape == (0, 120)


def test_same_sketch_alone_and_in_any_company():
    together = minhash(*shingle_hashes(read_words(TEXTS)))
    alone = [minhash(*shingle_hashes(read_words([text])))[0] for text in TEXTS]
    assert together.tolist() == np.array(alone).tolist()


def test_jaccard_of_shingle_sets_is_exact():
    offsets, hashes = shingle_hashes(read_words(["a b c d e f g h", "a b c d e f g x"]))
    first, second = set(hashes[:offsets[1]].tolist()), set(hashes[offsets[1]:].tolist())
    assert (len(first & second), len(first | second)) == (3, 5)


def test_content_hash_folds_line_ends_and_normal_form_only():
    plain = hashlib.blake2b("Ça tourne\nbien".encode(), digest_size=16).digest()
    assert content_hashes(["Ça tourne\nbien", "  Ça tourne\r\nbien \n", "C\u0327a tourne\nbien"]) == [plain] * 3
    different = content_hashes(["ça tourne\nbien", "Ça tourne\nbien.", "Ça tourne bien", "Ça tourne\n  bien", "Ça  tourne\nbien", ""])
    assert len({plain, *different}) == 7
    assert content_hashes([""]) == [hashlib.blake2b(b"", digest_size=16).digest()]


@pytest.mark.parametrize(("one", "other"), [
    ("C", "C++"), ("C", "C#"), ("a<b", "a>b"), ("def f(a, b):\n    return a + b", "def f(a, b):\n    return a * b"),
    ("for x in y:\n    f(x)\n    g(x)\n", "for x in y:\n    f(x)\ng(x)\n")])
def test_texts_that_differ_in_what_matters_have_other_shingles(one, other):
    offsets, hashes = shingle_hashes(read_words([one, other]))
    assert hashes[:offsets[1]].tolist() != hashes[offsets[1]:].tolist()


def test_wider_indentation_is_the_same_program():
    offsets, hashes = shingle_hashes(read_words(["if a:\n  b\n  if c:\n    d\ne", "if a:\n\tb\n\tif c:\n\t\td\ne"]))
    assert hashes[:offsets[1]].tolist() == hashes[offsets[1]:].tolist()
