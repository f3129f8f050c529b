"""Spam and boilerplate: how much of a text is made of the phrases in phrases.yaml, and of links. [D] float64 each."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from pipelines.measure.phrases import Phrases, share_of_words
from pipelines.measure.words import Words, sums


def phrase_shares(words: Words, phrases: Phrases) -> Mapping[str, np.ndarray]:
    """`spam_phrases` and `boilerplate_phrases`: share of the words that are part of such a phrase (pills, gambling,
    loans, adult, SEO; consent banners, login walls, parked domains, error pages). `javascript_lines` and `policy_lines`:
    share of the lines that contain one (C4 takes such lines out). `lorem_ipsum`: share of the words that are part of the
    usual filler text (C4 drops a page that has it at all, so also one that explains it)."""
    covered = phrases.covered(words)
    return {
        "spam_phrases": share_of_words(words, covered["spam"]),
        "boilerplate_phrases": share_of_words(words, covered["boilerplate"]),
        "javascript_lines": _lines_with(words, covered["javascript"]),
        "policy_lines": _lines_with(words, covered["policy"]),
        "lorem_ipsum": share_of_words(words, covered["lorem"]),
    }


def link_density(documents: pa.RecordBatch, words: Words) -> np.ndarray:
    """Characters of link text per character of the text, at most 1; NaN where the input cannot have links."""
    return _ratio(documents["anchor_chars"], words.characters)


def page_link_density(documents: pa.RecordBatch) -> np.ndarray:
    """The same over all that the page shows, menus and footers included; NaN where the input is no page."""
    return _ratio(documents["page_anchor_chars"], _floats(documents["page_chars"]))


def _ratio(part: pa.Array, whole: np.ndarray) -> np.ndarray:
    return np.minimum(_floats(part) / np.maximum(whole, 1), 1.0)


def _floats(column: pa.Array) -> np.ndarray:
    """[D] float64, NaN for null."""
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _lines_with(words: Words, mask: np.ndarray) -> np.ndarray:
    """Share of lines in which `mask` [W] marks a word."""
    lines = np.searchsorted(words.line_starts, words.word_starts[mask], side="right") - 1
    marked = np.zeros(len(words.line_starts), bool)
    marked[lines] = True
    return sums(marked, words.line_offsets) / np.maximum(words.line_count, 1)
