"""Language identification by a fastText model, lid.176 as shipped (Joulin et al. 2016, 2017; 176 languages).

The small model (lid.176.ftz, 0.9 MB) is part of the package; any other fastText model is given by path.
"""

import hashlib
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import fasttext

from textmill.base.strict import SettingsError
from textmill.pipelines.measure.scripts import written_in
from textmill.pipelines.measure.second_voice import UNDETERMINED

SHIPPED = Path(__file__).parent / "models/lid.176.ftz"       # CC BY-SA 3.0, see NOTICE
SHIPPED_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
# All languages that a model gives at least this score are known with it; no more than 20 can have it.
LEAST_LIKELY, MOST_LIKELY = 0.05, 20


class Guess(NamedTuple):
    """A model's likeliest language of a text, and its score, 0 to 1; every language with a score from LEAST_LIKELY on."""

    language: str
    score: float
    likely: Mapping[str, float]


class LanguageIdentifier:
    """A fastText model and the sha256 of its file, which enters fingerprints."""

    def __init__(self, path: Path):
        self.path = path
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self._model = fasttext.load_model(str(path))

    def identify(self, texts: Sequence[str], scripts: Sequence[frozenset[str]]) -> list[Guess]:
        """The likeliest language of each one-line text among those written in its scripts.

        `und` with 0 where none of the ten likeliest is. (fastText's own scores go slightly beyond 1.)"""
        found = [dict(zip(labels, scores, strict=True)) for labels, scores
                 in zip(*self._predict(texts, MOST_LIKELY, LEAST_LIKELY), strict=True)]
        best = [next(iter(likely.items()), (UNDETERMINED, 0.0)) for likely in found]
        odd = [n for n, ((language, _), codes) in enumerate(zip(best, scripts, strict=True)) if not written_in(language, codes)]
        again, scores = self._predict([texts[n] for n in odd], 10)
        for n, labels, likely in zip(odd, again, scores, strict=True):
            fitting = ((label, score) for label, score in zip(labels, likely, strict=True) if written_in(label, scripts[n]))
            best[n] = next(fitting, (UNDETERMINED, 0.0))
        return [Guess(language, min(max(float(score), 0.0), 1.0), likely)
                for (language, score), likely in zip(best, found, strict=True)]

    @cached_property
    def has_codes(self) -> bool:
        """Whether it names languages as lid.176 and CLD2 do: `de`, not `deu_Latn`."""
        return "de" in self.languages

    @cached_property
    def languages(self) -> frozenset[str]:
        """Every language it may name."""
        return frozenset(label.removeprefix("__label__") for label in self._model.get_labels())

    def guesses(self, texts: Sequence[str]) -> list[str]:
        """The likeliest language of each one-line text, whatever it is written in."""
        return [labels[0] if labels else UNDETERMINED for labels in self._predict(texts, 1)[0]]

    def _predict(self, texts: Sequence[str], count: int, lowest: float = 0.0) -> tuple[list[list[str]], Sequence[Any]]:
        if not texts:
            return [], []
        labels, scores = self._model.predict(list(texts), k=count, threshold=lowest)
        return [[label.removeprefix("__label__") for label in row] for row in labels], scores


def find_model(given: str | None) -> Path:
    """The model file: the one given, or the shipped one, whose bytes are checked. SettingsError if there is none."""
    if given is not None:
        if not Path(given).is_file():
            raise SettingsError([f"measure.language_model: there is no file {given}; give the path of a fastText model "
                                 "(lid.176.bin, lid.176.ftz, GlotLID) or null for the small one"])
        return Path(given)
    try:
        digest = hashlib.sha256(SHIPPED.read_bytes()).hexdigest()
    except OSError as error:
        digest = error.strerror or "unreadable"
    if digest != SHIPPED_SHA256:
        raise SettingsError([f"measure.language_model: {SHIPPED} is not the lid.176.ftz of 2017; install textmill again, or "
                             "give the path of a fastText model"])
    return SHIPPED
