"""Reading order of a page of words: lines, columns, paragraphs; running heads out, hyphens joined, footnotes after their text.

Columns are found by their gutter: a strip that few lines cross, with prose on both sides of it. Cells of a table are no
prose, so its rows stay rows. Pure functions of words and their places, in points with y upwards.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby, pairwise
from statistics import median
from typing import NamedTuple

from textmill.pipelines.extract.document_formats.pdf_heads import without_heads


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
    """Words on one baseline without a wide gap between them."""

    text: str
    left: float
    right: float
    baseline: float
    size: float


class Line(NamedTuple):
    """A line of a column; `cells` are its pieces where gaps between them are those of a table."""

    text: str
    left: float
    right: float
    baseline: float
    size: float
    is_row: bool


class Block(NamedTuple):
    """A paragraph, an item of a list or a row of a table; `is_close` to what is above where only a line's end parts them."""

    text: str
    is_close: bool
    is_note: bool
    is_open: bool       # the sentence goes on in the next column
    size: float


_GAP = 0.85             # of a line's height: a wider one between words parts them
_CELL_GAP = 1.6         # from here on pieces of a line are cells
_SMALL = 0.93           # of the document's letters: footnotes are set smaller
_PROSE = 9.0            # times its height: how long a line of prose is at least
_WORDS = 8              # characters of a line at the right of a gutter that is no prose: a number of a table has fewer
_HEADING = 40           # characters of a line that may be a heading, which ends without a stop
_MOST_COLUMNS = 4
_ENDED = re.compile(r"[.!?:;…][\"'”’»)\]]*\d{0,3}$")
_MARKED = re.compile(r"^(?:[•◦▪‣·*–—-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)])(?:\s|$)")
_NOTE = re.compile(r"^[\d*†‡§¶¹²³]")
PARAGRAPH, LINE = 1, 2
_TAIL = 60              # characters at a text's end that say how it ends
_JOINS = re.compile(r"([^\W\d_]{2,})-$")


def flowing_text(pages: Iterable[Sequence[Word]]) -> str:
    """The text of a document: paragraphs with blank lines between, rows of tables each on a line.

    Of a page only its pieces are kept: words with their places take twenty times the memory of the text.
    """
    vocabulary: Counter[str] = Counter()
    pieces = []
    for words in pages:
        vocabulary.update(word.text.strip(".,;:!?()[]\"'").lower() for word in words)
        pieces.append(list(_pieces(words)))
    body = _body_size(pieces)
    pieces = without_heads(pieces, body)
    blocks = (block for page in pieces for column in columns(page) for block in _paragraphs(_lines(column), body, vocabulary))
    return _joined(blocks, vocabulary)


def _pieces(words: Sequence[Word]) -> Iterator[Piece]:
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
        # Letters that are set closer than a space belong together: a footnote's mark, a word in two fonts.
        text += word.text if word.left - before.right < 0.08 * before.size and before.text[-1:] != "-" else f" {word.text}"
    return Piece(text, min(word.left for word in words), max(word.right for word in words), longest.baseline, longest.size)


def _body_size(pages: Sequence[Sequence[Piece]]) -> float:
    """The size that most letters of the document have."""
    sizes: Counter[float] = Counter()
    for page in pages:
        for piece in page:
            sizes[round(piece.size, 1)] += len(piece.text)
    return max(sizes, key=lambda size: (sizes[size], size)) if sizes else 0.0


def columns(pieces: Sequence[Piece], deep: int = 0) -> Iterator[list[Piece]]:
    """The pieces of a page, column by column in reading order: what crosses a gutter parts what is above from what is below."""
    gutter = _gutter(pieces) if deep < _MOST_COLUMNS else None
    if gutter is None:
        if pieces:
            yield list(pieces)
        return
    zone: dict[str, list[Piece]] = {"left": [], "right": [], "across": []}
    for piece in sorted(pieces, key=lambda piece: -piece.baseline):
        side = "left" if piece.right <= gutter else "right" if piece.left >= gutter else "across"
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
    strips, at = [], low
    for count, run in groupby(inner):
        width = len(list(run))
        if count == fewest and width >= 0.3 * height:
            strips.append((-width, left + at + width / 2))
        at += width
    return next((gutter for _, gutter in sorted(strips) if _parts(pieces, gutter)), None)


def _parts(pieces: Sequence[Piece], gutter: float) -> bool:
    """Whether a strip parts columns: prose on its left, and prose or lines of words beside it, not numbers, on its right."""
    before = [piece for piece in pieces if piece.right <= gutter]
    after = [piece for piece in pieces if piece.left >= gutter]
    if not before or not after or not _is_prose(before) or not _beside(before, after):
        return False
    return _is_prose(after) or median(len(line.text) for line in _lines(after)) >= _WORDS


def _is_prose(side: Sequence[Piece]) -> bool:
    lines = _lines(side)
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


def _lines(pieces: Sequence[Piece]) -> list[Line]:
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
    text, is_row = pieces[0].text, False
    for before, piece in pairwise(pieces):
        wide = piece.left - before.right > _CELL_GAP * longest.size
        is_row = is_row or wide
        text += ("\t" if wide else " ") + piece.text
    return Line(text, pieces[0].left, max(piece.right for piece in pieces), longest.baseline, longest.size, is_row)


def _paragraphs(lines: Sequence[Line], body: float, vocabulary: Counter[str]) -> Iterator[Block]:
    """The paragraphs of a column."""
    if not lines:
        return
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    steps = [above.baseline - line.baseline for above, line in pairwise(lines) if above.baseline > line.baseline]
    step = median(steps) if steps else lines[0].size
    notes = _notes(lines, body)
    paragraph, is_close = [lines[0]], False
    for number, (above, line) in enumerate(pairwise(lines), 1):
        breaks = PARAGRAPH if number == notes else _break(above, line, left, right, step)
        if breaks:
            yield _block(paragraph, is_close, number - 1 >= notes, vocabulary)
            paragraph, is_close = [], breaks == LINE
        paragraph.append(line)
    yield _block(paragraph, is_close, len(lines) - 1 >= notes, vocabulary)


def _notes(lines: Sequence[Line], body: float) -> int:
    """The number of the first line of the footnotes at a column's end; the number of lines where there are none."""
    first = len(lines)
    while first > 1 and lines[first - 1].size < _SMALL * body:
        first -= 1
    while first < len(lines) and not _NOTE.match(lines[first].text):
        first += 1
    return first


def _break(above: Line, line: Line, left: float, right: float, step: float) -> int:
    """Whether a paragraph ends between two lines, or a line of its own: 0, PARAGRAPH or LINE."""
    gap, difference = above.baseline - line.baseline, abs(above.size - line.size) / above.size
    # Fonts of one size have lines of different height, up to a fifth.
    if gap > 1.3 * step or difference > 0.25 or (difference > 0.1 and gap > 1.15 * step):
        return PARAGRAPH
    if above.is_row or line.is_row or _MARKED.match(line.text):
        return LINE
    if line.left > above.left + 0.6 * line.size and above.left < left + 0.6 * line.size and not _MARKED.match(above.text):
        return PARAGRAPH
    if above.right >= right - 0.15 * (right - left):
        return 0
    if _ENDED.search(above.text[-_TAIL:]):
        return PARAGRAPH
    # The next word would have had room: the line was ended on purpose, as in an address.
    letter = (above.right - above.left) / max(len(above.text), 1)
    word = len(line.text.split(" ", 1)[0]) * letter
    return LINE if right - above.right > 1.5 * word + 2 * above.size else 0


def _block(lines: Sequence[Line], is_close: bool, is_note: bool, vocabulary: Counter[str]) -> Block:
    text = lines[0].text
    for line in lines[1:]:
        text = glued(text, line.text, vocabulary)
    is_open = not _ENDED.search(text[-_TAIL:]) and len(text) > _HEADING and not lines[-1].is_row
    return Block(text, is_close, is_note, is_open, median(line.size for line in lines))


def glued(before: str, after: str, vocabulary: Counter[str]) -> str:
    """Two lines as one: a hyphen at the first's end goes where the whole word goes on in small letters.

    It stays where the document has the word with its hyphen elsewhere, and not without.
    """
    found = _JOINS.search(before[-_TAIL:])
    if not found or not after[:1].islower():
        return f"{before}{after}" if before.endswith("-") and before[-2:-1].isalnum() else f"{before} {after}"
    rest = re.match(r"[\w-]*", after)
    first, second = found[1].lower(), (rest[0] if rest else "").lower()
    keeps = vocabulary[f"{first}-{second}"] and not vocabulary[f"{first}{second}"]
    return f"{before}{after}" if keeps else f"{before[:-1]}{after}"


def _joined(blocks: Iterable[Block], vocabulary: Counter[str]) -> str:
    """The blocks as text; a paragraph goes on in the next column or page, and notes wait until it ends."""
    texts: list[tuple[str, bool]] = []
    notes: list[tuple[str, bool]] = []
    open_size = 0.0         # of the paragraph that goes on; 0 where none does
    for block in blocks:
        if block.is_note:
            notes.append((block.text, block.is_close))
            continue
        if open_size and abs(block.size - open_size) < 0.05 * open_size and block.text[:1].islower() and not block.is_close:
            texts[-1] = (glued(texts[-1][0], block.text, vocabulary), texts[-1][1])
        else:
            texts += notes
            notes = []
            texts.append((block.text, block.is_close))
        open_size = block.size if block.is_open else 0.0
    texts += notes
    return "".join(("\n" if is_close else "\n\n") + text for text, is_close in texts).lstrip("\n")
