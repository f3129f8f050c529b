"""Matching of fixed phrases and stop words by word hashes, without another pass over the text."""

import functools
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textmill.base.strict import SettingsError, read_yaml
from textmill.pipelines.text.words import Words, chained, group, read_words, sums

PHRASES = Path(__file__).with_name("phrases.yaml")
STOP_WORDS = Path(__file__).with_name("stopwords.yaml")


@dataclass(frozen=True)
class Phrases:
    """Phrases of several groups, as sorted hashes by their number of words; `likely` sieves on a phrase's first word."""

    groups: tuple[str, ...]
    by_length: Mapping[int, tuple[np.ndarray, np.ndarray]]      # hashes [N] ascending uint64, bit per group [N] uint16
    likely: np.ndarray                                          # [65536] bool by the top 16 bits of the first word

    def covered(self, words: Words, twice: Collection[str] = ()) -> dict[str, np.ndarray]:
        """Per group a mask [W]: the words that are part of one of its phrases.

        Of a group in `twice`, only in texts that hold two different phrases of it."""
        first = np.flatnonzero(self.likely[words.word_hashes >> np.uint64(48)])
        rest = words.word_offsets[1:][words.word_texts[first]] - first          # words to the end of the text
        masks = {name: np.zeros(len(words.word_hashes), bool) for name in self.groups}
        hashes_of: dict[str, list[np.ndarray]] = {name: [] for name in twice}
        texts_of: dict[str, list[np.ndarray]] = {name: [] for name in twice}
        for length, (hashes, bits) in self.by_length.items():
            at = first[rest >= length]
            keys = join_hashes(words.word_hashes, at, length)
            place = np.minimum(np.searchsorted(hashes, keys), len(hashes) - 1)
            hit = hashes[place] == keys
            for number, (name, mask) in enumerate(masks.items()):
                chosen = hit & ((bits[place] >> number) & 1 == 1)
                begins = at[chosen]
                if name in twice:
                    hashes_of[name].append(keys[chosen])
                    texts_of[name].append(words.word_texts[begins])
                for step in range(length):
                    mask[begins + step] = True
        for name in twice:
            different = group(np.concatenate(hashes_of[name]), np.concatenate(texts_of[name]))
            phrases = np.bincount(np.concatenate(texts_of[name])[different.first], minlength=len(words))
            masks[name] &= phrases[words.word_texts] > 1
        return masks


def join_hashes(word_hashes: np.ndarray, at: np.ndarray, length: int) -> np.ndarray:
    """One hash for the `length` words from each position in `at`."""
    joined = word_hashes[at]
    for step in range(1, length):
        joined = chained(joined, word_hashes[at + step])
    return joined


@functools.cache
def shipped_phrases() -> Phrases:
    """The phrases that the package ships, by group."""
    return compile_phrases({group: [phrase for phrases in kinds.values() for phrase in phrases]
                            for group, kinds in read_yaml(PHRASES).items()})


def compile_phrases(groups: Mapping[str, Iterable[str]]) -> Phrases:
    """Phrases by group (at most 16 groups). SettingsError where a phrase has no word."""
    bits: dict[int, dict[int, int]] = {}
    likely = np.zeros(1 << 16, bool)
    problems = []
    for number, phrases in enumerate(groups.values()):
        for phrase in phrases:
            word_hashes = read_words([phrase]).word_hashes
            if not len(word_hashes):
                problems.append(f"{PHRASES.name}: the phrase {phrase!r} has no word; take it out")
                continue
            joined = int(join_hashes(word_hashes, np.zeros(1, np.int64), len(word_hashes))[0])
            same = bits.setdefault(len(word_hashes), {})
            same[joined] = same.get(joined, 0) | 1 << number
            likely[word_hashes[0] >> np.uint64(48)] = True
    if problems:
        raise SettingsError(problems)
    return Phrases(tuple(groups), {length: (np.array(sorted(same), np.uint64),
                                            np.array([same[joined] for joined in sorted(same)], np.uint16))
                                   for length, same in sorted(bits.items())}, likely)


@functools.cache
def shipped_stop_words() -> dict[str, np.ndarray]:
    """Language to the ascending hashes of its function words."""
    return {language: np.unique(read_words([listed]).word_hashes) for language, listed in read_yaml(STOP_WORDS).items()}


@dataclass(frozen=True)
class StopTerms:
    """Which of `words.terms` are stop words of their text's language, and which texts' language has a list."""

    terms: np.ndarray       # [G] bool
    listed: np.ndarray      # [D] bool


def stop_terms(words: Words, languages: Sequence[str]) -> StopTerms:
    """The stop words among the terms, each text's by the list of its language."""
    lists = shipped_stop_words()
    hashes, texts = words.word_hashes[words.terms.first], words.word_texts[words.terms.first]
    numbers = {language: number for number, language in enumerate(dict.fromkeys(languages))}
    of_text = np.array([numbers[language] for language in languages], np.int64)
    stop = np.zeros(len(hashes), bool)
    for language in numbers.keys() & lists.keys():
        mine = np.flatnonzero(of_text[texts] == numbers[language])
        stop[mine] = _among(hashes[mine], lists[language])
    return StopTerms(stop, np.array([language in lists for language in languages], bool))


def _among(hashes: np.ndarray, ascending: np.ndarray) -> np.ndarray:
    place = np.minimum(np.searchsorted(ascending, hashes), len(ascending) - 1)
    return ascending[place] == hashes


def share_of_words(words: Words, mask: np.ndarray, fewest: int = 1) -> np.ndarray:
    """[D] share of each text's words that `mask` [W] marks, of `fewest` words in a shorter text; 0 in one without words."""
    return sums(mask, words.word_offsets) / np.maximum(words.word_count, fewest)
