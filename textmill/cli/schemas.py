"""JSON Schemas of the three kinds of configuration file, for editors: `schemas/*.json`, named in the files' first line.

`python -m textmill.cli.schemas` writes them.
"""

import json
from pathlib import Path

from textmill.base.json_schema import NULL, Schema, of_class, of_file, of_type, reference
from textmill.model.training.settings import TrainSettings
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.pack.mixture import COLUMNS, Entry, Mixture
from textmill.pipelines.report.meanings import measurement
from textmill.pipelines.screen.rules import EvaluationPolicy, KindPolicy, RuleSettings, RulesFile
from textmill.pipelines.settings import Settings

FOLDER = Path(__file__).parents[1] / "data/schemas"


def schemas() -> dict[str, Schema]:
    """Each schema by the name of its file."""
    return {
        "settings": of_file(Settings, "Settings of every stage", {(Settings, "train"): lambda: of_class(TrainSettings)}),
        "rules": of_file(RulesFile, "Bounds and policies",
                         {(RulesFile, "rules"): _rules, (RulesFile, "personal_data"): _personal_data,
                          (RulesFile, "evaluation"): lambda: of_class(EvaluationPolicy)}, {"rule": _rule()}),
        "mixture": of_file(Mixture, "A mixture: what pack puts into blocks", {(Entry, "where"): _where}),
    }


def _rules() -> Schema:
    """A rule for any measurement."""
    return {"type": "object", "additionalProperties": False, "properties": {
        name: {"description": measurement(name)} | reference("rule") for name in RULE_MEASUREMENTS}}


def _rule() -> Schema:
    """Bounds, and others by language, where null is none."""
    rule, bound = of_class(RuleSettings), of_type(float | None)
    bounds = {"type": "object", "additionalProperties": False, "properties": {"low": bound, "high": bound}}
    rule["properties"]["languages"] = {"type": "object", "additionalProperties": {"anyOf": [NULL, bounds]}}
    return {"anyOf": [rule, NULL]}


def _personal_data() -> Schema:
    """A policy for each kind; what a model of names finds has kinds of its own."""
    policy, kinds = of_class(KindPolicy), list(KINDS)
    return {"type": "object", "required": kinds, "properties": dict.fromkeys(kinds, policy), "additionalProperties": policy}


def _where() -> Schema:
    """A value or a list of them for each column."""
    texts = of_type(str | list[str])
    return {"type": "object", "additionalProperties": False, "properties": dict.fromkeys(COLUMNS, texts)}


def as_text(schema: Schema) -> str:
    """The file's text."""
    return json.dumps(schema, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    for name, schema in schemas().items():
        (FOLDER / f"{name}.json").write_text(as_text(schema), "utf-8")
