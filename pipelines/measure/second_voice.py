"""Second voice on a text's language: CLD2 (Sites 2013), where it calls its answer reliable.

Its strict mode gives no answer where it is unsure; its best-effort mode calls Nuer, Fulfulde and Kanuri English. Its tables
are part of the package pycld2, so that the package's version names them.
"""

import re
from collections.abc import Sequence
from typing import NamedTuple

import pycld2

UNDETERMINED = "und"                # ISO 639-3

# CLD2's names of languages where lid.176 has others; a variety in a script or region counts as its language. Its Kurdish is
# Sorani: Kurmanji, in Latin letters, is none to it. No language of texts: Klingon, Pig Latin, and `xx-` with a script.
_NAMES = {"iw": "he", "jw": "jv", "nb": "no", "in": "id", "mo": "ro", "fil": "tl", "ku": "ckb",
          "un": UNDETERMINED, "xxx": UNDETERMINED, "xx": UNDETERMINED, "tlh": UNDETERMINED, "zzp": UNDETERMINED}
_REFUSED = re.compile("[\x00-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")       # characters that CLD2 takes for damage


class Opinion(NamedTuple):
    """CLD2's likeliest language, `und` where it has none, and whether it calls that reliable."""

    language: str
    reliable: bool
    share: float            # of the text's bytes that are in it, 0 to 1
    clarity: float          # CLD2's score for it per 1,024 bytes: random letters have up to 900, prose 400 to 4,000


UNSURE = Opinion(UNDETERMINED, False, 0.0, 0.0)


def opinions(texts: Sequence[str]) -> list[Opinion]:
    """CLD2's opinion of each one-line text."""
    return [_opinion(text) for text in texts]


def _opinion(text: str) -> Opinion:
    try:
        return _detected(text)
    except pycld2.error:
        try:
            return _detected(_REFUSED.sub(" ", text))
        except pycld2.error:
            return UNSURE


def _detected(text: str) -> Opinion:
    reliable, _, details = pycld2.detect(text.encode("utf-8", "replace"), isPlainText=True, bestEffort=False)
    _, code, share, clarity = details[0]
    language = code_of(code)
    return UNSURE if language == UNDETERMINED else Opinion(language, reliable, share / 100, clarity)


def code_of(name: str) -> str:
    """The code that lid.176 has, or would have, for a language of CLD2; `und` for what is no language of texts."""
    language = name.partition("-")[0]
    return _NAMES.get(language, language)


LANGUAGES = frozenset(code_of(code) for name, code in pycld2.LANGUAGES if name in pycld2.DETECTED_LANGUAGES) - {UNDETERMINED}
