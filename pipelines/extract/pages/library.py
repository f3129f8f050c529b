"""Main text by trafilatura, without comments and without its cache across pages.

Its fast mode, and the slow one where resiliparse finds twice as much, or half.
"""

import logging

from lxml.html import HtmlElement
from resiliparse.extract.html2text import extract_plain_text
from trafilatura import bare_extraction
from trafilatura.settings import Extractor

from textmill.pipelines.extract.pages.patterns import remember_patterns

logging.getLogger("trafilatura").setLevel(logging.CRITICAL)     # it logs a warning for every empty page
remember_patterns()

_SAYS_SOMETHING = 250   # characters: trafilatura's own bound (min_extracted_size) for a text it accepts


def main_text(html: str, tree: HtmlElement, unlinked: int) -> str:
    """The main text of a page with so many visible characters outside links; "" where there is none.

    trafilatura's fast mode, and its slow one where the fast one is doubtful: it took less than half of what is outside links
    and less than half of what resiliparse takes, or more than all of that and twice as much as resiliparse. Of 851 gold
    pages 167 are looked at twice and 56 three times, and the scores are the slow mode's or better (benchmarks/results/
    extract-quality.md). resiliparse alone would be ten times as fast, but nothing cheap says where the two agree.
    """
    found = _trafilatura(tree, fast=True)
    length = _length(found)
    if unlinked <= 2 * length <= 2 * unlinked:
        return found
    other = _length(extract_plain_text(html, main_content=True, alt_texts=False, comments=False))
    # It finds next to nothing on some pages (83 of 90 of an API's), which is no evidence against the first.
    too_much = length > unlinked and length > 2 * other and other >= _SAYS_SOMETHING
    return _trafilatura(tree, fast=False) or found if 2 * length < other or too_much else found


def _trafilatura(tree: HtmlElement, fast: bool) -> str:
    # Options of its own for every page, and no URL: the text must depend on nothing but the HTML.
    found = bare_extraction(tree, options=Extractor(output_format="python", fast=fast, comments=False, dedup=False))
    return getattr(found, "text", None) or ""


def _length(text: str) -> int:
    return sum(map(len, text.split()))
