"""Calibrated score of a trained fastText classifier: the probability, 0 to 1, that a text is a positive example.

A classifier is a folder with two files, made by `textmill classifier` and by nothing else: `model.bin`, fastText's own format
(Joulin et al. 2017), and `classifier.json` with the calibration. No pickle. fastText's probability is
overconfident; it is calibrated by a logistic curve fitted on texts that the model was not trained on (Platt 1999).
A folder whose classifier.json is of `textmill head` is a language model with a head (`own_model.py`); its score is used alike.
"""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fasttext
import numpy as np

from textmill.base.errors import TextmillError
from textmill.base.sealed import unseal
from textmill.base.strict import SettingsError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.measure.own_model import KIND, OwnModel, read_own_model
from textmill.pipelines.text.words import Words

MODEL, FACTS = "model.bin", "classifier.json"
VERSION = 1
GOOD, BAD = "__label__good", "__label__bad"
LONGEST = 1000                      # first words of a text, which the model reads
_SURE = 1e-6                        # fastText rounds to 0 and 1, whose log-odds are infinite


@dataclass(frozen=True)
class Classifier:
    """`slope` and `offset` of the calibration, on log-odds."""

    model: Any
    slope: float
    offset: float

    def score(self, texts: list[str]) -> np.ndarray:
        """[N] float64 calibrated score of texts as `lines` gives them."""
        return 1 / (1 + np.exp(-(self.slope * log_odds(self.model, texts) + self.offset)))

    def of(self, words: Words) -> np.ndarray:
        """[N] the same of texts as they are; NaN for a text without words."""
        return np.where(words.word_count > 0, self.score(lines(words)), np.nan)


def log_odds(model: Any, texts: list[str]) -> np.ndarray:
    """[N] float64: log-odds of good against bad by a fastText model with these labels."""
    if not texts:
        return np.zeros(0)
    labels, scores = model.predict(texts, k=2)
    good = np.array([dict(zip(names, values, strict=True)).get(GOOD, 0.0)
                     for names, values in zip(labels, scores, strict=True)], np.float64)
    good = np.clip(good, _SURE, 1 - _SURE)
    return np.log(good / (1 - good))


def lines(words: Words) -> list[str]:
    """Each text as the model reads it: its first words in lower case, a space between them."""
    written = []
    for text in range(len(words)):
        start, end = words.word_offsets[text], min(words.word_offsets[text + 1], words.word_offsets[text] + LONGEST)
        if start == end:
            written.append("")
            continue
        sizes = words.word_characters[start:end] + 1
        places = np.arange(sizes.sum()) + np.repeat(words.word_starts[start:end] - np.cumsum(sizes) + sizes, sizes)
        points = words.lower[places]
        points[np.cumsum(sizes) - 1] = 0x20
        written.append(points[:-1].tobytes().decode("utf-32-le"))
    return written


def classifier_score(words: Words, classifier: Classifier | OwnModel) -> np.ndarray:
    """Calibrated probability that a text is a positive example of the classifier; NaN for a text without words."""
    return classifier.of(words)


def folder_of(name: str) -> str:
    """The path of a classifier in the data folder."""
    return f"classifiers/{name}"


def facts_bytes(data: Folder, name: str) -> bytes:
    """The file classifier.json, with the model's hash. SettingsError where there is none."""
    try:
        return data.read(f"{folder_of(name)}/{FACTS}")
    except FileNotFoundError:
        raise SettingsError([f"measure.classifier: there is no {data.uri}/{folder_of(name)}; make it with `textmill classifier "
                             f"--name {name} --good … --bad …` or `textmill head --name {name} …`, or give null"]) from None


def read_classifier(data: Folder, name: str) -> Classifier | OwnModel:
    """The classifier of this name. SettingsError where there is none, or its files do not belong together."""
    word = "classifier"
    try:
        facts = unseal(facts_bytes(data, name))
        if facts.get("kind") == KIND:
            word = KIND
            return read_own_model(data / folder_of(name), facts)
        if facts["version"] != VERSION:
            raise ValueError(f"version {facts['version']}, this textmill reads {VERSION}")
        model = data.read(f"{folder_of(name)}/{MODEL}")
        if hashlib.sha256(model).hexdigest() != facts["model_sha256"]:
            raise ValueError(f"{MODEL} is not the one that {FACTS} was written for")
        slope, offset = float(facts["calibration"]["slope"]), float(facts["calibration"]["offset"])
        with tempfile.TemporaryDirectory() as folder:           # fastText opens files by name, and only local ones
            path = Path(folder, MODEL)
            path.write_bytes(model)
            return Classifier(fasttext.load_model(str(path)), slope, offset)
    except SettingsError:
        raise
    except (OSError, KeyError, TypeError, ValueError, TextmillError) as error:
        raise SettingsError([f"measure.classifier: {data.uri}/{folder_of(name)} is not a classifier "
                             f"({' '.join(str(error).split())}); make it again with `textmill {word}`"]) from None
