"""The pages that dedup is measured on: a folder of raw files with all kinds of near copies, real ones and constructed ones.

Real: API pages of several releases, manuals in a dozen languages, a book in fifteen, manual pages of many versions, and
planted news articles. Constructed: passages of novels and notices in a dozen languages, each in several versions that
lose, gain, swap or replace more and more words, so that similarities from 0.5 to 1 occur everywhere.
"""

import io
import json
import random
from collections.abc import Iterator
from pathlib import Path

import zstandard

ARCHIVES = ("javadoc-kafka", "manuals-httpd", "book-git")
PASSAGES = 250          # that versions are made of
VERSIONS = 8
RATES = (0.002, 0.005, 0.01, 0.02, 0.03, 0.05)      # of words that an edit falls on


def give(raw: Path, to: Path) -> None:
    """Links and files below `to`, as `extract` takes them; what is there already stays."""
    links = [("crawl", raw / f"crawl/{name}.warc.gz") for name in ARCHIVES] + [("neardup", raw / "neardup.jsonl.zst")]
    for source, file in links:
        (to / source).mkdir(parents=True, exist_ok=True)
        if not (link := to / source / file.name).exists():
            link.symlink_to(file.absolute())
    made = to / "constructed/pages.jsonl"
    if not made.exists():
        made.parent.mkdir(parents=True)
        with made.open("w", encoding="utf-8") as file:
            for number, text in enumerate(constructed(raw)):
                file.write(json.dumps({"id": f"constructed-{number}", "text": text}, ensure_ascii=False) + "\n")


def constructed(raw: Path) -> Iterator[str]:
    """Versions of real passages, a passage's after one another; the same for the same files."""
    rng = random.Random(11)
    for passage in rng.sample(list(passages(raw)), PASSAGES):
        words = passage.split() if " " in passage.strip()[:200] else list(passage)
        joined = " " if " " in passage.strip()[:200] else ""
        for _ in range(VERSIONS):
            yield joined.join(words)
            base = words if rng.random() < 0.6 else passage.split() if joined else list(passage)
            words = edited(base, rng)


def passages(raw: Path) -> Iterator[str]:
    """Stretches of 150 to 900 words of novels, and whole notices long enough."""
    rng = random.Random(5)
    for book in _rows(raw / "books.jsonl.zst"):
        words = book["text"].split()
        for _ in range(3):
            size, start = rng.randint(150, 900), rng.randrange(max(1, len(words) - 1000))
            yield " ".join(words[start:start + size])
    for page in _rows(raw / "prose.jsonl.zst"):
        if 1000 < len(page["text"]) < 12_000:
            yield page["text"]


def edited(words: list[str], rng: random.Random) -> list[str]:
    """The words less some, with some more, with some replaced or moved, or with a stretch cut off or put on."""
    rate, kind = rng.choice(RATES), rng.randrange(5)
    if kind == 3:
        cut = int(len(words) * rng.uniform(0.01, 0.35))
        return words[cut:] if rng.random() < 0.5 else words[:len(words) - cut]
    if kind == 4:
        more = [f"{rng.choice(words)}{n}" for n in range(int(len(words) * rng.uniform(0.01, 0.3)))]
        return more + words if rng.random() < 0.5 else words + more
    made = []
    for word in words:
        if rng.random() >= rate:
            made.append(word)
        elif kind == 1:
            made += [word, rng.choice(words)]
        elif kind == 2:
            made.append(rng.choice(words))
    return made


def _rows(path: Path) -> Iterator[dict]:
    with zstandard.open(path, "rb") as file:
        yield from map(json.loads, io.TextIOWrapper(file, "utf-8"))
