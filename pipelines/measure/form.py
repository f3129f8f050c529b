"""Form of a text: code, mathematics, dialogue, list, verse or prose, decided from its lines and marks.

Null where a text is too short to say. Rules may have bounds of their own by form (screen/rules.py), so each form asks for
what junk of its looks lacks: verse for function words, code and mathematics for words, dialogue for speakers who speak again.
The shares below were chosen on the development half of benchmarks/unusual/; most lie far from both sides.
"""

import functools

import numpy as np
import pyarrow as pa

from textmill.pipelines.measure.phrases import StopTerms
from textmill.pipelines.measure.quality import BULLETS, stop_word_share
from textmill.pipelines.text.characters import LETTER, NEWLINE, NOSPACE, NUMBER, SPACE, TERMINAL, UPPER
from textmill.pipelines.text.words import Words, group, maxima, sums

FORMS = ("code", "mathematics", "dialogue", "list", "verse", "prose")
FEW_WORDS, FEW_LINES = 20, 5                    # fewer words have no form, fewer lines are mathematics or prose
# Marks, a bit each: of code, of which verse has none, of relations and operations in mathematics, of prices.
OF_CODE, NOT_OF_VERSE, RELATION, CURRENCY = 1, 2, 4, 8
CODE_MARKS = "{}[]()<>=;_/\\*&|$#@~`+\""
NO_VERSE_MARKS = "{}[]()<>=_/\\*|$#@~`+"
RELATIONS = "=<>≤≥≠∈∉⊂⊆→⇒↦⇔≈≡∧∨¬√∑Σ∏∫∂∞^·−×²³ⁿ₀₁₂₃ᵢₙ∠△°\\"
CURRENCIES = "$€£¥₹₽₩₺₴₫฿"
CODE_ENDS = "{};"
SPEECH_DASHES = "—―"
LONGEST_LABEL = 40                              # characters before the colon of `Speaker:` or `Term:`


def form(words: Words, stop: StopTerms) -> pa.Array:
    """[D] the first of FORMS that fits."""
    lines = _Lines(words)
    enough = words.line_count >= FEW_LINES
    functional = stop_word_share(words, stop)               # NaN in a language without a list of function words
    worded = ~(functional < 0.05) | _varied(words)
    priced = lines.share(lines.count((lines.marks & CURRENCY) != 0) > 0) > 0.15         # a grid of goods
    evidence = [("code", enough & _code(words, lines)), ("mathematics", _mathematics(words, lines)),
                ("dialogue", enough & _dialogue(words, lines)), ("list", enough & ~priced & _list(words, lines)),
                ("verse", enough & worded & _verse(words, lines)),
                ("list", enough & ~priced & _notes(words, lines, functional))]
    forms = np.select([fits for _, fits in evidence], [name for name, _ in evidence], "prose")
    return pa.array(forms, pa.string(), mask=words.word_count < FEW_WORDS)


class _Lines:
    """What several forms ask of each line: [L] each."""

    def __init__(self, words: Words):
        self.words = words
        self.first, self.last = words.code_points[words.line_starts], words.code_points[words.line_ends - 1]
        self.word_count = np.bincount(np.searchsorted(words.line_starts, words.word_starts, side="right") - 1,
                                      minlength=len(words.line_starts))
        before = np.maximum(words.line_starts - 1, 0)
        self.is_indented = ((words.flags[before] & SPACE) != 0) & ((words.flags[before] & NEWLINE) == 0)
        table = _marks()
        self.marks = table[np.minimum(words.code_points, len(table) - 1)]
        self.code_marks = self.count((self.marks & OF_CODE) != 0)
        solid = words.count((words.flags & SPACE) == 0)
        self.code_share = words.count((self.marks & OF_CODE) != 0) / np.maximum(solid, 1)       # [D]
        self.texts = np.repeat(np.arange(len(words)), words.line_count)
        self.label = self._labels()

    def count(self, mask: np.ndarray) -> np.ndarray:
        """[L] how many characters of each line `mask` [C] marks."""
        running = np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])
        return running[self.words.line_ends] - running[self.words.line_starts]

    def share(self, lines: np.ndarray) -> np.ndarray:
        """[D] share of the lines that `lines` marks."""
        return sums(lines, self.words.line_offsets) / np.maximum(self.words.line_count, 1)

    def come_again(self, chosen: np.ndarray, word: np.ndarray) -> np.ndarray:
        """[D] whether the words of the chosen lines are two or more, and at most half as many as these lines."""
        rows = np.flatnonzero(chosen)
        names = group(self.words.word_hashes[word[rows]], self.texts[rows])
        distinct = np.bincount(self.texts[rows[names.first]], minlength=len(self.words))
        return (distinct >= 2) & (2 * distinct <= np.bincount(self.texts[rows], minlength=len(self.words)))

    def _labels(self) -> np.ndarray:
        """[L] the word before the first colon of lines that begin with `Name:`, -1 for other lines.

        A colon counts before white space, so that none of a time does, and full-width; so does a dash after a full stop,
        as French plays have it."""
        words, points = self.words, self.words.code_points
        ends = np.zeros(len(points), bool)
        ends[:-1] = (points[:-1] == ord(":")) & ((words.flags[1:] & SPACE) != 0)
        ends[1:] |= (points[1:] == ord("—")) & (points[:-1] == ord("."))
        at = np.flatnonzero(ends | (points == ord("：")))
        if not len(at) or not len(words.word_starts):
            return np.full(len(words.line_starts), -1)
        colon = at[np.minimum(np.searchsorted(at, words.line_starts), len(at) - 1)]
        labelled = (colon > words.line_starts) & (colon < np.minimum(words.line_ends, words.line_starts + LONGEST_LABEL))
        word = np.searchsorted(words.word_ends, colon, side="right") - 1
        return np.where(labelled & (word >= 0) & (words.word_starts[word] >= words.line_starts), word, -1)


def _mathematics(words: Words, lines: _Lines) -> np.ndarray:
    """Letters that stand alone and signs of relation, among words: 0.3 of them to a word, and one word in 25 of four letters.

    Semicolons are seldom in it; minified code, whose names are single letters, has many."""
    count = np.maximum(words.word_count, 1)
    flags = words.flags[words.word_starts]
    spaced = (flags & NOSPACE) == 0
    lettered = (flags & LETTER) != 0
    alone = sums(lettered & spaced & (words.word_characters == 1), words.word_offsets) / count
    relations = words.count((lines.marks & RELATION) != 0) / count
    wordy = sums(lettered & ((words.word_characters >= 4) | ~spaced), words.word_offsets) / count
    script = words.count(words.code_points == ord(";")) > 0.01 * words.characters
    return (alone >= 0.1) & (relations >= 0.08) & (alone + relations >= 0.3) & (wordy >= 0.04) & ~script


def _code(words: Words, lines: _Lines) -> np.ndarray:
    """Marks of code in a quarter of the lines, ends of lines or indentation as in code, and words without digits.

    Minified code is one line, and dumps are mostly numbers: neither is code here."""
    ends = (np.isin(lines.last, _points(CODE_ENDS)) | ((lines.last == ord(":")) & lines.is_indented)
            | ((lines.last == ord(")")) & (lines.code_marks >= 5)))
    return ((lines.code_share >= 0.06) & (lines.share(lines.code_marks >= 2) >= 0.25)
            & ((lines.share(ends) >= 0.15) | (lines.share(lines.is_indented) >= 0.3))
            & (words.characters <= 100 * words.line_count) & (_plain_words(words) >= 0.55))


def _dialogue(words: Words, lines: _Lines) -> np.ndarray:
    """Half of the lines begin with a speaker's name or a dash, or a quarter are nothing but one; names come again.

    What follows a name has five words on average with it: fields of a product have fewer."""
    labelled = lines.label >= 0
    talk = sums(lines.word_count * labelled, words.line_offsets) >= 5 * sums(labelled, words.line_offsets)
    capitals, letters = (lines.count((words.flags & flag) != 0) for flag in (UPPER, LETTER))
    names_alone = (capitals >= 2) & (capitals == letters) & (lines.word_count <= 4)
    first_words = np.searchsorted(words.word_starts, words.line_starts)
    return (((lines.share(labelled) >= 0.5) & talk & lines.come_again(labelled, lines.label))
            | ((lines.share(names_alone) >= 0.25) & lines.come_again(names_alone, first_words))
            | (lines.share(np.isin(lines.first, _points(SPEECH_DASHES))) >= 0.5))


def _list(words: Words, lines: _Lines) -> np.ndarray:
    """Half of the lines begin with a bullet, number, bracket, pipe or `Term:`; three words to a line, and no dump of data."""
    marked = (np.isin(lines.first, _points(f"{BULLETS}–(§|")) | ((words.flags[words.line_starts] & NUMBER) != 0)
              | (lines.label >= 0))
    return ((lines.share(marked) >= 0.5) & (lines.code_share <= 0.15) & (words.word_count >= 3 * words.line_count)
            & (_plain_words(words) >= 0.3))


def _notes(words: Words, lines: _Lines, functional: np.ndarray) -> np.ndarray:
    """A list without bullets, as of ingredients, steps and notes: lines of 4 to 15 words, of which few end in a sentence mark.

    A fifth of the words are function words, or fewer where half of the lines have quantities. Menus and product grids have two
    or three words to a line and few function words."""
    quantities = lines.share(lines.count((words.flags & NUMBER) != 0) > 0) >= 0.5
    enough = (functional >= 0.2) | ((functional >= 0.05) & quantities & (_plain_words(words) >= 0.35))
    unspaced = _unspaced(words)
    by_line = words.word_count / np.maximum(words.line_count, 1)
    ends = sums((words.flags[words.line_ends - 1] & TERMINAL) != 0, words.line_offsets)
    return ((by_line >= np.where(unspaced, 6, 4)) & (by_line <= np.where(unspaced, 25, 15)) & (ends <= 0.25 * words.line_count)
            & enough)


def _verse(words: Words, lines: _Lines) -> np.ndarray:
    """Six short lines or more, of much the same length and 2.5 to 12 words; no digits, marks or Capitals As In Headlines."""
    length = words.line_ends - words.line_starts
    count = np.maximum(words.line_count, 1)
    mean = sums(length, words.line_offsets) / count
    spread = np.sqrt(np.maximum(sums(length * length, words.line_offsets) / count - mean * mean, 0)) / np.maximum(mean, 1)
    with_digits = lines.share(lines.count((words.flags & NUMBER) != 0) > 0)
    with_marks = lines.share(lines.count((lines.marks & NOT_OF_VERSE) != 0) > 0)
    is_first = np.zeros(len(words.code_points), bool)
    is_first[words.line_starts] = True
    capitals = sums(~is_first[words.word_starts] & ((words.flags[words.word_starts] & UPPER) != 0), words.word_offsets)
    unspaced, by_line = _unspaced(words), words.word_count / count
    return ((words.line_count >= 6) & (lines.share(length <= np.where(unspaced, 24, 70)[lines.texts]) >= 0.9) & (spread <= 0.4)
            & (by_line >= 2.5) & (by_line <= np.where(unspaced, 20, 12)) & (with_digits <= 0.1) & (with_marks <= 0.1)
            & (capitals <= 0.35 * words.word_count) & ~_stuffed(words))


def _varied(words: Words) -> np.ndarray:
    """[D] whether no word is in a quarter of the lines: keywords are in most."""
    most = maxima(words.terms.counts, words.word_texts[words.terms.first], len(words))
    return 4 * most <= words.line_count


def _stuffed(words: Words) -> np.ndarray:
    """[D] whether four words or more are in most lines, three in four of them: so it is of keywords in any language."""
    texts = words.word_texts[words.terms.first]
    return np.bincount(texts[4 * words.terms.counts >= 3 * words.line_count[texts]], minlength=len(words)) >= 4


def _unspaced(words: Words) -> np.ndarray:
    """[D] whether most words are characters of a script without spaces."""
    return 2 * sums((words.flags[words.word_starts] & NOSPACE) != 0, words.word_offsets) > words.word_count


def _plain_words(words: Words) -> np.ndarray:
    """[D] share of the words with a letter first, no digit and two characters; one is enough in a script without spaces."""
    flags = words.flags[words.word_starts]
    digits = np.concatenate([[0], np.cumsum((words.flags & NUMBER) != 0)])
    long = (words.word_characters >= 2) | ((flags & NOSPACE) != 0)
    plain = long & ((flags & LETTER) != 0) & (digits[words.word_ends] == digits[words.word_starts])
    return sums(plain, words.word_offsets) / np.maximum(words.word_count, 1)


@functools.cache
def _marks() -> np.ndarray:
    """Marks by code point; the last row is for all beyond."""
    table = np.zeros(0x2600, np.uint8)
    for bit, characters in ((OF_CODE, CODE_MARKS), (NOT_OF_VERSE, NO_VERSE_MARKS), (RELATION, RELATIONS),
                            (CURRENCY, CURRENCIES)):
        table[_points(characters)] |= bit
    return table


def _points(characters: str) -> np.ndarray:
    return np.array([ord(character) for character in characters], np.uint32)
