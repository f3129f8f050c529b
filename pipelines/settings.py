"""All configuration of a run, read and checked before the first byte of data: every problem at once, each with its cure.

Three kinds of file: settings.yaml (a section a stage), rules.yaml (bounds and policies), mixtures/*.yaml (recipes).
"""

from dataclasses import dataclass
from typing import Any

from textmill.base.strict import SettingsError, parse, read_yaml
from textmill.pipelines.curate.rows import Curate
from textmill.pipelines.dedup.settings import Dedup
from textmill.pipelines.extract.settings import Extract
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS, Measure
from textmill.pipelines.pack.mixture import Mixture, read_mixture
from textmill.pipelines.pack.settings import Pack
from textmill.pipelines.screen.rules import Rules, read_rules
from textmill.tokenizer.training import Training


@dataclass(frozen=True)
class Settings:
    """settings.yaml. `train` belongs to `model`, which checks it itself."""

    extract: Extract
    measure: Measure
    dedup: Dedup
    curate: Curate
    tokenizer: Training
    pack: Pack
    train: dict[str, Any]


@dataclass(frozen=True)
class Config:
    """Everything a stage may read, with the names chosen on the command line."""

    settings: Settings
    rules: Rules
    mixture: Mixture
    tokenizer: str


def read_config(settings: str, rules: str, mixture: str, tokenizer: str | None) -> Config:
    """The three files as one Config; the tokenizer is the mixture's unless named. SettingsError with every problem."""
    problems: list[str] = []

    def collected(read: Any) -> Any:
        try:
            return read()
        except SettingsError as error:
            problems.extend(error.problems)

    parsed = collected(lambda: parse(Settings, read_yaml(settings), settings))
    named = parsed.measure.presidio_entities if parsed and parsed.measure.presidio_models else ()
    table = collected(lambda: read_rules(rules, RULE_MEASUREMENTS, tuple(dict.fromkeys((*KINDS, *named)))))
    recipe = collected(lambda: read_mixture(mixture))
    if problems:
        raise SettingsError(problems)
    return Config(parsed, table, recipe, tokenizer or recipe.tokenizer)
