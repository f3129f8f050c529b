"""Second opinion on a text's language: CLD2 (Sites 2013), where it calls its answer reliable.

Its strict mode gives no answer where it is unsure; its best-effort mode calls Nuer, Fulfulde and Kanuri English. The model
lies inside the package pycld2, so that its version names its tables.
"""

from collections.abc import Sequence
from typing import NamedTuple

import pycld2

UNDETERMINED = "und"                # ISO 639-3

# CLD2's names of languages where lid.176 has others; a variety in a script or region counts as its language.
_NAMES = {"iw": "he", "jw": "jv", "nb": "no", "in": "id", "mo": "ro", "fil": "tl", "un": UNDETERMINED, "xxx": UNDETERMINED}
_CONTROL = dict.fromkeys(range(32), " ") | {127: " "}


class Opinion(NamedTuple):
    """A language, or `und` where it is unsure, and the share of the text's bytes that are in it, 0 to 1."""

    language: str
    share: float


UNSURE = Opinion(UNDETERMINED, 0.0)


def opinions(texts: Sequence[str]) -> list[Opinion]:
    """CLD2's opinion of each one-line text."""
    return [_opinion(text) for text in texts]


def _opinion(text: str) -> Opinion:
    data = text.translate(_CONTROL).encode("utf-8", "replace")
    try:
        reliable, _, details = pycld2.detect(data, isPlainText=True, bestEffort=False)
    except pycld2.error:        # characters that it takes for none
        return UNSURE
    code = details[0][1]
    language = _NAMES.get(code) or _NAMES.get(code.partition("-")[0]) or code.partition("-")[0]
    if not reliable or language == UNDETERMINED:
        return UNSURE
    return Opinion(language, details[0][2] / 100)
