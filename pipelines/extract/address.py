"""Addresses: the host of a URL, and one spelling for URLs that name the same page."""

import posixpath
import re
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

DEFAULT_PORTS = {"http": 80, "https": 443}
# Parameters that say how a visitor came, not what the page is. Source: the lists of courlan and of browsers' trackers.
TRACKING = re.compile(r"(?:utm_\w+|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|igshid|twclid|mc_[ce]id|_ga|_gl|_hs\w+|"
                      r"phpsessid|jsessionid|aspsessionid\w*|sessionid|session_id|sid)$", re.IGNORECASE)
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_SESSION = re.compile(r";jsessionid=[^/?#;]*", re.IGNORECASE)


def given_url(value: str | None) -> str | None:
    """A URL as it was given, without white space and the angle brackets of WARC 1.0; None where nothing is left."""
    if value is None:
        return None
    value = value.strip()
    if value.startswith("<") and value.endswith(">"):
        value = value[1:-1].strip()
    return value or None


def host(url: str | None) -> str | None:
    """The host in lower case, in ASCII (punycode) where it can be; None where the URL has none."""
    try:
        name = urlsplit(url or "").hostname
    except ValueError:
        return None
    if not name:
        return None
    try:
        return name.rstrip(".").encode("idna").decode() or None
    except UnicodeError:
        return name.lower()


def canonical_url(url: str) -> str:
    """One spelling for a URL: scheme and host in lower case, host in ASCII, no default port, user, fragment, session or
    tracking parameter, dots resolved, escapes spelled one way, parameters sorted. What is no web address comes back as
    given. The scheme, `www.` and a final slash stay: they may name another page.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return url
    name = host(url)
    scheme = parts.scheme.lower()
    if name is None or scheme not in DEFAULT_PORTS:
        return url
    if ":" in name:
        name = f"[{name}]"
    place = name if port in (None, DEFAULT_PORTS[scheme]) else f"{name}:{port}"
    path = _SESSION.sub("", parts.path) or "/"
    resolved = posixpath.normpath(path).replace("//", "/", 1) if "/." in path else path
    if path.endswith(("/", "/.", "/..")) and not resolved.endswith("/"):
        resolved += "/"
    resolved = _ESCAPE.sub(_one_spelling, quote(resolved, safe="%/:@!$&'()*+,;=~-._", errors="replace"))
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    kept = sorted((key, value) for key, value in pairs if not TRACKING.match(key))
    return urlunsplit((scheme, place, resolved, urlencode(kept, errors="surrogateescape"), ""))


def _one_spelling(escape: re.Match[str]) -> str:
    """An escaped letter, digit, `-`, `.`, `_` or `~` as itself, any other escape in capitals (RFC 3986, 6.2.2)."""
    character = chr(int(escape[0][1:], 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else escape[0].upper()
