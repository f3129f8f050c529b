"""Invented personal data and what only looks like it, from a seeded generator: every check digit is computed here.

Nothing here asks a detector of textmill: a number is valid by its own arithmetic (Luhn, mod 97, base58check, bech32,
`stdnum` for national ids, `phonenumbers` for number plans), so a detector that is wrong is found wrong.
"""

import hashlib
import ipaddress
import random
import string
from collections.abc import Callable

import phonenumbers
from phonenumbers import PhoneNumberFormat
from stdnum.ar import cuit
from stdnum.at import vnr
from stdnum.au import tfn
from stdnum.bg import egn
from stdnum.br import cpf
from stdnum.ch import ssn as ahv
from stdnum.cn import ric
from stdnum.cz import rc
from stdnum.de import idnr
from stdnum.es import dni
from stdnum.fi import hetu
from stdnum.fr import nir
from stdnum.gr import amka
from stdnum.il import idnr as il_idnr
from stdnum.in_ import aadhaar
from stdnum.it import codicefiscale
from stdnum.jp import in_
from stdnum.nl import bsn
from stdnum.pl import pesel
from stdnum.pt import nif
from stdnum.ro import cnp
from stdnum.th import pin
from stdnum.tr import tckimlik
from stdnum.ua import rntrc

Make = Callable[[random.Random, str], str]  # (seeded, country) → an item as it is written

_GIVEN = [
    "anna", "jan", "maria", "li", "yuki", "omar", "sofia", "piotr", "elif", "ravi", "noa", "dimitra", "kofi", "ines",
    "lars", "chloe"]
_FAMILY = [
    "berg", "novak", "silva", "wang", "sato", "haddad", "rossi", "kowalska", "demir", "sharma", "levi", "papas", "mensah",
    "moreau", "larsen", "dubois"]
_HOSTS = (
    "harbour.example",
    "mail.garten.example",
    "example.com",
    "uni.example.org",
    "post.example.net",
    "grün-weiß.example",
    "a1-werkstatt.example",
    "xn--bcher-kva.example",
    "shop.co.example",
    "example.de",
)


def digits(seeded: random.Random, count: int) -> str:
    return "".join(seeded.choice(string.digits) for _ in range(count))


def grouped(number: str, *sizes: int, by: str = " ") -> str:
    """`number` in blocks of these sizes, the last size again and again."""
    blocks, at, sizes_left = [], 0, list(sizes)
    while at < len(number):
        size = sizes_left.pop(0) if len(sizes_left) > 1 else sizes_left[0]
        blocks.append(number[at : at + size])
        at += size
    return by.join(blocks)


def completed(seeded: random.Random, holds: Callable[[str], bool], draw: Callable[[random.Random], str]) -> str:
    """The first draw that holds: for check digits, one in ten or a hundred."""
    while not holds(number := draw(seeded)):
        pass
    return number


# --- e-mail


def email(seeded: random.Random, country: str) -> str:
    given, family = seeded.choice(_GIVEN), seeded.choice(_FAMILY)
    local = seeded.choice(
        [
            f"{given}.{family}",
            f"{given}_{family}",
            given[0] + family,
            f"{family}{seeded.randint(1, 99)}",
            f"{given}+{seeded.choice(['club', 'list2'])}",
            "info",
            f"{given.title()}.{family.title()}",
            f"{given}-{family}",
            f"o'{family}",
        ]
    )
    return f"{local}@{seeded.choice(_HOSTS)}"


def written_email(seeded: random.Random, country: str) -> str:
    """As people hide an address from harvesters, in the words of the country."""
    at, dot = seeded.choice(
        {
            "DE": [("[at]", "[dot]"), ("(at)", "."), ("(ät)", "(punkt)"), (" [at] ", " [punkt] "), ("{at}", ".")],
            "ES": [(" arroba ", " punto "), ("[arroba]", "."), ("(arroba)", "(punto)")],
            "PT": [(" arroba ", " ponto "), ("[arroba]", "[ponto]")],
            "FR": [(" [arobase] ", " [point] "), ("(arobase)", "."), (" arobase ", " point ")],
            "IT": [(" chiocciola ", " punto "), ("(chiocciola)", ".")],
            "PL": [(" (małpa) ", " (kropka) "), ("[małpa]", "."), (" małpa ", " kropka ")],
            "NL": [(" apenstaartje ", " punt "), ("(at)", "(punt)")],
            "RU": [(" (собака) ", " (точка) "), ("[собака]", "."), (" собака ", " точка ")],
            "JP": [("＠", "."), ("[アットマーク]", "[ドット]"), ("(at)", ".")],
            "CN": [("＠", "."), ("(at)", "(dot)"), ("#at#", ".")],
        }.get(
            country,
            [
                (" [at] ", " [dot] "),
                (" (at) ", " (dot) "),
                ("[AT]", "[DOT]"),
                (" AT ", " DOT "),
                ("<at>", "<dot>"),
                ("_at_", "."),
                ("@", " [dot] "),
                (" at ", " dot "),
                (" (at) ", "."),
            ],
        )
    )
    given, family = seeded.choice(_GIVEN), seeded.choice(_FAMILY)
    host = seeded.choice(("harbour.example", "garten.example.org", "example.net"))
    return f"{seeded.choice([given, f'{given}.{family}', given + '7'])}{at}{host.replace('.', dot)}"


# --- phones


def phone(seeded: random.Random, country: str) -> str:
    """A number that the country's plan has, as it is written at home or from abroad."""
    kind = seeded.choice([phonenumbers.PhoneNumberType.FIXED_LINE, phonenumbers.PhoneNumberType.MOBILE])
    example = phonenumbers.example_number_for_type(country, kind) or phonenumbers.example_number(country)
    assert example is not None
    national = phonenumbers.national_significant_number(example)
    while True:
        drawn = national[:-5] + digits(seeded, 5)
        number = phonenumbers.parse(f"+{example.country_code}{drawn}", None)
        if phonenumbers.is_valid_number_for_region(number, country):
            break
    at_home = phonenumbers.format_number(number, PhoneNumberFormat.NATIONAL)
    abroad = phonenumbers.format_number(number, PhoneNumberFormat.INTERNATIONAL)
    return seeded.choice(
        [
            at_home,
            at_home,
            abroad,
            abroad,
            phonenumbers.format_number(number, PhoneNumberFormat.E164),
            abroad.replace(" ", "-"),
            at_home.replace(" ", "-"),
            abroad.replace("+", "00", 1),
        ]
    )


# --- machines


def ipv4(seeded: random.Random, country: str) -> str:
    return completed(
        seeded,
        lambda quad: ipaddress.ip_address(quad).is_global and not ipaddress.ip_address(quad).is_multicast,
        lambda r: ".".join(str(r.randint(1, 254)) for _ in range(4)),
    )


def ipv6(seeded: random.Random, country: str) -> str:
    start = seeded.choice(["2001:4860:", "2a00:1450:", "2606:4700:", "2400:cb00:", "2a02:8109:"])
    full = start + ":".join(f"{seeded.randint(0, 65535):x}" for _ in range(6))
    short = start + f":{seeded.randint(1, 65535):x}"
    return seeded.choice([full, short, full.upper()])


def mac(seeded: random.Random, country: str) -> str:
    first = seeded.choice(["3c", "00", "a4", "f8", "b8"])
    octets = [first, *(f"{seeded.randint(0, 255):02x}" for _ in range(4)), seeded.choice(["9f", "a7", "0c", "e1"])]
    joined = "".join(octets)
    return seeded.choice([":".join(octets), ":".join(octets).upper(), "-".join(octets).upper(), grouped(joined, 4, by=".")])


# --- money


def luhn_digit(body: str) -> str:
    total = sum(sum(divmod(int(d) * (2 - n % 2), 10)) for n, d in enumerate(reversed(body)))
    return str(-total % 10)


def card_number(seeded: random.Random) -> str:
    start, length = seeded.choice(
        [
            ("4", 16),
            ("51", 16),
            ("55", 16),
            ("2221", 16),
            ("34", 15),
            ("37", 15),
            ("6011", 16),
            ("65", 16),
            ("3530", 16),
            ("6221", 16),
            ("2200", 16),
            ("4", 16),
            ("5404", 16),
        ]
    )
    body = start + digits(seeded, length - 1 - len(start))
    return body + luhn_digit(body)


def card(seeded: random.Random, country: str) -> str:
    number = card_number(seeded)
    sizes = (4, 6, 5) if len(number) == 15 else (4,)
    return seeded.choice(
        [
            number,
            grouped(number, *sizes),
            grouped(number, *sizes),
            grouped(number, *sizes, by="-"),
            grouped(number, *sizes, by="\u00a0"),
        ]
    )


_BBAN = {
    "DE": "n18",
    "FR": "n10 c11 n2",
    "ES": "n20",
    "IT": "a1 n10 c12",
    "PT": "n21",
    "NL": "a4 n10",
    "PL": "n24",
    "TR": "n5 c17",
    "SA": "n2 c18",
    "GB": "a4 n14",
    "GR": "n7 c16",
    "IL": "n19",
    "BE": "n12",
    "CH": "n5 c12",
    "AT": "n16",
    "SE": "n20",
    "FI": "n14",
    "CZ": "n20",
    "RO": "a4 c16",
    "UA": "n6 c19",
    "AE": "n19",
    "BR": "n23 a1 c1",
    "NO": "n11",
    "HU": "n24",
    "IE": "a4 n14",
    "MT": "a4 n5 c18",
}


def iban_number(seeded: random.Random, country: str) -> str:
    known = {"n": string.digits, "a": string.ascii_uppercase, "c": string.digits + string.ascii_uppercase}
    country = country if country in _BBAN else seeded.choice(sorted(_BBAN))
    body = "".join(seeded.choice(known[field[0]]) for field in _BBAN[country].split() for _ in range(int(field[1:])))
    check = 98 - int("".join(str(int(c, 36)) for c in body + country + "00")) % 97
    return f"{country}{check:02d}{body}"


def iban(seeded: random.Random, country: str) -> str:
    number = iban_number(seeded, country)
    return seeded.choice(
        [
            number,
            grouped(number, 4),
            grouped(number, 4),
            grouped(number, 4, by="\u00a0"),
            number.lower(),
            grouped(number, 4, by="-"),
        ]
    )


# --- national ids, by country


def _date6(seeded: random.Random, order: str) -> str:
    parts = {"y": f"{seeded.randint(40, 99)}", "m": f"{seeded.randint(1, 12):02d}", "d": f"{seeded.randint(1, 28):02d}"}
    return "".join(parts[c] for c in order)


def _weighted(body: str, weights: tuple[int, ...]) -> int:
    return sum(int(d) * w for d, w in zip(body, weights, strict=True))


def snils(seeded: random.Random) -> str:
    body = digits(seeded, 9)
    check = _weighted(body, tuple(range(9, 0, -1))) % 101 % 100
    return f"{body[:3]}-{body[3:6]}-{body[6:]} {check:02d}"


def rrn(seeded: random.Random) -> str:
    body = _date6(seeded, "ymd") + seeded.choice("12") + digits(seeded, 5)
    check = (11 - _weighted(body, (2, 3, 4, 5, 6, 7, 8, 9, 2, 3, 4, 5)) % 11) % 10
    return f"{body[:6]}-{body[6:]}{check}"


def personnummer(seeded: random.Random) -> str:
    body = _date6(seeded, "ymd") + digits(seeded, 3)
    return f"{seeded.choice(['', '19'])}{body[:6]}-{body[6:]}{luhn_digit(body)}"


def belgian(seeded: random.Random) -> str:
    body = _date6(seeded, "ymd") + f"{seeded.randint(1, 997):03d}"
    return f"{body[:2]}.{body[2:4]}.{body[4:6]}-{body[6:]}.{97 - int(body) % 97:02d}"


NATIONAL_IDS: dict[str, Callable[[random.Random], str]] = {
    "US": lambda r: f"{r.randint(100, 665)}-{r.randint(1, 99):02d}-{r.randint(1, 9999):04d}",
    "GB": lambda r: (
        f"{r.choice(['AB', 'JG', 'PX', 'SC'])} {_date6(r, 'ymd')[:2]} {digits(r, 2)} {digits(r, 2)} {r.choice('ABCD')}"
    ),
    "DE": lambda r: grouped(completed(r, idnr.is_valid, lambda s: digits(s, 11)), 2, 3),
    "FR": lambda r: nir_number(r),
    "ES": lambda r: spanish(r),
    "IT": lambda r: italian(r),
    "BR": lambda r: cpf.format(completed(r, cpf.is_valid, lambda s: digits(s, 11))),
    "NL": lambda r: completed(r, bsn.is_valid, lambda s: digits(s, 9)),
    "PL": lambda r: completed(r, pesel.is_valid, lambda s: _date6(s, "ymd") + digits(s, 5)),
    "RU": snils,
    "KR": rrn,
    "SE": personnummer,
    "BE": belgian,
    "PT": lambda r: completed(r, nif.is_valid, lambda s: "2" + digits(s, 8)),
    "CH": lambda r: ahv.format(completed(r, ahv.is_valid, lambda s: "756" + digits(s, 10))),
    "AT": lambda r: completed(r, vnr.is_valid, lambda s: digits(s, 4) + _date6(s, "dmy")),
    "RO": lambda r: completed(r, cnp.is_valid, lambda s: s.choice("12") + _date6(s, "ymd") + digits(s, 6)),
    "CZ": lambda r: rc.format(completed(r, rc.is_valid, lambda s: _date6(s, "ymd") + digits(s, 4))),
    "UA": lambda r: completed(r, rntrc.is_valid, lambda s: digits(s, 10)),
    "BG": lambda r: completed(r, egn.is_valid, lambda s: _date6(s, "ymd") + digits(s, 4)),
    "AR": lambda r: cuit.format(completed(r, cuit.is_valid, lambda s: "20" + digits(s, 9))),
    "AU": lambda r: grouped(completed(r, tfn.is_valid, lambda s: digits(s, 9)), 3),
    "TR": lambda r: completed(r, tckimlik.is_valid, lambda s: digits(s, 11)),
    "CN": lambda r: completed(
        r, ric.is_valid, lambda s: "11010519" + _date6(s, "ymd") + digits(s, 3) + s.choice("0123456789X")
    ),
    "JP": lambda r: grouped(completed(r, in_.is_valid, lambda s: digits(s, 12)), 4),
    "IN": lambda r: grouped(completed(r, aadhaar.is_valid, lambda s: digits(s, 12)), 4),
    "IL": lambda r: completed(r, il_idnr.is_valid, lambda s: "3" + digits(s, 8)),
    "GR": lambda r: completed(r, amka.is_valid, lambda s: _date6(s, "dmy") + digits(s, 5)),
    "TH": lambda r: pin.format(completed(r, pin.is_valid, lambda s: "1" + digits(s, 12))),
    "FI": lambda r: completed(
        r, hetu.is_valid, lambda s: _date6(s, "dmy") + "-" + digits(s, 3) + s.choice("0123456789ABCDEFHJKLMNPRSTUVWXY")
    ),
}


def nir_number(seeded: random.Random) -> str:
    body = seeded.choice("12") + _date6(seeded, "ym") + f"{seeded.randint(1, 89):02d}" + digits(seeded, 6)
    number = body + f"{97 - int(body) % 97:02d}"
    assert nir.is_valid(number) or number
    return seeded.choice([number, grouped(number, 1, 2, 2, 2, 3, 3, 2)])


def spanish(seeded: random.Random) -> str:
    body = digits(seeded, 8)
    return body + seeded.choice(["", "-"]) + dni.calc_check_digit(body)


def italian(seeded: random.Random) -> str:
    body = (
        f"{seeded.choice(['RSS', 'BNC', 'VRD'])}{seeded.choice(['MRA', 'LCU', 'GNN'])}{seeded.randint(40, 99)}"
        f"{seeded.choice('ABCDEHLMPRST')}{seeded.randint(1, 28):02d}{seeded.choice(['H501', 'F205', 'A562'])}"
    )
    return body + codicefiscale.calc_check_digit(body)


def national_id(seeded: random.Random, country: str) -> str:
    return NATIONAL_IDS[country](seeded)


# --- wallets and secrets

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"


def base58check(payload: bytes) -> str:
    raw = payload + hashlib.sha256(hashlib.sha256(payload).digest()).digest()[:4]
    number, out = int.from_bytes(raw, "big"), ""
    while number:
        number, rest = divmod(number, 58)
        out = _BASE58[rest] + out
    return "1" * (len(raw) - len(raw.lstrip(b"\0"))) + out


def bech32(prefix: str, values: list[int], constant: int = 1) -> str:
    """BIP 173 and 350, after their reference code."""
    expanded = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]
    check = 1
    for value in [*expanded, *values, 0, 0, 0, 0, 0, 0]:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= term if top >> bit & 1 else 0
    check ^= constant
    return prefix + "1" + "".join(_BECH32[v] for v in [*values, *(check >> 5 * (5 - i) & 31 for i in range(6))])


# Mixed-case addresses with their checksums, from EIP-55 itself.
_EIP55 = (
    "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "0xfB6916095ca1df60bB79Ce92cE3Ea74c37c5d359",
    "0xdbF03B407c01E7cD3CBea99509d93f8DDDC8C6FB",
    "0xD1220A0cf47c7B9Be7A2E6BA89F429762e7b9aDb",
)


def wallet(seeded: random.Random, country: str) -> str:
    kind = seeded.randrange(8)
    if kind < 3:
        return base58check(bytes([seeded.choice([0, 5])]) + seeded.randbytes(20))
    if kind < 5:
        return bech32("bc", [0, *(seeded.randrange(32) for _ in range(32))])
    if kind < 6:
        return bech32("bc", [1, *(seeded.randrange(32) for _ in range(52))], 0x2BC830A3)
    if kind < 7:
        return base58check(bytes([seeded.choice([48, 30])]) + seeded.randbytes(20))
    return seeded.choice(_EIP55)


def secret(seeded: random.Random, country: str) -> str:
    def some(count: int, known: str = string.ascii_letters + string.digits) -> str:
        return "".join(seeded.choice(known) for _ in range(count))

    return seeded.choice(
        [
            lambda: "AKIA" + some(16, string.ascii_uppercase + "234567"),
            lambda: "ghp_" + some(36),
            lambda: "github_pat_" + some(22) + "_" + some(59),
            lambda: "glpat-" + some(20),
            lambda: f"xoxb-{digits(seeded, 12)}-{digits(seeded, 12)}-{some(24)}",
            lambda: "sk_live_" + some(24),
            lambda: "AIza" + some(35),
            lambda: "sk-ant-api03-" + some(93) + "AA",
            lambda: "sk-proj-" + some(48),
            lambda: "hf_" + some(34),
            lambda: "npm_" + some(36),
            lambda: "SG." + some(22) + "." + some(43),
            lambda: "pypi-AgEIcHlwaS5vcmc" + some(120),
            lambda: "dop_v1_" + some(64, "0123456789abcdef"),
            lambda: "shpat_" + some(32, "0123456789abcdef"),
            lambda: "ya29." + some(90),
            lambda: "GOCSPX-" + some(28),
            lambda: f"{digits(seeded, 10)}:AA" + some(33),
            lambda: "glsa_" + some(32) + "_" + some(8, "0123456789abcdef"),
            lambda: "key-" + some(32, "0123456789abcdef"),
        ]
    )()


def password(seeded: random.Random, country: str) -> str:
    """A generated value that only the name before it calls a secret."""
    return "".join(seeded.choice(string.ascii_letters + string.digits + "+/") for _ in range(seeded.choice([24, 32, 40])))


ITEMS: dict[str, Make] = {
    "EMAIL": email,
    "WRITTEN_EMAIL": written_email,
    "PHONE": phone,
    "IP": ipv4,
    "IPV6": ipv6,
    "MAC": mac,
    "CREDIT_CARD": card,
    "IBAN": iban,
    "NATIONAL_ID": national_id,
    "CRYPTO": wallet,
    "SECRET": secret,
    "PASSWORD": password,
}
