"""The gold pages of the development crawl, and how a text found for one is scored: by snippets and by words.

Snippets are counted as trafilatura's own evaluation does: a `must` snippet in the text is a true positive, one that is
missing a false negative, a `must_not` snippet in the text a false positive, one that is not there a true negative. Words
are compared as bags: how many of the found ones are in the gold text, and how many of its words were found. Every page is in
the half `development` or `test`, by hash of what it shares a template or a text with, so that tuning on one half proves
itself on the other.
"""

import hashlib
import unicodedata
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import regex
from fastwarc.warc import ArchiveIterator, WarcRecordType

from textmill.pipelines.extract.pages.charset import decode, http_charset

NEWS_SNIPPETS, NEWS_FULL = "news, snippets", "news, full text"      # the collections by origin trafilatura and readability
HALVES = ("development", "test")
_SETS = {"trafilatura": NEWS_SNIPPETS, "readability": NEWS_FULL}
# What tells the six page designs of the book pages apart.
_DESIGNS = {'class="announcement"': "book, docs site", 'class="skip-link"': "book, semantic", 'id="__next"': "book, app",
            'content="WordPress': "book, WordPress", 'topmargin="0"': "book, tables", "<BODY>": "book, capitals"}
# Runs of letters and digits; each Han or kana character is a word, as in the gold file's own comparisons.
_WORD = regex.compile(r"(?V1)[\p{Han}\p{Hiragana}\p{Katakana}]|[\w--[\p{Han}\p{Hiragana}\p{Katakana}]]+")


class GoldPage(NamedTuple):
    """A page with gold: `text` is None where there are only snippets."""

    url: str
    set: str
    half: str
    html: str
    text: str | None
    must: tuple[str, ...]
    must_not: tuple[str, ...]


class Snippets(NamedTuple):
    """How many snippets were rightly found, wrongly found, missed and rightly left out; adds up over pages."""

    tp: int = 0
    fp: int = 0
    fn: int = 0
    tn: int = 0

    def plus(self, other: "Snippets") -> "Snippets":
        return Snippets(*map(int.__add__, self, other))

    @property
    def score(self) -> "Score":
        return _score(self.tp, self.tp + self.fp, self.tp + self.fn)

    @property
    def accuracy(self) -> float:
        return (self.tp + self.tn) / max(sum(self), 1)


class Score(NamedTuple):
    """Precision, recall and their harmonic mean, 0 to 1; precision is 0 where nothing was found."""

    precision: float
    recall: float
    f1: float


def gold_pages(crawl: Path, every: int = 1) -> Iterator[GoldPage]:
    """The pages of news.warc.gz and book-git.warc.gz that have gold, decoded, in file order: all of the news, and of the
    book every `every`-th by hash of its URL.
    """
    gold = {row["record_id"]: row for row in pq.read_table(crawl / "gold.parquet").to_pylist()
            if row["text"] or row["must"] or row["must_not"]}
    for name in ("news", "book-git"):
        for record_id, url, body, charset in responses(crawl / f"{name}.warc.gz"):
            row = gold.get(record_id)
            if row is None or (name == "book-git" and _number(url) % every):
                continue
            html = decode(body, charset).text
            yield GoldPage(url, _SETS.get(row["origin"]) or design(html), half(url), html, row["text"],
                           tuple(row["must"] or ()), tuple(row["must_not"] or ()))


def responses(path: Path) -> Iterator[tuple[str, str, bytes, str | None]]:
    """(record id, URL, body without transfer and content coding, charset of the HTTP header) of a WARC's responses."""
    with path.open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, auto_decode="all"):
            kind = record.http_headers.get("Content-Type") if record.http_headers else None
            yield record.record_id, record.headers["WARC-Target-URI"], record.reader.read(), http_charset(kind)


def design(html: str) -> str:
    return next(name for mark, name in _DESIGNS.items() if mark in html)


def half(url: str) -> str:
    """By host; pages of the one host of the book by its language folder, those of a manual page with all its versions."""
    parts = urlsplit(url)
    folder = "/".join(parts.path.split("/")[1:3]) if parts.path.startswith(("/book/", "/docs/")) else ""
    return HALVES[_number(f"{parts.hostname}/{folder}") % 2]


def _number(value: str) -> int:
    return int.from_bytes(hashlib.blake2b(value.encode(), digest_size=8).digest(), "big")


def snippets(text: str, page: GoldPage) -> Snippets:
    """Which of a page's snippets are in a text."""
    found = plain(text)
    kept, leaked = (sum(plain(snippet) in found for snippet in wanted) for wanted in (page.must, page.must_not))
    return Snippets(kept, leaked, len(page.must) - kept, len(page.must_not) - leaked)


def plain(text: str) -> str:
    """A text as all are compared: in NFC, lower case, white space collapsed, without the soft hyphens some systems drop."""
    return " ".join(unicodedata.normalize("NFC", text).replace("\xad", "").split()).lower()


def words(text: str) -> Counter[str]:
    return Counter(_WORD.findall(plain(text)))


def overlap(text: str, gold: str) -> Score:
    """Of the bags of words of a text and its gold."""
    found, wanted = words(text), words(gold)
    return _score((found & wanted).total(), found.total(), wanted.total())


def _score(both: int, found: int, wanted: int) -> Score:
    precision, recall = both / found if found else 0.0, both / wanted if wanted else 0.0
    return Score(precision, recall, 2 * precision * recall / (precision + recall) if both else 0.0)
