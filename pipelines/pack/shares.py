"""Shares that depend on what there is: a recipe becomes one whose shares are all numbers, once its tokens are counted.

Entries with `available` divide what the numbers leave in proportion to their tokens. A spread becomes an entry for each value
of its column, named `<entry>-<value>`, with shares as tokens ** temperature. Values whose share is less than one block, and
texts without the value, are one entry together, `<entry>-other`: as many tokens as they would have had. Nothing is left out.
"""

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from textmill.pipelines.pack.mixture import Entry, Mixture, Phase, Spread, left_over, numbered

OTHER = "other"
_NO_NAME = re.compile(r"[^A-Za-z0-9._-]+")

Group = tuple[str, str | None]      # an entry, and the value of its spread's column (None: none, or it has no spread)


@dataclass
class Counted:
    """Documents and tokens of a group, end-of-text included: to train on, and held out.

    `a_pass` and `rows` are the tokens and pieces that a pass takes, where documents of large clusters are taken more than
    once."""

    documents: int = 0
    tokens: int = 0
    a_pass: int = 0
    rows: int = 0
    held_documents: int = 0
    held_tokens: int = 0
    held_rows: int = 0

    def __add__(self, other: "Counted") -> "Counted":
        return Counted(*(mine + theirs for mine, theirs in zip(vars(self).values(), vars(other).values(), strict=True)))


def resolved(mixture: Mixture, groups: Mapping[Group, Counted]) -> tuple[Mixture, dict[Group, str]]:
    """The recipe with a number for every share, and the entry that each group belongs to."""
    parts = {name: _parts(name, entry, groups) for name, entry in mixture.entries.items()}
    total = _totals(mixture, groups)
    entries: dict[str, Entry] = {}
    owner: dict[Group, str] = {}
    divided: dict[str, dict[str, float]] = {}
    for name, entry in mixture.entries.items():
        own_of = _names(name, entry, parts[name], mixture.block / (total[name] * mixture.tokens))
        owner |= {(name, value): own for value, own in own_of.items()}
        divided[name] = dict.fromkeys(own_of.values(), 0.0)
        for value, own in own_of.items():
            divided[name][own] += parts[name][value]
        for own in divided[name]:
            values = [value for value in parts[name] if owner[name, value] == own]
            entries[own] = replace(entry, where=_narrowed(entry, values, parts[name]), share=divided[name][own] * total[name])
    schedule = [Phase(phase.part, {own: share * part for name, share in phase.shares.items()
                                   for own, part in divided[name].items()}) for phase in mixture.schedule]
    return replace(mixture, entries=entries, schedule=schedule), owner


def _totals(mixture: Mixture, groups: Mapping[Group, Counted]) -> dict[str, float]:
    """The share of each entry as it stands in the recipe, spreads as a whole."""
    if mixture.schedule:
        return {name: math.fsum(phase.part * phase.shares.get(name, 0) for phase in mixture.schedule)
                for name in mixture.entries}
    numbers, rest = numbered(mixture), left_over(mixture)
    sizes = {name: sum(counted.a_pass for (entry, _), counted in groups.items() if entry == name) for name in rest}
    left, size = 1 - math.fsum(numbers.values()), sum(sizes.values())
    return numbers | {name: left * (sizes[name] / size if size else 1 / len(rest)) for name in rest}


def _parts(name: str, entry: Entry, groups: Mapping[Group, Counted]) -> dict[str | None, float]:
    """What each value has of the entry's share; the whole for None where there are no values."""
    if not isinstance(entry.share, Spread):
        return {None: 1.0}
    exponent = entry.share.temperature
    sizes = {value: float(counted.a_pass) ** exponent if counted.a_pass else 0.0
             for (own, value), counted in sorted(groups.items(), key=lambda item: str(item[0][1])) if own == name}
    whole = math.fsum(sizes.values())
    return {value: size / whole for value, size in sizes.items()} if whole else {**dict.fromkeys(sizes, 0.0), None: 1.0}


def _names(name: str, entry: Entry, parts: Mapping[str | None, float], least: float) -> dict[str | None, str]:
    """The entry that each value goes to; those with less than `least` of the share, and no value, go together."""
    if not isinstance(entry.share, Spread) or parts.keys() == {None}:
        return {None: name}
    own = {value: f"{name}-{_NO_NAME.sub('-', value).strip('-') or OTHER}" for value, part in parts.items()
           if value is not None and part >= least}
    others = [value for value in parts if value not in own]
    # Where all texts of the others are held out they have no share, and an entry without one cannot be.
    other = f"{name}-{OTHER}" if sum(parts[value] for value in others) else min(own.values())
    return own | dict.fromkeys(others, other)


def _narrowed(entry: Entry, values: list[str | None], known: Mapping[str | None, float]) -> dict[str, object]:
    """The `where` of a spread's entry for some of its values."""
    if not isinstance(entry.share, Spread):
        return entry.where
    if None not in values:
        return {"all": [entry.where, {entry.share.by: [value for value in values if value]}]}
    others = [value for value in known if value is not None and value not in values]
    return {"all": [entry.where, {"not": {entry.share.by: others}}]} if others else entry.where
