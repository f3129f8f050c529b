"""Lists of contents and indexes in a document: their entries go, since what they name comes again where its text is.

Entries are lines that end in numbers of pages, after dots that lead to them or after a comma. They are a list of contents where
the numbers rise, and an index where the words do; of other lists, such as one of prices, only the dots go.
"""

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from textmill.pipelines.extract.document_formats.pdf_columns import Line

_NUMBER = re.compile(r"(?:^|[\s.])((?:\d{1,4}|[ivxlc]{1,7})(?:, \d{1,4}){0,20},?)$")
_TAIL = 120             # characters at a line's end that its numbers are looked for in
_LEADER = ".·…․ \t"
_DOTS = 4               # of a leader at least
_INDEXED = re.compile(r",\s?\d{1,4}(?:[-–]\d{1,4})?$")
_LEAST = 3              # entries with dots at least, and as many again of an index without them
_RISING = 0.9           # share of the numbers of contents that are no smaller than the one before
_SORTED = 0.75          # share of the words of an index that come after the one before
_INDEX = 0.6            # share of a column's lines that are entries of an index without dots
_WRAPPED = 2            # lines of an entry above that with its number
_HEADING = 40           # characters of a list's heading at most


class _Entry(NamedTuple):
    title: str
    number: str
    has_leader: bool


def without_contents(columns: Iterable[Sequence[Line]]) -> Iterator[list[Line]]:
    """The lines of each column of a document without lists of contents, with their heading, and without indexes."""
    goes_on = False         # a list of contents, from the column before
    for lines in columns:
        entries = [_entry(line) for line in lines]
        led = [entry for entry in entries if entry and entry.has_leader]
        is_list = bool(led) and (goes_on or len(led) >= _LEAST) and (
            _is_contents(led) or _is_sorted([entry.title for entry in led]))
        goes_on = is_list and entries[-1] is not None
        if is_list:
            yield _rest(lines, [at for at, entry in enumerate(entries) if entry])
        elif index := _index(lines):
            yield _rest(lines, index)
        else:
            yield [line._replace(text=f"{entry.title}\t{entry.number}".rstrip("\t"), is_row=True)
                   if entry and entry.has_leader else line for line, entry in zip(lines, entries, strict=True)]


def _index(lines: Sequence[Line]) -> list[int]:
    """The numbers of the lines that are entries of an index without dots; none where a column is no index."""
    entries = [at for at, line in enumerate(lines) if all(map(_INDEXED.search, line.text.split("\t")))]
    return entries if len(entries) >= _INDEX * len(lines) and _is_sorted([lines[at].text for at in entries]) else []


def _entry(line: Line) -> _Entry | None:
    """A line as title and number, where dots or a wide gap lead from one to the other."""
    found = _NUMBER.search(line.text[-_TAIL:])
    number = found[1] if found else ""
    before = line.text[:len(line.text) - len(number)]
    title = before.rstrip(_LEADER)
    dots = len(before) - len(title) - sum(map(before[len(title):].count, " \t"))
    has_leader = dots >= _DOTS
    return _Entry(title, number, has_leader) if title and (has_leader or (number.isalnum() and line.is_row)) else None


def _rest(lines: Sequence[Line], entries: Sequence[int]) -> list[Line]:
    """The lines without entries, the lines that go on in them, and the heading above."""
    gone = set(entries)
    for above, below in pairwise(entries):
        if below - above - 1 <= _WRAPPED:
            gone.update(range(above + 1, below))
    heading = min(gone) - 1
    if heading >= 0 and len(lines[heading].text) <= _HEADING and lines[heading].size > lines[heading + 1].size:
        gone.add(heading)
    return [line for at, line in enumerate(lines) if at not in gone]


def _is_contents(entries: Sequence[_Entry]) -> bool:
    pages = [int(entry.number) for entry in entries if entry.number.isdecimal()]
    return 2 * len(pages) >= len(entries) - _LEAST and _rises(pages, _RISING)


def _is_sorted(titles: Sequence[str]) -> bool:
    return len(titles) >= 2 * _LEAST and _rises([title.casefold().strip("-. ") for title in titles], _SORTED)


def _rises(values: Sequence[Any], share: float) -> bool:
    return sum(before <= after for before, after in pairwise(values)) >= share * (len(values) - 1)
