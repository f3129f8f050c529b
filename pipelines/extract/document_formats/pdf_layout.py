"""Text of a document's pages: paragraphs over lines, columns and pages, hyphens joined, footnotes after their paragraph.

Pure functions of words and their places: lines come from `pdf_columns`, and running heads are taken out by `pdf_heads`.
"""

import math
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import NamedTuple

from textmill.pipelines.extract.document_formats.pdf_code import code_pitches, code_runs, code_text
from textmill.pipelines.extract.document_formats.pdf_columns import Line, Piece, Word, columns, lines_of, pieces_of
from textmill.pipelines.extract.document_formats.pdf_contents import without_contents
from textmill.pipelines.extract.document_formats.pdf_heads import final_pages, without_heads


class Block(NamedTuple):
    """A paragraph, an item of a list or a row of a table; `is_close` to what is above where only a line's end parts them."""

    text: str
    is_close: bool
    is_note: bool
    is_open: bool       # the sentence goes on in the next column
    size: float
    is_code: bool = False


_SMALL = 0.93           # of the document's letters: footnotes are set smaller
_HEADING = 40           # characters of a line that may be a heading, which ends without a stop
_ENDED = re.compile(r"[.!?:;…][\"'”’»)\]]*\d{0,3}$")
_MARKED = re.compile(r"^(?:[•◦▪‣·*–—-]|\(?(?:\d{1,3}|[a-zA-Z]|[ivxIVX]{1,5})[.)])(?:\s|$)")
_NOTE = re.compile(r"^[\d*†‡§¶¹²³]")
PARAGRAPH, LINE = 1, 2
_TAIL = 60              # characters at a text's end that say how it ends
_NO_SPACES = re.compile("[\u2e80-\u312f\u3190-\u9fff\uf900-\ufaff\uff01-\uff60]")     # Han, kana and their stops, not Hangul
_JOINS = re.compile(r"(?:^|[\s(\[\"'“„‘»«—–-])(?<!\s-)(?<!--)([^\W\d_]{2,})-$")     # not of a name such as --with-x, a/b-c


def flowing_text(pages: Iterable[Sequence[Word]]) -> str:
    """The text of a document: paragraphs with blank lines between, rows of tables each on a line.

    Of a page only its pieces are kept: words with their places take twenty times the memory of the text.
    """
    vocabulary: Counter[str] = Counter()
    pieces = []
    for words in pages:
        vocabulary.update(word.text.strip(".,;:!?()[]\"'").lower() for word in words)
        pieces.append(list(pieces_of(words)))
    body = _body_size(pieces)
    pages_shown = without_heads(final_pages(pieces), body)
    pitches = code_pitches(pieces)
    lines = without_contents(lines_of(column) for page in pages_shown for column in columns(page))
    blocks = (block for column in lines for block in _blocks(column, body, pitches, vocabulary))
    return _joined(blocks, vocabulary)


def _body_size(pages: Sequence[Sequence[Piece]]) -> float:
    """The size that most letters of the document have, those of code apart, where there are others."""
    sizes: Counter[tuple[bool, float]] = Counter()
    for page in pages:
        for piece in page:
            sizes[not piece.pitch, round(piece.size, 1)] += len(piece.text)
    is_prose = any(is_prose for is_prose, _ in sizes)
    return max(((count, size) for (kind, size), count in sizes.items() if kind == is_prose), default=(0, 0.0))[1]


def _blocks(lines: Sequence[Line], body: float, pitches: Sequence[float], vocabulary: Counter[str]) -> Iterator[Block]:
    """The paragraphs of a column, and its code."""
    if not lines:
        return
    size = median(line.size for line in lines)
    left, right = min(line.left for line in lines), max(line.right for line in lines if line.size <= 1.1 * size)
    steps = [above.baseline - line.baseline for above, line in pairwise(lines) if above.baseline > line.baseline]
    step = median(steps) if steps else lines[0].size
    end = lines[_notes(lines, body):]

    def parts(above: Line, line: Line) -> int:
        return PARAGRAPH if end and line is end[0] else _break(above, line, left, right, step)

    for is_code, run in code_runs(lines, pitches, parts):
        if is_code:
            yield Block(code_text(run), False, False, False, run[0].size, True)
        else:
            yield from _paragraphs(run, parts, end[0].baseline if end else -math.inf, vocabulary)


def _paragraphs(lines: Sequence[Line], parts: Callable[[Line, Line], int], notes: float,
                vocabulary: Counter[str]) -> Iterator[Block]:
    """Lines of prose as paragraphs; those that begin at the baseline `notes` or below are footnotes."""
    paragraph, is_close = [lines[0]], False
    for above, line in pairwise(lines):
        if breaks := parts(above, line):
            yield _block(paragraph, is_close, paragraph[0].baseline <= notes, vocabulary)
            paragraph, is_close = [], breaks == LINE
        paragraph.append(line)
    yield _block(paragraph, is_close, paragraph[0].baseline <= notes, vocabulary)


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
    """Two lines as one: a hyphen at the first's end goes where the word goes on in letters as small or as large.

    Han and kana go on without a space. A hyphen stays where the document has the word with its hyphen elsewhere, and not
    without.
    """
    if _NO_SPACES.match(before[-1:]) and _NO_SPACES.match(after):
        return before + after
    found = _JOINS.search(before[-_TAIL:])
    goes_on = after[:1].islower() or (found is not None and found[1].isupper() and after[:2].isupper() and after[:2].isalpha())
    if not found or not goes_on:
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
        goes_on = block.text[:1].islower() and not block.is_close and not block.is_code
        if open_size and abs(block.size - open_size) < 0.05 * open_size and goes_on:
            texts[-1] = (glued(texts[-1][0], block.text, vocabulary), texts[-1][1])
        else:
            texts += notes
            notes = []
            texts.append((block.text, block.is_close))
        open_size = block.size if block.is_open else 0.0
    texts += notes
    return "".join(("\n" if is_close else "\n\n") + text for text, is_close in texts).lstrip("\n")
