"""Scripts of texts, and of the languages that lid.176 knows, by ISO 15924 codes."""

from collections.abc import Iterator

import numpy as np

from textmill.pipelines.text.characters import NO_SCRIPT, SCRIPTS
from textmill.pipelines.text.words import Words

# A text is written in every script that has this share of its letters: code and names are Latin everywhere.
SCRIPT_SHARE = 0.1

# The scripts that the languages of lid.176 are written in. A guess in another script is discarded.
_WRITTEN: dict[tuple[str, ...], str] = {
    ("Cyrl",): "av ba be bg bxr ce cv kk krc kv lez mhr mk mrj myv os ru rue sah tyv uk xal ky tg mn tt",
    ("Cyrl", "Latn"): "sr sh bs uz tk",
    ("Arab",): "ar arz azb ckb fa lrc mzn pnb ps sd ur",
    ("Arab", "Latn", "Cyrl"): "ku ug az",
    ("Deva",): "bh dty gom hi mai mr ne new sa", ("Beng",): "as bn bpy", ("Ethi",): "am", ("Armn",): "hy",
    ("Geor",): "ka xmf", ("Grek",): "el", ("Hebr",): "he yi", ("Guru",): "pa", ("Gujr",): "gu", ("Orya",): "or",
    ("Taml",): "ta", ("Telu",): "te", ("Knda",): "kn", ("Mlym",): "ml", ("Sinh",): "si", ("Thai",): "th",
    ("Laoo",): "lo", ("Khmr",): "km", ("Mymr",): "my", ("Tibt",): "bo", ("Thaa",): "dv", ("Hang",): "ko",
    ("Hani",): "zh yue wuu", ("Jpan", "Hani"): "ja",
    ("Latn",): "af als an ast bar bcl br ca cbk ceb co cs cy da de diq dsb eml en eo es et eu fi fr frr fy ga gd gl gn "
               "gv hif hr hsb ht hu ia id ie ilo io is it jbo jv kw la lb li lmo lt lv mg min ms mt mwl nah nap nds nl nn "
               "no oc pam pfl pl pms pt qu rm ro sc scn sco sk sl so sq su sv sw tl tr vec vep vi vls vo wa war yo"}
_SCRIPTS_OF = {language: frozenset((*scripts, NO_SCRIPT)) for scripts, listed in _WRITTEN.items()
               for language in listed.split()}
_NO_SCRIPTS = frozenset((NO_SCRIPT,))
_CODES = (NO_SCRIPT, *SCRIPTS)
_HAN, _JAPANESE = _CODES.index("Hani"), _CODES.index("Jpan")


def written_in(language: str, scripts: frozenset[str]) -> bool:
    """Whether a language is written in one of the scripts; true where lid.176 does not have the language."""
    return language not in _SCRIPTS_OF or not scripts.isdisjoint(_SCRIPTS_OF[language])


def script(words: Words) -> list[str]:
    """The script most letters of each text are in; Jpan where kana stand among the Han, Zyyy if none."""
    return [_CODES[int(counts.argmax())] for counts in _script_letters(words)]


def scripts(words: Words) -> list[frozenset[str]]:
    """The scripts that SCRIPT_SHARE of each text's letters are in; Zyyy where it has no letter."""
    return [frozenset(_CODES[code] for code in np.flatnonzero(counts >= max(SCRIPT_SHARE * counts.sum(), 1))) or _NO_SCRIPTS
            for counts in _script_letters(words)]


def _script_letters(words: Words) -> Iterator[np.ndarray]:
    """Of each text, how many letters are in each script of _CODES."""
    for start, end in zip(words.text_starts.tolist(), words.text_ends.tolist(), strict=True):
        counts = np.bincount(words.scripts[start:end], minlength=len(_CODES))
        counts[0] = 0
        # Kana make up half of Japanese prose; a Chinese text that quotes a Japanese name has a few.
        if counts[_JAPANESE] * 10 > counts[_HAN]:
            counts[_JAPANESE] += counts[_HAN]
            counts[_HAN] = 0
        yield counts
