"""Language identification by two voices, with `und` where the result would be a guess.

A fastText model (`language_model`) decides where it is sure. Where it is not, or does not know the language, CLD2
(`second_voice`) decides, provided that it is clear or the model holds its language for possible: random letters, code and
names convince one of them by chance, seldom both.
"""

import itertools
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from textmill.pipelines.measure import second_voice
from textmill.pipelines.measure.declared_language import alike
from textmill.pipelines.measure.language_model import Guess, LanguageIdentifier
from textmill.pipelines.measure.scripts import scripts, written_in
from textmill.pipelines.measure.second_voice import UNDETERMINED, UNSURE, Opinion, opinions
from textmill.pipelines.text.characters import LETTER, MARK, NOSPACE, SPACE, UPPER
from textmill.pipelines.text.words import Words, sums

# The model decides from this score on. Chosen with the bounds below and `min_language_score` on sentences of SIB-200, whole and
# cut to 12 to 45 characters, and on texts in no language: docs/screening.md.
SURE = 0.9
# CLD2 is clear from so much on its own; for a language that the model does not know, from less in Latin letters, and always in
# others, in which that is one of few; in Han, of which a single character speaks for Chinese or Japanese, from more: random
# Han comes to 1,400, prose in it begins at 1,700.
CLEAR, CLEAR_UNKNOWN, CLEAR_HAN = 600, 400, 1500
# For CLD2 code is English, however clearly: its keywords are. The model has to give English this score; in a long text AGREED.
LIKELY_ENGLISH = 0.4
AGREED = 0.3        # the model's score from which it decides where CLD2 leans to the same language, without calling it reliable
CLOSE = 0.3         # the model's score from which it may choose a language that CLD2 has only a close relative of
# Wu is what the model takes short Mandarin for, as sure as .98; texts in Wu are not reliably Chinese to CLD2.
DOUBTED = frozenset({"wuu"})

# Where CLD2 has no language for so many letters, but knows the model's, the model has to be this sure: to it Nuer is Finnish,
# Friulian Italian.
LONG, SILENCE = 250, 0.8
EASED = 0.2         # by so much less where CLD2 sees but English in a long text of another language: commands, code

# The model sees the line with most letters of each sixth of a text, and of that line at most so many characters: prose
# rather than menus, code and tables. A text no longer than six excerpts is shown whole. On labelled pages this is right as
# often as 3,000 characters of beginning, middle and end, at half the cost.
ZONES, EXCERPT = 6, 250
# For `language_share` each excerpt is judged by its own beginning, where that has letters enough to tell.
BEGINNING, BEGINNING_LETTERS = 120, 20
# Numbers, addresses and identifiers, from white space or other scripts to the same.
_NOISE = re.compile(r"(?<![!-~])[!-~]*?(?:://|[0-9_])[!-~]*")
_LOOKALIKE = re.compile("[\U0001d400-\U0001d7ff\uff21-\uff3a\uff41-\uff5a]+")  # letters of formulas, and full-width ones


class Identified(NamedTuple):
    """Identified languages of D texts: the language, its score, 0 to 1, and the share of the text that agrees, or NaN.

    `guesses` are the model's, `opinions` CLD2's; the language is one of the two, or `und`, and the score is of that voice.
    """

    languages: list[str]
    scores: np.ndarray              # [D] float32
    shares: np.ndarray              # [D] float64, of the excerpts, by length
    guesses: list[Guess]
    opinions: list[Opinion]


def identified(words: Words, model: LanguageIdentifier, lowest_score: float, fewest_letters: int,
               lowest_letter_share: float) -> Identified:
    """The language of each text: `und` for few letters, for code and tables, and where neither voice is sure enough.

    The score is that of the voice that decided, the model's for its best guess where the language is `und`. In scripts without
    spaces a letter carries about as much as three elsewhere and is counted so.
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
    codes = scripts(words)
    guesses = model.identify(joined, codes)
    heard = opinions(joined) if model.has_codes else [UNSURE] * len(words)
    letters = words.count((words.flags & LETTER) != 0)
    solid = np.maximum(words.count((words.flags & SPACE) == 0), 1)
    lettered = (letters + words.count((words.flags & MARK) != 0)) / solid
    weights = weight[words.text_ends] - weight[words.text_starts]
    unsure = (weights < fewest_letters) | (lettered < lowest_letter_share)

    long = (weights >= LONG) & model.has_codes
    decided = [(UNDETERMINED, guess.score) if doubt else
               _decided(guess, opinion, written, model.languages, lowest_score, full)
               for guess, opinion, written, doubt, full
               in zip(guesses, heard, codes, unsure.tolist(), long.tolist(), strict=True)]
    found = [language for language, _ in decided]
    shares = _agreeing(shown, texts, weight[np.minimum(ends, starts + BEGINNING)] - weight[starts], ends - starts, found,
                       guesses, model)
    return Identified(found, np.array([score for _, score in decided], np.float32), shares, guesses, heard)


def _decided(guess: Guess, opinion: Opinion, written: frozenset[str], known: frozenset[str],
             lowest_score: float, long: bool) -> tuple[str, float]:
    """The language by both voices, and its score."""
    agreed = LIKELY_ENGLISH if guess.language == "en" and not long else AGREED
    if guess.language == opinion.language and guess.score >= agreed:
        return guess.language, max(guess.score, opinion.share) if opinion.reliable else guess.score
    if guess.language in DOUBTED and opinion.reliable and alike(guess.language, opinion.language):
        return opinion.language, opinion.share
    if not _believed(guess, opinion, written, known):
        silent = long and opinion.language == UNDETERMINED and guess.language in second_voice.LANGUAGES
        commands = long and opinion.language == "en" != guess.language         # that a text in another language explains
        lowest = max(lowest_score, SILENCE) if silent else lowest_score - EASED if commands else lowest_score
        return (guess.language if guess.score >= lowest else UNDETERMINED), guess.score
    # Of languages that are written alike the model has some that CLD2 files under a relative: yue under zh, arz under ar.
    if guess.score >= CLOSE and alike(guess.language, opinion.language) and guess.language not in second_voice.LANGUAGES:
        return guess.language, guess.score
    return opinion.language, opinion.share


def _believed(guess: Guess, opinion: Opinion, written: frozenset[str], known: frozenset[str]) -> bool:
    """Whether CLD2 decides: over an unsure model, where it is clear or the model holds its language for possible."""
    language = opinion.language
    if not opinion.reliable or not written_in(language, written):
        return False
    if language not in known:
        return opinion.clarity >= CLEAR_UNKNOWN or "Latn" not in written
    if guess.score >= SURE:
        return False
    if language == "en":
        return guess.likely.get(language, 0.0) >= LIKELY_ENGLISH
    if language in ("zh", "ja"):
        return opinion.clarity >= CLEAR_HAN
    return language in guess.likely or opinion.clarity >= CLEAR


def _agreeing(shown: Sequence[str], texts: np.ndarray, letters: np.ndarray, sizes: np.ndarray, found: Sequence[str],
              guesses: Sequence[Guess], model: LanguageIdentifier) -> np.ndarray:
    """[D] share of each text's excerpts, by size, that are in the language identified for the text.

    Each is judged by the voice that decided; where that is CLD2, excerpts that it is unsure of do not count, and those that
    consist of numbers and addresses never do. A closely related language counts as the same. NaN where the language is
    unknown or no excerpt counts."""
    offsets = np.searchsorted(texts, np.arange(len(found) + 1))
    several = np.repeat(np.diff(offsets) > 1, np.diff(offsets))             # the only excerpt of a text agrees with it
    telling = (letters >= BEGINNING_LETTERS) & (2 * np.fromiter(map(len, shown), np.int64, len(shown)) >= sizes)
    judged = np.flatnonzero(several & telling)
    by_model = np.array([alike(guess.language, language) for guess, language in zip(guesses, found, strict=True)], bool)
    own = np.empty(len(texts), object)
    for voice, mine in ((model.guesses, by_model[texts[judged]]), (_reliable, ~by_model[texts[judged]])):
        own[judged[mine]] = voice([shown[n][:BEGINNING] for n in judged[mine].tolist()])
    agrees = np.ones(len(texts), bool)
    agrees[judged] = [alike(language, found[text]) for language, text in zip(own[judged], texts[judged].tolist(), strict=True)]
    silent = np.zeros(len(texts), bool)
    silent[judged] = (own[judged] == UNDETERMINED) & ~by_model[texts[judged]]
    counted = np.where(telling & ~silent, sizes, 0)
    whole = sums(counted, offsets)
    told = (whole > 0) & np.array([language != UNDETERMINED for language in found], bool)
    return np.where(told, sums(counted * agrees, offsets) / np.maximum(whole, 1), np.nan)


def _reliable(texts: Sequence[str]) -> list[str]:
    """CLD2's language of each text, `und` where it is unsure."""
    return [opinion.language if opinion.reliable else UNDETERMINED for opinion in opinions(texts)]


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
    line = _LOOKALIKE.sub(lambda found: unicodedata.normalize("NFKC", found[0]), " ".join(_NOISE.sub(" ", text).split()))
    return line.lower() if in_capitals else line


def _capitals(words: Words) -> np.ndarray:
    """[C + 1] running count of capitals less that of all other letters: it rises over what is mostly in capitals."""
    upper = (words.flags & UPPER) != 0
    letters = (words.flags & LETTER) != 0
    return np.concatenate([[0], np.cumsum(np.where(upper, 1, np.where(letters, -1, 0)), dtype=np.int64)])


def _weights(words: Words) -> np.ndarray:
    """[C + 1] running count of letters and of the marks that are vowels, letters of scripts without spaces three times."""
    letters, spoken = (words.flags & LETTER) != 0, (words.flags & (LETTER | MARK)) != 0
    return np.concatenate([[0], np.cumsum(spoken + 2 * (letters & ((words.flags & NOSPACE) != 0)), dtype=np.int64)])
