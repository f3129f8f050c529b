"""Declared language of a page, held against the one it is written in."""

import functools
from collections.abc import Sequence

import numpy as np

from textmill.pipelines.measure.second_voice import UNDETERMINED

# A page declares its language with other names for the ones the model knows: old ISO 639-1 codes, ISO 639-2/3 codes.
_SAME = {"iw": "he", "in": "id", "ji": "yi", "jw": "jv", "fil": "tl", "nb": "no", "cmn": "zh", "arb": "ar", "pes": "fa",
         "eng": "en", "deu": "de", "ger": "de", "fra": "fr", "fre": "fr", "spa": "es", "ita": "it", "por": "pt",
         "rus": "ru", "pol": "pl", "zho": "zh", "chi": "zh", "jpn": "ja", "kor": "ko", "ara": "ar", "tur": "tr"}
# Languages written so much alike that the model's choice between them is no contradiction.
_ALIKE = ({"no", "nn", "da"}, {"hr", "sr", "bs", "sh"}, {"id", "ms"}, {"zh", "yue", "wuu"}, {"ar", "arz"},
          {"az", "azb"}, {"de", "als", "bar", "nds"}, {"pa", "pnb"}, {"ku", "ckb"})


def alike(one: str, other: str) -> bool:
    """Whether two languages are too close for the model's choice to count."""
    return one == other or any({one, other} <= group for group in _ALIKE)


@functools.cache
def declared_code(declared: str) -> str:
    """The model's code for a declared language tag: `en-US` is en, `iw` is he, `ger` is de."""
    primary = declared.strip().lower().replace("_", "-").split("-")[0]
    return _SAME.get(primary, primary)


def declared_language_differs(declared: Sequence[str | None], found: Sequence[str]) -> np.ndarray:
    """[D] 1 where a page declares another language than it is written in, 0 where they agree.

    NaN where either is unknown. Norwegian and Danish, or Croatian and Serbian, count as agreeing."""
    def differs(tag: str | None, language: str) -> float:
        if not tag or language == UNDETERMINED:
            return np.nan
        claimed = declared_code(tag)
        return float(not alike(claimed, language))

    return np.array([differs(tag, language) for tag, language in zip(declared, found, strict=True)], np.float64)
