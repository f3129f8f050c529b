"""Prefilter for personal data: digits, long tokens and opening brackets, found in one pass with NumPy.

Most of a text is neither, so expensive detectors look only there: prose costs little more than this pass.
"""

from functools import cache
from typing import NamedTuple

import numpy as np

Stretch = tuple[int, int]

_DIGIT, _TOKEN, _BRACKET, _LETTER = 1, 2, 4, 8
_TOKEN_LENGTH = 16            # the shortest value that a name such as "api_key" makes a secret
_GAP = 3                      # separators between two blocks of one number, at most


class Marks(NamedTuple):
    """Candidate positions for the detectors in one text, in characters.

    Runs of decimal digits of any script (`starts`, `ends`) and those preceded by two ASCII letters; stretches of seven or more
    digits with at most three other characters between two of them; long tokens (ASCII letters, digits, `_-+/.`); and opening
    brackets."""

    starts: np.ndarray
    ends: np.ndarray
    behind_letters: list[int]
    numbers: list[Stretch]
    tokens: list[Stretch]
    brackets: list[int]


def read_marks(text: str) -> Marks:
    """The marks of `text`."""
    if text.isascii():
        classes = _classes()[np.frombuffer(text.encode(), np.uint8)]
    else:
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        classes = _classes()[np.minimum(codes, 0xFFFF)]
    starts, ends = _stretches(classes & _DIGIT)
    inside = starts[starts >= 2]
    behind = inside[(classes[inside - 1] & classes[inside - 2] & _LETTER) != 0].tolist()
    first, last = _stretches(classes & _TOKEN)
    long = last - first >= _TOKEN_LENGTH
    tokens = list(zip(first[long].tolist(), last[long].tolist(), strict=True))
    brackets = np.flatnonzero(classes & _BRACKET).tolist()
    return Marks(starts, ends, behind, _numbers(starts, ends), tokens, brackets)


def _numbers(starts: np.ndarray, ends: np.ndarray) -> list[Stretch]:
    if not len(starts):
        return []
    heads = np.concatenate(([0], np.flatnonzero(starts[1:] - ends[:-1] > _GAP) + 1))
    tails = np.append(heads[1:], len(starts)) - 1
    enough = np.add.reduceat(ends - starts, heads) >= 7
    return list(zip(starts[heads[enough]].tolist(), ends[tails[enough]].tolist(), strict=True))


def _stretches(mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where runs of values other than 0 begin and end; `mask` has one value besides."""
    edges = np.flatnonzero(mask[1:] != mask[:-1]) + 1
    if len(mask) and mask[0]:
        edges = np.concatenate(([0], edges))
    if len(mask) and mask[-1]:
        edges = np.append(edges, len(mask))
    return edges[::2], edges[1::2]


@cache
def _classes() -> np.ndarray:
    """uint8[65536]: what a character up to U+FFFF is; the few digits beyond are not looked for."""
    table = np.zeros(0x10000, np.uint8)
    for code in range(0x10000):
        character = chr(code)
        if character.isdecimal():
            table[code] |= _DIGIT
        if character.isascii() and (character.isalnum() or character in "_-+/."):
            table[code] |= _TOKEN
        if character.isascii() and character.isalpha():
            table[code] |= _LETTER
        if character in "[({<（［【":
            table[code] |= _BRACKET
    return table
