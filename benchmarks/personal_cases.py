"""A labelled set for personal data: sentences of our own, invented items with valid checksums, and hard look-alikes.

`personal_cases()` is the same set at every call. Half of it, by a hash of the text, is for development and the other half
for testing only, so that a detector tuned to what it sees is found out.
"""

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from benchmarks.personal_items import ITEMS, LOOKALIKES, NATIONAL_IDS

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

    @property
    def half(self) -> str:
        return HALVES[hashlib.blake2b(self.text.encode(), digest_size=1).digest()[0] & 1]


def personal_cases(seed: int = 1) -> list[Case]:
    """Every case, in the order of the file; other seeds give other items in the same sentences."""
    wording = yaml.safe_load(Path(__file__).with_name("personal_sentences.yaml").read_text("utf-8"))
    return list(dict.fromkeys([*_positive(wording, random.Random(seed)), *_negative(wording, random.Random(seed))]))


def _positive(wording: dict, seeded: random.Random) -> Iterator[Case]:
    for what, by_language in wording["positive"].items():
        for language, sentences in by_language.items():
            place = wording["languages"][language]
            for sentence in sentences * _EACH["positive"]:
                yield _case(what, language, place["host"], sentence, ITEMS[what](seeded, place["country"]))
    for what, contexts in wording["contexts"].items():
        for context in contexts * _EACH["context"]:
            country = seeded.choice(_CONTEXTS_IN)
            language = next(name for name, place in wording["languages"].items() if place["country"] == country)
            yield _case(what, language, None, context, ITEMS[what](seeded, country))


def _case(what: str, language: str, host: str | None, sentence: str, item: str) -> Case:
    start = sentence.index("{}")
    return Case(KIND.get(what, what), what, language.split("-")[0], host, sentence.replace("{}", item), (start, start + len(item)))


def _negative(wording: dict, seeded: random.Random) -> Iterator[Case]:
    for what, look in wording["negative"].items():
        for language, sentence in look["sentences"].items():
            place = wording["languages"][language]
            for kind in look["kinds"]:
                for _ in range(_EACH["negative"]):
                    item = LOOKALIKES[what](seeded, place["country"])
                    yield Case(kind, what, language.split("-")[0], place["host"], sentence.replace("{}", item), None)


assert set(NATIONAL_IDS) and set(KIND) <= set(ITEMS)
