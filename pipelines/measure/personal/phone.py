"""Phone numbers: a chain of digits that a country's number plan, its way of writing, or a word beside it proves.

The proofs, any of which is enough: written internationally ("+49 …") and possible there; called a phone number by
the word before or after; valid in a country of the page's regions and written with that country's trunk prefix or area
code in brackets, or as its plan prints it; a mobile number of the likeliest region in one block, where such begin with
a trunk prefix. In groups that sums have too, it needs a street before it. A bare national number without any of these
is a number.
"""

import re
from itertools import pairwise

from textmill.pipelines.measure.personal.keywords import called
from textmill.pipelines.measure.personal.number_plans import (
    has_groups,
    is_international,
    is_mobile,
    is_possible,
    is_printed,
    is_printed_exactly,
    is_valid,
)
from textmill.pipelines.measure.personal.numbers import Chain, apart, runs, starts_alone

Stretch = tuple[int, int]

_PLUS = re.compile(r"\+[ (]{0,2}$")
_BRACKET = re.compile(r"\($")
_NORTH_AMERICA = re.compile(r"(?:1[ .-])?(?:\([2-9]\d\d\) ?[2-9]\d\d[ .-]|[2-9]\d\d([ .-])[2-9]\d\d\1)\d{4}")
_IN_PAIRS = frozenset(("FR", "MA", "DZ"))
_FRANCE = re.compile(r"0[1-9](?:([ .-])\d\d)(?:\1\d\d){3}")
_DATE = re.compile(r"(?:\d{1,2}[./-]){2}(?:(?:19|20)\d\d(?!\d)|\d\d(?!\d|[./-]\d))"
                   r"|\d{4}([./-])\d{1,2}\1\d{1,2}(?!\d)|(?:19|20)\d\d ?[-–] ?(?:19|20)\d\d")
_EXTENSION = re.compile(r" ?(?:x|ext\.? ?|Durchwahl ?)\d{1,6}(?![\w])", re.IGNORECASE)
_CALLED_AFTER = re.compile(r"[ \-–,(]{0,3}(?:office|fax|mobile?|home|tel|cell)\b", re.IGNORECASE)
# Whose ways of printing a number with a trunk prefix are tried where neither language, host nor script says whose to expect.
_ANYWHERE = ("DE", "FR", "IT", "GB", "NL", "BE", "SE", "FI", "TR", "ID", "VN", "AR", "AU", "AT", "CH", "ZA", "NG", "IE", "NZ")
_INDIA = re.compile(r"[6-9]\d{4}[ -]\d{5}")
# An address before the number: streets and places.
_STREET = re.compile(r"(?:\b(?:ul\.|ulica|al\.|calle|c/|plaza|avda|avenida|paseo|rua|avenue|rue|via|viale|piazza|street|road|"
                     r"vej\b|gade\b|torvet|torget|gata\b|veien|ulice|náměstí|nám\.|utca|út\b|tér\b)"
                     r"|(?:gade|vej|veien|gata|straße|strasse|gasse)\b).{0,40}$", re.IGNORECASE | re.DOTALL)
_HOUSE = re.compile(r"(?<!\w)[A-ZÀ-Ž]\w{3,} \d{1,4}[a-z]?, $")       # "Lipová 3, "
_BEFORE_FIELD = re.compile(r"(?:^|[\n,;·|–—•])\s*$")
_AFTER_FIELD = re.compile(r"\s*(?:$|[\n,;·|–—•)）。，、；،؛]|\.(?:\s|$))")
# What follows an amount.
_QUANTITY = re.compile(r"\s?(?:[€$£¥%円元원₽₹]|euros?\b|pesetas|pesos|zł|kč\b|kr\b|руб|грн|rupiah|تومان|ریال|ريال|forint|lei\b|"
                       r"habit|einwohner|people\b|k?[gm]\b|mm\b)", re.IGNORECASE)
_ROW = re.compile(r"\d{2,4}(?: / \d{2,4})+")
_TRUNK_APART = re.compile(r"[08][ -]\d{3}")
_PAIRS = re.compile(r"\d\d(?:([ .-])\d\d)(?:\1\d\d){2,5}")
_SENTENCE = re.compile(r"\d|[.!?] +[A-Z]|。")
_NEAR = 24                    # characters between the word "phone" and the number
_ADDRESS = 60                 # characters before a number in which a street may stand
_OTHERS = ("not", "card", "id", "passport", "pan", "rg")
_FRACTION = re.compile(r"\+\d{1,3}\.\d+")     # "+3.140000", unless there is such a number: "+1.2125550142"
_SPACES = (" ", "\u00a0", "\u202f", "/", "(", ")")


def find_phones(text: str, chains: list[Chain], regions: tuple[str, ...]) -> list[Stretch]:
    """Places of phone numbers, from the plus or bracket to the last digit or extension."""
    places: list[Stretch] = []
    for chain in chains:
        words: tuple[str | None, int] | None = None
        reached = 0                                               # first block that no number has taken
        for first, after, start, end in runs(chain, 7, 15, 8):
            if first < reached or not _may_part(chain, first, after):
                continue
            opening = _opening(text, start, end)
            if words is None and not text[opening:start].startswith("+"):
                words = called(text, chain.start)
            glued = words is not None and words[0] == "phone" and words[1] == opening < start       # TEL(03)3212-4567
            if not (starts_alone(text, opening) or glued) or _letter_after(text, end):
                continue
            if _is_named(text, opening, start, end, words or (None, 0), places) or (
                    apart(chain, first, after) and _is_written_as_phone(text, opening, start, end, words, regions)):
                extension = _EXTENSION.match(text, end)
                places.append((opening, extension.end() if extension else end))
                reached = after
    return places


def _opening(text: str, start: int, end: int) -> int:
    """Where the number begins: at its plus, or at the bracket that closes within it."""
    before = text[max(0, start - 3):start]
    sign = _PLUS.search(before) or (_BRACKET.search(before) if ")" in text[start:end] else None)
    return start - (len(before) - sign.start()) if sign else start


def _letter_after(text: str, end: int) -> bool:
    after = text[end:end + 1]
    return after.isascii() and (after.isalpha() or after in ("_", "%")) and not _EXTENSION.match(text, end)


def _may_part(chain: Chain, first: int, after: int) -> bool:
    """A run ends where people leave room: a hyphen or dot on either side ties it to the rest of the chain."""
    sides = ([chain.between[first - 1]] if first else []) + ([chain.between[after - 1]] if after < len(chain.blocks) else [])
    return all(any(c in _SPACES for c in side) for side in sides)


def _is_named(text: str, opening: int, start: int, end: int, words: tuple[str | None, int], places: list[Stretch]) -> bool:
    """Whether a word close by says phone, or it continues a list that such a word began; a date is none."""
    kind, word_end = words
    if text[opening] == "+":
        return bool(_CALLED_AFTER.match(text, end)) and is_possible(text[opening:end], None)
    near = kind == "phone" and start - word_end <= _NEAR and not _SENTENCE.search(text, word_end, opening)
    listed = kind == "phone" and bool(places) and 0 <= opening - places[-1][1] <= 8
    after = kind in (None, "phone") and _CALLED_AFTER.match(text, end)
    if not (near or listed or after) or _DATE.match(text, start) or _decimal(text, start, end):
        return False
    return text[start] == "0" or not _ROW.fullmatch(text, start, end)


def _is_written_as_phone(text: str, opening: int, start: int, end: int, words: tuple[str | None, int] | None,
                         regions: tuple[str, ...]) -> bool:
    """Its own shape proves it: international, or as people of these regions write a number that exists there."""
    written = text[opening:end]
    if written.startswith("+"):
        return is_international(written, strictly=bool(_FRACTION.fullmatch(written)))
    if (words and words[0] in _OTHERS) or _DATE.match(text, start) or _decimal(text, start, end):
        return False
    if written.isdecimal():
        return ((words or (None,))[0] != "label" and bool(_AFTER_FIELD.match(text, end))
                and any(is_mobile(written, region) for region in regions[:1]))
    if _is_book(written) or _is_ratio(written) or text[opening - 1:opening] in ("/", ":"):
        return False
    if written.startswith("00"):
        return is_international("+" + written[2:], strictly=True)
    if "US" in regions and (match := _NORTH_AMERICA.fullmatch(written)):
        return is_valid(written, ("US", "CA")) or (match.group(1) is None and is_possible(written, "US"))
    if _ascends(written) or _QUANTITY.match(text, end) or _ROW.fullmatch(written):
        return False
    if not (regions and _IN_PAIRS.isdisjoint(regions)) and _FRANCE.fullmatch(written):
        return True
    if regions[:1] == ("IN",) and _INDIA.fullmatch(written):
        return is_valid(written, regions[:1])
    if any(is_printed_exactly(written, region) for region in regions[:2]):
        return True
    if _is_field(text, opening, end) and any(has_groups(written, region) for region in regions[:1]):
        return True
    if _TRUNK_APART.match(written) and any(is_printed(written, region) for region in regions[:2] or _ANYWHERE):
        return True
    if not _plausible(text, start, end):
        return False
    if written[0] == "(" or int(written[0]) == 0:
        threes = all(len(block) == 3 for block in re.findall(r"\d+", written))         # as in a sum, or a score
        if not regions:
            return any(is_printed(written, region) for region in _ANYWHERE)
        return is_valid(written, regions[:2] if threes else regions)
    return any(is_printed(written, region) for region in regions[:2])


def _decimal(text: str, start: int, end: int) -> bool:
    """"0.123456789", "1.234.567,89", or the digits after a decimal comma."""
    return bool(re.fullmatch(r"\d{1,3}\.\d{5,}|[\d ]+ \d+\.\d+", text[start:end])
                or re.match(r"\d{1,3}(?:\.\d{3})+(?!\d|[ .-]\d)", text[start:end + 2])
                or (text[start - 1:start] in tuple(",.") and text[start - 2:start - 1].isdecimal())
                or re.match(r",\d", text[end:end + 2]))


def _plausible(text: str, start: int, end: int) -> bool:
    """Whether digits are grouped like a number to dial: few blocks, one of them long, at most two kinds of separators.

    Rows of small numbers, times and decimals are not."""
    sizes = [len(block) for block in re.findall(r"\d+", text[start:end])]
    kinds = set(re.findall(r"[^\d() ]+| ", text[start:end]))
    return len(kinds) <= 2 <= len(sizes) <= 6 and max(sizes) >= 3 and sizes[0] >= 2 and sizes.count(1) == 0


def _is_ratio(written: str) -> bool:
    """"1857/1857", "2400 / 200", "040000 040000", or a bracket that closes after the number: counts, not numbers to dial."""
    blocks = re.findall(r"\d+", written)
    return written.count("(") != written.count(")") or (len(blocks) == 2 and (
        blocks[0] == blocks[1] or ("/" in written and int(written[0]) != 0 and len(blocks[0]) <= 4 and len(blocks[1]) <= 4)))


def _is_book(written: str) -> bool:
    """An ISBN or ISSN with its check digit; their hyphens are like those of phone numbers."""
    digits = [int(c) for c in written if c.isdecimal()]
    return ((len(digits) == 10 and sum(d * w for d, w in zip(digits, range(10, 0, -1), strict=True)) % 11 == 0
             and written.count("-") == 3)
            or (len(digits) == 8 and written.count("-") == 1
                and sum(d * w for d, w in zip(digits, range(8, 0, -1), strict=True)) % 11 == 0))


def _ascends(written: str) -> bool:
    """Five or more pairs of digits, each above the one before and none above 60: drawn numbers, as lotteries print them."""
    pairs = [int(block) for block in re.findall(r"\d+", written)] if _PAIRS.fullmatch(written) else []
    return len(pairs) >= 5 and pairs[-1] <= 60 and all(a < b for a, b in pairwise(pairs))


def _is_field(text: str, opening: int, end: int) -> bool:
    """Whether a number stands by itself, after a street: "Lipowa 3, 601 165 682"."""
    before = text[max(0, opening - _ADDRESS):opening]
    return bool(_BEFORE_FIELD.search(before[-4:]) and _AFTER_FIELD.match(text, end)
                and (_STREET.search(before) or _HOUSE.search(before)))
