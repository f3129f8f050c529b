"""Two texts side by side, word by word, for a terminal of 80 columns: differences are coloured or bracketed.

Long stretches that both share are shortened. Scripts without spaces are compared character by character.
"""

import re
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import groupby
from typing import NamedTuple

from rich.cells import cell_len

WIDTH = 38              # columns of one side; between the two stand three more
CONTEXT = 12            # equal words shown before and after a difference
MOST_WORDS = 4000       # of each text: comparing takes quadratic time at worst
RED, GREEN, PLAIN = "\x1b[31m", "\x1b[32m", "\x1b[0m"
MARKS = (("{+", "+}"), ("[-", "-]"))        # of the kept and the removed side, where there is no colour

Word = tuple[str, bool]     # with the blank behind it; whether the other side lacks it

# A character of a script without spaces, or a run of others, with the white space behind it.
_WORD = re.compile(r"(?:[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]"
                   r"|[^\s\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u30ff\u3400-\u9fff\uf900-\ufaff"
                   r"\U00020000-\U0003ffff]+)\s*")


def words_of(text: str) -> list[str]:
    r"""The words in order, each with one blank behind it where the text has white space.

    >>> words_of("The  mill\n turns. 水車は")
    ['The ', 'mill ', 'turns. ', '水', '車', 'は']
    """
    return [re.sub(r"\s+", " ", found) for found in _WORD.findall(text)]


class Stretch(NamedTuple):
    """A stretch of two texts: the words of each, and whether they are the same; `left_out` words of it are not shown."""

    ones: list[str]
    others: list[str]
    same: bool
    left_out: int = 0


def stretches(left: str, right: str) -> list[Stretch]:
    """Two texts as stretches in which they agree and in which they differ, in order; long ones that agree are shortened.

    >>> [(stretch.ones, stretch.others) for stretch in stretches("the old mill", "the new mill")]
    [(['the '], ['the ']), (['old '], ['new ']), (['mill'], ['mill'])]
    """
    ones, others = words_of(left)[:MOST_WORDS], words_of(right)[:MOST_WORDS]
    matcher = SequenceMatcher(None, [word.strip() for word in ones], [word.strip() for word in others], autojunk=False)
    blocks = matcher.get_opcodes()
    found = []
    for n, (tag, a, b, c, d) in enumerate(blocks):
        before, after = (0 if n == 0 else CONTEXT), (0 if n == len(blocks) - 1 else CONTEXT)
        if tag != "equal" or b - a <= before + after + CONTEXT:
            found.append(Stretch(ones[a:b], others[c:d], tag == "equal"))
        else:
            found.append(Stretch(ones[a:a + before], others[c:c + before], True, b - a - before - after))
            found.append(Stretch(ones[b - after:b], others[d - after:d], True))
    return found


def is_cut(left: str, right: str) -> bool:
    """Whether only the beginnings of two texts are compared."""
    return max(len(words_of(left)), len(words_of(right))) > MOST_WORDS


def side_by_side(left: str, right: str, colour: bool) -> list[str]:
    """Lines of two columns: on the left (the kept page) what `right` lacks is marked, on the right what `left` lacks."""
    lines: list[str] = []
    columns: tuple[list[Word], list[Word]] = [], []
    for stretch in stretches(left, right):
        for column, words, marks in zip(columns, (stretch.ones, stretch.others), MARKS, strict=True):
            column += [(word, False) for word in words] if stretch.same else _marked(words, None if colour else marks)
        if stretch.left_out:
            lines += [*_rows(columns, colour), f"… {stretch.left_out:,} words the same …"]
            columns = [], []
    lines += _rows(columns, colour)
    return [*lines, f"(the first {MOST_WORDS:,} words of each)"] if is_cut(left, right) else lines


def _marked(words: Sequence[str], marks: tuple[str, str] | None) -> list[Word]:
    """Words that the other side lacks, between marks where there are any."""
    if not words or marks is None:
        return [(word, True) for word in words]
    last = words[-1]
    blank = last[len(last.rstrip()):]
    whole = [*words[:-1], last.rstrip()]
    return [(f"{marks[0]}{whole[0]}", True), *((word, True) for word in whole[1:-1]), (f"{whole[-1]}{marks[1]}{blank}", True)] \
        if len(whole) > 1 else [(f"{marks[0]}{whole[0]}{marks[1]}{blank}", True)]


def _wrapped(words: Sequence[Word]) -> list[list[Word]]:
    """Lines of at most WIDTH columns; a word longer than that is broken."""
    lines: list[list[Word]] = [[]]
    used = 0
    for word, changed in words:
        while used + cell_len(word.rstrip()) > WIDTH:
            if not used:
                size = next(n for n in range(len(word), 0, -1) if cell_len(word[:n]) <= WIDTH)
                lines[-1].append((word[:size], changed))
                word = word[size:]
            lines.append([])
            used = 0
        lines[-1].append((word, changed))
        used += cell_len(word)
    return [line for line in lines if line]


def _rows(columns: tuple[Sequence[Word], Sequence[Word]], colour: bool) -> Iterator[str]:
    """The words of two columns as lines."""
    left, right = map(_wrapped, columns)
    for n in range(max(len(left), len(right))):
        one, other = (side[n] if n < len(side) else [] for side in (left, right))
        gap = " " * (WIDTH - cell_len("".join(word for word, _ in one).rstrip()))
        yield f"{_drawn(one, GREEN if colour else '')}{gap} | {_drawn(other, RED if colour else '')}".rstrip()


def _drawn(words: Sequence[Word], hue: str) -> str:
    said = ""
    for changed, run in groupby(words, key=lambda word: word[1]):
        text = "".join(word for word, _ in run)
        said += f"{hue}{text}{PLAIN}" if changed and hue else text
    return said if said.endswith(PLAIN) else said.rstrip()
