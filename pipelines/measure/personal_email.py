"""E-mail addresses, plain ("anna@host.tld") and written out ("anna [at] host [dot] tld").

The search starts at each "@" or written "at" and looks at most 64 characters to the left (RFC 5321, 4.5.3.1.1: the
longest local part) and 255 to the right (RFC 1035, 2.3.4: the longest name), so it is linear in the text.
"""

import re

Place = tuple[int, int]

_LATIN = "A-Za-z0-9À-ÖØ-öø-ɏ"
_LOCAL_BACKWARDS = re.compile(rf"[{_LATIN}._%+'~-]{{1,64}}")
_HOST = re.compile(rf"(?:[{_LATIN}][{_LATIN}-]{{0,62}}\.){{1,8}}"
                   r"(?:[a-z]{2,24}|[A-Z]{2,24}|[A-Z][a-z]{1,23}|xn--[a-z0-9-]{2,59})(?![A-Za-z0-9])")
# Addresses whose host is in another script that has letter case or spaces (RFC 6531): почта@пример.рф
_LOCAL_BACKWARDS_ANY = re.compile(r"[\w.+-]{1,64}")
_HOST_ANY = re.compile(r"(?:[Ͱ-ӿ0-9][Ͱ-ӿ0-9-]{0,62}\.){1,8}[Ͱ-ӿ]{2,24}(?!\w)")
# "icon@2x.png", "module@main.js": the end of a file's name, not of a host's.
_FILE_ENDS = frozenset(("png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "ico", "css", "js", "ts", "jsx", "tsx", "json",
                        "html", "htm", "xml", "pdf", "mp3", "mp4", "zip", "gz", "jar", "py", "java", "class"))

_AT = re.compile(r"[\[({<] ?(?:at|AT|At|@|ät|arroba|chez|aet) ?[\])}>]")
_DOT = r"(?: ?[\[({<] ?(?:dot|DOT|Dot|punkt|Punkt|PUNKT|punto|point|ponto|\.) ?[\])}>] ?| (?:dot|DOT) |\.)"
_WRITTEN_HOST = re.compile(rf" ?[A-Za-z0-9][A-Za-z0-9-]{{0,62}}(?:{_DOT}[A-Za-z0-9][A-Za-z0-9-]{{0,62}}){{0,4}}?{_DOT}"
                           rf"[A-Za-z]{{2,24}}(?!{_DOT}[A-Za-z0-9])(?![A-Za-z0-9-])")
_WRITTEN_LOCAL_BACKWARDS = re.compile(r" ?[A-Za-z0-9](?:[A-Za-z0-9._+-]| ?[\])}] ?(?:tod|TOD) ?[\[({] ?){0,63}")
_PLAIN_DOT = re.compile(r" (?:dot|DOT) ")
_PLAIN_BACKWARDS = re.compile(r"[A-Za-z0-9-]{1,63}(?: (?:tod|TOD) [A-Za-z0-9-]{1,63}){0,3}? (?:ta|TA) "
                              r"([A-Za-z0-9][A-Za-z0-9._+-]{0,63})(?: (?:tod|TOD) [A-Za-z0-9._+-]{1,63})?")
_PLAIN_END = re.compile(r" (?:dot|DOT) (?:[A-Za-z0-9-]{1,63} (?:dot|DOT) ){0,3}?[A-Za-z]{2,24}(?![\w-])")
# Bare " at " and " dot " are English words, so something must say that an address is meant.
_MEANT = re.compile(r"mail|contact|reach|write|send|address|correo|kontakt|[:<(]\s*$", re.IGNORECASE)


def find_emails(text: str) -> list[Place]:
    """Places of addresses. A name needs a host with a dot; "@name", "user@host" and "git@host:path" stay."""
    places: list[Place] = []
    at = text.find("@")
    while at >= 0:
        place = _around(text, at)
        if place:
            places.append(place)
        at = text.find("@", max(at + 1, place[1] if place else 0))
    for bracket in "[({<":
        if bracket in text:
            places += _written(text)
            break
    if " dot " in text or " DOT " in text:
        places += _spoken(text)
    return places


def _around(text: str, at: int) -> Place | None:
    host = _HOST.match(text, at + 1, at + 256)
    backwards = _LOCAL_BACKWARDS
    if host is None:
        host, backwards = _HOST_ANY.match(text, at + 1, at + 256), _LOCAL_BACKWARDS_ANY
    local = host and backwards.match(text[max(0, at - 65):at][::-1])
    if not host or not local:
        return None
    name = text[at - local.end():at].lstrip(".'-~%+")
    start, end = at - len(name), host.end()
    labels = text[at + 1:end].split(".")
    if len(labels) > 2 and labels[-1][0].isupper() and labels[-1][1:].islower() and labels[-2].islower():
        end -= len(labels[-1]) + 1                        # "anna@host.tld.Please": the next sentence, glued on
        labels.pop()
    if not name or name.endswith("."):
        return None
    if labels[-1].lower() in _FILE_ENDS or (len(labels) > 2 and labels[0].isdigit() and labels[1].isdigit()):
        return None                                       # a file, or a package with its version
    if start and text[start - 1] in "@/" and text[max(0, start - 3):start] != "://":
        return None                                       # a handle ("@anna@host.tld") or a path
    if name == "git" and text[end:end + 1] in (":", "/"):
        return None
    return start, end


def _written(text: str) -> list[Place]:
    places = []
    for mark in _AT.finditer(text):
        host = _WRITTEN_HOST.match(text, mark.end(), mark.end() + 256)
        local = _WRITTEN_LOCAL_BACKWARDS.match(text[max(0, mark.start() - 65):mark.start()][::-1])
        if host and local and host.group().rsplit(".", 1)[-1].lower() not in _FILE_ENDS:
            places.append((mark.start() - local.end(), host.end()))
    return places


def _spoken(text: str) -> list[Place]:
    """"anna dot berg at host dot tld": needs a word such as "mail" before it, or a local part with a digit or dot."""
    places: list[Place] = []
    for dot in _PLAIN_DOT.finditer(text):
        if places and dot.start() < places[-1][1]:
            continue
        before = text[max(0, dot.start() - 260):dot.start()][::-1]
        name, end = _PLAIN_BACKWARDS.match(before), _PLAIN_END.match(text, dot.start(), dot.start() + 256)
        if not name or not end:
            continue
        start = dot.start() - name.end()
        local = name.group(1)
        if not local.isalpha() or _MEANT.search(text, max(0, start - 30), start):
            places.append((start, end.end()))
    return places
