"""Background statistics of languages: relative frequencies of terms and log-probabilities of character trigrams.

A background table is one Parquet file, made by `textmill background` and by nothing else. A row is a fact about a language:
`term`, the hash of a word as words.py makes it, with its share of the words; or `gram`, one to three code points at 21
bits each, with the base-2 logarithm of the last one's relative frequency after the others. What has no row backs off to
shorter grams at 0.4 a step (Brants et al. 2007, "stupid backoff"). Languages with too little text have no rows, and their
documents no such measurement.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from textmill.base.sealed import unseal
from textmill.base.strict import SettingsError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.measure.scripts import written_in
from textmill.pipelines.measure.second_voice import UNDETERMINED
from textmill.pipelines.text.characters import LETTER
from textmill.pipelines.text.words import Words

SCHEMA = pa.schema([("language", pa.string()), ("kind", pa.string()), ("key", pa.uint64()), ("value", pa.float32())])
VERSION = 1                         # of the file; another one is refused
SAMPLED_WORDS = 200                 # of a text, evenly spread: enough to tell words from noise
FEWEST_WORDS = 20                   # fewer are not significant
BACKOFF = math.log2(0.4)
UNSEEN = -20.0                      # a character that the language's texts do not have: one in a million
SPACE = 0x20
BITS = np.uint64(21)               # of a code point in a key


@dataclass(frozen=True)
class Table:
    """Statistics of one language. Keys are ascending; `bits` is the mean per character on held-out texts."""

    terms: np.ndarray               # uint64
    shares: np.ndarray              # float32
    grams: np.ndarray               # uint64
    logarithms: np.ndarray          # float32
    bits: float


Background = Mapping[str, Table]


def place_of(name: str) -> str:
    """The path of a background table in the data folder."""
    return f"background/{name}.parquet"


def background_bytes(data: Folder, name: str) -> bytes:
    """The file. SettingsError where there is none."""
    try:
        return data.read(place_of(name))
    except FileNotFoundError:
        raise SettingsError([f"measure.background: there is no {data.uri}/{place_of(name)}; make it with `textmill background "
                             f"--name {name}`, or give null"]) from None


def background_facts(data: Folder, name: str) -> dict[str, Any]:
    """The metadata of the file: `texts`, `made_from` (their fingerprint), `languages`. SettingsError without a file."""
    return unseal(pq.read_schema(pa.BufferReader(background_bytes(data, name))).metadata[b"background"])


def read_background(data: Folder, name: str) -> Background:
    """The tables by language. SettingsError where the file is missing or not a background table."""
    try:
        rows = pq.read_table(pa.BufferReader(background_bytes(data, name)), page_checksum_verification=True)
        facts = unseal((rows.schema.metadata or {})[b"background"])
        if facts["version"] != VERSION:
            raise ValueError(f"version {facts['version']}, this textmill reads {VERSION}")
        if not rows.schema.remove_metadata().equals(SCHEMA) or rows.num_rows != facts.get("rows", rows.num_rows):
            raise ValueError("its footer is damaged")
        return {language: Table(*_column(rows, language, "term"), *_column(rows, language, "gram"), told["bits"])
                for language, told in facts["languages"].items()}
    except (KeyError, TypeError, ValueError, pa.ArrowException) as error:
        if isinstance(error, SettingsError):
            raise
        raise SettingsError([f"measure.background: {data.uri}/{place_of(name)} is not a background table "
                             f"({' '.join(str(error).split())}); make it again with "
                             f"`textmill background --name {name}`"]) from None


def _column(rows: pa.Table, language: str, kind: str) -> tuple[np.ndarray, np.ndarray]:
    chosen = rows.filter(pc.and_(pc.equal(rows["language"], language), pc.equal(rows["kind"], kind)))
    return chosen["key"].to_numpy(), chosen["value"].to_numpy()


def character_surprise(words: Words, languages: Sequence[str], scripts: Sequence[str], background: Background) -> np.ndarray:
    """Bits per character beyond the average of the language's texts.

    NaN without a table for the language, and in a text of fewer than FEWEST_WORDS words. Prose lies around 0, random letters
    two bits above. A text of unknown language is compared with every language of its script, and the best fit counts."""
    surprise = np.full(len(words), np.nan)
    for text in np.flatnonzero(words.word_count >= FEWEST_WORDS).tolist():
        language = languages[text]
        likely = ([language] if language != UNDETERMINED else
                  [name for name in background if written_in(name, frozenset((scripts[text],)))])
        surprise[text] = min((bits_per_character(words, text, background[name]) - background[name].bits
                              for name in likely if name in background), default=np.nan)
    return surprise


def term_surplus(words: Words, languages: Sequence[str], background: Background) -> np.ndarray:
    """By how much the share of the most overused word exceeds its share in the language.

    NaN without a table for the language. Keyword stuffing shows, common function words do not (Ntoulas et al. 2006, 4.8)."""
    first, counts = words.terms.first, words.terms.counts
    lettered = (words.flags[words.word_starts[first]] & LETTER) != 0
    texts, hashes = words.word_texts[first[lettered]], words.word_hashes[first[lettered]]
    share = counts[lettered] / np.maximum(words.word_count[texts], 1)
    codes = np.array([*dict.fromkeys(languages)])
    of_text = np.searchsorted(np.sort(codes), languages) if len(codes) else np.zeros(0, np.int64)
    most = np.zeros(len(words))
    for number, language in enumerate(np.sort(codes).tolist()):
        if language in background:
            mine = np.flatnonzero(of_text[texts] == number)
            table = background[language]
            np.maximum.at(most, texts[mine], share[mine] - looked_up(hashes[mine], table.terms, table.shares, 0.0))
    return np.where([language in background for language in languages], most, np.nan)


def bits_per_character(words: Words, text: int, table: Table) -> float:
    """Mean of the bits that the table needs for the characters of a sample of one text's words, the ends of words too."""
    longest, two, one = gram_keys(words, text, SAMPLED_WORDS)
    logarithms = looked_up(longest, table.grams, table.logarithms, np.nan)
    for penalty, keys in ((BACKOFF, two), (2 * BACKOFF, one)):
        missing = np.isnan(logarithms)
        logarithms[missing] = penalty + looked_up(keys[missing], table.grams, table.logarithms, np.nan)
    logarithms[np.isnan(logarithms)] = UNSEEN
    return float(-logarithms.mean()) if len(logarithms) else np.nan


def gram_keys(words: Words, text: int, most: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Trigram, bigram and unigram keys of the characters of at most `most` words of a text, evenly spread, in lower case.

    The end of a word counts as a character; no n-gram crosses from one word to the next."""
    start, count = words.word_offsets[text], words.word_count[text]
    taken = min(int(count), most)
    word = start + np.arange(taken) * count // max(taken, 1)
    sizes = words.word_characters[word] + 1
    ends = np.cumsum(sizes)
    begins = ends - sizes
    points = words.lower[np.arange(sizes.sum()) + np.repeat(words.word_starts[word] - begins, sizes)].astype(np.uint64)
    points[ends - 1] = SPACE
    before, earlier = np.zeros_like(points), np.zeros_like(points)
    before[1:], earlier[2:] = points[:-1], points[:-2]
    before[begins] = SPACE
    earlier[begins] = 0
    second = begins[sizes > 1] + 1
    earlier[second] = SPACE
    two = before << BITS | points
    return earlier << BITS << BITS | two, two, points


def looked_up(keys: np.ndarray, ascending: np.ndarray, values: np.ndarray, missing: float) -> np.ndarray:
    """[N] float64: the value of each key, or `missing`."""
    if not len(ascending):
        return np.full(len(keys), missing)
    place = np.minimum(np.searchsorted(ascending, keys), len(ascending) - 1)
    return np.where(ascending[place] == keys, values[place].astype(np.float64), missing)
