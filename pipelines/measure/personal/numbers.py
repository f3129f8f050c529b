"""Numbers as people write them: chains of digit blocks, what the words beside them call them, and payment cards.

A chain is the longest run of digits with at most three separators between two of them. Cards, phones and national
ids are looked for among a chain's blocks, so a text is read once for all of them.
"""

import re
from collections.abc import Iterator
from itertools import pairwise
from typing import NamedTuple

from textmill.pipelines.measure.personal.check_digits import luhn
from textmill.pipelines.measure.personal.keywords import called
from textmill.pipelines.measure.personal.scan import Stretch

# At least seven digits: the shortest phone number here. Digits and separators are disjoint, so nothing is tried twice.
_CHAIN = re.compile(r"\d(?:[ \u00a0\u202f.\-‐‑–/()]{0,3}\d){6,}+")
_BLOCK = re.compile(r"\d+")


class Chain(NamedTuple):
    """A run of digits and separators: its place in the text, its blocks' places, and what stands between these."""

    start: int
    end: int
    blocks: list[Stretch]
    between: list[str]


def find_chains(text: str, numbers: list[Stretch]) -> list[Chain]:
    """Every run of seven or more digits with at most three separators between two of them, in order.

    `numbers` are those of `Marks`: the stretches outside of which there is none.
    """
    found = ((run.span(), [block.span() for block in _BLOCK.finditer(text, *run.span())])
             for stretch in numbers for run in _CHAIN.finditer(text, *stretch))
    return [Chain(*span, blocks, [text[a[1]:b[0]] for a, b in pairwise(blocks)]) for span, blocks in found]


def stands_alone(text: str, start: int, end: int) -> bool:
    """No ASCII letter, digit or underscore touches it, nor a sign of code, path or money before it.

    Letters of scripts that write without spaces may: "電話03-1234-5678".
    """
    return starts_alone(text, start) and not _touches(text[end:end + 1], "_%")


def starts_alone(text: str, start: int) -> bool:
    """The part of `stands_alone` about what comes before."""
    return not _touches(text[start - 1:start] if start else "", "_/=#&%$£@\\+€¥")


def _touches(neighbour: str, signs: str) -> bool:
    return neighbour != "" and (neighbour in signs or (neighbour.isascii() and neighbour.isalnum()))


def runs(chain: Chain, fewest: int, most: int, blocks_most: int) -> Iterator[tuple[int, int, int, int]]:
    """(first block, after last block, from, to) with `fewest` to `most` digits in at most `blocks_most` blocks.

    From left to right, and from each block the longest first.
    """
    blocks = chain.blocks
    for first in range(len(blocks)):
        digits, ends = 0, []
        for last in range(first, min(first + blocks_most, len(blocks))):
            digits += blocks[last][1] - blocks[last][0]
            if digits > most:
                break
            if digits >= fewest:
                ends.append(last)
        for last in reversed(ends):
            yield first, last + 1, blocks[first][0], blocks[last][1]


def apart(chain: Chain, first: int, after: int) -> bool:
    """Nothing separates the run from the rest of its chain that also separates its own blocks.

    "1 555 010 222 3" has no phone number in it, "21.3.2024 030 555-0123" may have.
    """
    inside = chain.between[first:after - 1]
    return not ((first > 0 and chain.between[first - 1] in inside)
                or (after < len(chain.blocks) and chain.between[after - 1] in inside))


def find_cards(text: str, chains: list[Chain]) -> list[Stretch]:
    """Payment cards: Luhn, a grouping that cards are printed in, and an issuer's range and length or the word "card".

    Lengths below 15 are shared by goods and customer numbers: these always need the word.
    """
    places: list[Stretch] = []
    for chain in chains:
        for first, after, start, end in runs(chain, 12, 19, 5):
            if places and start < places[-1][1]:
                continue
            blocks = chain.blocks[first:after]
            sizes = tuple(b - a for a, b in blocks)
            if len(sizes) > 1 and (sizes not in _GROUPINGS or not _same_separators(chain, first, after)):
                continue
            number = "".join(text[a:b] for a, b in blocks)
            if not number.isascii():
                number = "".join(str(int(digit)) for digit in number)
            if number[0] not in "0123456" or not luhn(number) or _joined(chain, first, after):
                continue
            kind, _ = called(text, start)
            doubted = kind == "not" or (kind == "label" and len(sizes) == 1)
            if kind == "card" or (not doubted and len(number) in (15, 16, 19) and _is_issued(number)
                                  and stands_alone(text, start, end) and not _goes_on(chain, first, after)):
                places.append((start, end))
    return places


_GROUPINGS = {(4, 4, 4, 4), (4, 6, 5), (4, 6, 4), (4, 4, 4, 4, 3), (4, 4, 4, 1), (4, 4, 5), (6, 13), (4, 4, 4), (4, 4, 4, 3)}
# First digits and lengths, from ISO/IEC 7812 as the networks publish them (Visa, Mastercard, American Express, Discover,
# Diners Club, JCB, UnionPay, Maestro, Mir).
_ISSUERS = (
    (re.compile("4"), (13, 16, 19)),
    (re.compile("5[1-5]|222[1-9]|22[3-9]|2[3-6]|27[01]|2720"), (16,)),
    (re.compile("3[47]"), (15,)),
    (re.compile("6011|64[4-9]|65"), (16, 17, 18, 19)),
    (re.compile("30[0-5]|3095|36|38|39"), (14, 16, 17, 18, 19)),
    (re.compile("35(?:2[89]|[3-8])"), (16, 17, 18, 19)),
    (re.compile("2131|1800"), (15,)),
    (re.compile("62|81"), (16, 17, 18, 19)),
    (re.compile("50(?:18|20|38)|5893|5[678]|6304|6390|67(?:59|6[1-3])|0604"), (12, 13, 14, 15, 16, 17, 18, 19)),
    (re.compile("220[0-4]"), (16, 17, 18, 19)))


def _is_issued(number: str) -> bool:
    return any(len(number) in lengths and first.match(number) for first, lengths in _ISSUERS)


def _same_separators(chain: Chain, first: int, after: int) -> bool:
    return len(set(chain.between[first:after - 1])) == 1 and len(chain.between[first]) == 1


def _joined(chain: Chain, first: int, after: int) -> bool:
    """A hyphen or dot ties the run to a further block: it is the middle of something longer."""
    return ((first > 0 and chain.between[first - 1] in ("-", "."))
            or (after < len(chain.blocks) and chain.between[after - 1] in ("-", ".")))


def _goes_on(chain: Chain, first: int, after: int) -> bool:
    """A further block of four stands beside it as its own blocks stand: the middle of an account number or of a table."""
    inside = chain.between[first] if after - first > 1 else " "
    beside = [(first - 1, first - 1)] if first > 0 else []
    beside += [(after - 1, after)] if after < len(chain.blocks) else []
    return any(chain.between[gap] == inside and chain.blocks[block][1] - chain.blocks[block][0] == 4 for gap, block in beside)
