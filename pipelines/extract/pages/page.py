"""A parsed page, and the dates in it."""

import re
from collections.abc import Iterator
from datetime import date
from typing import Any, NamedTuple

from textmill.pipelines.extract.pages.legal import Legal

_DATE = re.compile(r"((?:19|20)\d\d)[-/](\d\d?)[-/](\d\d?)(?!\d)")
_URL_DATE = re.compile(r"/((?:19|20)\d\d)[/-](\d\d?)[/-](\d\d?)(?=/|\D|$)")


class Page(NamedTuple):
    """The text and metadata of one page. Counts are characters without white space; `dates` are candidates for `published`."""

    text: str
    title: str | None
    declared_language: str | None
    dates: tuple[str, ...]
    legal: Legal
    links: int | None       # links in the main text; all four are None where the input has no links
    anchor_chars: int | None       # characters of their text
    page_anchor_chars: int | None
    page_chars: int | None         # visible characters of the whole page
    kind: str | None = None         # of page, by the model; None where it was not asked
    kind_score: float | None = None
    columns: dict[str, Any] | None = None       # of `extra`: what a document says of itself and `documents` has no column for


def published(dates: tuple[str, ...], url: str | None, captured: str | None) -> str | None:
    """The first date, of the page's own and then of its URL, that is not after the capture."""
    for day in (*dates, *days([match.expand(r"\1-\2-\3") for match in _URL_DATE.finditer(url or "")])):
        if captured is None or day <= captured[:10]:
            return day
    return None


def days(values: list[str]) -> Iterator[str]:
    """The valid dates, from 1990 on, that the values begin with, as "YYYY-MM-DD"."""
    for value in values:
        match = _DATE.match(value.strip())
        try:
            found = date(int(match[1]), int(match[2]), int(match[3])) if match else None
        except ValueError:
            continue
        if found and found.year >= 1990:
            yield found.isoformat()
