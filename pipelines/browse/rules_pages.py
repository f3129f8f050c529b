"""Rules whose bounds can be moved, and what would change, as a page and its part."""

import math
from dataclasses import replace
from typing import Any
from urllib.parse import urlencode

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from textmill.base.errors import TextmillError
from textmill.base.strict import SettingsError, read_yaml
from textmill.pipelines.browse import what_if
from textmill.pipelines.browse.asked import NO_TERMS, items_of, number_of
from textmill.pipelines.browse.browser import Browser, attachment, part
from textmill.pipelines.browse.render import exact
from textmill.pipelines.browse.rules_file import with_bounds
from textmill.pipelines.browse.search import by_numbers
from textmill.pipelines.display.numbers import many
from textmill.pipelines.ledger.what_if.compare import changed_rules
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.report.meanings import measurement
from textmill.pipelines.screen.rules import Bounds, Rule, Rules, parse_rules
from textmill.pipelines.tokens.settings import TokenizerName

FILE = "rules-moved.yaml"       # as it is downloaded: it takes the place of no rules.yaml


def rules(browser: Browser, request: Request) -> Response:
    """Every rule with its bounds, and the effect of those in the address."""
    old = what_if.table(browser.indexes)
    scale = browser.indexes.scales
    new = _new(old, request.query_params)
    rows = [{"rule": one, "ends": _ends(one, two, scale.get(one.name)), "meaning": measurement(one.name),
             "others": _others(one)} for one, two in zip(old, new, strict=True)]
    return browser.page("rules.html", request, rows=rows, **_effect(browser, old, request.query_params))


def rules_effect(browser: Browser, request: Request) -> Response:
    """What moved bounds would change."""
    return part("effect.html", **_effect(browser, what_if.table(browser.indexes), request.query_params))


def rules_file(browser: Browser, request: Request) -> Response:
    """The run's rules file with the moved bounds, to be saved. TextmillError where it cannot have them."""
    old = what_if.table(browser.indexes)
    text = browser.rules.read_text("utf-8")
    text = with_bounds(text, changed_bounds(old, what_if.moved(old, bounds_of(old, request.query_params))))
    kinds = tuple(dict.fromkeys((*KINDS, *browser.context.config[Rules].personal_data.kinds)))      # a model's are among these
    try:
        parse_rules(read_yaml(FILE, text), RULE_MEASUREMENTS, kinds, FILE)
    except SettingsError as error:
        raise TextmillError(f"{browser.rules.name} cannot have these bounds: {error}") from None
    return attachment(FILE, text)


def examples(browser: Browser, request: Request) -> Response:
    """Documents by their numbers, as a list."""
    asked = request.query_params.getlist("number")[:what_if.EXAMPLES]
    found = by_numbers(browser.indexes, [number for each in asked if (number := number_of(each)) is not None])
    return part("examples.html", items=items_of(browser.indexes, found, NO_TERMS))


def _effect(browser: Browser, old: list[Rule], given: QueryParams) -> dict[str, Any]:
    try:
        new = what_if.moved(old, bounds_of(old, given))
    except SettingsError as error:
        return {"problem": str(error), "effect": None}
    found = what_if.effect(browser.indexes, old, new, browser.context.config[TokenizerName].name)
    bounds = changed_bounds(old, new)
    asked = urlencode({f"{name}.{end}": "" if value is None else exact(value) for name, ends in bounds.items()
                       for end, value in zip(("low", "high"), ends, strict=True)})
    return {"problem": "", "effect": found, "changes": changed_rules(old, new), "rows_listed": what_if.ROWS,
            "file": FILE, "address": f"/rules?{asked}", "download": f"/rules/file?{asked}"}


def bounds_of(rules: list[Rule], given: QueryParams) -> dict[str, Bounds]:
    """The bounds in an address, by rule: `NAME.low`, `NAME.high`; an empty one is no bound.

    SettingsError where one is no number."""
    found, problems = dict[str, Bounds](), []
    for rule in rules:
        ends: list[float | None] = []
        for end, stored in (("low", rule.low), ("high", rule.high)):
            said = given.get(f"{rule.name}.{end}")
            try:
                value = stored if said is None else None if not said.strip() else float(said)
            except ValueError:
                value = math.nan
            if value is not None and not math.isfinite(value):
                problems.append(f"{rule.name}: {(said or '')[:40]} is no number; give one, or leave it empty for no bound")
                value = None
            ends.append(value)
        found[rule.name] = (ends[0], ends[1])
    if problems:
        raise SettingsError(problems)
    return found


def _new(old: list[Rule], given: QueryParams) -> list[Rule]:
    try:
        bounds = bounds_of(old, given)
    except SettingsError:
        return old
    return [replace(rule, low=bounds[rule.name][0], high=bounds[rule.name][1]) for rule in old]


def changed_bounds(old: list[Rule], new: list[Rule]) -> dict[str, Bounds]:
    """The bounds that are moved, by rule."""
    return {two.name: (two.low, two.high) for one, two in zip(old, new, strict=True)
            if (one.low, one.high) != (two.low, two.high)}


def _others(rule: Rule) -> str:
    """Who has bounds of their own, which the page does not move."""
    several = (("language", rule.languages), ("form", rule.forms), ("kind", rule.kinds))
    return " and ".join([*(many(len(of), name) for name, of in several if of),
                         *(["dialogues"] if rule.dialogues is not None else [])])


def _ends(stored: Rule, now: Rule, scale: tuple[float, float] | None) -> list[dict[str, Any]]:
    """The two bounds of a rule as fields and sliders: a slider goes over what documents have, and over its own bound."""
    found = []
    for end, bound, value in (("low", stored.low, now.low), ("high", stored.high, now.high)):
        known = [each for each in (*(scale or ()), bound, value) if each is not None]
        least, most = min([0.0, *known]), max([0.0, *known]) * 1.1 or 1.0
        step = 10 ** math.floor(math.log10((most - least) / 100))
        found.append({"end": end, "stored": bound, "value": value, "least": least, "most": most, "step": f"{step:g}"})
    return found
