"""The rule table: bounds over stored measurements, by language, form of text and kind of page where needed.

A document is kept while every measurement lies within the bounds of every excluding rule; a verdict lists all rules
it breaks, with value and bound. A rule does not apply where the measurement is null or the document's language has no
bound, and the counts say how often that was. Bounds of their own may also have the kinds of page that extract saw and the forms
of text that measure saw: a kind's replace a language's, and a form's replace both, since the form is seen in the text itself.
Documents with turns have bounds of their own: a rule made for web pages does not apply to them unless the table's section
`dialogues` names it.
"""

import difflib
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from textmill.base.strict import SettingsError, parse, read_yaml
from textmill.pipelines.extract.pages.model import KINDS as PAGE_KINDS
from textmill.pipelines.measure.form import FORMS
from textmill.pipelines.screen.policies import EvaluationPolicy, KindPolicy, PersonalDataPolicy

Bounds = tuple[float | None, float | None]
Ends = Mapping[str, float | None]       # of `low` and `high` those that differ


@dataclass(frozen=True)
class Rule:
    """Bounds of a measurement: `low` and `high`, both allowed values; None is no bound.

    `languages` replaces both for a language; then `kinds` of page, and then `forms` of text, replace the ends they name.
    `dialogues` replaces both for documents with turns, whatever else they are; None is no difference. Breaking a rule excludes
    the document, or only tags it."""

    name: str
    low: float | None = None
    high: float | None = None
    languages: Mapping[str, Bounds] = field(default_factory=dict)
    action: Literal["exclude", "tag"] = "exclude"
    dialogues: Bounds | None = None
    forms: Mapping[str, Ends] = field(default_factory=dict)
    kinds: Mapping[str, Ends] = field(default_factory=dict)

    def bounds(self, language: str, has_turns: bool = False, form: str | None = None, kind: str | None = None) -> Bounds:
        """The bounds of a document of this language, form of text and kind of page."""
        if has_turns and self.dialogues is not None:
            return self.dialogues
        low, high = self.languages.get(language, (self.low, self.high))
        for ends in (self.kinds.get(kind or "", {}), self.forms.get(form or "", {})):
            low, high = ends.get("low", low), ends.get("high", high)
        return low, high

    def origin(self, language: str, has_turns: bool = False, form: str | None = None, kind: str | None = None) -> str:
        """Who the bounds are for: `all`, `dialogues`, or the language, the kind and the form of which an end applies.

        >>> Rule("word_count", 50, 90, {"fi": (37, 90)}, forms={"verse": {"high": None}}).origin("fi", form="verse")
        'fi, verse'
        """
        if has_turns and self.dialogues is not None:
            return "dialogues"
        of_form, of_kind = self.forms.get(form or "", {}), self.kinds.get(kind or "", {})
        hidden = of_kind.keys() <= of_form.keys()
        origins = [language if language in self.languages and len(of_form.keys() | of_kind.keys()) < 2 else "",
                   "" if hidden or kind is None else kind, form if form and of_form else ""]
        return ", ".join(filter(None, origins)) or "all"


def stored_rule(settings: Mapping[str, Any]) -> Rule:
    """A rule as a manifest of `verdicts` has it; those of older versions lack what they had no bounds for."""
    dialogues = settings.get("dialogues")
    return Rule(settings["name"], settings["low"], settings["high"],
                {language: tuple(bounds) for language, bounds in settings["languages"].items()}, settings["action"],
                None if dialogues is None else tuple(dialogues), settings.get("forms", {}), settings.get("kinds", {}))


@dataclass(frozen=True)
class Rules:
    """rules.yaml: the rules in the file's order, the personal-data policy, and that for evaluation sets."""

    rules: tuple[Rule, ...]
    personal_data: PersonalDataPolicy
    evaluation: EvaluationPolicy = field(default_factory=EvaluationPolicy)


@dataclass(frozen=True)
class RuleSettings:
    """One entry under `rules:` as written."""

    low: float | None = None
    """The least value that is kept."""
    high: float | None = None
    """The largest value that is kept."""
    languages: dict[str, dict[str, float | None] | None] = field(default_factory=dict)
    """Other bounds by language: a key left out is as above, null is no bound."""
    forms: dict[str, dict[str, float | None] | None] = field(default_factory=dict)
    """The same by form of text: code, mathematics, dialogue, list, verse, prose. They stand before a kind's."""
    kinds: dict[str, dict[str, float | None] | None] = field(default_factory=dict)
    """The same by kind of page: article, forum, product … They stand before a language's."""
    action: Literal["exclude", "tag"] = "exclude"
    """Of a document outside: `exclude` it, or `tag` it and go on."""

    def problems(self) -> Iterator[str]:
        yield from _bound_problems("", self.low, self.high)
        if self.low is None and self.high is None and not (self.languages or self.forms or self.kinds):
            yield "has neither low nor high; give one, or take the rule out to switch it off"
        for language in self.languages:
            if not isinstance(language, str):
                yield (f"languages: the key {language!r} is not a language code; YAML reads a bare no, on or yes as true or "
                       'false, so put it in quotes: "no"')
        for section, given, known in (("forms", self.forms, FORMS), ("kinds", self.kinds, PAGE_KINDS)):
            for name in given:
                yield from _unknown(section.removesuffix("s"), name, known, section)
        for section, given in (("languages", self.languages), ("forms", self.forms), ("kinds", self.kinds)):
            for name, bounds in given.items():
                for key in bounds or ():
                    if key not in ("low", "high"):
                        yield f"{section}.{name}: unknown key {key!r}; known keys: low, high"
                ends = _ends(bounds)
                if isinstance(name, str) and bounds is not None:
                    yield from _bound_problems(f"{section}.{name}: ", ends.get("low", self.low), ends.get("high", self.high))

    def for_language(self, language: str) -> Bounds:
        """The bounds of a language: a key it leaves out is inherited, null means no bound, a null entry means neither."""
        ends = _ends(self.languages[language])
        return ends.get("low", self.low), ends.get("high", self.high)


def _ends(bounds: Ends | None) -> Ends:
    """The ends that an exception names; a null entry names both."""
    return {"low": None, "high": None} if bounds is None else bounds


@dataclass(frozen=True)
class DialogueBounds:
    """One entry under `dialogues:` as written: the bounds of a rule for documents with turns; with neither, as for pages."""

    low: float | None = None
    """The least value that is kept."""
    high: float | None = None
    """The largest value that is kept."""

    def problems(self) -> Iterator[str]:
        yield from _bound_problems("", self.low, self.high)


@dataclass(frozen=True)
class RulesFile:
    """rules.yaml as written."""

    rules: dict[str, Any]
    """Bounds over stored measurements; a rule that is taken out is off."""
    personal_data: dict[str, Any]
    """The policy for each kind of personal data."""
    evaluation: dict[str, Any] = field(default_factory=dict)
    """The policy for documents that contain items of an evaluation set."""
    dialogues: dict[str, Any] | None = None
    """The rules that hold for dialogues, with bounds of their own; without it, all hold as for pages."""


def read_rules(path: str | Path, measurements: Sequence[str], kinds: Sequence[str]) -> Rules:
    """The table in a file like rules.yaml; SettingsError with every problem."""
    return parse_rules(read_yaml(path), measurements, kinds, str(path))


def parse_rules(value: Mapping[str, Any], measurements: Sequence[str], kinds: Sequence[str], where: str) -> Rules:
    """The parsed rules.yaml; SettingsError with all problems at once.

    `measurements` are the columns a rule may name (signals.RULE_MEASUREMENTS), `kinds` the kinds of personal data
    (`DETECTORS` of `measure.personal.find`), each of which needs a policy."""
    problems: list[str] = []
    sections = _section(RulesFile, value, where, problems)
    if sections is None:
        raise SettingsError(problems)
    rules = []
    for name, settings in sections.rules.items():
        problems += _unknown("measurement", name, measurements, f"{where}.rules")
        if parsed := _section(RuleSettings, {} if settings is None else settings, f"{where}.rules.{name}", problems):
            languages = {language: parsed.for_language(language) for language in parsed.languages}
            forms, kinds_of_page = ({key: _ends(ends) for key, ends in given.items()} for given in (parsed.forms, parsed.kinds))
            rules.append(Rule(name, parsed.low, parsed.high, languages, parsed.action, None, forms, kinds_of_page))
    if sections.dialogues is not None:
        rules = _for_dialogues(rules, sections.dialogues, f"{where}.dialogues", problems)
    policies = {}
    for kind, settings in sections.personal_data.items():
        problems += _unknown("kind", kind, kinds, f"{where}.personal_data")
        policies[kind] = _section(KindPolicy, settings, f"{where}.personal_data.{kind}", problems)
    problems += [f"{where}.personal_data: the kind {kind!r} has no policy; add it with the action replace, tag or keep"
                 for kind in kinds if kind not in sections.personal_data]
    evaluation = _section(EvaluationPolicy, sections.evaluation, f"{where}.evaluation", problems)
    if problems:
        raise SettingsError(problems)
    return Rules(tuple(rules), PersonalDataPolicy({kind: policy for kind, policy in policies.items() if policy}), evaluation)


def _for_dialogues(rules: Sequence[Rule], section: Mapping[str, Any], where: str, problems: list[str]) -> list[Rule]:
    """The rules with their bounds for documents with turns: those of the section, and none for a rule that it does not name."""
    names = [rule.name for rule in rules]
    bounds: dict[str, Bounds | None] = {}
    for name, settings in section.items():
        problems += _unknown("rule", name, names, where)
        parsed = _section(DialogueBounds, {} if settings is None else settings, f"{where}.{name}", problems)
        bounds[name] = (parsed.low, parsed.high) if parsed and (parsed.low, parsed.high) != (None, None) else None
    return [replace(rule, dialogues=bounds.get(rule.name, (None, None))) for rule in rules]


def _section(cls: Any, value: Any, where: str, problems: list[str]) -> Any:
    """`value` as `cls`, or None with its problems added."""
    try:
        return parse(cls, value, where)
    except SettingsError as error:
        problems += error.problems
        return None


def _unknown(what: str, name: Any, known: Sequence[str], where: str) -> list[str]:
    if name in known:
        return []
    near = difflib.get_close_matches(str(name), known, n=1)
    cure = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(known)}"
    return [f"{where}: there is no {what} {name!r}; {cure}"]


def _bound_problems(where: str, low: float | None, high: float | None) -> Iterator[str]:
    for key, bound in (("low", low), ("high", high)):
        if bound is not None and not math.isfinite(bound):
            yield f"{where}{key}: must be a finite number, is {bound}; leave it out for no bound"
    if low is not None and high is not None and low > high:
        yield f"{where}low {low} is above high {high}; no document could lie between"
