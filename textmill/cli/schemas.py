"""JSON Schemas of the three kinds of configuration file, for editors: `schemas/*.json`, named in the files' first line.

`python -m textmill.cli.schemas` writes them.
"""

import json
from functools import partial
from pathlib import Path

from textmill.base.json_schema import NULL, Schema, Special, of_class, of_file, of_type, reference
from textmill.model.classification.settings import HeadSettings
from textmill.model.posttraining.restraint import RestrainSettings
from textmill.model.posttraining.settings import (
    FineTuneSettings,
    GrpoSettings,
    JudgeSettings,
    PpoSettings,
    PreferSettings,
    RewardSettings,
)
from textmill.model.training.settings import TrainSettings
from textmill.pipelines.extract.pages.model import KINDS as PAGE_KINDS
from textmill.pipelines.measure.form import FORMS
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.pack import columns as where_columns
from textmill.pipelines.pack.mixture import Entry, Mixture
from textmill.pipelines.publish.settings import CardSettings
from textmill.pipelines.report.meanings import measurement
from textmill.pipelines.screen.policies import EvaluationPolicy, KindPolicy
from textmill.pipelines.screen.rules import DialogueBounds, RuleSettings, RulesFile
from textmill.pipelines.settings import Settings

TEXTS, NUMBER = of_type(str | list[str]), reference("number")
DAY: Schema = {"anyOf": [{"type": "string", "pattern": "^[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?$"}, {"type": "integer"}]}


def _bounds(**of: Schema) -> Schema:
    return {"type": "object", "additionalProperties": False, "minProperties": 1, "properties": of}


VALUES: dict[str, list[Schema]] = {         # what a condition may ask of a column, by its kind
    "text": [TEXTS, _bounds(prefix=TEXTS)],
    "texts": [TEXTS],
    "number": [NUMBER, {"type": "array", "items": NUMBER}, _bounds(low=NUMBER, high=NUMBER)],
    "date": [_bounds(**{"from": DAY, "until": DAY})],
    "flag": [{"type": "boolean"}],
}
OWN_SECTIONS: dict[str, type] = {"train": TrainSettings, "finetune": FineTuneSettings, "reward": RewardSettings,
                                   "prefer": PreferSettings, "grpo": GrpoSettings, "ppo": PpoSettings, "judge": JudgeSettings,
                                   "restrain": RestrainSettings, "head": HeadSettings, "card": CardSettings}
FOLDER = Path(__file__).parents[1] / "data/schemas"


def schemas() -> dict[str, Schema]:
    """Each schema by the name of its file."""
    of_rules: Special = {(RulesFile, "rules"): _rules, (RulesFile, "dialogues"): _dialogues,
                         (RulesFile, "personal_data"): _personal_data,
                         (RulesFile, "evaluation"): lambda: of_class(EvaluationPolicy)}
    return {
        "settings": of_file(Settings, "Settings of every stage", {
            (Settings, name): partial(of_class, cls) for name, cls in OWN_SECTIONS.items()}),
        "rules": of_file(RulesFile, "Bounds and policies", of_rules, {"rule": _rule()}),
        "mixture": of_file(Mixture, "A mixture: what pack puts into blocks",
                           {(Entry, "where"): lambda: reference("where")}, {"where": _where()}),
    }


def _rules() -> Schema:
    """A rule for any measurement."""
    return {"type": "object", "additionalProperties": False, "properties": {
        name: {"description": measurement(name)} | reference("rule") for name in RULE_MEASUREMENTS}}


def _rule() -> Schema:
    """Bounds, and others by language, form and kind, where null is none."""
    rule, bound = of_class(RuleSettings), of_type(float | None)
    bounds = {"type": "object", "additionalProperties": False, "properties": {"low": bound, "high": bound}}
    others = {"anyOf": [NULL, bounds]}
    rule["properties"]["languages"] = {"type": "object", "additionalProperties": others}
    for section, names in (("forms", FORMS), ("kinds", PAGE_KINDS)):
        rule["properties"][section] = {"type": "object", "additionalProperties": False,
                                       "properties": dict.fromkeys(names, others)}
    return {"anyOf": [rule, NULL]}


def _dialogues() -> Schema:
    """Bounds of a rule for dialogues, or nothing, which is as for pages."""
    bounds = {"anyOf": [of_class(DialogueBounds), NULL]}
    return {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(RULE_MEASUREMENTS, bounds)}


def _personal_data() -> Schema:
    """A policy for each kind; what a model of names finds has kinds of its own."""
    policy, kinds = of_class(KindPolicy), list(KINDS)
    return {"type": "object", "required": kinds, "properties": dict.fromkeys(kinds, policy), "additionalProperties": policy}


def _where() -> Schema:
    """A condition: values, lists of them or bounds for columns; any and all of conditions, not of one."""
    condition = reference("where")
    columns = {name: {"anyOf": VALUES[column.kind]} for name, column in where_columns.COLUMNS.items()}
    return {"type": "object", "additionalProperties": False, "properties": columns | {
        "any": {"type": "array", "items": condition}, "all": {"type": "array", "items": condition}, "not": condition}}


def as_text(schema: Schema) -> str:
    """The file's text."""
    return json.dumps(schema, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    for name, schema in schemas().items():
        (FOLDER / f"{name}.json").write_text(as_text(schema), "utf-8")
