"""Strays among the blocks of an article that are kept: menus before it, a notice of rights after it, and a few lone words.

Of other kinds of page the few words may be a reply or an item: there this took .002 of the F1 of forums.
"""

import re
from collections.abc import Sequence

from textmill.pipelines.extract.pages.blocks import Blocks

_NEAR = 4           # blocks before and after, none of which is kept
_SHORT = 80         # characters
_NOTICE = 200       # characters of a notice of rights at most
_LINKS, _MOSTLY = 3, 0.6     # links of a menu, and their share of its characters
_PARAGRAPH = 100    # characters: where the text has begun
_LONG_TEXT = 1_000  # characters that are kept: of a page with less, every word may count
_RIGHTS = re.compile(
    r"©|\(c\) ?\d{4}|\bcopyright\b|all rights reserved|tous droits r[ée]serv[ée]s|alle rechte vorbehalten|derechos reservados"
    r"|diritti riservati|direitos reservados|rechten voorbehouden|prawa zastrze[żz]one|все права защищены|hakları saklıdır"
    r"|الحقوق محفوظة|版权所有|版權所有|著作権|모든 권리", re.IGNORECASE)


def without_strays(page: Blocks, kept: Sequence[int]) -> list[int]:
    """The blocks of `kept`, in order, that are no strays."""
    blocks = list(kept)
    while len(blocks) > 1 and len(page.texts[blocks[-1]]) <= _NOTICE and _RIGHTS.search(page.texts[blocks[-1]]):
        blocks.pop()
    start = next((n for n, number in enumerate(blocks) if _begins(page, number)), len(blocks))
    blocks = [*(number for number in blocks[:start] if not _is_menu(page, number)), *blocks[start:]] or blocks[-1:]
    if sum(len(page.texts[number]) for number in blocks) < _LONG_TEXT:
        return blocks
    before = [-_NEAR - 1, *blocks[:-1]]
    after = [*blocks[1:], len(page.texts) + _NEAR]
    return [number for earlier, number, later in zip(before, blocks, after, strict=True)
            if len(page.texts[number]) > _SHORT or number - earlier <= _NEAR or later - number <= _NEAR]


def _begins(page: Blocks, number: int) -> bool:
    """Whether a block is a paragraph, with which the text has begun."""
    return len(page.texts[number]) >= _PARAGRAPH and page.links[number] < _LINKS


def _is_menu(page: Blocks, number: int) -> bool:
    """Whether a block is of several links, that are most of it."""
    return page.links[number] >= _LINKS and page.link_chars[number] >= _MOSTLY * len(page.texts[number])
