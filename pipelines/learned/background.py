"""Background table: term and character statistics of each language, counted on trusted texts.

    textmill background --name web                       from DATA/curated
    textmill background --name web --texts some/folder   from elsewhere

The table becomes DATA/background/NAME.parquet, an input of measure like a model: `measure.background: web` in settings.yaml
selects it, and it is never rebuilt automatically. Guarantees the same bytes from the same texts in any order. A tenth of the
texts, by the hash of their content, is not counted: on these the mean bits per character of the language are measured.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textmill.base.names import name_problem
from textmill.base.sealed import seal
from textmill.base.strict import SettingsError
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.texts import Texts, parse_texts
from textmill.pipelines.measure.background import (
    BITS,
    FEWEST_WORDS,
    SCHEMA,
    VERSION,
    Table,
    bits_per_character,
    gram_keys,
    place_of,
)
from textmill.pipelines.measure.language import identified
from textmill.pipelines.measure.second_voice import UNDETERMINED
from textmill.pipelines.measure.signals import MeasureTools, open_tools
from textmill.pipelines.settings import Settings
from textmill.pipelines.text.shingles import content_hashes
from textmill.pipelines.text.words import Words, read_words

HELD_OUT = 10               # one text in so many
TERMS, GRAMS = 20_000, 60_000       # of a language, the most frequent
FEWEST_CHARACTERS = 20_000  # of words: less does not represent a language
RARE = 2                    # occurrences of a gram below which it is left out
FEWEST_HELD_OUT = 3         # texts, for a stable mean of the bits of a language
ALL = 1 << 40               # words of a text: every one is counted


@dataclass
class Tally:
    """Distinct keys and how often each came, in any order of adding."""

    keys: np.ndarray = field(default_factory=lambda: np.zeros(0, np.uint64))
    counts: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int64))
    waiting: list[np.ndarray] = field(default_factory=list)
    size: int = 0

    def add(self, keys: np.ndarray) -> None:
        self.waiting.append(keys)
        self.size += len(keys)
        if self.size > 1 << 22:
            self.settle()

    def settle(self) -> None:
        """Count what waits."""
        distinct, counts = np.unique(np.concatenate([np.zeros(0, np.uint64), *self.waiting]), return_counts=True)
        keys = np.concatenate([self.keys, distinct])
        self.keys, places = np.unique(keys, return_inverse=True)
        self.counts = np.bincount(places, np.concatenate([self.counts, counts]), len(self.keys)).astype(np.int64)
        self.waiting, self.size = [], 0

    def most(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """(keys ascending, counts) of the `number` most frequent; of equally frequent ones the smaller keys."""
        chosen = np.sort(np.lexsort((self.keys, -self.counts))[:number])
        return self.keys[chosen], self.counts[chosen]


@dataclass
class LanguageCount:
    """Counts of one language: its words; its grams of three characters, two and one."""

    terms: Tally = field(default_factory=Tally)
    grams: tuple[Tally, Tally, Tally] = field(default_factory=lambda: (Tally(), Tally(), Tally()))
    texts: int = 0


def build(texts: Texts, data: Folder, tools: MeasureTools) -> tuple[pa.Table, dict[str, dict[str, float]]]:
    """(the table, its facts by language). StageError where no language has enough text."""
    counted: dict[str, LanguageCount] = {}
    for words, languages, held in _batches(texts, data, tools):
        for text, language in enumerate(languages):
            if language != UNDETERMINED and not held[text]:
                _count(counted.setdefault(language, LanguageCount()), words, text)
    tables: dict[str, Table] = {}
    facts: dict[str, dict[str, float]] = {}
    for language, one in sorted(counted.items()):
        for tally in (one.terms, *one.grams):
            tally.settle()
        if one.grams[2].counts.sum() >= FEWEST_CHARACTERS:
            tables[language] = _table(one)
            facts[language] = {"texts": one.texts, "words": int(one.terms.counts.sum())}
    for language, bits in _held_out(texts, data, tools, tables).items():
        facts[language] |= {"bits": round(float(np.mean(sorted(bits))), 4) if bits else 0.0, "held_out": len(bits)}
    told = {language: fact for language, fact in facts.items() if fact["held_out"] >= FEWEST_HELD_OUT}
    if not told:
        raise StageError(f"{texts.given} has no language with {FEWEST_CHARACTERS:,} characters of words and "
                         f"{FEWEST_HELD_OUT} texts to hold out, of every {HELD_OUT} one; give more texts")
    return _rows({language: tables[language] for language in told}), told


def _batches(texts: Texts, data: Folder, tools: MeasureTools) -> Iterator[tuple[Words, list[str], list[bool]]]:
    """The texts as words, their languages, and which are held out, by the hash of their content."""
    settings = tools.settings
    for batch in texts.read(data):
        words = read_words(batch)
        found = identified(words, tools.model, settings.min_language_score, settings.min_language_letters,
                           settings.min_language_letter_share)
        yield words, found.languages, [hash_[0] * 256 + hash_[1] < 65536 // HELD_OUT for hash_ in content_hashes(batch)]


def _count(one: LanguageCount, words: Words, text: int) -> None:
    one.texts += 1
    start, end = words.word_offsets[text], words.word_offsets[text + 1]
    one.terms.add(words.word_hashes[start:end])
    for tally, keys in zip(one.grams, gram_keys(words, text, ALL), strict=True):
        tally.add(keys)


def _table(one: LanguageCount) -> Table:
    """The most frequent terms and grams of a language; `bits` is not known yet."""
    terms, counts = one.terms.most(TERMS)
    logarithms: dict[int, float] = {}
    for tally in one.grams:
        keys, seen = tally.most(GRAMS)
        keys, seen = keys[seen >= RARE], seen[seen >= RARE]
        contexts, places = np.unique(tally.keys >> BITS, return_inverse=True)      # what stands before the last character
        whole = np.bincount(places, tally.counts)[np.searchsorted(contexts, keys >> BITS)]
        for key, value in zip(keys.tolist(), np.log2(seen / whole).tolist(), strict=True):
            logarithms.setdefault(key, value)
    grams = sorted(logarithms)
    return Table(terms, (counts / one.terms.counts.sum()).astype(np.float32), np.array(grams, np.uint64),
                 np.array([logarithms[key] for key in grams], np.float32), 0.0)


def _held_out(texts: Texts, data: Folder, tools: MeasureTools, tables: Mapping[str, Table]) -> dict[str, list[float]]:
    """Language to the bits per character of each of its texts that was not counted."""
    measured: dict[str, list[float]] = {language: [] for language in tables}
    for words, languages, held in _batches(texts, data, tools):
        for text, language in enumerate(languages):
            if held[text] and language in tables and words.word_count[text] >= FEWEST_WORDS:
                measured[language].append(bits_per_character(words, text, tables[language]))
    return measured


def _rows(tables: Mapping[str, Table]) -> pa.Table:
    parts = []
    for language, table in tables.items():
        for kind, keys, values in (("term", table.terms, table.shares), ("gram", table.grams, table.logarithms)):
            parts.append(pa.table([pa.array([language] * len(keys)), pa.array([kind] * len(keys)), pa.array(keys),
                                   pa.array(values)], schema=SCHEMA))
    return pa.concat_tables(parts).combine_chunks()


def write(table: pa.Table, facts: Mapping[str, Any], data: Folder, name: str) -> int:
    """Write the file atomically; its size in bytes. `facts` go into its metadata and are its claim to be a background table."""
    told = seal({"version": VERSION, "rows": table.num_rows, **facts})
    sink = pa.BufferOutputStream()
    pq.write_table(table.replace_schema_metadata({"background": told}), sink, compression="zstd", write_page_checksum=True)
    content = sink.getvalue().to_pybytes()
    data.write(place_of(name), content)
    data.delete_leftovers()
    return len(content)


def make_background(data: Folder, settings: Settings, name: str, given: str) -> str:
    """Count and write DATA/background/NAME.parquet; the summary line. `given` names the texts."""
    if problem := name_problem("the table's name", name):
        raise SettingsError([problem])
    texts = parse_texts(given, settings.extract.text_columns)
    table, languages = build(texts, data, open_tools(replace(settings.measure, background=None, classifier=None)))
    size = write(table, {"languages": languages, "texts": given, "made_from": texts.fingerprint(data)}, data, name)
    words = sum(fact["words"] for fact in languages.values())
    return (f"background: {len(languages)} languages ({', '.join(languages)}) from {words:,} words of {given}; "
            f"{data.uri}/{place_of(name)}, {size / 1e6:.1f} MB")
