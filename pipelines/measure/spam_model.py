"""Spam score: calibrated probability that a text is spam, by a linear model over hashed character n-grams and signs.

The n-grams are those of four excerpts, 2,000 characters at most, in lower case, digits as 0 and white space as one space; the
signs (exclamation marks, percent, quotation marks, Latin letters in another script …) are shares of the whole text and mean
much the same in every language. Weights of n-grams are whole numbers and are added as such, so that a text has the same score
whatever its neighbours. The file lies in models/; `python -m textmill.pipelines.learned.spam` writes it, docs/spam.md is its
card.
"""

import functools
import hashlib
import io
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from textmill.pipelines.text.characters import LETTER, LISTED, NUMBER, SCRIPTS, SPACE, SYMBOL, UPPER
from textmill.pipelines.text.words import Words, read_words, sums

FILE = Path(__file__).parent / "models/spam.npz"
BITS = 16                       # of a bucket
LENGTHS = (1, 2, 3, 4, 5)       # characters of an n-gram
WINDOWS, WINDOW = 4, 500        # excerpts of a text that is longer than all of them, and their characters
FEWEST = 150                    # letters and signs of a text: of fewer nothing is said
_PAD = max(LENGTHS) - 1         # spaces after each text, so that no n-gram sees two
_STEP, _SPREAD, _LAST = np.uint32(0x9E3779B1), np.uint32(0x85EBCA6B), np.uint32(0xC2B2AE35)     # odd: xxHash's and Murmur3's

CHARACTERS = ("%٪％", "$€£¥￥₹₽₺₩฿₫₴₱", "!！¡", "?？؟¿", "+＋", "/",
              '"“”„«»「」『』‘’‹›', "()（）[]【】", ",،、，", ".。।．", "–—", "-")
PROMISES = "0 1 3 5 7 10 24 30 50 100 365"      # "24/7", "100 %", "in 5 minutes"
SIGNS = ("digits", "capitals", "symbols", "years", "latin", "promises", *CHARACTERS)
_FARTHEST = 2.5                 # standard deviations that a sign counts


@dataclass(frozen=True)
class Excerpts:
    """The characters of D texts that are looked at, each text followed by spaces."""

    characters: np.ndarray      # [C] uint32
    inside: np.ndarray          # [C] bool, not the spaces after a text
    offsets: np.ndarray         # [D + 1]

    @property
    def sizes(self) -> np.ndarray:
        """[D] characters of each text."""
        return np.maximum(np.diff(self.offsets) - _PAD, 1)


def excerpts(words: Words) -> Excerpts:
    """The excerpts of texts: the beginning, two of the middle, and the end of a long one, all of a short one."""
    long = words.characters > WINDOWS * WINDOW
    counts = np.where(long, WINDOWS, 1)
    number = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
    texts = np.repeat(np.arange(len(words)), counts)
    sizes = np.where(long, WINDOW, words.characters)[texts]
    gaps = np.maximum(words.characters - WINDOW, 0)[texts]
    starts = words.text_starts[texts] + number * gaps // (WINDOWS - 1)
    after = np.where(number == counts[texts] - 1, _PAD, 1)
    ends = np.cumsum(sizes + after)
    begin = ends - sizes - after
    places = np.arange(ends[-1] if len(ends) else 0)
    within = places - np.repeat(begin, sizes + after)
    is_text = within < np.repeat(sizes, sizes + after)
    source = np.where(is_text, np.repeat(starts, sizes + after) + within, 0)
    flags = words.flags[source]
    characters = np.where(is_text & ((flags & SPACE) == 0), words.lower[source], np.uint32(0x20))
    characters[is_text & ((flags & NUMBER) != 0)] = 0x30
    last = np.repeat(number == counts[texts] - 1, sizes + after)
    inside = is_text | ~last
    kept = np.ones(len(characters), bool)
    kept[1:] = ~((characters[1:] == 0x20) & (characters[:-1] == 0x20) & inside[1:] & inside[:-1])
    owner = np.repeat(texts, sizes + after)[kept]
    return Excerpts(characters[kept], inside[kept], np.searchsorted(owner, np.arange(len(words) + 1)))


def buckets(read: Excerpts) -> list[np.ndarray]:
    """For each length the bucket of the n-gram that begins at each character. [C] each."""
    single = read.characters * _STEP
    single ^= single >> np.uint32(15)
    single *= _SPREAD
    of_lengths, joined = [], single
    for length in LENGTHS:
        if length > 1:
            joined = joined[:-1] * _STEP + single[length - 1:]
        of_lengths.append(((joined ^ (joined >> np.uint32(16))) * _LAST) >> np.uint32(32 - BITS))
    return of_lengths


def signs(words: Words) -> np.ndarray:
    """[D, SIGNS] root of the share of each sign, per letter or character that is no space."""
    solid = np.maximum(words.count((words.flags & SPACE) == 0), 1)
    letters = np.maximum(words.count((words.flags & LETTER) != 0), 1)
    first = words.lower[words.word_starts]
    numbers = (words.flags[words.word_starts] & NUMBER) != 0
    years = numbers & (words.word_characters == 4) & ((first == 0x31) | (first == 0x32))
    latin = words.count((words.scripts == 1 + list(SCRIPTS).index("Latn")) & ((words.flags & LETTER) != 0)) / letters
    table, promises = _sign_tables()
    sets = table[np.minimum(words.code_points, LISTED - 1)]
    places = np.flatnonzero(sets)
    owners = np.searchsorted(words.text_starts, places, side="right") - 1
    kinds = np.bincount(owners * len(CHARACTERS) + sets[places] - 1, minlength=len(words) * len(CHARACTERS))
    shares = np.column_stack([
        words.count((words.flags & NUMBER) != 0) / solid, words.count((words.flags & UPPER) != 0) / letters,
        words.count((words.flags & SYMBOL) != 0) / solid, sums(years, words.word_offsets) / solid,
        np.where(latin < 0.5, latin, 0), sums(np.isin(words.word_hashes, promises), words.word_offsets) / solid,
        kinds.reshape(len(words), -1) / solid[:, None]])
    return np.sqrt(shares)


@functools.cache
def _sign_tables() -> tuple[np.ndarray, np.ndarray]:
    """1 + the number in CHARACTERS by code point, 0 for all others; and the hashes of PROMISES."""
    table = np.zeros(LISTED, np.uint8)
    for number, characters in enumerate(CHARACTERS, 1):
        table[[ord(character) for character in characters]] = number
    return table, np.unique(read_words([PROMISES]).word_hashes)


@dataclass(frozen=True)
class SpamModel:
    """Weights by bucket, in whole numbers of `scale`; of signs, in standard deviations; and the calibration of log-odds."""

    weights: np.ndarray         # [2**BITS] int8
    scale: float
    sign_weights: np.ndarray    # [SIGNS] float64
    means: np.ndarray           # [SIGNS]
    deviations: np.ndarray      # [SIGNS]
    bias: float
    slope: float
    offset: float
    languages: frozenset[str]

    def log_odds(self, words: Words) -> np.ndarray:
        """[D] float64, not calibrated."""
        read = excerpts(words)
        total = np.zeros(len(read.characters), np.int32)
        for of_length in buckets(read):
            total[:len(of_length)] += self.weights[of_length]
        total[~read.inside] = 0
        distances = standardised(signs(words), self.means, self.deviations)
        return self.bias + self.scale * sums(total, read.offsets) / read.sizes + (distances * self.sign_weights).sum(1)

    def score(self, words: Words, languages: Sequence[str]) -> np.ndarray:
        """[D] calibrated probability; NaN for a text that is short or of a language that the model did not learn.

        To six places: the last bits of an exponential are not the same on every processor."""
        if not len(words):
            return np.zeros(0)
        known = np.array([language in self.languages for language in languages], bool)
        odds = np.clip(self.slope * self.log_odds(words) + self.offset, -30, 30)
        return np.where(known & long_enough(words), np.round(1 / (1 + np.exp(-odds)), 6), np.nan)


def long_enough(words: Words) -> np.ndarray:
    """[D] whether a text has the letters and signs that a score needs."""
    return words.count((words.flags & SPACE) == 0) >= FEWEST


def standardised(shares: np.ndarray, means: np.ndarray, deviations: np.ndarray) -> np.ndarray:
    """Signs as distances from their means in standard deviations, at most two and a half."""
    return np.clip((shares - means) / deviations, -_FARTHEST, _FARTHEST)


@functools.cache
def shipped_spam_model(file: Path = FILE) -> SpamModel:
    """The model of the package."""
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
        facts = json.loads(bytes(stored["facts"]).decode())
        return SpamModel(stored["weights"], facts["scale"], np.array(facts["signs"]), np.array(facts["means"]),
                         np.array(facts["deviations"]), facts["bias"], facts["slope"], facts["offset"],
                         frozenset(facts["languages"]))


def sha256(file: Path = FILE) -> str:
    """The hash of the model's file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()
