"""Writing from right to left: the letters of a page as words, and its words in the order in which they are read.

Programs store such words forwards, backwards or both ways on one page, with a bracket anywhere. So only places decide. The page
is mirrored then: its lines, columns and indents are found as those of any other.
"""

import math
import re
from collections.abc import Iterator, Sequence
from itertools import groupby, pairwise

from textmill.pipelines.extract.document_formats.pdf_columns import Word

_BACKWARD = r"\u0590-\u08ff\ufb1d-\ufdff\ufe70-\ufeff"      # Hebrew, Arabic, Syriac, Thaana, NKo and their forms
_LETTER = re.compile(f"[{_BACKWARD}]")
_FORWARD = re.compile(rf"%?[^\W_{_BACKWARD}](?:[^{_BACKWARD}]*[^\W_{_BACKWARD}])?")
_RANGE = re.compile(r"[\d.,%]+-[\d.,%]+")
_MARK = re.compile(r"[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u064b-\u065f\u0670]")
_ALEF, _LAM = "\u0622\u0623\u0625\u0627", "\u0644"
_EDGE = re.compile(r"[^\w\s]+")
_OPENING, _CLOSING = str.maketrans(")]}>»", "([{<«"), str.maketrans("([{<«", ")]}>»")
_SPACE = 0.2            # of a line's height: how far apart words stand that have no space between
_OVERHANG = 0.2         # of a line's height: how far right of its letter a mark may begin


def is_backward(text: str) -> bool:
    """Whether most letters of a text are of a script that is written from right to left."""
    return 2 * len(_LETTER.findall(text)) > sum(map(str.isalpha, text))


def backward_words(letters: Sequence[Word]) -> list[Word]:
    """The words of a page of such writing, from its letters, each as a word of its own.

    They are mirrored, so that each line goes from left to right. Words of other scripts that stand together keep their order
    within the place that they take.
    """
    page: list[Word] = []
    for line in _lines(letters):
        words = [word._replace(left=-word.right, right=-word.left) for word in _words(line)]
        for is_forward, run in groupby(words, lambda word: not _LETTER.search(word.text)):
            together = list(run)
            if is_forward and any(map(str.isalpha, "".join(word.text for word in together))):
                ends = together[0].left + together[-1].right
                together = [word._replace(left=ends - word.right, right=ends - word.left) for word in reversed(together)]
            page += together
    return page


def _lines(letters: Sequence[Word]) -> Iterator[list[Word]]:
    """Letters that follow each other on one baseline, from the right."""
    line: list[Word] = []
    for letter in letters:
        if letter.right - letter.left < 0.01 and letter.text.isspace():     # PDFium's guess, and not at its place
            continue
        if line and abs(line[-1].baseline - letter.baseline) >= 0.5 * max(letter.size, line[-1].size):
            yield sorted(line, key=_from_right)
            line = []
        line.append(letter)
    if line:
        yield sorted(line, key=_from_right)


def _from_right(letter: Word) -> float:
    return -letter.left + (_OVERHANG * letter.size if _MARK.match(letter.text) else 0)


def _words(line: Sequence[Word]) -> Iterator[Word]:
    word: list[Word] = []
    gap = _SPACE * max(letter.size for letter in line)      # of some fonts the letters have the height of their ink
    left = math.inf         # of the word
    for letter in line:
        if word and (letter.text.isspace() or left - letter.right > gap):
            yield _word(word)
            word, left = [], math.inf
        if not letter.text.isspace():
            word.append(letter)
            left = min(left, letter.left)
    if word:
        yield _word(word)


def _word(letters: list[Word]) -> Word:
    """Letters from the right as a word: lam before alef where they are one ligature, numbers forwards, brackets as meant."""
    for at, (first, second) in enumerate(pairwise(letters)):
        if first.text in _ALEF and second.text == _LAM and abs(first.left - second.left) < 0.1:
            letters[at:at + 2] = second, first
    text = _FORWARD.sub(_forward, "".join(letter.text for letter in letters))
    return letters[0]._replace(
        text=_edge(_edge(text, _OPENING)[::-1], _CLOSING)[::-1],
        left=min(letter.left for letter in letters), right=max(letter.right for letter in letters),
        bottom=min(letter.bottom for letter in letters), top=max(letter.top for letter in letters),
        size=max(letter.size for letter in letters))


def _forward(found: re.Match[str]) -> str:
    """A number, or a word of another script, that was met from its end; of a range of numbers the first stands at the right."""
    return "-".join(end[::-1] for end in found[0].split("-")) if _RANGE.fullmatch(found[0]) else found[0][::-1]


def _edge(text: str, brackets: dict[int, int]) -> str:
    """A word with the brackets that it begins with as they are meant."""
    found = _EDGE.match(text)
    return found[0].translate(brackets) + text[found.end():] if found else text
