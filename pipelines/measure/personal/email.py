"""E-mail addresses in plain form, in any script: "anna@host.tld", also with "＠", "%40" or spaces around the sign.

The search starts at each sign and looks at most 64 characters to the left (RFC 5321, 4.5.3.1.1: the longest local part)
and 255 to the right (RFC 1035, 2.3.4: the longest name), so it is linear in the text. Addresses written out in words are
in `personal_written`.
"""

import re

from textmill.pipelines.measure.personal.scan import Stretch
from textmill.pipelines.measure.personal.top_levels import SPACED, TOP_LEVELS, UNSPACED

_LATIN = "A-Za-z0-9À-ÖØ-öø-ɏ"
_LOCAL_BACKWARDS = re.compile(rf"[{_LATIN}._%+'~-]{{1,64}}")
_HOST = re.compile(rf"(?:[{_LATIN}][{_LATIN}-]{{0,62}}\.){{1,8}}"
                   r"(?:[a-z]{2,24}|[A-Z]{2,24}|[A-Z][a-z]{1,23}|xn--[a-z0-9-]{2,59})(?![A-Za-z0-9])")
# "anna@host.tldTelefon 030": the next word, glued on by a page that lost a line end.
_GLUED_HOST = re.compile(r"(?:[a-z0-9][a-z0-9-]{0,62}\.){1,8}[a-z]{2,24}(?=[A-Z][a-z])")
# Addresses whose host is in another script that has letter case or spaces (RFC 6531): почта@пример.рф
_LOCAL_BACKWARDS_ANY = re.compile(r"[\w.+-]{1,64}")
_HOST_ANY = re.compile(r"(?:[Ͱ-ӿ0-9][Ͱ-ӿ0-9-]{0,62}\.){1,8}[Ͱ-ӿ]{2,24}(?!\w)")
# Names in any other script (用户@例子.中国), vowel signs of India and Thailand included: an end that is in use says it is one.
_WORLD = r"\w\u0900-\u0963\u0966-\u0dff\u0e01-\u0e4e\u0e50-\u0ece"
_LOCAL_BACKWARDS_WORLD = re.compile(rf"[{_WORLD}.+-]{{1,64}}")
_IN_USE, _IN_USE_UNSPACED, _OF_MOST = ("|".join(sorted(ends, key=len, reverse=True)) for ends in (SPACED, UNSPACED, TOP_LEVELS))
_HOST_WORLD = re.compile(rf"(?:[{_WORLD}-]{{1,63}}\.){{1,8}}"
                         rf"(?:(?:{_IN_USE})(?![{_WORLD}])|(?:{_OF_MOST})(?![A-Za-z0-9])|{_IN_USE_UNSPACED})")
# The identifier of a message, in its headers.
_IDENTIFIER = re.compile(r"(?:message-id|in-reply-to|references|content-id|\bmsgid)\s{0,2}[:=]\s{0,8}"
                         r"(?:<[^<>\s]{1,200}>[\s,;]{0,8}){0,8}<?$", re.IGNORECASE)
_HEADER = 400                 # characters before an identifier, with those before it in the same header
_SPACED_HOST = re.compile(r" ?(?:[A-Za-z0-9][A-Za-z0-9-]{0,62} ?\. ?){1,8}[A-Za-z]{2,24}(?![A-Za-z0-9@-])")
# "icon@2x.png", "module@main.js": the end of a file's name, not of a host's.
FILE_ENDS = frozenset(("png", "jpg", "jpeg", "gif", "svg", "webp", "bmp", "ico", "css", "js", "ts", "jsx", "tsx", "json",
                       "html", "htm", "xml", "pdf", "mp3", "mp4", "zip", "gz", "jar", "py", "java", "class"))
# What says that an address is meant where its sign alone does not.
MEANT = re.compile(r"mail|contact|reach|write|address|correo|kontakt|courriel|адрес|почт|メール|邮箱|邮件|이메일|πόστα|البريد",
                   re.IGNORECASE)
_NEAR = 30
_USER = re.compile(r"://[^\s/:@]{1,64}:$")
_NAME = 70                    # characters of "://", a user's name and the colon


def find_emails(text: str) -> list[Stretch]:
    """Spans of addresses. The host needs a dot; "@name", "user@host" and "git@host:path" are no findings."""
    places: list[Stretch] = []
    for sign in ("@", "＠", "%40"):
        at, reached = text.find(sign), 0
        while at >= 0:
            stretch = _around(text, at, at + len(sign))
            if stretch is None and " " in text[at - 1:at + 2]:
                stretch = _spaced(text, at, at + len(sign))
            if stretch and stretch[0] >= reached:
                places.append(stretch)
                reached = stretch[1]
            at = text.find(sign, max(at + 1, reached))
    return places


def _around(text: str, at: int, after: int) -> Stretch | None:
    host = _HOST.match(text, after, after + 255)
    backwards = _LOCAL_BACKWARDS
    if host is None and (host := _GLUED_HOST.match(text, after, after + 255)) and not _known(host.group()):
        host = None
    if host is None:
        host, backwards = _HOST_ANY.match(text, after, after + 255), _LOCAL_BACKWARDS_ANY
    if host is None and (host := _HOST_WORLD.match(text, after, after + 255)):
        latin = at > 0 and text[at - 1].isascii()       # "邮箱li.wei@例子.中国": the word before it is no part of it
        backwards = _LOCAL_BACKWARDS if latin else _LOCAL_BACKWARDS_WORLD
    local = host and backwards.match(text[max(0, at - 65):at][::-1])
    if not host or not local:
        return None
    name = text[at - local.end():at].lstrip(".'-~%+")
    start, end = at - len(name), host.end()
    labels = text[after:end].split(".")
    if len(labels) > 2 and labels[-1][0].isupper() and labels[-1][1:].islower() and labels[-2].islower():
        end -= len(labels[-1]) + 1                        # "anna@host.tld.Please": the next sentence, glued on
        labels.pop()
    if not name or name.endswith("."):
        return None
    if labels[-1].lower() in FILE_ENDS or (len(labels) > 2 and labels[0].isdigit() and labels[1].isdigit()):
        return None                                       # a file, or a package with its version
    if start and text[start - 1] in "@/":
        return None                                       # a handle ("@anna@host.tld"), a path, or a user's name in a URL
    if text[start - 1:start] == ":" and _USER.search(text, max(0, start - _NAME), start):
        return None                                       # https://user:password@host
    if any(map(str.isdigit, name)) and _IDENTIFIER.search(text[max(0, start - _HEADER):_opened(text, start)]):
        return None
    if name == "git" and text[end:end + 1] in (":", "/"):
        return None
    return start, end


def _opened(text: str, start: int) -> int:
    """Where the word that a name ends begins: after the "<" before it, or at the name."""
    bracket = text.rfind("<", max(0, start - 200), start)
    return start if bracket < 0 or any(map(str.isspace, text[bracket:start])) else bracket + 1


def _spaced(text: str, at: int, after: int) -> Stretch | None:
    """"E-mail: anna @ host.tld": a word says what it is, and its end is one that hosts have."""
    host = _SPACED_HOST.match(text, after, after + 255)
    local = _LOCAL_BACKWARDS.match(text[max(0, at - 65):at].removesuffix(" ")[::-1])
    if not host or not local or not _known(host.group()):
        return None
    start = at - local.end() - (text[at - 1] == " ")
    return (start, host.end()) if MEANT.search(text, max(0, start - _NEAR), start) else None


def _known(host: str) -> bool:
    return host.rsplit(".", 1)[-1].strip().lower() in TOP_LEVELS
