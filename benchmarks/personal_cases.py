"""A labelled set for personal data: sentences of our own, invented items with valid checksums, and hard look-alikes.

`personal_cases()` is the same set at every call. Its sentences are in two halves: those for development were there while the
detectors were written, those for testing were written afterwards, in other words and languages, and run once before
anything was changed for them.
"""

import random
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks.personal_items import ITEMS
from benchmarks.personal_lookalikes import LOOKALIKES

HALVES = ("development", "test")
# What a detector is asked to call each item.
KIND = {"WRITTEN_EMAIL": "EMAIL", "IPV6": "IP", "PASSWORD": "SECRET"}
_EACH = {"positive": 3, "context": 4, "negative": 3}        # items drawn for a sentence
_CONTEXTS_IN = ("GB", "DE", "FR", "JP", "BR", "US")


class Case(NamedTuple):
    """One text. `kind` is what it is about, `gold` the one finding wanted (from, to), or None where nothing is to be found."""

    kind: str
    what: str                       # the item's generator, or the look-alike's
    language: str
    host: str | None
    text: str
    gold: tuple[int, int] | None
    half: str


def personal_cases(seed: int = 1) -> list[Case]:
    """Every case, in the order of the file; other seeds give other items in the same sentences."""
    wording = yaml.safe_load(Path(__file__).with_name("personal_sentences.yaml").read_text("utf-8"))
    return list(dict.fromkeys(case for half in HALVES
                              for case in _cases(wording[half], wording["languages"], half, random.Random(seed))))


def _cases(wording: dict, languages: dict, half: str, seeded: random.Random) -> Iterator[Case]:
    for what, by_language in wording["positive"].items():
        for language, sentences in by_language.items():
            place = languages[language]
            for sentence in sentences * _EACH["positive"]:
                yield _positive(what, language, place["host"], sentence, ITEMS[what](seeded, place["country"]), half)
    for what, contexts in wording["contexts"].items():
        for context in contexts * _EACH["context"]:
            country = seeded.choice(_CONTEXTS_IN)
            language = next(name for name, place in languages.items() if place["country"] == country)
            yield _positive(what, language, None, context, ITEMS[what](seeded, country), half)
    for what, look in wording["negative"].items():
        for language, sentence in look["sentences"].items():
            place = languages[language]
            for kind in look["kinds"]:
                for _ in range(_EACH["negative"]):
                    item = LOOKALIKES[what](seeded, place["country"])
                    yield Case(kind, what, language.split("-")[0], place["host"], sentence.replace("{}", item), None, half)


def _positive(what: str, language: str, host: str | None, sentence: str, item: str, half: str) -> Case:
    start = sentence.index("{}")
    place = (start, start + len(item))
    return Case(KIND.get(what, what), what, language.split("-")[0], host, sentence.replace("{}", item), place, half)


def marked_cases() -> list[Case]:
    """The texts of personal_marked.yaml: what is to be found stands between marks; where there are none, nothing is."""
    texts = yaml.safe_load(Path(__file__).with_name("personal_marked.yaml").read_text("utf-8"))
    cases = [Case("", "marked", language.split("-")[0], host, text, None, "marked")
             for language, host, text in texts["nothing"]]
    for kind, language, host, marked in texts["found"]:
        before, item, after = re.split("[⟦⟧]", marked)
        place = (len(before), len(before) + len(item))
        cases.append(Case(kind, "marked", language.split("-")[0], host, before + item + after, place, "marked"))
    return cases
