"""Obfuscated e-mail addresses, spelled to hide them from harvesters: "anna [at] host [dot] tld", "anna arroba host punto es".

Three ways: the sign in brackets or marks, a word that languages keep for the sign, and the English words " at " and
" dot ", which are words of every text: there something besides must say that an address is meant. Each is searched for
from its sign, a bounded way to both sides.
"""

import re

from textmill.pipelines.measure.personal.email import FILE_ENDS, MEANT
from textmill.pipelines.measure.personal.scan import Stretch
from textmill.pipelines.measure.personal.top_levels import TOP_LEVELS

# The sign and the dot, in the words that pages in these languages use; "at" and its like only in brackets.
_SIGNS = {
    "es": ("arroba",), "pt": ("arroba",), "ca": ("arrova",), "fr": ("arobase", "arrobase", "arobas"), "it": ("chiocciola",),
    "nl": ("apenstaartje", "apestaartje"), "de": ("klammeraffe",), "pl": ("małpa", "malpa"), "ru": ("собака", "собачка"),
    "uk": ("равлик", "собака"), "el": ("παπάκι",), "cs": ("zavináč", "zavinac"), "sk": ("zavináč",), "hu": ("kukac",),
    "sv": ("snabel-a", "snabela"), "da": ("snabel-a",), "no": ("krøllalfa",), "ja": ("アットマーク", "アット"),
    "ko": ("골뱅이",)}
AT_WORDS = tuple(dict.fromkeys(word for words in _SIGNS.values() for word in words))
_DOT_WORDS = ("dot|DOT|Dot|punkt|Punkt|PUNKT|punto|PUNTO|point|POINT|ponto|PONTO|punt|kropka|точка|тчк|τελεία|tečka|tecka|"
              "bodka|pont|prik|piste|nokta|ドット|点|點|닷|점")
_AT = re.compile(r"(?:at|@|＠|ät|aet|chez|" + "|".join(AT_WORDS) + ")", re.IGNORECASE)
_OPEN, _CLOSE = r"[\[({<（［【]", r"[\])}>）］】]"
_IN_BRACKETS = re.compile(rf"{_OPEN} ?{_AT.pattern} ?{_CLOSE}", re.IGNORECASE)
_IN_MARKS = re.compile(r"([_#*|~-])(?:at|AT|ät)\1")
_DOT = rf"(?: ?{_OPEN} ?(?:{_DOT_WORDS}|\.) ?{_CLOSE} ?| (?:{_DOT_WORDS}) |[_#*|~-](?:dot|DOT|punkt)[_#*|~-]|\.)"
_LABEL = "[A-Za-z0-9][A-Za-z0-9-]{0,62}"
_HOST = re.compile(rf" ?{_LABEL}(?:{_DOT}{_LABEL}){{0,4}}?{_DOT}([A-Za-z]{{2,24}})(?!{_DOT}[A-Za-z0-9])(?![A-Za-z0-9-])")
_LOCAL_BACKWARDS = re.compile(rf" ?[A-Za-z0-9](?:[A-Za-z0-9._+-]| ?{_CLOSE} ?(?:tod|TOD|tknup|otnup|tniop) ?{_OPEN} ?){{0,63}}")
_BARE_LOCAL_BACKWARDS = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._+-]"
                                   r"| (?:tod|otnup|otnop|tniop|TNIOP|tnup|akpork|акчот|terit|noiug) ){0,63}")
# "@" is left as it is and only the dot is hidden.
_DOT_IN_BRACKETS = re.compile(rf"{_LABEL}(?: ?{_OPEN} ?(?:{_DOT_WORDS}|\.) ?{_CLOSE} ?{_LABEL}){{1,4}}")

_PLAIN_DOT = re.compile(r" (?:dot|DOT|punkt) ")
_PLAIN_BACKWARDS = re.compile(r"[A-Za-z0-9-]{1,63}(?: (?:tod|TOD|tknup) [A-Za-z0-9-]{1,63}){0,3}? (?:ta|TA) "
                              r"([A-Za-z0-9][A-Za-z0-9._+-]{0,63})(?: (?:tod|TOD|tknup) [A-Za-z0-9._+-]{1,63})?")
_PLAIN_END = re.compile(r" (?:dot|DOT|punkt) (?:[A-Za-z0-9-]{1,63} (?:dot|DOT|punkt) ){0,3}?([A-Za-z]{2,24})(?![\w-])")
_COLON = re.compile(r"[:<(]\s*$")
_ENDS = re.compile(r"\s*(?:$|[\n.,;:)\]>|]|and\b|or\b|for\b|if\b)")
_NO_HOST = frozenset([
    "the", "a", "an", "this", "that", "each", "every", "no", "any", "its", "one", "my", "your", "our", "his", "her",
    "some", "all", "zero", "noon"])
_NEAR = 30


def find_written_emails(text: str, brackets: list[int], language: str) -> list[Stretch]:
    """Places of addresses in words; `brackets` are the opening brackets of `Marks`, `language` says whose bare words."""
    places = [stretch for at in brackets for sign in (_IN_BRACKETS.match(text, at),) if sign
              for stretch in (_around(text, *sign.span()),) if stretch]
    if "@" in text and brackets:
        places += _hidden_dots(text)
    if any(mark in text for mark in ("_at_", "_AT_", "#at#", "*at*", "|at|", "~at~", "-at-")):
        places += [stretch for sign in _IN_MARKS.finditer(text) for stretch in (_around(text, *sign.span()),) if stretch]
    for word in AT_WORDS if language == "und" else _SIGNS.get(language, ()):
        for sign in (f" {word} ", f" {word.upper()} "):
            at = text.find(sign)
            while at >= 0:
                stretch = _bare(text, at, at + len(sign))
                places += [stretch] if stretch else []
                at = text.find(sign, at + 1)
    if any(dot in text for dot in (" dot ", " DOT ", " punkt ")):
        places += _spoken(text)
    return places


def _around(text: str, start: int, end: int) -> Stretch | None:
    host = _HOST.match(text, end, end + 255)
    local = _LOCAL_BACKWARDS.match(text[max(0, start - 65):start][::-1])
    if not host or not local or host.group(1).lower() in FILE_ENDS:
        return None
    return start - local.end(), host.end()


def _hidden_dots(text: str) -> list[Stretch]:
    places = []
    at = text.find("@")
    while at >= 0:
        host = _DOT_IN_BRACKETS.match(text, at + 1, at + 256)
        local = re.match(r"[A-Za-z0-9._+-]{1,64}", text[max(0, at - 64):at][::-1]) if host else None
        if host and local:
            places.append((at - local.end(), host.end()))
        at = text.find("@", host.end() if host else at + 1)
    return places


def _bare(text: str, start: int, end: int) -> Stretch | None:
    """"anna arroba host punto es": the word is one of its language, so the host's end has to be one that hosts have."""
    host = _HOST.match(text, end, end + 255)
    local = _BARE_LOCAL_BACKWARDS.match(text[max(0, start - 64):start][::-1])
    if not host or not local or host.group(1).lower() not in TOP_LEVELS:
        return None
    return start - local.end(), host.end()


def _spoken(text: str) -> list[Stretch]:
    """Addresses spelled out in words, as in "anna dot berg at host dot tld".

    The last label is a known suffix and the host does not begin with an article; besides, a word such as "mail" precedes the
    address, the local part has a digit or dot, or it follows a colon on its own."""
    places: list[Stretch] = []
    for dot in _PLAIN_DOT.finditer(text):
        if places and dot.start() < places[-1][1]:
            continue
        before = text[max(0, dot.start() - 260):dot.start()][::-1]
        name, end = _PLAIN_BACKWARDS.match(before), _PLAIN_END.match(text, dot.start(), dot.start() + 256)
        if not name or not end or end.group(1).lower() not in TOP_LEVELS:
            continue
        start = dot.start() - name.end()
        host = text[start:dot.start()].rsplit(" at " if " at " in text[start:dot.start()] else " AT ", 1)[-1]
        if host.split(" ")[0].lower() in _NO_HOST:
            continue
        alone = _COLON.search(text, max(0, start - 3), start) and _ENDS.match(text, end.end())
        if not name.group(1)[::-1].isalpha() or alone or MEANT.search(text, max(0, start - _NEAR), start):
            places.append((start, end.end()))
    return places
