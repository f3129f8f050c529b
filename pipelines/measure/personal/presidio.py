"""Names and places, which no pattern finds: an optional step through Presidio and a spaCy model, off unless named.

`measure.presidio_models` says for which languages, and with which installed model or folder of one; nothing is downloaded.
Its findings join the others under Presidio's own names for them (PERSON, LOCATION …), each of which then needs a policy in
rules.yaml. A model may read the same text differently on another processor, so the promise of equal bytes holds for one kind
of processor where this is on.
"""

import importlib.util
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from textmill.base.strict import SettingsError

Finding = tuple[str, int, int]

_PIECE = 50_000                 # characters that a model is given at once; spaCy refuses a million


class NameFinder:
    """The models of all languages, opened once in each process. SettingsError, with the cure, where one is not there."""

    def __init__(self, models: Mapping[str, str], entities: Sequence[str], score: float):
        if problems := missing(models):
            raise SettingsError(problems)
        from presidio_analyzer import AnalyzerEngine
        from presidio_analyzer.nlp_engine import NlpEngineProvider

        provider = NlpEngineProvider(nlp_configuration={"nlp_engine_name": "spacy", "models": [
            {"lang_code": language, "model_name": model} for language, model in sorted(models.items())]})
        self._analyzer: Any = AnalyzerEngine(nlp_engine=provider.create_engine(), supported_languages=sorted(models))
        self._languages, self._entities, self._score = frozenset(models), list(entities), score

    def find(self, text: str, language: str) -> list[Finding]:
        """(entity, from, to) in a text of one of the languages; none in any other. Long texts are given line by line."""
        if language not in self._languages:
            return []
        return [(found.entity_type, start + found.start, start + found.end) for start, end in _pieces(text)
                for found in self._analyzer.analyze(text[start:end], language, entities=self._entities,
                                                    score_threshold=self._score)]


def missing(models: Mapping[str, str]) -> list[str]:
    """One sentence for each thing that has to be installed first."""
    if not models:
        return []
    if importlib.util.find_spec("presidio_analyzer") is None or importlib.util.find_spec("spacy") is None:
        return ["measure.presidio_models asks for names, but presidio-analyzer is not installed; run "
                "`pip install 'textmill[presidio]'`, or leave presidio_models empty"]
    return [f"measure.presidio_models.{language}: there is no spaCy model {model!r}; install it, give the path of one, or take "
            "the language out" for language, model in sorted(models.items())
            if importlib.util.find_spec(model.replace("/", "_")) is None and not Path(model).is_dir()]


def model_versions(models: Mapping[str, str]) -> dict[str, str]:
    """What is installed of each model, by name, for the fingerprint."""
    return {f"presidio_model.{language}": f"{model} {_version(model)}" for language, model in models.items()}


def _version(model: str) -> str:
    try:
        return version(model)
    except PackageNotFoundError:
        return "of unknown version"


def _pieces(text: str) -> list[tuple[int, int]]:
    places, start = [], 0
    while start < len(text):
        end = min(start + _PIECE, len(text))
        if end < len(text) and (line := text.rfind("\n", start, end)) > start:
            end = line + 1
        places.append((start, end))
        start = end
    return places
