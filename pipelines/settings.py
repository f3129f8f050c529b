"""Configuration of a run, read and validated before the first byte of data: every problem at once, each with its cure.

Three kinds of file: settings.yaml (a section a stage; what is not in it has its default), rules.yaml (bounds and policies),
mixtures/*.yaml (recipes). `--set section.key=value` changes one value of the settings, or of the recipe as `mixture.key`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, TypeVar

from textmill.base.names import name_problem
from textmill.base.strict import SettingsError, changed, parse, read_yaml
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.curate.settings import CurateSettings
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.pack.mixture import Mixture, read_mixture
from textmill.pipelines.pack.settings import PackSettings
from textmill.pipelines.screen.rules import read_rules
from textmill.pipelines.tokens.settings import TokenizerName
from textmill.tokenizer.settings import TokenizerSettings

T = TypeVar("T")
RECIPE = "mixture."      # begins the keys of changes to the recipe


@dataclass(frozen=True)
class Settings:
    """settings.yaml. `train` to `head` belong to `model`, `card` to `publish`: they check them themselves."""

    extract: ExtractSettings = field(default_factory=ExtractSettings)
    measure: MeasureSettings = field(default_factory=MeasureSettings)
    dedup: DedupSettings = field(default_factory=DedupSettings)
    curate: CurateSettings = field(default_factory=CurateSettings)
    tokenizer: TokenizerSettings = field(default_factory=TokenizerSettings)
    pack: PackSettings = field(default_factory=PackSettings)
    train: dict[str, Any] = field(default_factory=dict)
    reward: dict[str, Any] = field(default_factory=dict)
    finetune: dict[str, Any] = field(default_factory=dict)
    prefer: dict[str, Any] = field(default_factory=dict)
    grpo: dict[str, Any] = field(default_factory=dict)
    ppo: dict[str, Any] = field(default_factory=dict)
    judge: dict[str, Any] = field(default_factory=dict)
    restrain: dict[str, Any] = field(default_factory=dict)
    head: dict[str, Any] = field(default_factory=dict)
    card: dict[str, Any] = field(default_factory=dict)


def read_settings(path: str, changes: Mapping[str, Any] = MappingProxyType({})) -> Settings:
    """settings.yaml with `changes` made, by their keys (`parse_changes`). SettingsError with every problem."""
    own = {key: value for key, value in changes.items() if not key.startswith(RECIPE)}
    return parse(Settings, changed(read_yaml(path), own), f"{path} with --set" if own else path)


def read_recipe(path: str, changes: Mapping[str, Any] = MappingProxyType({})) -> Mixture:
    """A mixture with those `changes` made that are its own. SettingsError with every problem."""
    own = {key.removeprefix(RECIPE): value for key, value in changes.items() if key.startswith(RECIPE)}
    if "name" in own:
        raise SettingsError([f"--set {RECIPE}name: blocks and checkpoints are found by the name in {path}; copy the recipe and "
                             "name the copy"])
    return read_mixture(path, own)


def read_config(settings: str, rules: str, mixture: str, tokenizer: str | None = None,
                changes: Mapping[str, Any] = MappingProxyType({})) -> Configuration:
    """The three files as one Configuration; the tokenizer is the mixture's unless named. SettingsError with every problem."""
    problems: list[str] = []
    if tokenizer is not None and (problem := name_problem("tokenizer", tokenizer)):
        problems.append(f"--tokenizer: {problem}")

    def collected(read: Callable[[], T]) -> T:
        try:
            return read()
        except SettingsError as error:
            problems.extend(error.problems)
            return None  # type: ignore[return-value]   # no value is used where there is a problem

    sections = collected(lambda: read_settings(settings, changes))
    entities = sections.measure.presidio_entities if sections and sections.measure.presidio_models else ()
    table = collected(lambda: read_rules(rules, RULE_MEASUREMENTS, tuple(dict.fromkeys((*KINDS, *entities)))))
    recipe = collected(lambda: read_recipe(mixture, changes))
    if problems:
        raise SettingsError(problems)
    return Configuration(sections.extract, sections.measure, sections.dedup, sections.curate, sections.tokenizer, sections.pack,
                         table, recipe, TokenizerName(tokenizer or recipe.tokenizer))
