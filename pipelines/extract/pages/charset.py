"""Character encoding of a page: detected as browsers do, except that valid UTF-8 overrides a wrong declaration.

Order: byte order mark, HTTP header, meta, then detection. UTF-32, which browsers do not know, and UTF-16 without a mark are
seen by their zero bytes. A declared charset that does not fit the bytes is dropped for one
that does. The result says which of them decided and how many characters could not be decoded.
"""

import codecs
import re
from typing import NamedTuple

from resiliparse.parse.encoding import detect_encoding

from textmill.pipelines.extract.pages.source import markup

# Labels of the WHATWG Encoding Standard (section 4.2) by the Python codec that decodes them as browsers do.
_LABELS = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8 utf8mb4",
    "cp1252": "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1 "
              "iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251",
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5 windows-1254 "
              "x-cp1254",
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859-2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso8859-3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    "iso8859-4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    "iso8859-5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "iso8859-6": "arabic asmo-708 csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e iso-8859-6-i iso-ir-127 iso8859-6 "
                 "iso88596 iso_8859-6 iso_8859-6:1987",
    "iso8859-7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7 "
                 "iso_8859-7:1987 sun_eu_greek",
    "iso8859-8": "csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-8859-8-i iso-ir-138 iso8859-8 iso88598 iso_8859-8 "
                 "iso_8859-8:1988 logical visual",
    "iso8859-10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859-14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859-15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8-u": "koi8-ru koi8-u",
    "mac-roman": "csmacintosh mac macintosh x-mac-roman",
    "mac-cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb18030 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk hz-gb-2312",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "euc-jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "iso2022-jp": "csiso2022jp iso-2022-jp",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949 cp949",
    "utf-16-le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
    "utf-16-be": "unicodefffe utf-16be",
}
CODECS = {label: codec for codec, labels in _LABELS.items() for label in labels.split()}
_MULTIBYTE = frozenset({"gb18030", "big5hkscs", "euc-jp", "cp932", "cp949"})

_META = re.compile(rb"""<meta\b[^>]*?\bcharset\s*+=\s*+["']?\s*+([\w.:-]+)|<\?xml\b[^>]*?\bencoding\s*+=\s*+["']([\w.:-]+)""",
                   re.I)
_COMMENT = re.compile(rb"<!--.*?-->", re.S)
_TAG = re.compile("<[^<>]*>")           # up to the next tag at most, so that `<` without end costs nothing
# Letters frequent only in text of that charset: their minimum share of the characters beyond ASCII.
_KANA = re.compile("[ぁ-ヿ]")
_EAST_ASIAN = (("cp949", re.compile("[가-힣]"), 0.8), ("euc-jp", _KANA, 0.2), ("cp932", _KANA, 0.2))
_UKRAINIAN = re.compile("[ЄІЇҐєіїґ]")      # 7 % of the letters of Ukrainian text (measured)
_HTTP = re.compile(r"""charset\s*+=\s*+["']?\s*+([\w.:-]+)""", re.I)
_PRESCAN = 4096     # the standard reads 1,024 bytes; pages put it later, and a wrong hit costs nothing as bytes must fit it
_DETECT = 131_072   # bytes of text that detection reads
_MARKS = ((codecs.BOM_UTF8, "utf-8"), (codecs.BOM_UTF32_LE, "utf-32-le"), (codecs.BOM_UTF32_BE, "utf-32-be"),
          (codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be"))      # one of UTF-32 begins with one of UTF-16
# Codecs of more bytes to a character, their number, where a character of ASCII has its byte, and where it has zeros.
_WIDE = (("utf-32-le", 4, 0, (2, 3)), ("utf-32-be", 4, 3, (0, 1)), ("utf-16-le", 2, 0, (1,)), ("utf-16-be", 2, 1, (0,)))
_WITH_U_FFFD = frozenset({"utf-8", "gb18030", *(codec for codec, *_ in _WIDE)})
_CONTROLS = re.compile(r"[\0-\x08\x0e-\x1f\x7f-\x9f]")


class Decoded(NamedTuple):
    """A page's text, the codec, what it was decided by (bom | http | meta | detected), and how many U+FFFD decoding put in."""

    text: str
    charset: str
    charset_from: str
    replaced: int


def http_charset(content_type: str | None) -> str | None:
    """The codec that a Content-Type names; None where it names none or an unknown one."""
    found = _HTTP.search(content_type or "")
    return CODECS.get(found[1].lower()) if found else None


def meta_charset(payload: bytes) -> str | None:
    """The codec that a meta element or XML declaration near the start names. UTF-16 there means UTF-8: it was read as bytes."""
    for match in _META.finditer(_COMMENT.sub(b"", payload[:_PRESCAN])):
        codec = CODECS.get((match[1] or match[2]).decode().lower())
        if codec:
            return "utf-8" if codec.startswith("utf-16") else codec
    return None


def decode(payload: bytes, http: str | None) -> Decoded:
    """The text of a page; `http` is the codec of its HTTP header (from `http_charset`)."""
    for mark, codec in _MARKS:
        if payload.startswith(mark):
            return _replacing(payload[len(mark):], codec, "bom")
    if http and http.startswith("utf-16") and b"\0" in payload[:_PRESCAN]:
        return _replacing(payload, http, "http")
    if wide := wide_charset(payload):
        return _replacing(payload, wide, "detected")
    declared = [(codec, where) for codec, where in ((http, "http"), (meta_charset(payload), "meta")) if codec]
    if payload.isascii():
        codec, where = declared[0] if declared else ("utf-8", "detected")
        return _replacing(payload, codec, where)
    utf8 = _replacing(payload, "utf-8", next((where for codec, where in declared if codec == "utf-8"), "detected"))
    others = [pair for pair in declared if pair[0] != "utf-8"]
    if not utf8.replaced and not any(_fits_as_well(utf8.text, payload, codec) for codec, _ in others):
        return utf8
    if utf8.replaced and _damaged_utf8(utf8):
        return utf8
    tried = []
    for codec, where in others:
        tried.append(_replacing(payload, codec, where))
        if not tried[-1].replaced:
            return tried[-1]
    tried.append(_replacing(payload, detected_charset(payload), "detected"))
    return min([*tried, utf8], key=lambda decoded: decoded.replaced)    # the first of equals, so a declared one


def wide_charset(payload: bytes) -> str | None:
    """UTF-16 or UTF-32, marked or not, by where the zero bytes of ASCII characters stand, markup among them; None for others.

    Binary data with zero bytes in such places, as numbers have them, gives control characters.
    """
    sample = payload[:_PRESCAN]
    if b"\0" not in sample:
        return None
    for mark, codec in _MARKS[1:]:
        if payload.startswith(mark):
            return codec
    for codec, width, byte, places in _WIDE:
        characters = len(sample) // width
        zeros = min(sample[place::width].count(0) for place in places)
        # Of UTF-32 nearly every character has them. In Chinese the commonest, U+4E00, has one in the byte's place.
        if zeros >= (0.9 if width == 4 else 0.05) * characters and 3 * sample[byte::width].count(0) < zeros:
            text = sample[:characters * width].decode(codec, "replace")
            if len(_CONTROLS.findall(text)) + text.count("\ufffd") <= 0.01 * characters:
                return codec
    return None


def detected_charset(payload: bytes) -> str:
    """The codec of bytes that are not UTF-8, from the text between the tags."""
    text = _TAG.sub(" ", markup(payload[:4 * _DETECT].decode("latin-1")))[:_DETECT].encode("latin-1")
    named = CODECS.get((detect_encoding(text) or "").lower(), "utf-8")
    if named == "koi8-r":       # resiliparse has only one KOI8; in the other, box-drawing characters are letters of Ukrainian
        others = _UKRAINIAN.findall(text.decode("koi8-u", "replace"))
        return "koi8-u" if len(others) > 0.02 * sum(byte > 127 for byte in text) else named
    if named not in ("utf-8", "cp1252"):
        return named
    # resiliparse calls all of 224 EUC-KR pages UTF-8 and a short EUC-JP page windows-1252 (measured): a second look.
    for codec, letters, share in _EAST_ASIAN:
        decoded = [character for character in text.decode(codec, "replace") if not character.isascii()]
        if len(letters.findall("".join(decoded))) > share * len(decoded):
            return codec
    return "cp1252"


def utf8(payload: bytes, where: str) -> Decoded:
    """The text of bytes that are in UTF-8 by what `where` names."""
    return _replacing(payload, "utf-8", where)


def _replacing(payload: bytes, codec: str, where: str) -> Decoded:
    text = payload.decode(codec, "replace")
    lost = text.count("\ufffd")
    if lost and codec in _WITH_U_FFFD:      # which may be in the bytes themselves
        lost -= payload.count("\ufffd".encode(codec))
    return Decoded(text, codec, where, max(lost, 0))


def _fits_as_well(text: str, payload: bytes, codec: str) -> bool:
    """Whether bytes that are valid UTF-8 are also valid in a declared multi-byte charset.

    A few pairs of bytes are both; three bytes that form a UTF-8 character do not occur by chance.
    """
    if codec not in _MULTIBYTE or any(character > "\u07ff" for character in text):
        return False
    try:
        payload.decode(codec)
    except UnicodeDecodeError:
        return False
    return True


def _damaged_utf8(utf8: Decoded) -> bool:
    """Whether invalid bytes are damage in UTF-8 text and not another charset.

    Measured on real pages: text in another charset forms at most 0.36 valid sequences for each invalid one, damaged UTF-8
    at least one.
    """
    return sum(not character.isascii() for character in utf8.text) >= 2 * utf8.replaced
