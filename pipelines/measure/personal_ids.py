"""Bank accounts and national identity numbers, by their check digits."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.il import idnr as il_idnr
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.jp import in_
from stdnum.mx import curp
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.ru import inn
from stdnum.th import pin
from stdnum.tr import tckimlik

from pipelines.measure import personal_checks as checks
from pipelines.measure.personal_numbers import Chain, apart, called, runs, stands_alone

Place = tuple[int, int]

# Country -> characters of its IBAN: SWIFT IBAN registry, release 99.
_IBAN_LENGTHS = {
    country: length for length, countries in (
        (15, "NO"), (16, "BE"), (18, "DK FK FI FO GL NL SD"), (19, "MK SI"), (20, "AT BA EE KZ LT LU MN XK"),
        (21, "CH HR LI LV"), (22, "BG BH CR DE GB GE IE ME RS VA"), (23, "AE GI IL IQ OM SO TL"),
        (24, "AD CZ ES MD PK RO SA SE SK TN VG DZ"), (25, "LY PT ST"), (26, "IS TR"), (27, "BI DJ FR GR IT MC MR SM"),
        (28, "AL AZ BY CY DO GT HN HU LB NI PL SV"), (29, "BR EG PS QA UA"), (30, "JO KW MU YE"), (31, "MT SC"),
        (32, "LC"), (33, "RU"))
    for country in countries.split()}
# Digits first, because they are the rarer characters; then the country's letters behind them.
_IBAN_HEAD = re.compile(r"\d\d(?<=[A-Za-z]{2}\d\d)(?=[ \u00a0-]?[0-9A-Za-z]{3,4})")


class NationalId(NamedTuple):
    """A country's number: how it is written, what proves it, and whether a word must name it besides.

    `named`: its check digits are weak or its shape is common, so a word such as "tax id" has to stand before it.
    `anywhere`: found on pages of every language.
    """
    country: str
    shape: re.Pattern[str]
    holds: Callable[[str], bool]
    named: bool = False
    anywhere: bool = False


def _row(country: str, shape: str, holds: Callable[[str], bool], flags: str = "") -> NationalId:
    return NationalId(country, re.compile(shape), holds, "named" in flags, "anywhere" in flags)


_NUMBERED = (
    _row("US", r"\d{3}-\d\d-\d{4}", checks.us_ssn),
    _row("US", r"\d{3}([ -]?)\d\d\1\d{4}", checks.us_ssn, "named anywhere"),
    _row("CA", r"\d{3}([ -]?)\d{3}\1\d{3}", sin.is_valid, "named"),
    _row("BR", r"\d{3}\.\d{3}\.\d{3}-\d\d", cpf.is_valid, "anywhere"),
    _row("BR", r"\d{11}", cpf.is_valid, "named"),
    _row("FR", r"[12] ?\d\d ?\d\d ?\d\d ?\d{3} ?\d{3} ?\d\d", nir.is_valid),
    _row("DE", r"\d\d ?\d{3} ?\d{3} ?\d{3}", idnr.is_valid, "named"),
    _row("NL", r"\d{3}[ .]?\d\d[ .]?\d{4}|\d{4}\.\d\d\.\d{3}", bsn.is_valid, "named"),
    _row("BE", r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d", checks.be_national_number, "anywhere"),
    _row("BE", r"\d{11}", checks.be_national_number, "named"),
    _row("PL", r"\d{11}", pesel.is_valid, "named"),
    _row("SE", r"(?:19|20)?\d{6}[-+]\d{4}", checks.se_personnummer),
    _row("NO", r"\d{6} ?\d{5}", checks.no_fodselsnummer),
    _row("DK", r"\d{6}-\d{4}", checks.dk_cpr, "named"),
    _row("CZ", r"\d{6}/?\d{4}", rc.is_valid, "named"),
    _row("SK", r"\d{6}/?\d{4}", rc.is_valid, "named"),
    _row("TR", r"\d{11}", tckimlik.is_valid, "named"),
    _row("RU", r"\d{3}-\d{3}-\d{3}[ -]\d\d", checks.ru_snils, "anywhere"),
    _row("RU", r"\d{12}", inn.is_valid, "named"),
    _row("CN", r"[1-9]\d{17}", ric.is_valid),
    _row("KR", r"\d{6}-[1-4]\d{6}", checks.kr_rrn),
    _row("JP", r"\d{4}([ -]?)\d{4}\1\d{4}", in_.is_valid, "named"),
    _row("IN", r"[2-9]\d{3}([ -]?)\d{4}\1\d{4}", aadhaar.is_valid, "named"),
    _row("IL", r"\d{9}", il_idnr.is_valid, "named"),
    _row("ZA", r"\d{6} ?\d{4} ?\d{3}", checks.za_idnr, "named"),
    _row("TH", r"\d-\d{4}-\d{5}-\d\d-\d", pin.is_valid, "anywhere"))

# With letters: found from their digits; beside each, the characters before the first digit.
_LETTERED = (
    (_row("IT", r"\d\d[A-EHLMPR-T]\d\d[A-Z]\d{3}[A-Z]", codicefiscale.is_valid), 6),
    (_row("ES", r"\d{8}[ -]?[A-Z]", dni.is_valid), 0),
    (_row("ES", r"\d{7}-?[A-Z]", nie.is_valid), 1),
    (_row("FI", r"\d{6}[-+A]\d{3}[0-9A-Y]", hetu.is_valid), 0),
    (_row("GB", r"\d\d ?\d\d ?\d\d ?[A-D]", checks.gb_nino), 2),
    (_row("MX", r"\d{6}[HM][A-Z]{5}[0-9A-Z]\d", curp.is_valid), 4),
    (_row("CN", r"[1-9]\d{16}[Xx]", ric.is_valid), 0))


def find_ibans(text: str) -> list[Place]:
    """IBANs of the length that their country has and with remainder 1 (ISO 13616), printed in groups or not."""
    places: list[Place] = []
    for head in _IBAN_HEAD.finditer(text):
        start = head.start() - 2
        length = _IBAN_LENGTHS.get(text[start:start + 2].upper())
        if length is None or (start and text[start - 1].isalnum() and text[start - 1].isascii()):
            continue
        number, end = "", start
        while end < len(text) and len(number) < length:
            if text[end].isascii() and text[end].isalnum():
                number += text[end]
            elif not (text[end] in " \u00a0-" and text[end - 1] not in " \u00a0-"):
                break
            end += 1
        after = text[end:end + 1]
        if len(number) == length and not (after.isascii() and after.isalnum()) and _remainder(number) == 1:
            places.append((start, end))
    return places


def find_numbered_ids(text: str, chains: list[Chain], regions: tuple[str, ...]) -> list[Place]:
    """National ids of digits only: check digits hold and the shape is the country's own or a word names it."""
    rows = _rows_for(regions)
    places: list[Place] = []
    for chain in chains:
        for first, after, start, end in runs(chain, 9, 18, 8):
            if (places and start < places[-1][1]) or not apart(text, chain, first, after):
                continue
            written = text[start:end]
            fits = [row for row in rows if row.shape.fullmatch(written)]
            if not fits or not stands_alone(text, start, end) or _tied(text, start, end):
                continue
            kind, _ = called(text, start)
            if any((kind == "id" if row.named else kind != "not") and row.holds(written) for row in fits):
                places.append((start, end))
    return places


def find_lettered_ids(text: str, regions: tuple[str, ...]) -> list[Place]:
    """National ids that hold letters, for the countries of the page's language and host."""
    places: list[Place] = []
    for row, before in _LETTERED:
        if row.country in regions:
            for digits in row.shape.finditer(text):
                start = digits.start() - before
                if (start >= 0 and stands_alone(text, start, digits.end()) and text[start - 1:start] != "-"
                        and row.holds(text[start:digits.end()])):
                    places.append((start, digits.end()))
    return places


@lru_cache(1024)
def _rows_for(regions: tuple[str, ...]) -> tuple[NationalId, ...]:
    return tuple(row for row in _NUMBERED if row.anywhere or row.country in regions)


def _remainder(number: str) -> int:
    moved = number[4:] + number[:4]
    return int("".join(str(int(c, 36)) for c in moved)) % 97


def _tied(text: str, start: int, end: int) -> bool:
    """A hyphen or dot with a digit beyond it: the run is the middle of something longer."""
    return bool((text[start - 1:start] in tuple("-.") and text[start - 2:start - 1].isdecimal())
                or (text[end:end + 1] in tuple("-.") and text[end + 1:end + 2].isdecimal()))
