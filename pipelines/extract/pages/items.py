"""Pages of items, as threads, shops and lists are: their heading, and what stands at every item and is none of its text.

Chosen on WCXB's pages by kind of page, F1 out of fold: forum .8364 to .8403, listing .8041 to .8079, product .6827 to .6837,
collection .6886 to .6911. On documentation and services the same rules lose.
"""

import re
from collections import Counter
from collections.abc import Sequence

from textmill.pipelines.extract.pages.blocks import Blocks

KINDS = frozenset({"forum", "product", "collection", "listing"})
LONG_CELL = 100         # characters: a thread's table with a longer cell holds posts, not data
_OFTEN, _WORDS = 3, 4   # a text at one place that is so often the same, and so short, is a button's
_COUNTER = re.compile(r"[\d.,kKmM%+-]{1,7}")


def items_of(page: Blocks, kept: Sequence[int], places: Sequence[int]) -> list[int]:
    """The blocks of `kept`, in order, without calls to act, counters and signatures, and below the page's heading.

    `places` has a number for each block of the page, the same for those inside elements of the same names.
    """
    same = Counter((places[number], page.texts[number]) for number in kept)
    at = Counter(places[number] for number in kept)
    signed = _signatures(page)
    items = [number for number in kept
             if not signed[page.node[number]]
             and not (at[places[number]] > 1 and _COUNTER.fullmatch(page.texts[number]))
             and not (same[places[number], page.texts[number]] >= _OFTEN and _is_call(page.texts[number]))]
    return with_heading(page, items or list(kept))


def with_heading(page: Blocks, kept: Sequence[int]) -> list[int]:
    """The blocks and the page's heading before them, where none is among them: the question of a thread, the kind of goods.

    A page without a heading of the first level has one of the second. Gold texts of WCXB have it on shops' pages (F1 + .0015)
    and not on forums' (- .002).
    """
    level = "h1" if "h1" in page.tag else "h2"
    headings = [number for number, node in enumerate(page.node) if page.tag[node] == level]
    before = [number for number in headings if number < kept[0]]
    return list(kept) if not before or not set(headings).isdisjoint(kept) else [before[-1], *kept]


def _is_call(text: str) -> bool:
    """Whether a text may be a button's, as "Read more"; one with digits may be a price."""
    return text.count(" ") < _WORDS and not any(character.isdigit() for character in text)


def _signatures(page: Blocks) -> list[bool]:
    """Of each element, whether it is, or lies in, one named signature: what a forum's member puts below every post."""
    inside = [False]
    for parent, words in zip(page.parent[1:], page.words[1:], strict=True):
        inside.append(inside[parent] or any("signature" in word for word in words))
    return inside
