"""Removal of layout-table debris: rows without a word, and rules under no heading.

On the pages of the development crawl these are the only lines without meaning that come again and again; stray menu lines
do not: no wrong line of 80 characters or fewer was on more than 2 of 130 pages with full gold text, so no list of phrases
would take out more than it hurts. A row is taken out only beside a row with words, since diagrams are drawn with bars too.
"""

import re

from textmill.pipelines.curate.edits import Edit

KIND = "clean:table"                                # leaves nothing in its place
_EMPTY = re.compile(r"\|(?: {0,2}\|)+ ?")            # as the extractor writes them; boxes drawn with bars are wider
_RULE = re.compile(r"[ \t]*\|(?:[ \t]*:?-{3,}:?[ \t]*\|)+[ \t]*")
_ROW = re.compile(r"[ \t]*\|.*\w.*\|[ \t]*")


def leftovers(text: str) -> list[Edit]:
    """An edit for each such line with its line end, in order. A rule under a row with words is kept: it heads a table."""
    if "|" not in text:
        return []
    edits: list[Edit] = []
    waiting: list[Edit] = []                            # rows without words, until one with words or another line comes
    after_words, start = False, 0
    for line in text.splitlines(keepends=True):
        bare, end = line.rstrip("\r\n"), start + len(line)
        if _EMPTY.fullmatch(bare) or (_RULE.fullmatch(bare) and not after_words):
            waiting.append((KIND, start, end))
        elif not (_RULE.fullmatch(bare) and not waiting):
            worded = bool(_ROW.fullmatch(bare))
            edits += waiting if worded or after_words else []
            waiting, after_words = [], worded
        start = end
    return edits + (waiting if after_words else [])
