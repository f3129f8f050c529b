"""Lines for a terminal of 80 columns: a label, then text that is folded beside it. Plain, so that a pipe gets the same.

Text from a page goes through `shown`, which masks personal data and removes control characters.
"""

import textwrap
from collections.abc import Iterable, Sequence

from textmill.pipelines.display.masking import masked, visible

WIDTH = 78
LABEL = 11          # columns of a label with its two blanks


def shown(text: str | None, language: str = "und", host: str | None = None) -> str:
    """A URL, title or message as it may be printed; "-" where there is none."""
    return str(visible(masked(text, language, host))) or "-"


def labelled(label: str, text: str, indent: int = 0, width: int = LABEL) -> list[str]:
    """`text` behind a label, folded; a word longer than a line is not broken, so that it can be copied.

    >>> labelled("record", "sample/web/notebook.warc.gz")
    ['record     sample/web/notebook.warc.gz']
    """
    start = " " * indent + label.ljust(width)
    return textwrap.wrap(text, WIDTH, initial_indent=start, subsequent_indent=" " * len(start), break_long_words=False,
                         break_on_hyphens=False) or [start.rstrip()]


def columns(rows: Iterable[Sequence[str]], right: Sequence[int] = (), indent: int = LABEL) -> list[str]:
    """A table: each column as wide as its widest cell, those numbered in `right` flush right."""
    listed = [list(row) for row in rows]
    widths = [max(map(len, cells)) for cells in zip(*listed, strict=True)]
    return [" " * indent + "  ".join(cell.rjust(width) if n in right else cell.ljust(width)
                                     for n, (cell, width) in enumerate(zip(row, widths, strict=True))).rstrip()
            for row in listed]


def number(value: float | None) -> str:
    """A number in few characters: whole ones with commas, others with four digits that count; "-" for none.

    >>> number(1000000.0), number(0.08211), number(0), number(None)
    ('1,000,000', '0.08211', '0', '-')
    """
    if value is None:
        return "-"
    return f"{value:,.0f}" if value == int(value) else f"{value:.4g}"


def ranges(numbers: Iterable[int]) -> str:
    """Ascending numbers, runs of them shortened.

    >>> ranges([3, 4, 5, 9, 11, 12])
    '3-5, 9, 11-12'
    """
    runs: list[list[int]] = []
    for one in numbers:
        if runs and one == runs[-1][1] + 1:
            runs[-1][1] = one
        else:
            runs.append([one, one])
    return ", ".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)
