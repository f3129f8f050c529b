"""The nearest recipe that can be met, for one that cannot.

With fixed shares: an entry that has too little gets what it has, and what is then free is divided among the others in
proportion to their shares; where all have too little, `tokens` falls to what there is. With shares that depend on what there
is, or on a phase, `tokens` falls to the most that they allow. An entry without any text goes.
"""

import math
from dataclasses import MISSING, fields, is_dataclass, replace
from typing import Any

import yaml

from textmill.pipelines.pack.mixture import Entry, Mixture
from textmill.pipelines.pack.requirements import Requirements

DIGITS = 4      # of a share


def nearest(given: Mixture, found: Requirements) -> Mixture | None:
    """A recipe that can be met, as near to `given` as can be; `found` is what `given` asks for. None where there is none."""
    most = {entry.entry: entry.a_pass * entry.repeat for entry in found.entries}
    if given.schedule or not all(isinstance(entry.share, float) for entry in given.entries.values()):
        return replace(given, tokens=found.most_tokens) if found.most_tokens >= given.block else None
    tokens = min(given.tokens, sum(most.values()))
    if tokens < given.block:
        return None
    wanted = {name: entry.share for name, entry in given.entries.items() if most[name] and isinstance(entry.share, float)}
    limits = {name: most[name] / tokens for name in wanted}
    shares = _rounded(_limited(wanted, limits), limits)
    entries: dict[str, Entry] = {name: replace(given.entries[name], share=share) for name, share in shares.items()}
    least = min(int(most[name] / share) for name, share in shares.items())
    return replace(given, tokens=min(tokens, least), entries=entries)


def _limited(wanted: dict[str, float], most: dict[str, float]) -> dict[str, float]:
    """Shares that add up to 1, in proportion to what is wanted and none above its most."""
    shares: dict[str, float] = {}
    free, left = 1.0, dict(wanted)
    while left:
        scale = free / math.fsum(left.values())
        full = {name for name, share in left.items() if share * scale > most[name]}
        if not full:
            return shares | {name: share * scale for name, share in left.items()}
        for name in full:
            shares[name] = most[name]
            free -= most[name]
            del left[name]
    return shares


def _rounded(shares: dict[str, float], most: dict[str, float]) -> dict[str, float]:
    """The shares to a few digits, so that they add up to 1; the one farthest below its most takes what rounding down leaves."""
    unit = 10 ** DIGITS
    rounded = {name: max(1, math.floor(share * unit)) for name, share in shares.items()}
    rounded[max(rounded, key=lambda name: most[name] - shares[name])] += unit - sum(rounded.values())
    return {name: share / unit for name, share in rounded.items()}


def as_yaml(mixture: Mixture) -> str:
    """A recipe as the file that it is read from; what has its default is left out."""
    return yaml.safe_dump(_stated(mixture), sort_keys=False, allow_unicode=True, width=100)


def _stated(value: Any) -> Any:
    if not is_dataclass(value):
        return [_stated(each) for each in value] if isinstance(value, list) else \
            {key: _stated(each) for key, each in value.items()} if isinstance(value, dict) else value
    defaults = {field.name: field.default_factory() if field.default_factory is not MISSING else field.default
                for field in fields(value)}
    return {name: _stated(each) for name, each in vars(value).items() if each != defaults[name]}
