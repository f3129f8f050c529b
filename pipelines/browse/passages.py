"""Texts as they may be shown: cut into segments, personal data replaced by its kind, sought words marked.

A template prints segments and never a text of a dataset itself, so that what is masked is masked wherever it is shown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from textmill.pipelines.browse.snapshot import interval
from textmill.pipelines.browse.words import Terms, split_words
from textmill.pipelines.measure.personal.find import find_personal_data

EXCERPT = 260           # characters
MOST = 200_000          # characters of a text that is shown


class Segment(NamedTuple):
    """A stretch of a text: `kind` of personal data in its place, or whether it is a word that was sought."""

    text: str
    kind: str | None = None
    sought: bool = False


def segments(text: str, findings: Sequence[Mapping[str, Any]], first: int = 0, last: int | None = None) -> list[Segment]:
    """A text from character `first` to `last`, each finding that lies in it or reaches into it replaced by its kind.

    >>> [segment[:2] for segment in segments("Write to anna@a.example today", [{"kind": "EMAIL", "start": 9, "end": 23}])]
    [('Write to ', None), ('', 'EMAIL'), (' today', None)]
    """
    last = len(text) if last is None else min(last, len(text))
    found, at = [], first
    for finding in sorted(findings, key=interval):
        start, end = interval(finding)
        if end <= at or start >= last:
            continue
        found += [Segment(text[at:start])] if start > at else []
        found.append(Segment("", finding["kind"]))
        at = max(at, end)
    return [*found, *([Segment(text[at:last])] if at < last else [])]


def masked_segments(text: str, language: str = "und", host: str | None = None) -> list[Segment]:
    """A text of which it is not stored what personal data it has."""
    return segments(text, findings_in(text, language, host))


def findings_in(text: str, language: str, host: str | None, known: Sequence[str] = ()) -> list[dict[str, Any]]:
    """The personal data in a text, as in `signals`, and wherever a string stands that is `known` to be some."""
    (findings,) = find_personal_data([text], [language], [host])
    found = [{"kind": kind, "start": start, "end": end} for kind, start, end in findings]
    return found + [{"kind": "PERSONAL", "start": hit.start(), "end": hit.end()}
                    for each in set(known) if each for hit in re.finditer(re.escape(each), text)]


def excerpt(text: str, findings: Sequence[Mapping[str, Any]], terms: Terms) -> list[Segment]:
    """Some 260 characters of a text around the first word that was sought, those words marked."""
    pattern = sought(terms)
    hit = pattern.search(text) if pattern else None
    first = max(0, hit.start() - EXCERPT // 3) if hit else 0
    first = text.rfind(" ", max(0, first - 30), first) + 1 or first
    return [marked for segment in segments(text, findings, first, first + EXCERPT) for marked in mark(segment, pattern)]


def mark(segment: Segment, pattern: re.Pattern[str] | None) -> Iterator[Segment]:
    """A segment as several, in which what is sought is marked."""
    if pattern is None or segment.kind:
        yield segment
        return
    at = 0
    for hit in pattern.finditer(segment.text):
        if hit.start() > at:
            yield Segment(segment.text[at:hit.start()])
        yield Segment(hit[0], sought=True)
        at = hit.end()
    if at < len(segment.text):
        yield Segment(segment.text[at:])


def sought(terms: Terms) -> re.Pattern[str] | None:
    """What to mark of a query: its words, whole unless they are a beginning, in any case."""
    whole = [re.escape(word) for word in terms.words]
    patterns = [rf"\b{word}\b" if split_words(word)[0].isascii() else word for word in whole]
    patterns += [rf"\b{re.escape(word)}\w*" for word in terms.beginnings]
    return re.compile("|".join(patterns), re.I) if patterns else None
