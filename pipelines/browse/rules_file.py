"""A rules file with other bounds, its comments and all that is not moved left as they are.

The places of the bounds are those that YAML's parser tells, so that any way of writing a rule is understood: in one line or
several, with a bound or without.
"""

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from textmill.base.strict import SettingsError
from textmill.pipelines.screen.rules import Bounds

Edit = tuple[int, int, str]         # from, to, what stands there instead


def with_bounds(text: str, bounds: Mapping[str, Bounds]) -> str:
    r"""The text of a rules file in which the named rules have these bounds; None is no bound.

    SettingsError where it has no such rule.

    >>> print(with_bounds("rules:\n  word_count: {low: 50}   # Gopher\n", {"word_count": (20, 9000)}), end="")
    rules:
      word_count: {low: 20, high: 9000}   # Gopher
    """
    known = {key.value: (key, value) for key, value in _rules(text)}
    if missing := sorted(bounds.keys() - known.keys()):
        raise SettingsError([f"the rules file has no rule {name}: it has changed since `textmill screen` judged the documents"
                             for name in missing])
    edits = [edit for name, ends in bounds.items() for edit in _edits(*known[name], ends)]
    for start, end, said in sorted(edits, reverse=True):
        text = text[:start] + said + text[end:]
    return text


def _rules(text: str) -> list[tuple[Any, Any]]:
    """Key and value of each rule, as nodes."""
    try:
        root = yaml.compose(text, yaml.SafeLoader)
    except (yaml.YAMLError, RecursionError):
        root = None
    sections = root.value if isinstance(root, yaml.MappingNode) else []
    return next((value.value for key, value in sections if key.value == "rules" and isinstance(value, yaml.MappingNode)), [])


def _edits(key: Any, rule: Any, bounds: Bounds) -> Iterator[Edit]:
    ends = dict(zip(("low", "high"), bounds, strict=True))
    if not isinstance(rule, yaml.MappingNode):      # a rule without anything
        first, last = rule.start_mark.index, rule.end_mark.index
        yield first, last, f"{'' if last > first else ' '}{{{_listed(ends)}}}"
        return
    stored = {each.value: value for each, value in rule.value}
    if bounds == (None, None) and not stored.keys() & {"languages", "forms", "kinds"}:
        last = rule.end_mark.index if rule.flow_style else rule.value[-1][1].end_mark.index
        yield key.start_mark.index, last, f"# {key.value}: off"
        return
    for end in stored.keys() & ends.keys():
        yield stored[end].start_mark.index, stored[end].end_mark.index, _number(ends[end])
    if new := {end: value for end, value in ends.items() if end not in stored and value is not None}:
        first = rule.value[0][0].start_mark if rule.value else None
        if rule.flow_style and "high" in new and "low" in stored:
            at = stored["low"].end_mark.index
            yield at, at, f", {_listed(new)}"
        elif rule.flow_style or first is None:
            at = rule.start_mark.index + 1
            yield at, at, _listed(new) + (", " if rule.value else "")
        else:
            lines = (f"{end}: {_number(value)}\n" + " " * first.column for end, value in new.items())
            yield first.index, first.index, "".join(lines)


def _listed(ends: Mapping[str, float | None]) -> str:
    return ", ".join(f"{end}: {_number(value)}" for end, value in ends.items() if value is not None)


def _number(value: float | None) -> str:
    """A bound as people write it.

    >>> _number(1_000_000.0), _number(0.1), _number(None)
    ('1000000', '0.1', 'null')
    """
    if value is None:
        return "null"
    return f"{value:.0f}" if value == int(value) else repr(float(value))
