"""Keys that open something: API tokens by their published prefixes, private keys, JWTs, and wallets by checksum."""

import base64
import binascii
import hashlib
import json
import re

Place = tuple[int, int]

# Prefix -> what must follow. Formats as published by the issuers (GitHub, GitLab, AWS IAM ids, Slack, Stripe, Google,
# OpenAI, Anthropic, Hugging Face, npm, PyPI, SendGrid). Public keys such as Stripe's pk_live_ are no secrets.
_PREFIXES: dict[str, re.Pattern[str]] = {
    prefix: re.compile(f"{body}(?![A-Za-z0-9_])")
    for prefixes, body in (
        ("AKIA ASIA", "[A-Z2-7]{16}"),
        ("ghp_ gho_ ghu_ ghs_ ghr_", "[A-Za-z0-9]{36,251}"),
        ("github_pat_", "[A-Za-z0-9_]{60,90}"),
        ("glpat-", "[A-Za-z0-9_-]{20,60}"),
        ("xoxb- xoxp- xoxa- xoxr- xoxs-", "[A-Za-z0-9-]{10,250}"),
        ("sk_live_ rk_live_ sk_test_", "[A-Za-z0-9]{16,250}"),
        ("AIza", "[A-Za-z0-9_-]{35}"),
        ("sk-ant-", "[A-Za-z0-9_-]{24,150}"),
        ("sk-proj-", "[A-Za-z0-9_-]{24,250}"),
        ("hf_", "[A-Za-z0-9]{30,40}"),
        ("npm_", "[A-Za-z0-9]{36}"),
        ("pypi-AgEI", "[A-Za-z0-9_-]{50,250}"),
        ("SG.", r"[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"))
    for prefix in prefixes.split()}
_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,2000}+\.[A-Za-z0-9_-]{8,8000}+\."
                  r"[A-Za-z0-9_-]{16,2000}+(?![A-Za-z0-9_-])")
_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = re.compile(r"(?:\s?[A-Za-z0-9+/=]{16,80}){0,400}+")
_PEM_LIMIT = 16384            # characters: an RSA key of 16384 bits has 12.6 kB of base64

_BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
_COIN = re.compile(r"[13][1-9A-HJ-NP-Za-km-z]{25,34}+(?![0-9A-Za-z])")
_BECH32 = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_SEGWIT = re.compile(r"(?:bc|ltc|tb)1[02-9ac-hj-np-z]{8,87}(?![0-9A-Za-z])", re.IGNORECASE)


def find_secrets(text: str) -> list[Place]:
    """Tokens, JWTs and private keys whole. Placeholders (few different characters, or "EXAMPLE") stay."""
    places: list[Place] = []
    underscore = "_" in text                               # prose has none, and most prefixes do
    for prefix, body in _PREFIXES.items():
        at = text.find(prefix) if underscore or "_" not in prefix else -1
        while at >= 0:
            rest = body.match(text, at + len(prefix)) if _starts(text, at) else None
            if rest and len(set(rest.group())) >= 8 and "EXAMPLE" not in rest.group():
                places.append((at, rest.end()))
            at = text.find(prefix, rest.end() if rest else at + 1)
    if "eyJ" in text:
        places += [jwt.span() for jwt in _JWT.finditer(text) if _starts(text, jwt.start()) and _is_jwt(jwt.group())]
    last = 0
    for begin in _PEM.finditer(text) if "-----BEGIN" in text else ():
        if begin.start() < last:
            continue
        dashes = text.find("-----", begin.end(), begin.end() + _PEM_LIMIT)
        end = (dashes >= 0 and _PEM_END.match(text, dashes)) or _PEM_BODY.match(text, begin.end())
        last = end.end() if end else begin.end()
        places.append((begin.start(), last))
    return places


def find_wallets(text: str) -> list[Place]:
    """Bitcoin addresses by base58check, and bech32 ones (BIP 173 and 350) of Bitcoin and Litecoin."""
    places = [coin.span() for coin in _COIN.finditer(text) if _starts(text, coin.start()) and _is_base58check(coin.group())]
    if any(prefix in text for prefix in ("bc1", "BC1", "tb1", "ltc1")):
        places += [segwit.span() for segwit in _SEGWIT.finditer(text)
                   if _starts(text, segwit.start()) and _is_bech32(segwit.group())]
    return places


def _starts(text: str, at: int) -> bool:
    before = text[at - 1:at]
    return not (before.isascii() and (before.isalnum() or before in ("_", "/", "+")))


def _is_jwt(token: str) -> bool:
    header = token.split(".", 1)[0]
    try:
        return "alg" in json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False


def _is_base58check(address: str) -> bool:
    number = 0
    for character in address:
        number = number * 58 + _BASE58.index(character)
    if number >= 1 << 200:
        return False
    raw = number.to_bytes(25, "big")
    return raw[0] in (0, 5) and hashlib.sha256(hashlib.sha256(raw[:21]).digest()).digest()[:4] == raw[21:]


def _is_bech32(address: str) -> bool:
    if address not in (address.lower(), address.upper()):
        return False
    prefix, _, data = address.lower().rpartition("1")
    values = [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix] + [_BECH32.find(c) for c in data]
    if -1 in values:
        return False
    check = 1
    for value in values:
        top = check >> 25
        check = (check & 0x1FFFFFF) << 5 ^ value
        for bit, term in enumerate((0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)):
            check ^= term if top >> bit & 1 else 0
    return check in (1, 0x2BC830A3)
