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
# Marks, a bit each: of code, of which verse has none, of relations and operations in mathematics.
OF_CODE, NOT_OF_VERSE, RELATION = 1, 2, 4
CODE_MARKS = "{}[]()<>=;_/\\*&|$#@~`+\""
NO_VERSE_MARKS = "{}[]()<>=_/\\*|$#@~`+"
RELATIONS = "=<>≤≥≠∈∉⊂⊆→⇒↦⇔≈≡∧∨¬√∑Σ∏∫∂∞^·−×²³ⁿ₀₁₂₃ᵢₙ∠△°\\"
CODE_ENDS = "{};"
SPEECH_DASHES = "—―"
LONGEST_LABEL = 40                              # characters before the colon of `Speaker:` or `Term:`


def form(words: Words, stop: StopTerms) -> pa.Array:
    """[D] the first of FORMS that fits."""
    lines = _Lines(words)
    enough = words.line_count >= FEW_LINES
    functional = stop_word_share(words, stop)               # NaN without a list of them
    forms = np.select([enough & _code(words, lines), _mathematics(words, lines), enough & _dialogue(words, lines),
                       enough & _list(words, lines), enough & (~(functional < 0.05) | _varied(words)) & _verse(words, lines),
                       enough & (functional >= 0.2) & _notes(words)], (*FORMS[:-1], "list"), FORMS[-1])
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
        self.texts = np.repeat(np.arange(len(words)), words.line_count)
        self.label = self._labels()

    def count(self, mask: np.ndarray) -> np.ndarray:
        """[L] how many characters of each line `mask` [C] marks."""
        running = np.concatenate([[0], np.cumsum(mask, dtype=np.int64)])
        return running[self.words.line_ends] - running[self.words.line_starts]

    def share(self, lines: np.ndarray) -> np.ndarray:
        """[D] share of the lines that `lines` marks."""
        return sums(lines, self.words.line_offsets) / np.maximum(self.words.line_count, 1)

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
    """Marks of code in a quarter of the lines, line ends or indentation of code, and words without digits.

    Minified code is one line, and dumps are mostly numbers: neither is code here."""
    marks = words.count((lines.marks & OF_CODE) != 0) / np.maximum(words.count((words.flags & SPACE) == 0), 1)
    ends = lines.share(np.isin(lines.last, _points(CODE_ENDS)) | ((lines.last == ord(":")) & lines.is_indented)
                       | ((lines.last == ord(")")) & (lines.code_marks >= 3)))
    short = words.characters <= 100 * words.line_count
    return ((marks >= 0.06) & (lines.share(lines.code_marks >= 2) >= 0.25) & short & (_plain_words(words) >= 0.55)
            & ((ends >= 0.15) | (lines.share(lines.is_indented) >= 0.3)))


def _dialogue(words: Words, lines: _Lines) -> np.ndarray:
    """Half of the lines begin with a speaker's name or a dash, or a quarter are nothing but one; names come again.

    What follows a name has five words on average with it: fields of a product have fewer."""
    capitals = lines.count((words.flags & UPPER) != 0)
    names_alone = ((capitals >= 2) & (capitals == lines.count((words.flags & LETTER) != 0)) & (lines.word_count <= 4))
    labelled = lines.label >= 0
    speakers = np.where(labelled, lines.label, np.searchsorted(words.word_starts, words.line_starts))
    def again(mask: np.ndarray) -> np.ndarray:
        """[D] whether the speakers of these lines are at most half as many as the lines."""
        rows = np.flatnonzero(mask)
        names = group(words.word_hashes[np.minimum(speakers[rows], len(words.word_hashes) - 1)], lines.texts[rows])
        distinct = np.bincount(lines.texts[rows[names.first]], minlength=len(words))
        return (distinct >= 2) & (2 * distinct <= np.bincount(lines.texts[rows], minlength=len(words)))

    talk = sums(lines.word_count * labelled, words.line_offsets) >= 5 * sums(labelled, words.line_offsets)
    return (((lines.share(labelled) >= 0.5) & talk & again(labelled)) | ((lines.share(names_alone) >= 0.25) & again(names_alone))
            | (lines.share(np.isin(lines.first, _points(SPEECH_DASHES))) >= 0.5))


def _list(words: Words, lines: _Lines) -> np.ndarray:
    """Half of the lines begin with a bullet, a number, a bracket, a pipe or `Term:`, and they say something."""
    marked = (np.isin(lines.first, _points(f"{BULLETS}–(§|")) | ((words.flags[words.line_starts] & NUMBER) != 0)
              | (lines.label >= 0))
    marks = words.count((lines.marks & OF_CODE) != 0) <= 0.15 * words.count((words.flags & SPACE) == 0)     # no dump of data
    return (lines.share(marked) >= 0.5) & marks & (words.word_count >= 3 * words.line_count) & (_plain_words(words) >= 0.3)


def _notes(words: Words) -> np.ndarray:
    """A list without bullets, as of ingredients, steps and notes: lines of 4 to 15 words, of which few end in a sentence mark.

    Menus and product grids have two or three words to a line and few function words: of 700 around real pages none is in."""
    unspaced = _unspaced(words)
    by_line = words.word_count / np.maximum(words.line_count, 1)
    few = sums((words.flags[words.line_ends - 1] & TERMINAL) != 0, words.line_offsets) <= 0.25 * words.line_count
    return (by_line >= np.where(unspaced, 6, 4)) & (by_line <= np.where(unspaced, 25, 15)) & few


def _verse(words: Words, lines: _Lines) -> np.ndarray:
    """Short lines of much the same length, of 2.5 to 12 words, without digits and marks; not in Capitals As Headlines Are."""
    length = words.line_ends - words.line_starts
    count = np.maximum(words.line_count, 1)
    mean = sums(length, words.line_offsets) / count
    spread = np.sqrt(np.maximum(sums(length * length, words.line_offsets) / count - mean * mean, 0)) / np.maximum(mean, 1)
    digits = lines.share(lines.count((words.flags & NUMBER) != 0) > 0)
    marks = lines.share(lines.count((lines.marks & NOT_OF_VERSE) != 0) > 0)
    inside = words.word_starts != words.line_starts[np.maximum(np.searchsorted(words.line_starts, words.word_starts, "right") - 1, 0)]
    capitals = sums(inside & ((words.flags[words.word_starts] & UPPER) != 0), words.word_offsets)
    by_line = words.word_count / count
    unspaced = _unspaced(words)
    return ((lines.share(length <= np.where(unspaced, 24, 70)[lines.texts]) >= 0.9) & (spread <= 0.4) & (digits <= 0.1)
            & (marks <= 0.1) & (by_line >= 2.5) & (by_line <= np.where(unspaced, 20, 12))
            & (capitals <= 0.35 * words.word_count) & (words.line_count >= 8))


def _varied(words: Words) -> np.ndarray:
    """[D] whether no word is in a quarter of the lines: keywords are in most."""
    most = maxima(words.terms.counts, words.word_texts[words.terms.first], len(words))
    return 4 * most <= words.line_count


def _unspaced(words: Words) -> np.ndarray:
    """[D] whether most words are characters of a script without spaces."""
    return sums((words.flags[words.word_starts] & NOSPACE) != 0, words.word_offsets) > words.word_count / 2


def _plain_words(words: Words) -> np.ndarray:
    """[D] share of the words that have two characters or more, a letter first and no digit; one of a script without spaces is."""
    flags = words.flags[words.word_starts]
    digits = np.concatenate([[0], np.cumsum((words.flags & NUMBER) != 0)])
    plain = ((flags & LETTER) != 0) & (digits[words.word_ends] == digits[words.word_starts])
    return sums(plain & ((words.word_characters >= 2) | ((flags & NOSPACE) != 0)), words.word_offsets) / np.maximum(words.word_count, 1)


@functools.cache
def _marks() -> np.ndarray:
    """Marks by code point; the last row is for all beyond."""
    table = np.zeros(0x2600, np.uint8)
    for bit, characters in ((OF_CODE, CODE_MARKS), (NOT_OF_VERSE, NO_VERSE_MARKS), (RELATION, RELATIONS)):
        table[_points(characters)] |= bit
    return table


def _points(characters: str) -> np.ndarray:
    return np.array([ord(character) for character in characters], np.uint32)
