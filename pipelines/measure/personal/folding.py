"""Folding of text for detectors: fullwidth digits, letters and signs are plain, what is not seen is left out.

A zero-width space, a soft hyphen or a byte order mark inside an address or a number hides it from a pattern and from nobody
who reads. Japanese numbers have minus signs, dashes, middle dots and the mark of long vowels for a hyphen, and wide brackets:
between digits these are plain too. So are the digits of Arabic, Persian, Hindi and Bengali where there are enough of them for
a number. Findings are given in characters of the text as it is, with what lies inside them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_UNSEEN = "\u00ad\u200b\u2060\ufeff"       # not the joiners, which words of Persian and Indic languages contain
_PLAIN = {code: chr(code - 0xFEE0) for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))} | {
    0xFF20: "@", 0xFF0E: ".", 0xFF0D: "-", 0xFF3F: "_"}
_EASTERN = {code + digit: str(digit) for code in (0x0660, 0x06F0, 0x0966, 0x09E6) for digit in range(10)}
_DIGIT = "0-9０-９"
_HYPHEN = re.compile(f"(?<=[{_DIGIT}])[－−ー―・](?=[{_DIGIT}])")
_OPENED = re.compile(f"（(?=[{_DIGIT}]{{1,5}}）[{_DIGIT}])")
_CLOSED = re.compile(f"(?<=[{_DIGIT}])）(?=[{_DIGIT}])")
_PLAIN_OR_UNSEEN = re.compile(f"[{_UNSEEN}{''.join(map(chr, _PLAIN))}]")
_EASTERN_NUMBER = re.compile("(?:[٠-٩۰-۹०-९০-৯][ \u00a0\u202f./()+–-]{0,3}){7}")
_GONE = re.compile(f"[{_UNSEEN}]")


class Folded(NamedTuple):
    """A folded text, and where each of its characters lies in the text as it is."""

    text: str
    places: Sequence[int]


def folded(text: str) -> Folded | None:
    """The folded text; None where it is the text."""
    if text.isascii() or not _folds(text):
        return None
    gone = {found.start() for found in _GONE.finditer(text)}
    places = [place for place in range(len(text)) if place not in gone] if gone else range(len(text))
    seen = _CLOSED.sub(")", _OPENED.sub("(", _HYPHEN.sub("-", _GONE.sub("", text))))
    return Folded(seen.translate(_PLAIN | _EASTERN), places)


def _folds(text: str) -> bool:
    """Whether anything in it folds: the signs that many texts have only where they stand between digits."""
    return bool(_PLAIN_OR_UNSEEN.search(text)
                or (any(sign in text for sign in "−ー―・") and _HYPHEN.search(text))
                or ("（" in text and _OPENED.search(text))
                or (any(digit in text for digit in "٠٢۰۲०२০২") and _EASTERN_NUMBER.search(text)))
