"""Spam and good texts that the spam model learns from and is judged by, and the lines that its training reads.

    python -m benchmarks.spam_corpus --shared ../shared/data --to learn.jsonl

Learned from: benchmarks/spam_texts (own spam and own good texts of the same topics, by the same author, written before any
training), text messages (CC BY 4.0), SIB-200 (CC BY-SA 4.0), the Declaration of Human Rights (free), TICO-19 (CC0), novels out
of copyright, Apache HTTP Server manuals (Apache-2.0), and WCXB, whose terms allow a small model to learn from it. Of each, the
development half; of own texts all, so these are judged by models that did not learn from their fold. Never learned from: mail,
the news and book pages of the crawl, ruby-lang.org, the sample.
"""

import argparse
import json
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from benchmarks.gold import HALVES, half, responses
from benchmarks.good_texts import good_texts, json_lines
from benchmarks.language_codes import CODES
from textmill.base.strict import read_yaml
from textmill.pipelines.extract.pages.charset import decode
from textmill.pipelines.extract.pages.read_page import by_library
from textmill.pipelines.extract.pages.tree import parse
from textmill.pipelines.learned.folds import FOLDS

OWN = Path(__file__).with_name("spam_texts")
# A fold of own texts is four whole languages, of unlike families and scripts.
LANGUAGES = (("de", "ru", "th", "id"), ("fr", "tr", "zh", "sv"), ("es", "pl", "ar", "ko"), ("it", "ja", "vi", "uk"),
             ("en", "pt", "hi", "nl"))
FOLD_OF = {language: number for number, group in enumerate(LANGUAGES) for language in group}
WEIGHTS = {"own": 2, "sms": 0.3, "sib200": 0.4, "udhr2": 0.4, "books": 0.5, "tico": 0.5, "wcxb": 1, "httpd": 0.7}
SENTENCES, MESSAGES = 5, {True: 4, False: 8}        # of a passage, and of a text of text messages
EXCERPT, EXCERPTS = 1500, 20                        # characters of an excerpt of a novel, and excerpts
MANUALS = 25                                        # pages of a language
EVERY = {"books": 4, "git-docs": 4, "ruby": 3}      # one in so many, by hash: the rest say the same


class LabelledText(NamedTuple):
    """A text, its set, what it is within it, and the half and the fold it belongs to."""

    set: str
    kind: str
    language: str               # "" where it has no label
    half: str
    fold: int
    spam: bool
    text: str

    @property
    def is_learned(self) -> bool:
        return self.set in WEIGHTS and self.half == HALVES[0]


def number(text: str) -> int:
    return zlib.crc32(text.encode())


def corpus(data: Path) -> Iterator[LabelledText]:
    """All texts, set after set."""
    for path in sorted(OWN.glob("*.yaml")):
        for side, texts in read_yaml(path).items():
            for kind, text in texts.items():
                yield LabelledText("own", kind, path.stem, HALVES[0], FOLD_OF[path.stem], side == "spam", text)
    yield from messages(data)
    yield from passages(data)
    yield from good(data)
    yield from manuals(data)
    yield from news(data)
    for row in pq.read_table(data / "wcxb/gold.parquet", columns=["url", "type", "text"]).to_pylist():
        if row["text"]:
            host = number(row["url"].split("/")[2])
            yield LabelledText("wcxb", row["type"], "", half(row["url"]), host % FOLDS, False, row["text"])


def messages(data: Path) -> Iterator[LabelledText]:
    """Mail, each by itself, and text messages, some to a text."""
    short = defaultdict(set)
    for row in json_lines(data / "spam.jsonl.zst"):
        if row["origin"] == "sms":
            short[row["label"] == "spam"].add(row["text"])
        elif row["origin"].startswith("spamassassin") and (row["label"] == "spam" or number(row["text"]) % 4 == 0):
            yield LabelledText("mail", row["origin"].partition("/")[2], "en", HALVES[1], 0, row["label"] == "spam",
                               f"{row['subject'] or ''}\n{row['text']}")
    for spam, texts in sorted(short.items()):
        ordered, size = sorted(texts, key=lambda text: (number(text), text)), MESSAGES[spam]
        for place, start in enumerate(range(0, len(ordered) - size + 1, size)):
            if spam or place % 3 == 0:
                yield LabelledText("sms", "sms", "en", HALVES[place // 3 % 2], place % FOLDS, spam,
                                   "\n".join(ordered[start:start + size]))


def passages(data: Path) -> Iterator[LabelledText]:
    """SIB-200 and the Declaration of Human Rights in the languages of the own texts, some sentences to a text."""
    by_label = defaultdict(list)
    for row in json_lines(data / "langid.jsonl.zst"):
        by_label[row["origin"], row["label"]].append(row["text"])
    for (origin, label), texts in sorted(by_label.items()):
        language = CODES.get(label.partition("_")[0], "")
        if language in FOLD_OF:
            for place in range(len(texts) // SENTENCES):
                yield LabelledText(origin, origin, language, HALVES[2 * place >= len(texts) // SENTENCES], place % FOLDS, False,
                                   "\n".join(texts[place * SENTENCES:(place + 1) * SENTENCES]))


def good(data: Path) -> Iterator[LabelledText]:
    """Novels by excerpts, TICO-19, ruby-lang.org and main texts of the crawl."""
    for one in good_texts(data):
        name = {"crawl": one.origin, "books": "books"}.get(one.set) or ("tico" if "tico" in one.origin.lower() else "ruby")
        if one.language and one.language not in FOLD_OF:
            continue
        starts = range(0, len(one.text) - EXCERPT, max(len(one.text) // EXCERPTS, 1)) if name == "books" else (0,)
        for start in starts:
            text = one.text[start:start + EXCERPT] if name == "books" else one.text
            if number(text) % EVERY.get(name, 1) == 0:
                yield LabelledText(name, name, one.language, one.half, number(one.name) % FOLDS, False, text)


def manuals(data: Path) -> Iterator[LabelledText]:
    """Pages of the Apache HTTP Server's manuals; a page has the same fold in every language."""
    gold = {row["record_id"]: row["language"] for row in
            pq.read_table(data / "crawl/gold.parquet", columns=["record_id", "language"]).to_pylist()}
    pages: Counter[str] = Counter()
    for record_id, url, body, charset in responses(data / "crawl/manuals-httpd.warc.gz"):
        language = gold.get(record_id) or ""
        if language not in FOLD_OF or pages[language] == MANUALS:
            continue
        html, name = decode(body, charset).text, url.rpartition("/")[2].partition(".")[0]
        if (tree := parse(html)) is not None:
            pages[language] += 1
            text = by_library(html, tree).text or ""
            yield LabelledText("httpd", "manual", language, HALVES[0], number(name) % FOLDS, False, text)


def news(data: Path) -> Iterator[LabelledText]:
    """News, blog and shop pages as published, read by the library: their gold is of snippets."""
    gold = {row["record_id"]: row["language"] for row in
            pq.read_table(data / "crawl/gold.parquet", columns=["record_id", "language"]).to_pylist()}
    for record_id, url, body, charset in responses(data / "crawl/news.warc.gz"):
        language = gold.get(record_id) or ""
        if (not language or language in FOLD_OF) and (tree := parse(html := decode(body, charset).text)) is not None:
            yield LabelledText("news", "unlabelled", language, half(url), number(url.split("/")[2]) % FOLDS, False,
                               by_library(html, tree).text or "")


def line(one: LabelledText) -> dict[str, object]:
    """A text as the training reads it."""
    weight = WEIGHTS[one.set] + (one.set == "own" and not one.spam)        # a lookalike weighs more than spam
    return {"text": one.text, "language": one.language, "spam": one.spam, "weight": weight, "fold": one.fold}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the development data")
    parser.add_argument("--to", type=Path, required=True, help="the file of lines to write")
    given = parser.parse_args()
    learned = [line(one) for one in corpus(given.shared) if one.is_learned]
    given.to.write_text("".join(json.dumps(one, ensure_ascii=False) + "\n" for one in learned), "utf-8")


if __name__ == "__main__":
    main()
