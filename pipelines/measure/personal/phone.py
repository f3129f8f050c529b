"""Phone numbers: a chain of digits that a country's number plan, its way of writing, or a word beside it proves.

The proofs, any of which is enough: written internationally ("+49 …") and possible there; called a phone number by
the word before or after; valid in a country of the page's language or host and written with that country's trunk
prefix or area code in brackets. A bare national number without any of these is a number.
"""

import re
from functools import lru_cache

import phonenumbers

from textmill.pipelines.measure.personal.keywords import called
from textmill.pipelines.measure.personal.numbers import Chain, apart, runs, starts_alone

Stretch = tuple[int, int]

# Countries where a language is written, the most speakers first; the host's own country comes before them.
_COUNTRIES = {
    "en": "US GB CA AU IE NZ ZA IN", "de": "DE AT CH", "fr": "FR BE CH CA", "es": "ES MX AR CO CL PE", "it": "IT CH",
    "pt": "BR PT", "nl": "NL BE", "pl": "PL", "cs": "CZ", "sk": "SK", "sv": "SE FI", "da": "DK", "no": "NO", "nb": "NO",
    "fi": "FI", "hu": "HU", "ro": "RO", "bg": "BG", "el": "GR CY", "tr": "TR", "ru": "RU KZ BY", "uk": "UA", "sr": "RS",
    "hr": "HR", "sl": "SI", "et": "EE", "lv": "LV", "lt": "LT", "ja": "JP", "ko": "KR", "zh": "CN TW HK", "vi": "VN",
    "th": "TH", "id": "ID", "ms": "MY", "hi": "IN", "bn": "BD IN", "ta": "IN LK", "ur": "PK", "fa": "IR", "he": "IL",
    "ar": "EG SA AE MA DZ IQ JO", "az": "AZ", "ka": "GE", "hy": "AM", "kk": "KZ", "ca": "ES", "gl": "ES", "eu": "ES",
    "is": "IS", "mk": "MK", "sq": "AL XK", "ga": "IE", "cy": "GB", "mt": "MT", "lb": "LU", "tl": "PH", "sw": "KE TZ",
    "af": "ZA", "mn": "MN", "te": "IN", "mr": "IN", "gu": "IN", "kn": "IN", "ml": "IN", "pa": "IN PK", "ne": "NP", "si": "LK",
    "km": "KH", "lo": "LA", "my": "MM", "uz": "UZ", "be": "BY", "bs": "BA"}
_HOST_COUNTRIES = {"uk": "GB"} | {region.lower(): region for region in phonenumbers.SUPPORTED_REGIONS}
# Ends that are sold for other reasons than the country.
_FOR_SALE = {"io", "tv", "me", "co", "ai", "cc", "ws", "fm", "to", "ly", "gg", "im"}

_PLUS = re.compile(r"\+[ (]{0,2}$")
_BRACKET = re.compile(r"\($")
_NORTH_AMERICA = re.compile(r"(?:1[ .-])?(?:\([2-9]\d\d\) ?[2-9]\d\d[ .-]|[2-9]\d\d([ .-])[2-9]\d\d\1)\d{4}")
_FRANCE = re.compile(r"0[1-9](?:([ .-])\d\d)(?:\1\d\d){3}")
_DATE = re.compile(r"(?:\d{1,2}[./-]){2}(?:(?:19|20)\d\d(?!\d)|\d\d(?!\d|[./-]\d))"
                   r"|\d{4}([./-])\d{1,2}\1\d{1,2}(?!\d)|(?:19|20)\d\d ?[-–] ?(?:19|20)\d\d")
_EXTENSION = re.compile(r" ?(?:x|ext\.? ?|Durchwahl ?)\d{1,6}(?![\w])", re.IGNORECASE)
_CALLED_AFTER = re.compile(r"[ \-–,(]{0,3}(?:office|fax|mobile?|home|tel|cell)\b", re.IGNORECASE)
_SENTENCE = re.compile(r"\d|[.!?] +[A-Z]|。")
_NEAR = 24                    # characters between the word "phone" and the number
_SPACES = (" ", "\u00a0", "\u202f", "/", "(", ")")


@lru_cache(1024)
def regions_of(language: str, host: str | None) -> tuple[str, ...]:
    """Countries (ISO 3166 codes) whose national numbers a page of this language and host may hold, likeliest first."""
    end = (host or "").rsplit(".", 1)[-1].lower()
    own = [] if end in _FOR_SALE else [_HOST_COUNTRIES[end]] if end in _HOST_COUNTRIES else []
    return tuple(dict.fromkeys(own + _COUNTRIES.get(language.split("-")[0], "").split()))


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
            if not starts_alone(text, opening) or _letter_after(text, end):
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
        return bool(_CALLED_AFTER.match(text, end)) and _is_possible(text[opening:end], None)
    near = kind == "phone" and start - word_end <= _NEAR and not _SENTENCE.search(text, word_end, opening)
    listed = kind == "phone" and bool(places) and 0 <= opening - places[-1][1] <= 8
    after = kind in (None, "phone") and _CALLED_AFTER.match(text, end)
    return bool(near or listed or after) and not _DATE.match(text, start) and not _decimal(text, start, end)


def _is_written_as_phone(text: str, opening: int, start: int, end: int, words: tuple[str | None, int] | None,
                         regions: tuple[str, ...]) -> bool:
    """Its own shape proves it: international, or as people of these regions write a number that exists there."""
    written = text[opening:end]
    if written.startswith("+"):
        return _is_international(written)
    if (words and words[0] in ("not", "card", "id")) or _DATE.match(text, start) or _decimal(text, start, end):
        return False
    if written.isdecimal() or _is_book(written) or _is_ratio(written) or text[opening - 1:opening] in ("/", ":"):
        return False
    if written.startswith("00"):
        return _is_international("+" + written[2:], strictly=True)
    if "US" in regions and (match := _NORTH_AMERICA.fullmatch(written)):
        return _is_valid(written, ("US", "CA")) or (match.group(1) is None and _is_possible(written, "US"))
    if "FR" in regions and _FRANCE.fullmatch(written):
        return True
    if not _plausible(text, start, end):
        return False
    if written[0] == "(" or int(written[0]) == 0:
        return _is_valid(written, regions)
    return any(_is_printed(written, region) for region in regions[:2])


def _decimal(text: str, start: int, end: int) -> bool:
    """"0.123456789", "1.234.567,89", or the digits after a decimal comma."""
    return bool(re.fullmatch(r"\d{1,3}\.\d{5,}", text[start:end])
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
    """"1857/1857", "040000 040000", or a bracket that closes after the number: counts, not numbers to dial."""
    blocks = re.findall(r"\d+", written)
    return written.count("(") != written.count(")") or (len(blocks) == 2 and blocks[0] == blocks[1])


def _is_book(written: str) -> bool:
    """An ISBN or ISSN with its check digit; their hyphens are like those of phone numbers."""
    digits = [int(c) for c in written if c.isdecimal()]
    return ((len(digits) == 10 and sum(d * w for d, w in zip(digits, range(10, 0, -1), strict=True)) % 11 == 0
             and written.count("-") == 3)
            or (len(digits) == 8 and written.count("-") == 1
                and sum(d * w for d, w in zip(digits, range(8, 0, -1), strict=True)) % 11 == 0))


def _is_international(written: str, strictly: bool = False) -> bool:
    try:
        number = phonenumbers.parse(written, None)
    except phonenumbers.NumberParseException:
        return False
    if phonenumbers.is_valid_number(number):
        return True
    return not strictly and not written[1:].isdecimal() and phonenumbers.is_possible_number(number)


def _is_valid(written: str, regions: tuple[str, ...]) -> bool:
    for region in regions:
        try:
            if phonenumbers.is_valid_number(phonenumbers.parse(written, region)):
                return True
        except phonenumbers.NumberParseException:
            continue
    return False


def _is_printed(written: str, region: str) -> bool:
    """In three blocks or more, as the region's own plan prints the number; blocks of three throughout may be a sum."""
    sizes = [len(block) for block in re.findall(r"\d+", written)]
    if len(sizes) < 3 or set(sizes[1:]) == {3} or len(set(re.findall(r"\D+", written))) > 1:
        return False
    try:
        number = phonenumbers.parse(written, region)
    except phonenumbers.NumberParseException:
        return False
    printed = re.findall(r"\d+", phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.NATIONAL))
    return sizes == [len(block) for block in printed] and phonenumbers.is_valid_number_for_region(number, region)


def _is_possible(written: str, region: str | None) -> bool:
    try:
        return phonenumbers.is_possible_number(phonenumbers.parse(written, region))
    except phonenumbers.NumberParseException:
        return False
