"""Word index of stored texts: SQLite's FTS5, which says in which documents words stand.

It holds no text, only which words stand in which document, without order. What `measure` found to be personal data is not in
it: nobody is found by their telephone number. Words are compared without case and accents; each character of a script
without spaces is a word.
"""

import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import regex

from textmill.pipelines.browse.snapshot import Snapshot, interval
from textmill.pipelines.contract.part_files import aligned, read_batches
from textmill.pipelines.display.masking import masked
from textmill.pipelines.measure.personal.prefilter import may_hold_personal_data

VERSION = 2             # of the index, part of the folder's name
SHARDS = min(4, os.cpu_count() or 1)        # files, each made and asked by a thread
HASH = (64 << 20) // SHARDS     # bytes of postings that are held before they are written
READS = ("documents", "signals")
TOKENIZER = "unicode61 remove_diacritics 2 categories 'L* M* N* Co'"
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}\p{Co}]+")
# A character of a script without spaces.
_SINGLE = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\p{M}*")
_TERM = regex.compile(r'(-?)(?:"([^"]*)"|(\S+))')
MOST_TERMS = 32


class Terms(NamedTuple):
    """A query in words: those that must occur, beginnings of words, those that must not, phrases to be looked for in texts."""

    words: tuple[str, ...]
    beginnings: tuple[str, ...]
    without: tuple[str, ...]
    phrases: tuple[str, ...]


def parse(query: str) -> Terms:
    """The terms of what a person types.

    >>> parse('mill "water wheel" wind* -storm')
    Terms(words=('mill', 'water', 'wheel'), beginnings=('wind',), without=('storm',), phrases=('water wheel',))
    """
    words: list[str] = []
    beginnings, without, phrases = list[str](), list[str](), list[str]()
    for minus, quoted, plain in _TERM.findall(query):
        said = split_words(quoted or plain)
        if minus:
            without += said
        elif quoted:
            words += said
            phrases += [" ".join(quoted.split())] if len(said) > 1 else []
        elif plain.endswith("*") and said:
            words += said[:-1]
            beginnings.append(said[-1])
        else:
            words += said
    return Terms(*(tuple(dict.fromkeys(each))[:MOST_TERMS] for each in (words, beginnings, without, phrases)))


def split_words(text: str) -> list[str]:
    """The words of a text as the index has them.

    >>> split_words("don't stop: 水車")
    ['don', 't', 'stop', '水', '車']
    """
    return _WORD.findall(_spaced(text))


def build_words(snapshot: Snapshot, folder: Path, tell: Callable[[int], object] = int,
                ended: Callable[[], bool] = bool) -> bool:
    """Write the index to a folder that does not exist yet; False where `ended` said so before it was complete.

    Its files, each of the documents of some parts, are made at once: SQLite needs no interpreter for what takes long."""
    folder.mkdir()
    parts = range(len(snapshot.manifests["documents"].parts))
    count = max(1, min(SHARDS, len(parts)))
    done = [0] * count

    def build(shard: int) -> bool:
        def told(documents: int) -> None:
            done[shard] += documents
            tell(sum(done))
        own = parts[shard * len(parts) // count:(shard + 1) * len(parts) // count]
        return _build(_texts(snapshot, own), folder / f"{shard}", told, ended)

    with ThreadPoolExecutor(count) as builders:
        return all(list(builders.map(build, range(count))))


def _build(batches: Iterator[tuple[int, list[str]]], path: Path, tell: Callable[[int], object],
           ended: Callable[[], bool]) -> bool:
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode = OFF")
        connection.execute("PRAGMA synchronous = OFF")
        connection.execute('CREATE VIRTUAL TABLE words USING fts5(text, content="", detail=none, columnsize=0, '
                           f'tokenize="{TOKENIZER}")')
        connection.execute(f"INSERT INTO words(words, rank) VALUES ('hashsize', {HASH})")
        connection.execute("BEGIN")
        for first, texts in batches:
            if ended():
                return False
            connection.executemany("INSERT INTO words(rowid, text) VALUES (?, ?)", enumerate(texts, first))
            tell(len(texts))
        connection.execute("COMMIT")
    return True


def documents_with(folder: Path, terms: Terms) -> np.ndarray:
    """The numbers of the documents in which all words of a query stand, ascending, and none of those without."""
    # As one text, which takes a fifth of the time that so many rows do.
    listed = _ask(folder, "SELECT group_concat(rowid) FROM words WHERE words MATCH ?", terms)
    return np.concatenate([np.fromstring(rows[0][0] or "", np.int64, sep=",") for rows in listed] or [np.array([], np.int64)])


def page_with(folder: Path, terms: Terms, first: int, count: int) -> tuple[list[int], int]:
    """As many of those numbers from the `first` on, and how many there are."""
    rows = _ask(folder, f"SELECT rowid FROM words WHERE words MATCH ? LIMIT {first + count}", terms)
    totals = _ask(folder, "SELECT count(*) FROM words WHERE words MATCH ?", terms)
    return [row[0] for each in rows for row in each][first:first + count], sum(total for ((total,),) in totals)


def _ask(folder: Path, query: str, terms: Terms) -> list[list[tuple[Any, ...]]]:
    """The answer of each file, in the order of the documents; none where there are no words."""
    said = [*map(_quoted, terms.words), *(f"{_quoted(word)}*" for word in terms.beginnings)]
    if not said:
        return []
    matched = " AND ".join(said)
    if terms.without:
        matched = f"({matched}) NOT ({' OR '.join(_quoted(word) for word in terms.without)})"

    def answer(path: Path) -> list[tuple[Any, ...]]:
        address = f"{path.absolute().as_uri()}?mode=ro&immutable=1"
        with contextlib.closing(sqlite3.connect(address, uri=True)) as connection:
            return connection.execute(query, (matched,)).fetchall()

    try:
        with ThreadPoolExecutor(SHARDS) as readers:
            return list(readers.map(answer, sorted(folder.iterdir(), key=lambda path: int(path.name))))
    except sqlite3.OperationalError:        # a word that SQLite's older Unicode splits in two
        return []


def _quoted(word: str) -> str:
    return f'"{word}"'          # a word has letters and digits only


def _texts(snapshot: Snapshot, parts: Sequence[int]) -> Iterator[tuple[int, list[str]]]:
    """(number of the first document, titles and texts without what was found to be personal data) by row group of parts."""
    names = [name for name in READS if name in snapshot.manifests]
    columns = {"documents": ["title", "text"], "signals": ["findings"]}
    for number in parts:
        first = snapshot.first(number)
        for batches in aligned([read_batches(snapshot.data / name, snapshot.manifests[name].parts[number], columns[name])
                                for name in names]):
            documents = batches[0]
            texts: list[Any] = documents["text"].to_pylist()
            if len(batches) > 1:
                for row in _rows(pc.greater(pc.list_value_length(batches[1]["findings"]), 0)):
                    texts[row] = without_findings(texts[row], batches[1]["findings"][row].as_py())
            for row in _rows(pc.invert(pc.string_is_ascii(documents["text"]))):
                texts[row] = _spaced(texts[row])
            titles: list[Any] = documents["title"].to_pylist()
            for row in _rows(may_hold_personal_data(documents["title"])):
                titles[row] = masked(titles[row])
            texts = [f"{_spaced(title)}\n{text}" if title else text for title, text in zip(titles, texts, strict=True)]
            yield first, texts
            first += len(documents)


def _rows(mask: pa.Array) -> list[int]:
    """The rows that a mask names; null is none."""
    return pc.indices_nonzero(mask.fill_null(False)).to_pylist()


def _spaced(text: str) -> str:
    """A text in which each character of a script without spaces is a word."""
    return text if text.isascii() else _SINGLE.sub(r" \g<0> ", text)


def without_findings(text: str, findings: Sequence[Mapping[str, Any]]) -> str:
    """A text without what was found to be personal data."""
    for start, end in sorted(map(interval, findings), reverse=True):
        text = f"{text[:start]} {text[end:]}"
    return text
