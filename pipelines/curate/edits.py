"""Edits: what curate changes in a text, recorded as (kind, from, to) in characters of `documents.text`.

An edit's kind determines its replacement, so the text and its edits give the curated text and nothing removed has
to be stored: a kind in capitals leaves its placeholder ("EMAIL" leaves "<EMAIL>"), "tag:EMAIL" marks a place and
changes nothing, "clean:table" leaves nothing.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from textmill.pipelines.screen.policies import PersonalDataPolicy

Edit = tuple[str, int, int]

_TAG, _CLEAN = "tag:", "clean:"


def edits_for(findings: Iterable[Edit], policy: PersonalDataPolicy) -> list[Edit]:
    """The edits that `policy` makes of a document's findings, in the order of their places."""
    kinds = {"replace": "{}", "tag": _TAG + "{}"}
    return sorted(((kinds[action].format(kind), start, end) for kind, start, end in findings
                   if (action := policy.of(kind).action) != "keep"), key=lambda edit: edit[1:])


def too_many(findings: Iterable[Edit], policy: PersonalDataPolicy) -> list[tuple[str, int, int]]:
    """(kind, findings, bound) of every kind that a document has more of than its `drop_above` allows, by kind."""
    counts = Counter(kind for kind, _, _ in findings)
    bounds = ((kind, count, policy.of(kind).drop_above) for kind, count in sorted(counts.items()))
    return [(kind, count, bound) for kind, count, bound in bounds if bound is not None and count > bound]


def replacement(kind: str, removed: str) -> str:
    """The replacement of `removed` by an edit of `kind`."""
    return removed if kind.startswith(_TAG) else "" if kind.startswith(_CLEAN) else f"<{kind}>"


def apply_edits(text: str, edits: Sequence[Edit], start: int = 0, end: int | None = None) -> str:
    """`text[start:end]` with its edits made. Edits are sorted, apart from each other, and none straddles start or end.

    Raises ValueError where they are not: a text must not be published with half of an edit.
    """
    end = len(text) if end is None else end
    parts, at = [], start
    for kind, first, last in edits:
        if last <= start or first >= end:
            continue
        if first < at or last > end:
            raise ValueError(f"the edit {kind} at {first} to {last} overlaps another or the cut {start} to {end}")
        parts += [text[at:first], replacement(kind, text[first:last])]
        at = last
    return "".join((*parts, text[at:end]))


def moved(turns: Sequence[dict[str, Any]], text: str, edits: Sequence[Edit]) -> list[dict[str, Any]]:
    """Where the turns of `text` lie once its edits are made. What replaces a stretch of two turns belongs to the first."""
    edits = [edit for edit in edits if not edit[0].startswith(_TAG)]
    edges = sorted({place for turn in turns for place in (turn["start"], turn["end"])})
    places, shift, at = {}, 0, 0
    for edge in edges:
        while at < len(edits) and edits[at][1] < edge:
            kind, first, last = edits[at]
            shift += len(replacement(kind, text[first:last])) - (last - first)
            at += 1
        places[edge] = max(edge, edits[at - 1][2] if at else 0) + shift
    return [turn | {"start": places[turn["start"]], "end": places[turn["end"]]} for turn in turns]
