"""Regions of a page: the countries whose numbers it may hold, by its language and host, and in no known language by script."""

import re
from functools import lru_cache

import phonenumbers

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
    "km": "KH", "lo": "LA", "my": "MM", "uz": "UZ", "be": "BY", "bs": "BA", "nn": "NO", "ha": "NG NE", "yo": "NG", "ig": "NG",
    "so": "SO KE ET", "om": "ET", "am": "ET", "ti": "ER ET", "rw": "RW", "rn": "BI", "lg": "UG", "ln": "CD CG", "zu": "ZA",
    "xh": "ZA", "st": "ZA LS", "nso": "ZA", "tn": "BW ZA", "ts": "ZA MZ", "ss": "SZ ZA", "sn": "ZW", "ny": "MW ZM", "mg": "MG",
    "wo": "SN", "ht": "HT", "gn": "PY", "qu": "PE BO", "ay": "BO", "ceb": "PH", "war": "PH", "ilo": "PH", "jv": "ID",
    "su": "ID", "ps": "AF", "ckb": "IQ", "ku": "TR IQ", "tg": "TJ", "tk": "TM", "ky": "KG", "tt": "RU", "ba": "RU", "as": "IN",
    "or": "IN", "sd": "PK", "pnb": "PK", "dv": "MV", "mi": "NZ", "fo": "FO", "ug": "CN", "bo": "CN", "yue": "HK CN"}
_HOST_COUNTRIES = {"uk": "GB"} | {region.lower(): region for region in phonenumbers.SUPPORTED_REGIONS}
# Ends that are sold for other reasons than the country.
_FOR_SALE = {"io", "tv", "me", "co", "ai", "cc", "ws", "fm", "to", "ly", "gg", "im"}

# Without a language: letters of a script, and the countries that write it, the most people first.
_SCRIPTS = tuple((re.compile(f"[{letters}]"), tuple(regions.split())) for letters, regions in (
    ("ぁ-ヿ", "JP"), ("가-힣", "KR"), ("一-鿿", "CN TW HK JP"), ("א-ת", "IL"), ("پچژگ", "IR PK"),
    ("ء-ي", "EG SA AE MA DZ IQ JO IR"), ("ก-๛", "TH"), ("Ͱ-Ͽ", "GR CY"), ("іїєґ", "UA"), ("Ѐ-ӿ", "RU UA BG KZ BY RS"),
    ("ऀ-ॿ", "IN NP"), ("ঀ-৿", "BD IN"), ("\u0a00-\u0aff\u0b00-\u0d7f", "IN LK"), ("Ⴀ-ჿ", "GE"), ("Ա-֏", "AM"), ("ሀ-፿", "ET ER"),
    ("ក-៿", "KH"), ("ກ-໿", "LA"), ("က-႟", "MM"), ("\u0d80-\u0dff", "LK")))
_READ = 300                   # characters of a text, evenly spread, whose script is looked at


def regions_of(language: str, host: str | None, text: str = "") -> tuple[str, ...]:
    """Countries (ISO 3166 codes) whose numbers a page of this language and host may hold, likeliest first.

    In no known language they are those of the script that the text has most letters of, Latin aside."""
    own = _own_regions(language, host)
    if language != "und" or text.isascii():
        return own
    sample = text[::max(1, len(text) // _READ)]
    counts = [(len(letters.findall(sample)), regions) for letters, regions in _SCRIPTS]
    most, regions = max(counts, key=lambda counted: counted[0])
    return tuple(dict.fromkeys(own + regions)) if most else own


@lru_cache(1024)
def _own_regions(language: str, host: str | None) -> tuple[str, ...]:
    end = (host or "").rsplit(".", 1)[-1].lower()
    own = [] if end in _FOR_SALE else [_HOST_COUNTRIES[end]] if end in _HOST_COUNTRIES else []
    return tuple(dict.fromkeys(own + _COUNTRIES.get(language.split("-")[0], "").split()))
