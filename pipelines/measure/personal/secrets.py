"""Credentials: API tokens by their published prefixes, named values that look random, JWTs, private keys.

All but private keys lie in a long token or begin just before one (`personal_marks`), so only these places are read.
"""

import base64
import binascii
import json
import math
import re
from collections import Counter
from itertools import pairwise

from textmill.pipelines.measure.personal.scan import Stretch

# Prefix and what must follow, as the issuers publish them (GitHub, GitLab, AWS IAM ids, Slack, Stripe, Google, OpenAI,
# Anthropic, Hugging Face, npm, PyPI, SendGrid, DigitalOcean, Shopify, Grafana, Mailgun, Docker, Databricks, HashiCorp,
# Linear, Postman, Groq, Replicate, age, Telegram). Public keys such as Stripe's pk_live_ are no secrets.
_KEY = re.compile("(?<![A-Za-z0-9_])(?:" + "|".join((
    r"A(?:KIA|SIA)[A-Z2-7]{16}+", r"gh[pousr]_[A-Za-z0-9]{36,251}+", r"github_pat_[A-Za-z0-9_]{60,90}+",
    r"gl(?:pat|dt|rt|ptt|ft|soat|cbt)-[A-Za-z0-9_-]{20,60}+", r"xox[abeoprs]-(?=[A-Za-z-]{0,40}+\d)[A-Za-z0-9-]{10,250}+",
    r"[sr]k_(?:live|test)_[A-Za-z0-9]{16,250}+", r"AIza[A-Za-z0-9_-]{35}+", r"ya29\.[A-Za-z0-9_-]{30,500}+",
    r"GOCSPX-[A-Za-z0-9_-]{28}+", r"sk-ant-[A-Za-z0-9_-]{24,150}+", r"sk-(?:proj|svcacct|admin)-[A-Za-z0-9_-]{24,250}+",
    r"sk-[A-Za-z0-9]{48}+", r"hf_[A-Za-z0-9]{30,40}+", r"npm_[A-Za-z0-9]{36}+", r"pypi-AgEI[A-Za-z0-9_-]{50,250}+",
    r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}+", r"do[opr]_v1_[a-f0-9]{64}+", r"shp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}+",
    r"gl(?:sa|c)_[A-Za-z0-9]{32}_[A-Fa-f0-9]{8}+", r"key-[0-9a-f]{32}+", r"dckr_pat_[A-Za-z0-9_-]{27}+", r"dapi[a-f0-9]{32}+",
    r"hv[sb]\.[A-Za-z0-9_-]{24,200}+", r"lin_api_[A-Za-z0-9]{40}+", r"PMAK-[a-f0-9]{24}-[a-f0-9]{34}+", r"gsk_[A-Za-z0-9]{52}+",
    r"r8_[A-Za-z0-9]{37}+", r"AGE-SECRET-KEY-1[02-9AC-HJ-NP-Z]{58}+", r"(?:xprv|yprv|zprv)[1-9A-HJ-NP-Za-km-z]{107}+",
    r"\d{8,10}:AA[A-Za-z0-9_-]{33}+")) + ")(?![A-Za-z0-9_])")
_BEFORE = 12                  # characters of a key that may stand before its long token: "1234567890:", "SG."

_JWT = re.compile(r"(?<![A-Za-z0-9_-])eyJ[A-Za-z0-9_-]{8,2000}+\.[A-Za-z0-9_-]{8,8000}+\."
                  r"[A-Za-z0-9_-]{16,2000}+(?![A-Za-z0-9_-])")
_PEM = re.compile(r"-----BEGIN (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_END = re.compile(r"-----END (?:[A-Z0-9]{2,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----")
_PEM_BODY = re.compile(r"(?:\s?[A-Za-z0-9+/=]{16,80}){0,400}+")
_PEM_LEAST = 40               # characters: an Ed25519 key has 64 of base64
_PEM_LIMIT = 16384            # characters: an RSA key of 16384 bits has 12.6 kB of base64

# `api_key = "…"`, `"client_secret": "…"`, `<add key="ApiKey" value="…"`: what is read backwards from the value.
_NAMED = re.compile(r"(?:secret|token|passw(?:or)?d|passwort|pwd|api[_-]?key|access[_-]?key|private[_-]?key|auth[_-]?key|"
                    r"secret[_-]?key|account[_-]?key|encryption[_-]?key|credential)s?[a-z_]{0,12}[\"'\]]{0,2}"
                    r"(?: ?(?::=|=>|[:=]) ?| value=)[\"'`]?$")
_IN_URL = re.compile(r"://[^\s/:@<>\[\]{}$*]{1,64}+:([^\s/:@<>\[\]{}$*]{3,64}+)@([\w-]{1,63}\.)?")        # https://user:password@host
_PLACEHOLDERS = frozenset(["password", "passwd", "pass", "pwd", "secret", "token", "mypassword", "pw", "xxx", "foo", "port"])
_STEMS = ("secret", "token", "passw", "pwd", "key", "credential")          # one of which is in every name above
_VALUE = re.compile(r"[A-Za-z0-9_+/.-]{16,250}+={0,2}(?![A-Za-z0-9_+/=.-])")
_OPENS = tuple("\"'`=: ")       # what stands before a value
_ENTROPY = 3.5                # bits a character, least: random base64 of 24 has 4.2, words and paths fall to the letter tests


def find_secrets(text: str, tokens: list[Stretch]) -> list[Stretch]:
    """Keys, JWTs and private keys whole. Placeholders (few different characters, or "EXAMPLE") are no findings.

    `tokens` are the long tokens of `Marks`.
    """
    places: list[Stretch] = []
    reached = 0
    for start, end in tokens:
        places += [key.span() for key in _KEY.finditer(text, max(reached, start - _BEFORE), end) if len(set(key.group())) >= 10
                   and "EXAMPLE" not in key.group() and not _in_base64(text, key.start())]
        if places and places[-1][1] > start:
            reached = places[-1][1]
            continue
        reached = end
        if text[start - 1:start] in _OPENS and _is_named(text, start):
            value = _VALUE.match(text, start)
            if value and _is_random(value.group()):
                places.append(value.span())
    if "://" in text and "@" in text:
        places += [password.span(1) for password in _IN_URL.finditer(text) if password.group(1).lower() not in _PLACEHOLDERS
                   and (password.group(2) or any(c.isdecimal() for c in password.group(1)))]
    if "eyJ" in text:
        places += [jwt.span() for jwt in _JWT.finditer(text) if _is_jwt(jwt.group())]
    if "-----BEGIN" in text:
        places += _private_keys(text)
    return places


def _in_base64(text: str, start: int) -> bool:
    """A plus or slash before it: letters of other data that look like a key by chance. "https://key@host" is none."""
    return text[start - 1:start] in ("/", "+") and text[max(0, start - 2):start] != "//"


def _is_named(text: str, start: int) -> bool:
    before = text[max(0, start - 40):start].lower()
    return any(stem in before for stem in _STEMS) and bool(_NAMED.search(before))


def _private_keys(text: str) -> list[Stretch]:
    """From the first dash to the last; where the end is missing, as far as base64 goes."""
    places: list[Stretch] = []
    last = 0
    for begin in _PEM.finditer(text):
        if begin.start() < last:
            continue
        dashes = text.find("-----", begin.end(), begin.end() + _PEM_LIMIT)
        end = (dashes >= 0 and _PEM_END.match(text, dashes)) or _PEM_BODY.match(text, begin.end())
        last = end.end() if end else begin.end()
        if last - begin.end() >= _PEM_LEAST:               # else a text about such keys
            places.append((begin.start(), last))
    return places


def _is_random(value: str) -> bool:
    """Letters of both cases and digits change all through, as in no word, name, path, number or date."""
    body = value.rstrip("=")
    letters, numbers = sum(c.isalpha() for c in body), sum(c.isdecimal() for c in body)
    if letters < 6 or "EXAMPLE" in body.upper() or body.count("/") + body.count(".") > len(body) // 6:
        return False
    changes = sum(_kind(a) != _kind(b) for a, b in pairwise(body))
    counts = Counter(body).values()
    entropy = -sum(n / len(body) * math.log2(n / len(body)) for n in counts)
    # Words in CamelCase change twice a word, about every third character; random letters every other one.
    return changes >= len(body) * (0.25 if numbers >= 2 else 0.42) and entropy >= min(_ENTROPY, 0.85 * math.log2(len(body)))


def _kind(character: str) -> str:
    return "d" if character.isdecimal() else "u" if character.isupper() else "l" if character.isalpha() else character


def _is_jwt(token: str) -> bool:
    header = token.split(".", 1)[0]
    try:
        return "alg" in json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    except (ValueError, binascii.Error, RecursionError):
        return False
