"""Score by one's own model: the head of `textmill head` in the place of a fastText classifier.

A folder of the data folder with classifier.json, whose `kind` is "head", and the model's files, each under its sha256. A text
is scored on its own, so that neither its neighbours nor how work is cut change a bit of it. torch is imported here and nowhere
else in the pipelines, and only where settings name such a classifier.
"""

import hashlib
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from textmill.base.sealed import unseal
from textmill.base.strict import SettingsError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.text.words import Words

if TYPE_CHECKING:
    from textmill.model.classification.scorer import Scorer

KIND = "head"
CONFIG, WEIGHTS, TOKENIZER = FILES = ("decoder.json", "model.safetensors", "tokenizer.json")


@dataclass(frozen=True)
class OwnModel:
    """A classifier that is a language model with a head."""

    scorer: "Scorer"

    def of(self, words: Words) -> np.ndarray:
        """[N] float64 score of each text that has words; NaN for the others."""
        scores, some = np.full(len(words), np.nan), np.flatnonzero(words.word_count > 0)
        scores[some] = self.scorer.score([words.texts[number] for number in some.tolist()])
        return scores


def read_own_model(folder: Folder, facts: Mapping[str, Any]) -> OwnModel:
    """The classifier in a folder. ValueError where its files are not those of `facts`; SettingsError where torch is missing."""
    try:
        from textmill.model.classification.scorer import load_scorer
    except ModuleNotFoundError as error:
        raise SettingsError([f"measure.classifier: a score by one's own model needs the model extra ({error.name} is not "
                             "installed): pip install 'textmill[model]', or give null"]) from None
    with tempfile.TemporaryDirectory() as local:
        for name, sha256 in sorted(facts["files"].items()):
            content = folder.read(name)
            if name not in FILES or hashlib.sha256(content).hexdigest() != sha256:
                raise ValueError(f"{name} is not the one that classifier.json was written for")
            Path(local, name).write_bytes(content)
        return OwnModel(load_scorer(Path(local), facts["card"], facts["positive"]))


def library_versions(facts: bytes) -> dict[str, str]:
    """What else than its files shapes the score of such a classifier: the version of torch. Nothing for any other."""
    try:
        own = unseal(facts).get("kind") == KIND
    except ValueError:          # whoever opens it says so
        own = False
    return {"torch": version("torch")} if own and find_spec("torch") else {}
