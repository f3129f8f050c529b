"""Unicode character classes, scripts and lower case, as NumPy tables indexed by code point.

The properties come from `regex`, whose Unicode version is pinned by the lock file; the interpreter's own is not.
Planes 0 and 1 are listed; planes 2 and 3 contain only Han and share one row; everything above shares another.
"""

import functools
import unicodedata
from typing import NamedTuple

import numpy as np
import regex

SPACE, NEWLINE, WORD, LETTER, MARK, UPPER, NUMBER, SYMBOL, NOSPACE, TERMINAL, CLOSING, EMOJI = (1 << bit for bit in range(12))

LISTED = 0x20000
FORMULA = (0x1D400, 0x1D800)                          # the block Mathematical Alphanumeric Symbols
HAN_PLANES, OTHER_PLANES = LISTED, LISTED + 1

# Scripts that do not put spaces between words: a character with the marks on it counts as a word. The prolonged sound
# mark and the ideographic closing and zero signs belong to them though their own script property says Common.
_NOSPACE = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}ー〆〇ｰ]"

_PATTERNS = {
    SPACE: r"\s",
    NEWLINE: r"\n",
    WORD: r"[\p{L}\p{M}\p{N}\p{Pc}\u200c\u200d]",     # with the joiners that Persian and Indic words contain
    LETTER: r"\p{L}",
    MARK: r"[\p{M}\u200c\u200d]",
    UPPER: r"[\p{Lu}\p{Lt}]",
    NUMBER: r"\p{N}",
    SYMBOL: r"\p{S}",                                 # mathematics, currency, arrows, emoji; not punctuation
    NOSPACE: "[" + _NOSPACE + r"&&[\p{L}\p{M}\p{N}]]",
    TERMINAL: r"\p{Sentence_Terminal}|…",
    EMOJI: r"[\p{Emoji_Presentation}\u2600-\u27bf\U0001f000-\U0001faff]",     # with symbols such as ★ and ✔
    CLOSING: r"[\p{Pe}\p{Pf}\p{Quotation_Mark}]",
}

# ISO 15924 codes of the scripts a page may be written in; a document's script is the commonest one of its letters.
SCRIPTS = {
    "Latn": "Latin", "Cyrl": "Cyrillic", "Grek": "Greek", "Arab": "Arabic", "Hebr": "Hebrew", "Hani": "Han",
    "Jpan": "Hiragana Katakana", "Hang": "Hangul", "Deva": "Devanagari", "Beng": "Bengali", "Guru": "Gurmukhi",
    "Gujr": "Gujarati", "Orya": "Oriya", "Taml": "Tamil", "Telu": "Telugu", "Knda": "Kannada", "Mlym": "Malayalam",
    "Sinh": "Sinhala", "Thai": "Thai", "Laoo": "Lao", "Khmr": "Khmer", "Mymr": "Myanmar", "Tibt": "Tibetan",
    "Geor": "Georgian", "Armn": "Armenian", "Ethi": "Ethiopic", "Mong": "Mongolian", "Thaa": "Thaana",
    "Syrc": "Syriac", "Tfng": "Tifinagh", "Cher": "Cherokee", "Cans": "Canadian_Aboriginal", "Olck": "Ol_Chiki",
    "Nkoo": "Nko", "Bopo": "Bopomofo", "Yiii": "Yi", "Java": "Javanese", "Bali": "Balinese", "Mtei": "Meetei_Mayek",
    "Adlm": "Adlam", "Goth": "Gothic", "Copt": "Coptic",
}
NO_SCRIPT = "Zyyy"                                    # ISO 15924 for undetermined: no letter of a listed script


class CharacterTable(NamedTuple):
    """Rows LISTED + 2; `lower` has no entry for the shared rows, whose characters have no case."""

    flags: np.ndarray      # uint16, the constants above
    lower: np.ndarray      # uint32, the code point in lower case
    script: np.ndarray     # uint8, 0 where none, else 1 + index in SCRIPTS


@functools.cache
def character_table() -> CharacterTable:
    """Made once per process, in about a tenth of a second."""
    every = "".join(map(chr, range(LISTED)))
    flags = np.zeros(LISTED + 2, np.uint16)
    for flag, pattern in _PATTERNS.items():
        for run in regex.finditer(rf"(?V1)(?:{pattern})+", every):
            flags[run.start():run.end()] |= flag
    flags[HAN_PLANES] = WORD | LETTER | NOSPACE
    script = np.zeros(LISTED + 2, np.uint8)
    for number, names in enumerate(SCRIPTS.values(), 1):
        members = "".join(rf"\p{{Script={name}}}" for name in names.split())
        for run in regex.finditer(rf"[{members}]+", every):
            script[run.start():run.end()] = number
    # Letters of formulas are of no script by Unicode; people write words in them, and they look like Latin and Greek.
    for code in range(*FORMULA):
        script[code] = script[ord(unicodedata.normalize("NFKC", every[code])[0])]
    script[HAN_PLANES] = 1 + list(SCRIPTS).index("Hani")
    return CharacterTable(flags, np.array([_lower(character) for character in every], np.uint32), script)


def _lower(character: str) -> int:
    """One code point for one: the final sigma is a sigma, and the dotted capital I of Turkish is an i."""
    return ord("σ" if character in "Σς" else character.lower()[0])
