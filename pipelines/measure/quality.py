"""Quality statistics of Gopher, FineWeb and C4, each a function of the batch's words.

Every function returns [D] float64. A share of nothing is 0, so that an empty text can be measured. Sources: Gopher =
Rae et al. 2021, section A1.1 and table A1; C4 = Raffel et al. 2020, section 2.2; FineWeb = Penedo et al. 2024, 3.6.
"""

import numpy as np
import zstandard

from textmill.pipelines.measure.phrases import StopTerms
from textmill.pipelines.text.characters import CLOSING, EMOJI, LETTER, NEWLINE, NOSPACE, NUMBER, SPACE, SYMBOL, TERMINAL, UPPER
from textmill.pipelines.text.words import Words, maxima, sums

SHORT_LINE = 30         # characters, FineWeb
# Line ends are not significant with fewer lines, or more words in one on average: extraction makes one line of
# a page that is laid out as a table. Lists, menus and tables have short ones.
FEW_LINES, LONG_LINES = 5, 60
LONG_LINE, FEW_LONG_LINES, LONG_LINES_SHARE = 20, 4, 0.5
BULLETS = "•‣◦▪▫●○■□◆·*-"


def word_count(words: Words) -> np.ndarray:
    """Words. Gopher: 50 to 100,000."""
    return words.word_count.astype(np.float64)


def mean_word_length(words: Words) -> np.ndarray:
    """Characters per word; 0 without words. Gopher: outside 3 to 10 lie code, hashes and glued words."""
    return _share(sums(words.word_characters, words.word_offsets), words.word_count)


def longest_word(words: Words) -> np.ndarray:
    """Characters of the longest run without white space or a character of a script without spaces. C4: over 1000."""
    breaks = np.flatnonzero(words.flags & (SPACE | NOSPACE))
    sizes = np.diff(breaks, prepend=-1) - 1
    return maxima(sizes, np.searchsorted(words.text_ends, breaks), len(words)).astype(np.float64)


def hash_word_ratio(words: Words) -> np.ndarray:
    """Number signs per word. Gopher: at most 0.1."""
    return _share(words.count(words.code_points == ord("#")), words.word_count)


def ellipsis_word_ratio(words: Words) -> np.ndarray:
    """Ellipses (… or three full stops and more) per word. Gopher: at most 0.1."""
    return _share(words.count(_ellipses(words)), words.word_count)


def bullet_lines(words: Words) -> np.ndarray:
    """Share of lines that begin with a bullet, an asterisk or a hyphen. Gopher: at most 0.9."""
    return _share_of_lines(words, np.isin(words.code_points[words.line_starts], _points(BULLETS)))


def ellipsis_lines(words: Words) -> np.ndarray:
    """Share of lines that end with an ellipsis. Gopher: at most 0.3."""
    last = words.code_points[words.line_ends - 1]
    dots = (last == ord(".")) & (words.line_ends - words.line_starts >= 3)
    for back in (2, 3):
        dots &= words.code_points[words.line_ends - back] == ord(".")
    return _share_of_lines(words, dots | (last == ord("…")))


def alphabetic_words(words: Words) -> np.ndarray:
    """Share of the runs between white space that contain a letter. Gopher: at least 0.8."""
    solid = (words.flags & SPACE) == 0
    begins = solid.copy()
    begins[1:] &= ~solid[:-1]
    runs = np.flatnonzero(begins)
    if not len(runs):
        return np.zeros(len(words))
    lettered = np.add.reduceat((words.flags & LETTER) != 0, runs, dtype=np.int64) > 0
    offsets = np.append(np.searchsorted(runs, words.text_starts), len(runs))
    return _share(sums(lettered, offsets), np.diff(offsets))


def stop_words(words: Words, stop: StopTerms) -> np.ndarray:
    """How many different stop words of the text's language occur; NaN without a list. Gopher: at least 2."""
    found = np.bincount(words.word_texts[words.terms.first[stop.terms]], minlength=len(words))
    return np.where(stop.listed, found.astype(np.float64), np.nan)


def stop_word_share(words: Words, stop: StopTerms) -> np.ndarray:
    """Share of words that are stop words of the text's language; NaN without a list.

    Word lists and keyword pages have almost none; prose has a tenth to two fifths, as its language inflects much or little."""
    texts = words.word_texts[words.terms.first[stop.terms]]
    found = np.bincount(texts, weights=words.terms.counts[stop.terms], minlength=len(words))
    return np.where(stop.listed, _share(found, words.word_count), np.nan)


def top_term_share(words: Words, stop: StopTerms) -> np.ndarray:
    """Share of the commonest word that is no stop word and has a letter; NaN without a stop-word list.

    High in keyword stuffing (Ntoulas et al. 2006, section 4)."""
    first = words.terms.first
    term = ~stop.terms & ((words.flags[words.word_starts[first]] & LETTER) != 0)
    most = maxima(words.terms.counts[term], words.word_texts[first[term]], len(words))
    return np.where(stop.listed, _share(most, words.word_count), np.nan)


def terminal_punctuation_lines(words: Words) -> np.ndarray:
    """Share of lines that end in a sentence mark of any script, or in a closing quote or bracket after one.

    NaN where there are fewer than FEW_LINES, or more than LONG_LINES words to a line. C4 keeps only such lines; FineWeb: at
    least 0.12."""
    return told_by_lines(words, _share_of_lines(words, _finished(words)))


def unfinished_paragraphs(words: Words) -> np.ndarray:
    """Share of the lines of 20 words or more, tables and lists apart, that end without a sentence mark or a colon.

    NaN where there are fewer than FEW_LONG_LINES of them, or they contain less than LONG_LINES_SHARE of the words: a book with
    wrapped lines has a few by chance. NeMo: at most 0.85 of the sentences. High in texts cut at arbitrary points."""
    line = np.searchsorted(words.line_starts, words.word_starts, side="right") - 1
    held = np.bincount(line, minlength=len(words.line_starts))
    long = held >= LONG_LINE
    long &= ~np.isin(words.code_points[words.line_starts], _points(f"|{BULLETS}"))
    count = sums(long, words.line_offsets)
    colon = np.isin(words.code_points[words.line_ends - 1], _points(":："))
    told = (count >= FEW_LONG_LINES) & (sums(held * long, words.line_offsets) >= LONG_LINES_SHARE * words.word_count)
    return np.where(told, _share(sums(long & ~_finished(words) & ~colon, words.line_offsets), count), np.nan)


def _finished(words: Words) -> np.ndarray:
    """[L] lines that end in a sentence mark, or in a closing quote or bracket after one."""
    end = words.line_ends - 1
    marks = (words.flags & TERMINAL) != 0
    return marks[end] | (((words.flags[end] & CLOSING) != 0) & marks[np.maximum(end - 1, words.line_starts)])


def told_by_lines(words: Words, shares: np.ndarray) -> np.ndarray:
    """[D] shares of lines, NaN where a text has too few lines or too long ones."""
    long = words.word_count > LONG_LINES * words.line_count
    return np.where((words.line_count < FEW_LINES) | long, np.nan, shares)


def short_lines(words: Words) -> np.ndarray:
    """Share of lines of at most 30 characters. FineWeb: at most 0.67."""
    return _share_of_lines(words, words.line_ends - words.line_starts <= SHORT_LINE)


def newline_ratio(words: Words) -> np.ndarray:
    """Newlines per word. FineWeb: at most 0.3."""
    return _share(words.count((words.flags & NEWLINE) != 0) - 1, words.word_count)


def sentence_count(words: Words) -> np.ndarray:
    """Ends of sentences: a sentence mark before white space or a closing quote or bracket, and any full-width mark.

    C4: at least 3."""
    mark = (words.flags & TERMINAL) != 0
    ends = np.zeros(len(mark), bool)
    ends[:-1] = mark[:-1] & (((words.flags[1:] & (SPACE | CLOSING)) != 0)
                             | ((words.code_points[:-1] >= 0x3000) & ~mark[1:]))
    return words.count(ends).astype(np.float64)


def mean_sentence_words(words: Words) -> np.ndarray:
    """Words per sentence, the rest after the last mark counted with it; a text without a mark is one sentence.

    Prose has 10 to 30 in most languages; tables, lists of keywords and generated word salad run on."""
    return _share(words.word_count, np.maximum(sentence_count(words), 1))


def curly_braces(words: Words) -> np.ndarray:
    """Share of the characters, white space apart, that are { or }. C4 drops a page for one; a page about code has some."""
    return _share(words.count((words.code_points == ord("{")) | (words.code_points == ord("}"))), _solid(words))


def uppercase_share(words: Words) -> np.ndarray:
    """Share of letters that are capitals; 0 in scripts without case."""
    return _share(words.count((words.flags & UPPER) != 0), words.count((words.flags & LETTER) != 0))


def digit_share(words: Words) -> np.ndarray:
    """Share of the characters, white space apart, that are digits or other numbers. RedPajama, NeMo: at most 0.15."""
    return _share(words.count((words.flags & NUMBER) != 0), _solid(words))


def symbol_share(words: Words) -> np.ndarray:
    """Share of the non-space characters that are symbols: mathematics, currency, arrows, emoji, but no punctuation."""
    return _share(words.count((words.flags & SYMBOL) != 0), _solid(words))


def emoji_share(words: Words) -> np.ndarray:
    """Share of the characters, white space apart, that are emoji or pictographs such as ★ and ☎."""
    return _share(words.count((words.flags & EMOJI) != 0), _solid(words))


def replacement_characters(words: Words) -> np.ndarray:
    """Share of the characters that are U+FFFD: a decoder's replacement for invalid bytes."""
    return _share(words.count(words.code_points == 0xFFFD), words.characters)


def compression_ratio(words: Words) -> np.ndarray:
    """Bytes by Zstandard (level 1) per byte of UTF-8, header included; 0 for an empty text.

    Below 0.1 a text is mostly repetition. Zstandard rather than zlib, because its version is pinned with the package."""
    compressor = zstandard.ZstdCompressor(level=1, write_content_size=False, write_checksum=False)
    encoded = [text.encode() for text in words.texts]
    return np.array([len(compressor.compress(data)) / len(data) if data else 0.0 for data in encoded], np.float64)


def _ellipses(words: Words) -> np.ndarray:
    """[C] where an ellipsis is: each …, and the third of a run of full stops."""
    dot = words.code_points == ord(".")
    third = np.zeros(len(dot), bool)
    third[2:] = dot[2:] & dot[1:-1] & dot[:-2]
    third[3:] &= ~dot[:-3]
    return third | (words.code_points == ord("…"))


def _solid(words: Words) -> np.ndarray:
    return words.count((words.flags & SPACE) == 0)


def _points(characters: str) -> np.ndarray:
    return np.array([ord(character) for character in characters], np.uint32)


def _share_of_lines(words: Words, lines: np.ndarray) -> np.ndarray:
    return _share(sums(lines, words.line_offsets), words.line_count)


def _share(part: np.ndarray, whole: np.ndarray) -> np.ndarray:
    return part / np.maximum(whole, 1)
