"""Spam and boilerplate: shares of a text in phrases of phrases.yaml and in links. [D] float64 each."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from textmill.pipelines.measure.phrases import Phrases, share_of_words
from textmill.pipelines.measure.quality import told_by_lines
from textmill.pipelines.text.words import Words, sums

# Groups of boilerplate phrases.
BOILERPLATE = ("wall", "parked", "refusal", "template", "furniture")
# A sentence about casinos is no spam: one phrase says nothing, and five words of a short text no more than in FEWEST words. Of
# own good texts on such topics 5 of 158 were lost before.
FEWEST = 125


def phrase_shares(words: Words, phrases: Phrases) -> Mapping[str, np.ndarray]:
    """Shares of the words that are part of a listed phrase, by group of phrases.

    `spam_phrases` (pills, gambling, loans, replicas, essays, adult, SEO; 0 where there is one phrase only, and of FEWEST
    words in a shorter text), `wall_phrases` (consent banners, logins, subscriptions), `parked_phrases` (domains for sale,
    error pages), `refusal_phrases` (chatbot refusals and disclaimers), `template_phrases` (unfilled placeholders),
    `boilerplate_phrases` (all of these but spam, and the furniture of a site's pages; NeMo: boilerplate strings),
    `lorem_ipsum` (dummy text: C4 drops a page that has it at all, so also one that explains it). `javascript_lines` and
    `policy_lines`: share of the lines that contain one (C4 removes such lines), NaN where the text has too few lines."""
    covered = phrases.covered(words, twice=("spam",))
    boilerplate = np.logical_or.reduce([covered[name] for name in BOILERPLATE])
    return {
        "spam_phrases": share_of_words(words, covered["spam"], FEWEST),
        "wall_phrases": share_of_words(words, covered["wall"]),
        "parked_phrases": share_of_words(words, covered["parked"]),
        "refusal_phrases": share_of_words(words, covered["refusal"]),
        "template_phrases": share_of_words(words, covered["template"]),
        "boilerplate_phrases": share_of_words(words, boilerplate),
        "javascript_lines": _lines_with(words, covered["javascript"]),
        "policy_lines": _lines_with(words, covered["policy"]),
        "lorem_ipsum": share_of_words(words, covered["lorem"]),
    }


def link_density(documents: pa.RecordBatch, words: Words) -> np.ndarray:
    """Characters of link text per character of the text, at most 1; NaN where the input cannot have links."""
    return _ratio(documents["anchor_chars"], words.characters)


def link_word_ratio(documents: pa.RecordBatch, words: Words) -> np.ndarray:
    """Links per word of the text; NaN where the input cannot have links. Lists of links have one for every few words."""
    return _floats(documents["links"]) / np.maximum(words.word_count, 1)


def page_link_density(documents: pa.RecordBatch) -> np.ndarray:
    """Anchor text per character of all visible text of the page, menus and footers included; NaN where the input is no page.

    Ntoulas et al. 2006, section 4.4: spam has more of it."""
    return _ratio(documents["page_anchor_chars"], _floats(documents["page_chars"]))


def _ratio(part: pa.Array, whole: np.ndarray) -> np.ndarray:
    return np.minimum(_floats(part) / np.maximum(whole, 1), 1.0)


def _floats(column: pa.Array) -> np.ndarray:
    """[D] float64, NaN for null."""
    return column.cast(pa.float64()).to_numpy(zero_copy_only=False)


def _lines_with(words: Words, mask: np.ndarray) -> np.ndarray:
    """Share of lines in which `mask` [W] marks a word; NaN where a text has too few lines or too long ones."""
    lines = np.searchsorted(words.line_starts, words.word_starts[mask], side="right") - 1
    marked = np.zeros(len(words.line_starts), bool)
    marked[lines] = True
    share = sums(marked, words.line_offsets) / np.maximum(words.line_count, 1)
    return told_by_lines(words, share)
