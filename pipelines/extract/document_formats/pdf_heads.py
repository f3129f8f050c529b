"""Running heads, feet and page numbers of a paged document: lines at a page's edge that come back, or count its pages.

A head whose words change from page to page is known by its place: apart from the text, at the same height on most pages, and
set no larger than the text is (the title of a slide is).
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from typing import NamedTuple

from textmill.pipelines.extract.document_formats.pdf_columns import Piece

_EDGE = 3               # lines at the top and at the bottom of a page that are looked at
_NUMBER = re.compile(r"^\W*(?:(?:page|p\.|seite|s\.|página|str\.?)\s*)?(?:\d{1,4}|[ivxlc]{1,7})"
                     r"(?:\s*(?:/|of|von|de|sur)\s*\d{1,4})?\W*$", re.I)
_DIGITS = re.compile(r"\d+|\b[ivxlc]+\b")
_NOTE = re.compile(r"^(?:\d{1,3}|[*†‡§])[\s.)]*[^\W\d]")
_GRID = 4.0             # points by which a line may be set higher or lower and still be the same
_APART = 1.9            # of its height: how far a head is from the text at least
_STEP = 2               # pieces of a slide's step at least
_LARGEST = 1.15         # times the height of the text: fonts of one size have lines of different height
_LONGEST = 90           # characters of a head
_COUNTED = 0.3          # share of the pages that have their number at an edge
_MOST_PAGES = 0.6       # share of the pages on which a head stands at its place


class _Line(NamedTuple):
    """A line at an edge of a page: its words, where it stands, how many lines are outside of it."""

    text: str
    edge: str
    height: int         # on the grid
    rank: int
    is_apart: bool
    numbers: frozenset[int]     # that it begins or ends with
    baselines: tuple[float, ...]


def without_heads(pages: Sequence[Sequence[Piece]], body: float) -> list[list[Piece]]:
    """The pieces of each page without those of its running head, foot and number; `body` is the height of the text's lines."""
    edges = [list(_edges(page, body)) for page in pages]
    texts = Counter(key for edge in edges for key in {(line.text, line.edge, line.height) for line in edge})
    places = Counter(key for edge in edges for key in {(line.edge, line.height) for line in edge if line.is_apart})
    bound = max(2, _MOST_PAGES * len(pages))
    first = _first_number(edges)
    kept = []
    for at, (page, edge) in enumerate(zip(pages, edges, strict=True)):
        gone: set[float] = set()
        for line in edge:
            again = sum(texts[(line.text, line.edge, line.height + step)] for step in (-1, 0, 1))
            here = sum(places[(line.edge, line.height + step)] for step in (-1, 0, 1)) if line.is_apart else 0
            is_number = line.rank == 0 and _NUMBER.match(line.text)
            counts = first is not None and first + at in line.numbers
            if again >= (2 if line.rank < 2 else 3) or here >= bound or is_number or counts:
                gone.update(line.baselines)
        kept.append([piece for piece in page if piece.baseline not in gone])
    return kept


def final_pages(pages: Sequence[Sequence[Piece]]) -> list[Sequence[Piece]]:
    """The pages without those of which all stands at its place on the next one too: steps in which a slide is shown."""
    final: list[Sequence[Piece]] = []
    before: set[tuple[str, int, int]] = set()
    for page in pages:
        places = {(piece.text, round(piece.left), round(piece.baseline)) for piece in page if not _NUMBER.match(piece.text)}
        if len(before) >= _STEP and before <= places:
            final.pop()
        final.append(page)
        before = places
    return final


def _first_number(edges: Sequence[Sequence[_Line]]) -> int | None:
    """The number that the first page has, by the numbers that stand at the edges of most; None where they do not count."""
    firsts: Counter[int] = Counter()
    for at, edge in enumerate(edges):
        firsts.update({number - at for line in edge for number in line.numbers})
    first, pages = max(firsts.items(), key=lambda item: (item[1], item[0]), default=(0, 0))
    return first if pages >= max(3, _COUNTED * len(edges)) else None


def _edges(page: Sequence[Piece], body: float) -> Iterator[_Line]:
    """The lines at the top and the bottom of a page."""
    lines: list[list[Piece]] = []
    for _, group in groupby(sorted(page, key=lambda piece: -piece.baseline), lambda piece: piece.baseline):
        pieces = list(group)
        if lines and lines[-1][0].baseline - pieces[0].baseline < 3:
            lines[-1] += pieces
        else:
            lines.append(pieces)
    if len(lines) == 1:         # a page without a text
        lines = [*lines, lines[0]]
    for edge, listed in (("top", lines[:_EDGE + 1]), ("bottom", lines[:-_EDGE - 2:-1])):
        are_apart = True
        for rank, (line, inner) in enumerate(pairwise(listed)):
            text = " ".join(piece.text for piece in sorted(line, key=lambda piece: piece.left))
            size = max(piece.size for piece in line)
            gap = abs(line[0].baseline - inner[0].baseline)
            is_note = edge == "bottom" and _NOTE.match(text) and not _NUMBER.match(text)
            is_small = size <= _LARGEST * body and len(text) <= _LONGEST
            are_apart = are_apart and not is_note and is_small and gap > _APART * max(size, inner[0].size)
            ends = text.split() if rank == 0 and len(text) <= _LONGEST else []
            numbers = frozenset(int(word) for word in (*ends[:1], *ends[-1:]) if word.isascii() and word.isdecimal())
            if not (rank == 0 and _NUMBER.match(text)):
                text = _DIGITS.sub("#", text.lower())
            baselines = tuple({piece.baseline for piece in line})
            yield _Line(text, edge, round(line[0].baseline / _GRID), rank, are_apart, numbers, baselines)
