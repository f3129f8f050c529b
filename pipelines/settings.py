"""Configuration of a run, read and validated before the first byte of data: every problem at once, each with its cure.

Three kinds of file: settings.yaml (a section a stage), rules.yaml (bounds and policies), mixtures/*.yaml (recipes).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from textmill.base.strict import SettingsError, parse, read_yaml
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.curate.settings import CurateSettings
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.pack.mixture import read_mixture
from textmill.pipelines.pack.settings import PackSettings
from textmill.pipelines.screen.rules import read_rules
from textmill.pipelines.tokens.settings import TokenizerName
from textmill.tokenizer.training import TokenizerSettings

T = TypeVar("T")


@dataclass(frozen=True)
class Settings:
    """settings.yaml. `train` belongs to `model`, which checks it itself."""

    extract: ExtractSettings
    measure: MeasureSettings
    dedup: DedupSettings
    curate: CurateSettings
    tokenizer: TokenizerSettings
    pack: PackSettings
    train: dict[str, Any]


def read_settings(path: str) -> Settings:
    """settings.yaml. SettingsError with every problem."""
    return parse(Settings, read_yaml(path), path)


def read_config(settings: str, rules: str, mixture: str, tokenizer: str | None) -> Configuration:
    """The three files as one Configuration; the tokenizer is the mixture's unless named. SettingsError with every problem."""
    problems: list[str] = []

    def collected(read: Callable[[], T]) -> T:
        try:
            return read()
        except SettingsError as error:
            problems.extend(error.problems)
            return None  # type: ignore[return-value]   # no value is used where there is a problem

    sections = collected(lambda: read_settings(settings))
    entities = sections.measure.presidio_entities if sections and sections.measure.presidio_models else ()
    table = collected(lambda: read_rules(rules, RULE_MEASUREMENTS, tuple(dict.fromkeys((*KINDS, *entities)))))
    recipe = collected(lambda: read_mixture(mixture))
    if problems:
        raise SettingsError(problems)
    return Configuration(sections.extract, sections.measure, sections.dedup, sections.curate, sections.tokenizer, sections.pack,
                         table, recipe, TokenizerName(tokenizer or recipe.tokenizer))
