"""Repetition within a text: lines, paragraphs, and word n-grams of two to ten words.

Gopher (Rae et al. 2021, section A1.1 and table A1). Characters are those inside words for the n-grams, and those of
the lines or paragraphs for these; each character counts once however many repeated n-grams it is part of. The first
of several equal ones is not a repetition. All shares lie between 0 and 1 and are 0 for an empty text.
"""

from collections.abc import Mapping

import numpy as np

from textmill.pipelines.text.words import Words, chained, group, maxima, sums

TOP = (2, 3, 4)                         # n-grams of which the commonest one counts
DUPLICATE = (5, 6, 7, 8, 9, 10)         # n-grams of which every repetition counts

def duplicate_lines(words: Words) -> np.ndarray:
    """Share of lines that repeat an earlier one. Gopher: at most 0.3."""
    return _repeated(words.line_hashes, words.line_offsets, None)


def duplicate_line_chars(words: Words) -> np.ndarray:
    """Share of the lines' characters in lines that repeat an earlier one. Gopher: at most 0.2; FineWeb 0.01."""
    return _repeated(words.line_hashes, words.line_offsets, words.line_ends - words.line_starts)


def duplicate_paragraphs(words: Words) -> np.ndarray:
    """Share of paragraphs that repeat an earlier one. Gopher: at most 0.3."""
    return _repeated(words.paragraph_hashes, words.paragraph_offsets, None)


def duplicate_paragraph_chars(words: Words) -> np.ndarray:
    """Share of the paragraphs' characters in paragraphs that repeat an earlier one. Gopher: at most 0.2."""
    return _repeated(words.paragraph_hashes, words.paragraph_offsets, words.paragraph_ends - words.paragraph_starts)


def repeated_ngrams(words: Words) -> Mapping[str, np.ndarray]:
    """Repetition of word n-grams, as in Gopher's table A1.

    `top_2gram` to `top_4gram`: share of word characters in the commonest n-gram, 0 where it occurs once; among equally common
    n-grams the longest in characters counts. `duplicate_5gram` to `duplicate_10gram`: share in n-grams that occurred before.

    One pass from short to long: an n-gram can only repeat where the one a word shorter does, so most positions drop
    out at once.
    """
    texts, hashes, lengths = words.word_texts, words.word_hashes, words.word_characters
    characters = np.maximum(sums(lengths, words.word_offsets), 1)
    before = np.concatenate([[0], np.cumsum(lengths)])              # word characters before each word
    rest = words.word_offsets[1:][texts] - np.arange(len(hashes))   # words to the end of the text
    at = np.flatnonzero(words.terms.size_of_members() > 1)
    joined = hashes[at]
    shares = {}
    for length in range(2, DUPLICATE[-1] + 1):
        fits = rest[at] >= length
        at, joined = at[fits], joined[fits]
        joined = chained(joined, hashes[at + length - 1])
        equal = group(joined, texts[at])
        several = equal.counts > 1
        first = at[equal.first[several]]
        if length in TOP:
            counts, of_text = equal.counts[several], texts[first]
            most = maxima(counts, of_text, len(words))
            commonest = counts == most[of_text]
            size = (before[first + length] - before[first]) * counts
            shares[f"top_{length}gram"] = np.minimum(
                maxima(size[commonest], of_text[commonest], len(words)) / characters, 1.0)
        if length in DUPLICATE:
            again = np.ones(len(at), bool)
            again[equal.first] = False
            shares[f"duplicate_{length}gram"] = sums(
                lengths * _covered(at[again], length, len(hashes)), words.word_offsets) / characters
        repeated = equal.size_of_members() > 1
        at, joined = at[repeated], joined[repeated]
    return shares


def _covered(at: np.ndarray, length: int, count: int) -> np.ndarray:
    """[count] the words that lie in a run of `length` beginning at one of the distinct positions `at`."""
    change = np.zeros(count + 1, np.int64)
    change[at] += 1
    change[at + length] -= 1
    return np.cumsum(change[:-1]) > 0


def _repeated(hashes: np.ndarray, offsets: np.ndarray, sizes: np.ndarray | None) -> np.ndarray:
    texts = np.repeat(np.arange(len(offsets) - 1), np.diff(offsets))
    again = np.ones(len(hashes), bool)
    again[group(hashes, texts).first] = False
    whole = sums(np.ones(len(hashes), np.int64) if sizes is None else sizes, offsets)
    return sums(again if sizes is None else sizes * again, offsets) / np.maximum(whole, 1)
