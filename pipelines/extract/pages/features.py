"""Features of a page's blocks, as whole numbers: the same on every machine, since nothing is rounded by a library.

Shares and logarithms are in 1/64.
"""

import re
from typing import NamedTuple

import numpy as np

from textmill.pipelines.extract.pages.blocks import Blocks
from textmill.pipelines.extract.pages.elements import Elements

_WORD = re.compile(r"\w+|\x01")
_LEVELS = 5             # elements around a block whose text is looked at
_SHORT = 80             # characters of a block whose words are looked at, from its start
_SAME_AS = 200          # characters: a longer block is not compared with title and description
_KINDS = ["space", "upper", "lower", "digit", "comma", "stop", "open", "slash", "bar", "copyright", "question", "money",
          "line", "wide", "colon"]
_MARKS = {"space": " ", "comma": ",\u3001\uff0c", "stop": ".\u3002!\uff01", "open": "(", "slash": "/", "bar": "|\u2022\u00b7",
          "copyright": "\u00a9\u00ae", "question": "?\uff1f", "money": "$\u20ac\u00a3\u00a5%", "line": "\n", "colon": ":\uff1a"}
_ENDS = ".!?:;\u2026\u3002\uff01\uff1f\"\u201d\u00bb"


def _character_kinds() -> tuple[np.ndarray, np.ndarray]:
    """Kind of each character of the basic plane, and whether a sentence may end with it."""
    kinds = np.zeros(0x10001, np.uint8)
    for code in range(0x250):
        character = chr(code)
        kinds[code] = 2 if character.isupper() else 3 if character.islower() else 4 if character.isdigit() else 0
    kinds[0x400:0x430], kinds[0x430:0x460], kinds[0x391:0x3aa], kinds[0x3b1:0x3ca] = 2, 3, 2, 3
    for start, end in ((0x0e00, 0x0e80), (0x2e80, 0xa000), (0xac00, 0xd7b0), (0xff00, 0xff60), (0x10000, 0x10001)):
        kinds[start:end] = _KINDS.index("wide") + 1
    for name, marks in _MARKS.items():
        kinds[[ord(mark) for mark in marks]] = _KINDS.index(name) + 1
    ends = np.zeros(0x10001, bool)
    ends[[ord(mark) for mark in _ENDS]] = True
    return kinds, ends


_KIND, _END = _character_kinds()


class Features(NamedTuple):
    """`dense`: (blocks, features), int64; the words of all blocks' beginnings, with chr(1) before each block but the first."""

    dense: np.ndarray
    text_words: list[str]


class Columns:
    """Features as they are gathered: counts to be taken the logarithm of, shares as part and whole, and flags."""

    def __init__(self) -> None:
        self.counts: list[np.ndarray] = []
        self.parts: list[np.ndarray] = []
        self.wholes: list[np.ndarray] = []
        self.flags: list[np.ndarray] = []

    def share(self, part: np.ndarray, whole: np.ndarray) -> None:
        self.parts.append(part)
        self.wholes.append(whole)

    def matrix(self) -> np.ndarray:
        parts = share64(np.array(self.parts, dtype=np.int64), np.array(self.wholes, dtype=np.int64))
        flags = 64 * np.array(self.flags, dtype=np.int64)
        return np.clip(np.concatenate([log64(np.array(self.counts, dtype=np.int64)), parts, flags]).T, -1024, 1024)


def log64(counts: np.ndarray) -> np.ndarray:
    """64 log2(1 + n), straight between powers of two: exact in whole numbers."""
    mantissa, exponent = np.frexp(counts.astype(np.float64) + 1)
    return (exponent * 64 + np.floor(mantissa * 128).astype(np.int64) - 128).astype(np.int64)


def share64(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    """Part / whole in 1/64, rounded down; 0 of nothing."""
    return (64 * part) // np.maximum(whole, 1)


def features(page: Blocks, around: Elements, title: str = "", description: str = "") -> Features:
    """The features of a page's blocks, of which it has one at least: of each alone, its place, and the elements around it."""
    link = np.array(page.link_chars, dtype=np.int64)
    size, counts, first, last = characters(page.texts)
    words = counts[:, 0] + 1
    columns = Columns()
    _own(columns, page, size, words, link, counts, first, last, title, description)
    _place(columns, page, around, size, link)
    _levels(columns, around, [size, link, words, (words >= 12) * size, _END[last] * size])
    _siblings(columns, around, size, link)
    _centre(columns, around, (words >= 10) * np.maximum(size - 2 * link, 0))
    return Features(columns.matrix(), _WORD.findall("\x01".join([text[:_SHORT] for text in page.texts]).lower()))


def characters(texts: list[str]) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Length, counts by kind of character, and the first and the last one, of each text; none is empty."""
    size = np.fromiter(map(len, texts), np.int64, len(texts))
    codes = np.minimum(np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32), 0x10000)
    ends = np.cumsum(size)
    kinds = _KIND[codes] + np.repeat(np.arange(len(texts), dtype=np.int32) * (len(_KINDS) + 1), size)
    flat = np.bincount(kinds, minlength=len(texts) * (len(_KINDS) + 1)).reshape(len(texts), -1)[:, 1:]
    return size, flat.astype(np.int64), codes[ends - size], codes[ends - 1]


def _own(columns: Columns, page: Blocks, size: np.ndarray, words: np.ndarray, link: np.ndarray, counts: np.ndarray,
         first: np.ndarray, last: np.ndarray, title: str, description: str) -> None:
    """Of each block alone."""
    of = dict(zip(_KINDS, counts.T, strict=True))
    letters = size - of["space"]
    seen: dict[str, int] = {}
    for text in page.texts:
        seen[text] = seen.get(text, 0) + 1
    repeats = np.array([seen[text] for text in page.texts], dtype=np.int64)
    item = np.array([-1 if number is None else number for number in page.item], dtype=np.int64)
    kind = _KIND[first]
    columns.flags += [_END[last], kind == 2, kind == 4, item >= 0, item > 0, of["lower"] + of["wide"] == 0, of["bar"] > 0,
                      of["copyright"] > 0, of["question"] > 0, _KIND[last] == len(_KINDS), of["money"] > 0, of["wide"] > 0,
                      *_declared(page.texts, title, description)]
    columns.counts += [size, words, np.array(page.links, dtype=np.int64), of["comma"], of["stop"], of["line"], of["open"],
                       of["slash"], repeats - 1]
    for part, whole in ((link, letters), (letters, 4 * words), (of["digit"], letters), (of["upper"], letters)):
        columns.share(part, whole)


def _declared(texts: list[str], title: str, description: str) -> list[np.ndarray]:
    """Whether a block is in the page's title, and in its description or begins as that does."""
    title, description = title.lower(), description.lower()
    start = description[:40]
    lower = [text[:_SAME_AS].lower() for text in texts]
    described = [len(text) > 20 and (text in description or text.startswith(start)) for text in lower] if start else []
    return [np.array([len(text) > 3 and text in title for text in lower]), np.array(described or [False] * len(texts))]


def _place(columns: Columns, page: Blocks, around: Elements, size: np.ndarray, link: np.ndarray) -> None:
    """Where a block stands in the page, and after which heading."""
    count, place = len(size), np.arange(len(size))
    one = np.ones(count, dtype=np.int64)
    total = one * int(size.sum())
    level = {"h1": 1, "h2": 2, "h3": 2}
    tags = np.array([level.get(tag, 0) for tag in page.tag])[around.node]
    headings, first = tags > 0, tags == 1
    h1_seen = np.cumsum(first) > 0
    last_heading = np.maximum.accumulate(np.where(headings, place, -1))
    columns.counts += [place, count - 1 - place, total, one * count, np.cumsum(headings), place - last_heading]
    for part, whole in ((place, one * count), (np.cumsum(size) - size, total), (one * int(link.sum()), total)):
        columns.share(part, whole)
    columns.flags += [h1_seen, ~h1_seen & first.any()]


def _levels(columns: Columns, around: Elements, values: list[np.ndarray]) -> None:
    """Of the elements around a block, each next one holding more than the one before."""
    size, link, words, long, ends = (around.sum(value) for value in values)
    up = around.parent[around.nearest(around.held[around.parent] > around.held)]
    total = np.full(len(around.node), size[0])
    at = around.node
    for _ in range(_LEVELS):
        inner, held = size[at], around.held[at]
        columns.counts += [inner, held]
        for part, whole in ((link[at], inner), (long[at], inner), (inner, total), (words[at], 4 * held), (ends[at], inner)):
            columns.share(part, whole)
        at = up[at]


def _siblings(columns: Columns, around: Elements, size: np.ndarray, link: np.ndarray) -> None:
    """Of elements of the same names that repeat under one parent: cards, posts, rows.

    Of the largest such set around a block and of the innermost: how many there are and what they hold.
    """
    key = np.where(around.held > 0, around.parent * len(around.names) + around.name, -1 - np.arange(len(around.name)))
    _, group, alike = np.unique(key, return_inverse=True, return_counts=True)
    text, linked, blocks = (np.bincount(group, value).astype(np.int64)[group]
                            for value in (around.sum(size), around.sum(link), around.held))
    alike = alike[group]
    several = around.nearest(alike >= 3)        # the root where there are none
    inner = best = several[around.node]
    at = around.parent[inner]
    for _ in range(3):
        at = several[at]
        best = np.where((at > 0) & (text[at] >= text[best]), at, best)
        at = around.parent[at]
    total = np.full(len(inner), int(size.sum()))
    for at in (best, inner):
        any_ = (at > 0).astype(np.int64)
        columns.counts += [alike[at] * any_, text[at] // alike[at] * any_, blocks[at] // alike[at] * any_]
        columns.share(linked[at] * any_, text[at])
        columns.share(text[at] * any_, total)


def _centre(columns: Columns, around: Elements, weight: np.ndarray) -> None:
    """Whether a block lies in the smallest element with half of the page's prose, and in that with four fifths.

    And how far from its start, and how large it is.
    """
    within = around.sum(weight)
    place = np.arange(len(weight))
    for share in (32, 51):
        enough = np.flatnonzero(64 * within >= share * max(int(within[0]), 1))
        at = enough[np.argmin(around.held[enough] * 4096 - enough.clip(max=4095))] if len(enough) else 0
        start, end = around.start[at], around.end[at]
        columns.flags.append((place >= start) & (place < end))
        columns.counts.append(np.abs(place - start))
        columns.share(np.full(len(place), end - start), np.full(len(place), len(place)))
