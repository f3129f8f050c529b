"""Folding of text for detectors: fullwidth digits, letters and signs are plain, what is not seen is left out.

A zero-width space, a soft hyphen or a byte order mark inside an address or a number hides it from a pattern and from nobody
who reads. Findings are given in characters of the text as it is, with what lies inside them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

_UNSEEN = "\u00ad\u200b\u2060\ufeff"       # not the joiners, which words of Persian and Indic languages contain
_PLAIN = {code: chr(code - 0xFEE0) for code in (*range(0xFF10, 0xFF1A), *range(0xFF21, 0xFF3B), *range(0xFF41, 0xFF5B))} | {
    0xFF20: "@", 0xFF0E: ".", 0xFF0D: "-", 0xFF3F: "_"}
_ANY = re.compile(f"[{_UNSEEN}{''.join(map(chr, _PLAIN))}]")
_GONE = re.compile(f"[{_UNSEEN}]")


class Folded(NamedTuple):
    """A folded text, and where each of its characters lies in the text as it is."""

    text: str
    places: Sequence[int]


def folded(text: str) -> Folded | None:
    """The folded text; None where it is the text."""
    if text.isascii() or not _ANY.search(text):
        return None
    gone = {found.start() for found in _GONE.finditer(text)}
    places = [place for place in range(len(text)) if place not in gone] if gone else range(len(text))
    return Folded(_GONE.sub("", text).translate(_PLAIN), places)
