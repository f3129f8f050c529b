"""Splitting of long texts into pieces, at natural breaks, without losing a character and never inside an edit."""

import re
from bisect import bisect_right
from collections.abc import Sequence

import regex

from textmill.pipelines.curate.edits import Edit

# The end of a sentence with what closes it; scripts that write without spaces need none after it.
_SENTENCE = re.compile(r"[.!?…؟۔।॥։።]['\"»”’)\]]*\s+"
                       r"|[。！？．｡។။།][」』”）’]*\s*")
_SPACE = re.compile(r"\s+")
_CHARACTER = regex.compile(r"\X")                       # what a reader takes for one: UAX #29, extended grapheme cluster
_REACH = 64                                            # code points of the longest such character that is kept whole


def cut(text: str, edits: Sequence[Edit], max_bytes: int) -> list[tuple[int, int]]:
    """The places (from, to) of the pieces of `text`, in characters; joined they are the text.

    A piece has at most `max_bytes` of UTF-8 before edits and is cut after the last line end, else sentence, else
    white space, else character as a reader sees it, that leaves no piece under a third of `max_bytes`. A cut that would
    fall inside an edit moves before it, or behind it where the piece would be empty: only then is a piece longer or shorter.
    `edits` are sorted and do not overlap. An empty text is one empty piece. `max_bytes` is at least 4, the longest
    character.
    """
    places: list[tuple[int, int]] = []
    starts = [first for _, first, _ in edits]
    start, left = 0, len(text.encode())
    while left > max_bytes:
        # What is left is shared by two pieces when it is at most one and a half; both then have a third at least.
        low, high = (left // 3, 2 * left // 3) if 2 * left <= 3 * max_bytes else (max_bytes // 2, max_bytes)
        end = _outside(_boundary(text, _fitting(text, start, low), _fitting(text, start, high), start), start, edits, starts)
        left -= len(text[start:end].encode())
        places.append((start, end))
        start = end
    if start < len(text) or not places:
        places.append((start, len(text)))
    return places


def _fitting(text: str, start: int, size: int) -> int:
    """The last place that leaves `text[start:place]` at most `size` bytes, and at least one character."""
    cut_short = text[start:start + size].encode()[:size]
    return start + max(1, len(cut_short.decode(errors="ignore")))


def _boundary(text: str, low: int, high: int, start: int) -> int:
    line = text.rfind("\n", low - 1, high)
    if line >= 0:
        return line + 1
    for pause in (_SENTENCE, _SPACE):
        ends = [found.end() for found in pause.finditer(text, max(start, low - 1), high)]
        if ends:
            return ends[-1]
    # A letter keeps its accents and vowel signs, an emoji its parts.
    found = _CHARACTER.finditer(text, max(start, high - _REACH), high + _REACH)
    ends = [one.end() for one in found if one.end() <= high]
    return ends[-1] if ends and ends[-1] > low else high


def _outside(place: int, start: int, edits: Sequence[Edit], starts: Sequence[int]) -> int:
    """`place`, or where an edit covers it, the edit's beginning; its end where the piece would begin with the edit."""
    at = bisect_right(starts, place) - 1
    if at < 0:
        return place
    _, first, last = edits[at]
    return place if not first < place < last else first if first > start else last
