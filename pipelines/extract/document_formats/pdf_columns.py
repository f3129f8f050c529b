"""Columns and lines of a page of words, by their places, in points with y upwards.

Columns are found by their gutter: a strip that few lines cross, with prose beside it. Cells of a table are no prose, so its
rows stay rows.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple
from unicodedata import combining

_GAP = 0.85             # of a line's height: a wider one between words parts them
_CELL_GAP = 1.6         # from here on pieces of a line are cells
_PROSE = 7.0            # times its height: how long a line of prose is at least
_WORDS = 8              # characters of a line at the right of a gutter that is no prose: a number of a table has fewer
_STANDS_OUT = 0.2       # share of a piece that may lie beyond the gutter of its column
_CROSSING = 0.03        # share of the pieces that may cross a gutter: headings, titles, figures across columns
_MOST_COLUMNS = 4
_SPREAD = 0.05          # share by which the gaps of a line spread over its column differ at most
_SPREAD_GAPS = 3        # of a line spread over its column at least
_UNLIKE = 1.3           # times that its longest word is as long as its shortest at least: figures below each other are alike
_EVEN = 0.12            # of a letter's width: by how much a word of a typewriter's letters may be wider or narrower


class Word(NamedTuple):
    """A word of a page with its place; `size` is the height of its letters' line."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    angle: float
    bottom: float
    top: float


class Piece(NamedTuple):
    """Words on one baseline without a wide gap between them.

    `pitch` is the width of a letter where all letters have one, else 0; `on_grid` whether the spaces have it too.
    """

    text: str
    left: float
    right: float
    baseline: float
    size: float
    pitch: float
    on_grid: bool


class Line(NamedTuple):
    """A line of a column, from pieces; `is_row` where gaps between them are those of a table."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    is_row: bool
    pieces: Sequence[Piece]


def pieces_of(words: Sequence[Word]) -> Iterator[Piece]:
    """Words that follow each other on a line."""
    current: list[Word] = []
    for word in words:
        last = current[-1] if current else None
        if last and (abs(word.baseline - last.baseline) > 0.5 * max(word.size, last.size)
                     or not -0.5 * last.size <= word.left - last.right <= _GAP * min(last.size, word.size)):
            yield _piece(current)
            current = []
        current.append(word)
    if current:
        yield _piece(current)


def _piece(words: Sequence[Word]) -> Piece:
    longest = max(words, key=lambda word: len(word.text))
    text = words[0].text
    for before, word in pairwise(words):
        # Letters that are set closer than a space belong together: a footnote's mark, a word in two fonts, an accent apart.
        is_close = word.left - before.right < 0.08 * before.size and before.text[-1:] != "-"
        text += word.text if is_close or combining(word.text[0]) else f" {word.text}"
    left, right = min(word.left for word in words), max(word.right for word in words)
    return Piece(text, left, right, longest.baseline, longest.size, *_pitch(words))


def _pitch(words: Sequence[Word]) -> tuple[float, bool]:
    """The width of a letter where all have one, and whether the spaces are as wide; 0 where they have none, as in CJK."""
    longest = max(words, key=lambda word: len(word.text))
    pitch = (longest.right - longest.left) / len(longest.text)
    is_even = all(abs(word.right - word.left - len(word.text) * pitch) < _EVEN * pitch for word in words)
    if pitch <= 0 or not is_even or max(max(word.text) for word in words) >= "\u2e80":
        return 0.0, False
    gaps = [(word.left - before.right) / pitch for before, word in pairwise(words)]
    return pitch, all(abs(gap - round(gap)) < _EVEN for gap in gaps)


def columns(pieces: Sequence[Piece], deep: int = 0) -> Iterator[list[Piece]]:
    """The pieces of a page, column by column in reading order: what crosses a gutter parts what is above from what is below."""
    gutter = _gutter(pieces) if deep < _MOST_COLUMNS else None
    if gutter is None:
        if pieces:
            yield list(pieces)
        return
    height = median(piece.size for piece in pieces)
    edges = Counter(round(piece.left) for piece in pieces if piece.right <= gutter)
    zone: dict[str, list[Piece]] = {"left": [], "right": [], "across": []}
    for piece in sorted(pieces, key=lambda piece: -piece.baseline):
        side = "left" if piece.right <= gutter else "right" if piece.left >= gutter else "across"
        stands_out = piece.size > 1.05 * height and piece.right - gutter < _STANDS_OUT * (piece.right - piece.left)
        if side == "across" and stands_out and sum(edges[round(piece.left) + step] for step in (-1, 0, 1)) >= 3:
            side = "left"       # a heading that stands out of its column, at whose edge it begins
        if side == "across" and (zone["left"] or zone["right"]):
            yield from columns(zone["left"], deep + 1)
            yield from columns(zone["right"], deep + 1)
            zone["left"], zone["right"] = [], []
        elif side != "across" and zone["across"]:
            yield zone["across"]
            zone["across"] = []
        zone[side].append(piece)
    if zone["across"]:
        yield zone["across"]
    yield from columns(zone["left"], deep + 1)
    yield from columns(zone["right"], deep + 1)


def _gutter(pieces: Sequence[Piece]) -> float | None:
    """Where a strip parts columns of prose; None where none does."""
    if len(pieces) < 6:
        return None
    left, right = min(piece.left for piece in pieces), max(piece.right for piece in pieces)
    height = median(piece.size for piece in pieces)
    bins = int(right - left) + 1
    if bins < 12 * height or bins > 20_000:
        return None
    crossing = [0] * (bins + 1)
    for piece in pieces:
        crossing[int(piece.left - left)] += 1
        crossing[min(int(piece.right - left) + 1, bins)] -= 1
    counts, running = [], 0
    for change in crossing:
        running += change
        counts.append(running)
    low, high = int(0.15 * bins), int(0.85 * bins)
    inner = counts[low:high]
    fewest = min(inner, default=len(pieces))
    if fewest > 0.4 * len(pieces):
        return None
    few = max(fewest, int(_CROSSING * len(pieces)))
    strips, at = [], low
    for is_strip, run in groupby(inner, lambda count: count <= few):
        width = len(list(run))
        if is_strip and width >= 0.3 * height:
            strips.append((-width, left + at + width / 2))
        at += width
    return next((gutter for _, gutter in sorted(strips)[:_MOST_COLUMNS] if _parts(pieces, gutter)), None)


def _parts(pieces: Sequence[Piece], gutter: float) -> bool:
    """Whether a strip parts columns: prose on its left, and prose or lines of words beside it, not numbers, on its right."""
    before = [piece for piece in pieces if piece.right <= gutter]
    after = [piece for piece in pieces if piece.left >= gutter]
    if not before or not after or not _is_prose(before) or not _beside(before, after):
        return False
    return _is_prose(after) or median(len(line.text) for line in lines_of(after)) >= _WORDS


def _is_prose(side: Sequence[Piece]) -> bool:
    lines = lines_of(side)
    if len(lines) < 3:
        return False
    width = max(line.right for line in lines) - min(line.left for line in lines)
    long = [line for line in lines if line.right - line.left > max(0.6 * width, _PROSE * line.size)]
    return len(long) >= 0.5 * len(lines)


def _beside(left: Sequence[Piece], right: Sequence[Piece]) -> bool:
    """Whether both sides have lines at the same heights."""
    top = min(max(piece.baseline for piece in side) for side in (left, right))
    end = max(min(piece.baseline for piece in side) for side in (left, right))
    shortest = min(max(piece.baseline for piece in side) - min(piece.baseline for piece in side) for side in (left, right))
    return top - end >= 0.3 * shortest


def lines_of(pieces: Sequence[Piece]) -> list[Line]:
    """The lines of a column from the top; pieces of one baseline beside each other are one."""
    lines: list[list[Piece]] = []
    for piece in sorted(pieces, key=lambda piece: (-piece.baseline, piece.left)):
        if lines and abs(lines[-1][0].baseline - piece.baseline) < 0.35 * max(lines[-1][0].size, piece.size):
            lines[-1].append(piece)
        else:
            lines.append([piece])
    return [_line(sorted(line, key=lambda piece: piece.left)) for line in lines]


def _line(pieces: Sequence[Piece]) -> Line:
    longest = max(pieces, key=lambda piece: len(piece.text))
    text, is_row, is_spread = pieces[0].text, False, _is_spread(pieces)
    for before, piece in pairwise(pieces):
        wide = piece.left - before.right > _CELL_GAP * longest.size and not is_spread
        is_row = is_row or wide
        text += ("\t" if wide else " ") + piece.text
    right = max(piece.right for piece in pieces)
    return Line(text, pieces[0].left, right, longest.baseline, longest.size, is_row, pieces)


def _is_spread(pieces: Sequence[Piece]) -> bool:
    """Whether a line of words of different length is spread over its column: all its gaps are as wide."""
    gaps = [piece.left - before.right for before, piece in pairwise(pieces)]
    widths = [piece.right - piece.left for piece in pieces]
    return len(gaps) >= _SPREAD_GAPS and max(gaps) - min(gaps) < _SPREAD * max(gaps) and max(widths) > _UNLIKE * min(widths)
