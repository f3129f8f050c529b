"""Addresses of machines: public IPv4 and IPv6 (`ipaddress.is_global`) and MAC addresses."""

import ipaddress
import re

from textmill.pipelines.measure.personal.scan import Stretch

# A dot or colon comes first in these, because a search for one character runs at memory speed.
_QUAD_TAIL = re.compile(r"\.\d{1,3}\.\d{1,3}\.\d{1,3}(?![\w-])(?!\.\w)", re.ASCII)
_DIGITS_BACKWARDS = re.compile(r"\d{1,3}", re.ASCII)
_COLONS = re.compile(r":(?:[0-9A-Fa-f]{1,4})?:")
_HEX_BACKWARDS = re.compile(r"[0-9A-Fa-f:]{0,39}")
_HEX = re.compile(r"[0-9A-Fa-f:]{0,39}(?:(?<=:)\d{1,3}(?:\.\d{1,3}){3})?")
_MAC = re.compile(r"[0-9A-Fa-f]{2}([:-])[0-9A-Fa-f]{2}(?:\1[0-9A-Fa-f]{2}){4}(?![\w:-])", re.ASCII)
_DASHES = re.compile(r"-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-[0-9A-Fa-f]{2}-")
_DOTTED_MAC = re.compile(r"\.[0-9A-Fa-f]{4}\.[0-9A-Fa-f]{4}(?!\w|\.\w)", re.ASCII)
_TIED = tuple(":-._")         # before hex digits: the middle of something longer
_LABEL = re.compile(r"(?:^|[^0-9A-Fa-f])[A-Za-z]*[G-Zg-z][A-Za-z]*:$")        # "MAC:3c:07…", where the colon is no part
# Before a quad: what makes it a version or a section, and what makes it an address after all.
_VERSION = re.compile(r"(?:versi[oó]n[a-z]*|version|вер[сc]и\w*|release|build|update|upgrade|firmware|driver|"
                      r"software|chapter|section|table|figure|clause|appendix|abschnitt|kapitel|tabelle|\bver|\bv|\boid|§|バージョン|版本)[\s.:=#-]*\S{0,12}\s?$",
                      re.IGNORECASE)
_ADDRESS = re.compile(r"\bips?\b|\bipv4|address|adress|direcci|indirizz|endere|адрес|server|serv[ei]u|resolver|dns|\bhost|"
                      r"\bping|client|gateway|router|://|地址|アドレス|عنوان", re.IGNORECASE)


def find_ips(text: str) -> list[Stretch]:
    """Public addresses only. A quad of small numbers counts when a word before it says so, or all four are equal."""
    places: list[Stretch] = []
    for tail in _QUAD_TAIL.finditer(text):
        head = _DIGITS_BACKWARDS.match(text[max(0, tail.start() - 3):tail.start()][::-1])
        if head and _is_address(text, tail.start() - head.end(), tail.end()):
            places.append((tail.start() - head.end(), tail.end()))
    last = 0
    for mark in _COLONS.finditer(text) if text.count(":") > 1 else ():
        if mark.start() < last:
            continue
        left = _HEX_BACKWARDS.match(text[max(0, mark.start() - 39):mark.start()][::-1])
        start, last = mark.start() - (left.end() if left else 0), (_HEX.match(text, mark.start()) or mark).end()
        address = text[start:last].rstrip(":") if not text[start:last].endswith("::") else text[start:last]
        if _alone(text, start, start + len(address)) and _is_public_v6(address):
            places.append((start, start + len(address)))
    return places


def find_macs(text: str) -> list[Stretch]:
    """Hardware addresses as aa:bb:cc:dd:ee:ff, with hyphens or as aabb.ccdd.eeff.

    One made of decimal digits only is a time or a number; broadcast and documentation addresses (RFC 7042) are no findings.
    """
    places: list[Stretch] = []
    for marks, before, shape in ((_COLONS, 2, _MAC), (_DASHES, 2, _MAC), (_DOTTED_MAC, 4, None)):
        for mark in marks.finditer(text):
            start = mark.start() - before
            if start < 0 or (start and ((text[start - 1].isascii() and text[start - 1].isalnum()) or text[start - 1] in _TIED)
                             and not _LABEL.search(text, max(0, start - 8), start)):
                continue
            end = mark.end() if shape is None else (found.end() if (found := shape.match(text, start)) else start)
            digits = re.sub("[^0-9a-f]", "", text[start:end].lower())
            if (len(digits) == 12 and not digits.isdecimal() and len(set(digits)) > 2
                    and not digits.startswith(("00005e0053", "01005e90"))):
                places.append((start, end))
    return places


def _is_address(text: str, start: int, end: int) -> bool:
    before = text[max(0, start - 40):start]
    if before[-1:] and (before[-1] in "._-" or (before[-1].isalnum() and before[-1].isascii())):
        return False
    if before[-1:] == "/" and before[-2:-1].isalnum():            # Chrome/120.0.6099.109
        return False
    try:
        address = ipaddress.IPv4Address(text[start:end])
    except ValueError:
        return False
    if not address.is_global or address.is_multicast or _VERSION.search(before[-30:]):
        return False
    numbers = address.packed
    return max(numbers) >= 32 or len(set(numbers)) == 1 or bool(_ADDRESS.search(before))


def _is_public_v6(address: str) -> bool:
    groups = [group for group in address.split(":") if group]
    if len(groups) < 3 or not any(c.isdecimal() for c in address):  # "abc::de" is a name in C++
        return False
    try:
        parsed = ipaddress.IPv6Address(address)
    except ValueError:
        return False
    return parsed.is_global and not parsed.is_multicast


def _alone(text: str, start: int, end: int) -> bool:
    neighbours = (text[start - 1] if start else "", text[end:end + 1])
    return not any(near.isascii() and (near.isalnum() or near == "_") for near in neighbours)
