"""Addresses: the host of a URL, the domain it was registered under, and one spelling for URLs that name the same page."""

import contextlib
import posixpath
import re
from functools import cache, lru_cache
from urllib.parse import SplitResult, parse_qsl, quote, urlencode, urlsplit, urlunsplit

from publicsuffixlist import PublicSuffixList

DEFAULT_PORTS = {"http": 80, "https": 443}
# Parameters that say where a visitor came from, not what the page is. Source: the lists of courlan and of browsers' trackers.
TRACKING = re.compile(r"(?:utm_\w+|fbclid|gclid|dclid|gbraid|wbraid|msclkid|yclid|igshid|twclid|mc_[ce]id|_ga|_gl|_hs\w+|"
                      r"phpsessid|jsessionid|aspsessionid\w*)$", re.IGNORECASE)
# Names of sessions that are also names of stories: `article.php?sid=6475`. A session is long and random.
SESSION = re.compile(r"(?:sid|sessionid|session_id)=[0-9a-z]{16,}$", re.IGNORECASE)
_NAME_CHARACTERS, _LABEL_CHARACTERS = 254, 63       # RFC 1035, 2.3.4; the final dot included
_DOT = re.compile("[.\u3002\uff0e\uff61]")           # what ends a label (RFC 3490, 3.1)
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]*:\S", re.IGNORECASE)
_ESCAPE = re.compile("%[0-9A-Fa-f]{2}")
_SESSION_PATH = re.compile(r";jsessionid=[^/?#;]*", re.IGNORECASE)
_KEPT_AS_GIVEN = re.compile("[ßς\u200c\u200d]")     # Python's codec, of 2003, makes ss of ß; today these are names of their own


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
    return ascii_host(name) if name else None


def is_absolute(value: str) -> bool:
    """Whether it has a scheme, as `https:` and `doi:`. "N/A", "null", "-", "unknown" and bare paths have none."""
    return _SCHEME.match(value.lstrip(" <")) is not None


def is_web_address(url: str) -> bool:
    """Whether it is an http or https URL with a host; "N/A", "null", "-" and a bare path are none."""
    return url[:8].lower().startswith(("http://", "https://")) and host(url) is not None


def ascii_host(name: str) -> str | None:
    """A host's name in lower case and ASCII where it can be, without the final dot.

    None where nothing is left, or more than a name can have: lists are searched for each domain that a host lies in.
    """
    if len(name) > _NAME_CHARACTERS:
        return None
    name = name.lower()
    if not name.isascii():
        with contextlib.suppress(UnicodeError):     # not registrable, but the name that was given
            name = ".".join(_ascii_label(label) for label in _DOT.split(name))
    return name.rstrip(".") or None


def below(name: str, above: str) -> bool:
    """Whether a host is `above` or one of its subdomains."""
    return name == above or name.endswith(f".{above}")


@lru_cache(1 << 16)
def domain(name: str | None) -> str | None:
    """The registered domain of a host as `host` gives it: the public suffix and the label before it.

    Private suffixes count: whoever writes at someone.github.io is not github.io. An unknown top-level domain is a suffix
    (the list's rule `*`). None for an IP address, a single label, and a host that is itself a suffix, as co.uk.
    """
    if not name or ":" in name or name.rpartition(".")[2].isdigit():
        return None
    return _suffixes().privatesuffix(name)


def canonical_url(url: str) -> str:
    """The canonical spelling of a URL; a string that is no web address is returned unchanged.

    Scheme and host in lower case, host in ASCII, no default port, user, fragment, session or tracking parameter, dots resolved,
    percent-escapes normalised, parameters sorted. The scheme, `www.` and a final slash are kept, because they may name another
    page; so is a fragment that begins with `!` or `/`, by which single-page applications name their pages.
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
    path = canonical_path(_SESSION_PATH.sub("", parts.path))
    pairs = parse_qsl(parts.query, keep_blank_values=True, errors="surrogateescape")
    kept = sorted((key, value) for key, value in pairs
                  if not TRACKING.match(key) and not SESSION.match(f"{key}={value}"))
    fragment = parts.fragment if parts.fragment.startswith(("!", "/")) else ""
    return urlunsplit((scheme, place, path, urlencode(kept, errors="surrogateescape"), _spelled(fragment)))


def canonical_path(path: str) -> str:
    """A URL's path with its dots resolved and its escapes spelled one way; the empty path is `/`."""
    path = path or "/"
    resolved = posixpath.normpath(path).replace("//", "/", 1) if "/." in path else path
    if path.endswith(("/", "/.", "/..")) and not resolved.endswith("/"):
        resolved += "/"
    return _spelled(resolved)


def path_and_query(parts: SplitResult) -> str:
    """What a URL asks its host for: its canonical path, and `?` with the query where it has one, its order kept."""
    return canonical_path(parts.path) + (f"?{_spelled(parts.query)}" if parts.query else "")


def _spelled(text: str) -> str:
    """Percent-escapes normalised; characters not allowed in a path, query or fragment are escaped."""
    return _ESCAPE.sub(_one_spelling, quote(text, safe="%/:@!$&'()*+,;=~-._?", errors="replace"))


def _one_spelling(escape: re.Match[str]) -> str:
    """An escaped unreserved character decoded, any other escape in capitals (RFC 3986, 6.2.2)."""
    character = chr(int(escape[0][1:], 16))
    return character if character.isascii() and (character.isalnum() or character in "-._~") else escape[0].upper()


@cache
def _suffixes() -> PublicSuffixList:
    """The public suffix list of the installed version, private section included; never the network."""
    return PublicSuffixList()


def _ascii_label(label: str) -> str:
    if len(label) > _LABEL_CHARACTERS:      # before it is spelled: that takes the square of its length
        raise UnicodeError("label too long")
    if _KEPT_AS_GIVEN.search(label):
        return f"xn--{label.encode('punycode').decode()}"
    return label.encode("idna").decode()
