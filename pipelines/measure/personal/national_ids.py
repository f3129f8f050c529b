"""National identity and passport numbers: each country's shape, what proves it, and which word has to name it besides."""

import re
from collections.abc import Callable
from functools import lru_cache
from typing import NamedTuple

from stdnum.ar import cuit
from stdnum.at import vnr
from stdnum.au import tfn
from stdnum.bg import egn
from stdnum.br import cpf
from stdnum.ca import sin
from stdnum.ch import ssn as ahv
from stdnum.cl import rut
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.do import cedula
from stdnum.ec import ci
from stdnum.ee import ik
from stdnum.es import dni, nie
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gb import nhs
from stdnum.gr import amka
from stdnum.hr import oib
from stdnum.id import nik
from stdnum.ie import pps
from stdnum.il import idnr as il_idnr
from stdnum.in_ import aadhaar, pan
from stdnum.is_ import kennitala
from stdnum.it import codicefiscale
from stdnum.jp import in_
from stdnum.lt import asmens
from stdnum.lv import pvn
from stdnum.mx import curp
from stdnum.my import nric
from stdnum.nl import bsn
from stdnum.nz import ird
from stdnum.pk import cnic
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.ro import cnp
from stdnum.ru import inn
from stdnum.si import emso
from stdnum.th import pin
from stdnum.tr import tckimlik
from stdnum.ua import rntrc
from stdnum.us import itin

from textmill.pipelines.measure.personal import check_digits as checks
from textmill.pipelines.measure.personal.keywords import called
from textmill.pipelines.measure.personal.numbers import Chain, apart, runs, stands_alone
from textmill.pipelines.measure.personal.scan import Marks, Stretch


class NationalId(NamedTuple):
    """A country's number: how it is written, what proves it, and which word must name it besides.

    `named`: its check digits are weak or its shape is common, so a word of one of these kinds (`keywords`), such as "tax id",
    has to stand before it: right before it where the kind is a document's.
    `anywhere`: found on pages of every language. `leads`: characters that may stand before its first digit; `first_run`:
    how many digits may stand there together, where it is not two letters that stand before them.
    """

    countries: tuple[str, ...]
    shape: re.Pattern[str]
    holds: Callable[[str], bool]
    named: tuple[str, ...] = ()
    anywhere: bool = False
    leads: tuple[int, ...] = (0,)
    first_run: tuple[int, ...] = ()


# What a row's flags call the words that name it, and those words' kinds.
_KINDS_OF = {"named": "id", "passport": "passport", "pan": "pan", "rg": "rg"}
# What stands between the name of a document and its number, at most.
_LINK = re.compile(r"(?:[\s.:：#№,()-]|n[º°o]|nr|num(?:ber|mer|éro|ero)|número|nummer|номер[а-я]?|сери[ияй]|号码|號碼|号|番号|"
                   r"번호|رقم|شماره|नंबर|संख्या|numarası|is|was|は|est|es|è|é|ist|lautet|card){0,8}", re.IGNORECASE)


def _row(countries: str, shape: str, holds: Callable[[str], bool], flags: str = "", leads: tuple[int, ...] = (0,),
         first_run: tuple[int, ...] = ()) -> NationalId:
    named = tuple(_KINDS_OF[flag] for flag in flags.split() if flag in _KINDS_OF)
    return NationalId(tuple(countries.split()), re.compile(shape), holds, named, "anywhere" in flags, leads, first_run)


def _any(written: str) -> bool:
    """Where a number has no check digit, the word that names it is all there is."""
    return True


_NUMBERED = (
    _row("US", r"\d{3}-\d\d-\d{4}", checks.us_ssn),
    _row("US", r"\d{3}([ -]?)\d\d\1\d{4}", checks.us_ssn, "named anywhere"),
    _row("US", r"9\d\d-\d\d-\d{4}", itin.is_valid),
    _row("CA", r"\d{3}([ -]?)\d{3}\1\d{3}", sin.is_valid, "named"),
    _row("GB", r"\d{3}([ -]?)\d{3}\1\d{4}", nhs.is_valid, "named"),
    _row("AU", r"\d{3} ?\d{3} ?\d{3}", tfn.is_valid, "named"),
    _row("NZ", r"\d{2,3}-?\d{3}-?\d{3}", ird.is_valid, "named"),
    _row("BR", r"\d{3}\.\d{3}\.\d{3}-\d\d", cpf.is_valid, "anywhere"),
    _row("BR", r"\d{11}", cpf.is_valid, "named"),
    _row("PT", r"[1-3]\d\d ?\d{3} ?\d{3}", nif.is_valid, "named"),
    _row("AR", r"\d\d-\d{8}-\d", cuit.is_valid),
    _row("AR CO PE", r"\d{1,2}\.\d{3}\.\d{3}|\d{8}|1\.\d{3}\.\d{3}\.\d{3}", _any, "named"),
    _row("DO", r"\d{3}-\d{7}-\d", cedula.is_valid),
    _row("EC", r"\d{10}", ci.is_valid, "named"),
    _row("FR", r"[12] ?\d\d ?\d\d ?\d\d ?\d{3} ?\d{3} ?\d\d", nir.is_valid),
    _row("DE", r"\d\d ?\d{3} ?\d{3} ?\d{3}", idnr.is_valid, "named"),
    _row("AT", r"\d{4} ?\d{6}", vnr.is_valid, "named"),
    _row("CH", r"756\.\d{4}\.\d{4}\.\d\d", ahv.is_valid, "anywhere"),
    _row("NL", r"\d{3}[ .]?\d\d[ .]?\d{4}|\d{4}\.\d\d\.\d{3}", bsn.is_valid, "named"),
    _row("BE", r"\d\d\.\d\d\.\d\d-\d{3}\.\d\d", checks.be_national_number, "anywhere"),
    _row("BE", r"\d{11}", checks.be_national_number, "named"),
    _row("PL", r"\d{11}", pesel.is_valid, "named"),
    _row("SE", r"(?:19|20)?\d{6}[-+]\d{4}", checks.se_personnummer),
    _row("NO", r"\d{6} ?\d{5}", checks.no_fodselsnummer),
    _row("DK", r"\d{6}-\d{4}", checks.dk_cpr, "named"),
    _row("IS", r"\d{6}-?\d{4}", kennitala.is_valid, "named"),
    _row("CZ SK", r"\d{6}/?\d{3,4}", rc.is_valid, "named"),
    _row("RO", r"[1-9]\d{12}", cnp.is_valid, "named"),
    _row("BG", r"\d{10}", egn.is_valid, "named"),
    _row("HR", r"\d{11}", oib.is_valid, "named"),
    _row("SI RS HR BA ME MK", r"\d{13}", emso.is_valid, "named"),
    _row("EE", r"[1-6]\d{10}", ik.is_valid, "named"),
    _row("LT", r"[1-6]\d{10}", asmens.is_valid, "named"),
    _row("LV", r"\d{6}-?\d{5}", pvn.is_valid, "named"),
    _row("GR CY", r"\d{11}", amka.is_valid, "named"),
    _row("TR", r"\d{11}", tckimlik.is_valid, "named"),
    _row("RU", r"\d{3}-\d{3}-\d{3}[ -]\d\d", checks.ru_snils, "anywhere"),
    _row("RU", r"\d{12}", inn.is_valid, "named"),
    _row("UA", r"\d{10}", rntrc.is_valid, "named"),
    _row("KZ", r"\d{12}", checks.kz_iin, "named"),
    _row("CN", r"[1-9]\d{17}", ric.is_valid),
    _row("KR", r"\d{6}-[1-4]\d{6}", checks.kr_rrn),
    _row("JP", r"\d{4}([ -]?)\d{4}\1\d{4}", in_.is_valid, "named"),
    _row("IN", r"[2-9]\d{3}([ -]?)\d{4}\1\d{4}", aadhaar.is_valid, "named"),
    _row("PK", r"\d{5}-\d{7}-\d", cnic.is_valid),
    _row("IL", r"\d{9}", il_idnr.is_valid, "named"),
    _row("IR", r"\d{3}-?\d{6}-?\d", checks.ir_melli, "named"),
    _row("SA", r"[12]\d{9}", checks.luhn_holds, "named"),
    _row("AE", r"784-\d{4}-\d{7}-\d", checks.luhn_holds, "anywhere"),
    _row("EG", r"[23]\d{13}", checks.eg_id, "named"),
    _row("ZA", r"\d{6} ?\d{4} ?\d{3}", checks.za_idnr, "named"),
    _row("MY", r"\d{6}-\d\d-\d{4}", nric.is_valid),
    _row("ID", r"\d{16}", nik.is_valid, "named"),
    _row("VN", r"0\d{11}", _any, "named"),
    _row("TH", r"\d-\d{4}-\d{5}-\d\d-\d", pin.is_valid, "anywhere"))

_PARTED = 0                   # among lengths of a first run: one or two digits before a dot or a capital
# With letters: matched from the first character, which stands `leads` before a run of digits.
_LETTERED = (
    _row("IT", r"[A-Z]{6}\d\d[A-EHLMPR-T]\d\d[A-Z]\d{3}[A-Z]", codicefiscale.is_valid, "anywhere", (6,)),
    _row("ES", r"\d{8}[ -]?[A-Z]|\d\d\.\d{3}\.\d{3}[ -]?[A-Z]", dni.is_valid, first_run=(2, 8)),
    _row("ES", r"[XYZ]-?\d{7}-?[A-Z]", nie.is_valid, leads=(1, 2), first_run=(7,)),
    _row("CL", r"\d{1,2}\.\d{3}\.\d{3}-[\dkK]", rut.is_valid, first_run=(_PARTED,)),
    _row("FI", r"\d{6}[-+A]\d{3}[0-9A-Y]", hetu.is_valid, first_run=(6,)),
    _row("GB", r"[A-Z]{2} ?\d\d ?\d\d ?\d\d ?[A-D]", checks.gb_nino, leads=(2,)),
    _row("GB", r"[A-Z]{2} \d\d ?\d\d ?\d\d ?[A-D]", checks.gb_nino, leads=(3,), first_run=(2, 6)),
    _row("IE", r"\d{7}[A-W][A-IW]?", pps.is_valid, "named", first_run=(7,)),
    _row("MX", r"[A-Z]{4}\d{6}[HM][A-Z]{5}[0-9A-Z]\d", curp.is_valid, "anywhere", (4,)),
    _row("IN", r"[A-Z]{5}\d{4}[A-Z]", pan.is_valid, "named pan anywhere", (5,)),
    _row("BR", r"\d{1,2}\.\d{3}\.\d{3}-[\dXx]", _any, "named rg anywhere", first_run=(_PARTED,)),
    _row("BR", r"[A-Z]{2}-?\d{1,2}\.\d{3}\.\d{3}", _any, "rg anywhere", leads=(2, 3), first_run=(_PARTED,)),
    _row("DE", r"[CFGHJKLMNPRTVWXYZ][0-9CFGHJKLMNPRTVWXYZ]{8}", _any, "passport anywhere", leads=(1,), first_run=(_PARTED, 8)),
    _row("FR", r"\d\d[A-Z]{2}\d{5}", _any, "passport anywhere", first_run=(_PARTED,)),
    _row("RU", r"\d\d ?\d\d ?(?:№ ?)?\d{6}", _any, "passport anywhere", first_run=(2, 4, 10)),
    *(_row("", shape, _any, "passport anywhere", leads=(letters,), first_run=(6, 7, 8))
      for letters, shape in ((1, r"[A-Z]\d{7,8}"), (2, r"[A-Z]{2}\d{6,7}"), (3, r"[A-Z]{3}\d{6}"))),
    _row("", r"\d{8,9}", _any, "passport anywhere", first_run=(8, 9)),
    _row("SG", r"[STFG]\d{7}[A-Z]", checks.sg_nric, leads=(1,), first_run=(7,)),
    _row("TW", r"[A-Z][12]\d{8}", checks.tw_id, leads=(1,), first_run=(9,)),
    _row("CN", r"[1-9]\d{16}[Xx]", ric.is_valid, first_run=(17,)))


def find_numbered_ids(text: str, chains: list[Chain], regions: tuple[str, ...]) -> list[Stretch]:
    """National ids of digits only: check digits hold and the shape is the country's own or a word names it."""
    rows = _rows_for(_NUMBERED, regions)
    places: list[Stretch] = []
    for chain in chains:
        for first, after, start, end in runs(chain, 8, 18, 8):
            if (places and start < places[-1][1]) or not apart(chain, first, after):
                continue
            written = text[start:end]
            fits = [row for row in rows if row.shape.fullmatch(written)]
            if not fits or not stands_alone(text, start, end) or _tied(text, start, end):
                continue
            words = called(text, start)
            if any((_is_named(row, text, start, words) if row.named else words[0] != "not") and row.holds(written)
                   for row in fits):
                places.append((start, end))
    return places


def find_lettered_ids(text: str, marks: Marks, regions: tuple[str, ...]) -> list[Stretch]:
    """National ids that hold letters, for the countries of the page's language and host, and passports."""
    places: list[Stretch] = []
    by_length: dict[int, list[int]] = {}
    for start, end in zip(marks.starts.tolist(), marks.ends.tolist(), strict=True):
        by_length.setdefault(end - start, []).append(start)
        if end - start <= 2 and ((after := text[end:end + 1]) == "." or after.isupper()):
            by_length.setdefault(_PARTED, []).append(start)
    for row in _rows_for(_LETTERED, regions):
        for start in _heads(row, marks, by_length):
            found = row.shape.match(text, start) if start >= 0 else None
            if (found and stands_alone(text, start, found.end()) and text[start - 1:start] != "-"
                    and (not row.named or _is_named(row, text, start, called(text, start))) and row.holds(found.group())):
                places.append(found.span())
    return places


def _is_named(row: NationalId, text: str, start: int, words: tuple[str | None, int]) -> bool:
    """Whether a word names the number: some way before it where it says identity, right before it where a document."""
    kind, end = words
    return kind in row.named and (kind == "id" or bool(_LINK.fullmatch(text, end, start)))


def _heads(row: NationalId, marks: Marks, by_length: dict[int, list[int]]) -> list[int]:
    """Where a number of `row` may begin, by what its first run of digits is like."""
    known = [start for length in row.first_run for start in by_length.get(length, ())]
    return [start - lead for start in (known if row.first_run else marks.behind_letters) for lead in row.leads]


@lru_cache(1024)
def _rows_for(table: tuple[NationalId, ...], regions: tuple[str, ...]) -> tuple[NationalId, ...]:
    return tuple(row for row in table if row.anywhere or not set(row.countries).isdisjoint(regions))


def _tied(text: str, start: int, end: int) -> bool:
    """A hyphen or dot with a digit beyond it, or a hyphen and a letter: the run is the middle of something longer."""
    after = text[end + 1:end + 2]
    return bool((text[start - 1:start] in tuple("-.") and text[start - 2:start - 1].isdecimal())
                or (text[end:end + 1] in tuple("-.") and after.isdecimal())
                or (text[end:end + 1] == "-" and after.isascii() and after.isalpha()))
