"""The main text that extract finds, beside trafilatura's and resiliparse's, on the same decoded pages with gold.

    python -m benchmarks.extract_quality --crawl ../shared/data/crawl

writes benchmarks/results/extract-quality.md and extract-quality-designs.md, where `F1 dev.` is that of the development half.
Milliseconds are CPU time of one process; ours include title, language, dates, legal signals and links, which the others do
not give here. `--worst 20` prints the pages where ours is furthest below the best of the others and writes nothing.
"""

import argparse
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from importlib.metadata import version
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import trafilatura
from resiliparse.extract.html2text import extract_plain_text

from benchmarks.gold import HALVES, NEWS_FULL, NEWS_SNIPPETS, GoldPage, Score, Snippets, gold_pages, overlap, snippets
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings

RESULTS = Path(__file__).parents[1] / "benchmarks/results"
OURS, BOOK = "textmill", "book, all designs"
MEASURED = [(NEWS_SNIPPETS, "snippets"), (NEWS_FULL, "words"), (BOOK, "words"), (BOOK, "snippets")]
LIBRARIES = ("trafilatura", "resiliparse", "lxml")
# Not the model, which learned from these pages: benchmarks/extract_kinds.py measures it on hosts that it did not see.
_LIMITS = ExtractSettings(engine="trafilatura")


def ours(html: str) -> str:
    read = read_page(html, _LIMITS)
    return "" if isinstance(read, Refusal) else read.text


# What is called, and how. No metadata, because its date search costs as much as the text.
SYSTEMS: dict[str, Callable[[str], str | None]] = {
    OURS: ours,
    "trafilatura": lambda html: trafilatura.extract(html, include_comments=False, deduplicate=False),
    "trafilatura, fast": lambda html: trafilatura.extract(html, fast=True, include_comments=False, deduplicate=False),
    # With the options that serve it best on these pages.
    "resiliparse": lambda html: extract_plain_text(html, main_content=True, alt_texts=False, list_bullets=False,
                                                   comments=False, post_meta=False),
    "resiliparse, all text": lambda html: extract_plain_text(html, alt_texts=False),
}


class Result(NamedTuple):
    """What one system made of one page; `words` is None where the page has no full gold text."""

    page: GoldPage
    text: str
    seconds: float
    snippets: Snippets
    words: Score | None

    @property
    def goodness(self) -> float:
        """One number for the page: F1 of the words, or the share of snippets that are where they belong."""
        return self.snippets.accuracy if self.words is None else self.words.f1


def result(page: GoldPage, find: Callable[[str], str | None]) -> Result:
    start = time.process_time()
    text = find(page.html) or ""
    seconds = time.process_time() - start
    return Result(page, text, seconds, snippets(text, page), None if page.text is None else overlap(text, page.text))


def measure(crawl: Path, every: int, pages: int | None = None,
            systems: dict[str, Callable[[str], str | None]] = SYSTEMS) -> dict[str, list[Result]]:
    """Every system's results, page by page in the same order; at most `pages` of each set."""
    taken: dict[str, int] = defaultdict(int)
    results: dict[str, list[Result]] = {system: [] for system in systems}
    for page in gold_pages(crawl, every):
        taken[page.set] += 1
        if pages is None or taken[page.set] <= pages:
            for system, find in systems.items():
                results[system].append(result(page, find))
    return results


def of_set(results: list[Result], set_: str) -> list[Result]:
    """Those of one set of pages, or of the six designs of the book."""
    return [one for one in results if one.page.set == set_ or (set_ == BOOK and one.page.set.startswith("book"))]


def rows(results: dict[str, list[Result]], set_: str, by: str) -> Iterator[str]:
    """Table rows of one set, a system each, scored by `snippets` (pooled) or by `words` (the mean over pages)."""
    for system, of_all in results.items():
        mine = of_set(of_all, set_)
        if not mine:
            return
        score, accuracy = scored(mine, by)
        halves = [scored([one for one in mine if one.page.half == half], by)[0].f1 for half in HALVES]
        shares = [f"{value:.4f}" for value in (*score, *halves)]
        yield (f"| {set_} | {by} | {len(mine)} | {system} | {' | '.join(shares)} | {accuracy} | "
               f"{sum(not one.text.strip() for one in mine)} | {1000 * fmean(one.seconds for one in mine):.1f} |")


def scored(results: list[Result], by: str) -> tuple[Score, str]:
    """The score, and the accuracy where there is one; zeros where there is no page."""
    if by == "snippets":
        counted = Snippets()
        for one in results:
            counted = counted.plus(one.snippets)
        return counted.score, f"{counted.accuracy:.4f}"
    full = [one.words for one in results if one.words is not None] or [Score(0, 0, 0)]
    return Score(*(fmean(values) for values in zip(*full, strict=True))), ""


def table(results: dict[str, list[Result]], wanted: list[tuple[str, str]]) -> str:
    lines = ["| pages of | by | pages | system | precision | recall | F1 | F1 dev. | F1 test | accuracy | no text | ms |",
             "|---|---|---:|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    return "\n".join([*lines, *(row for set_, by in wanted for row in rows(results, set_, by))]) + "\n"


def worst(results: dict[str, list[Result]], count: int) -> Iterator[str]:
    """The pages where ours is furthest below the best of the others, and the snippets that are not where they belong."""
    others = [system for system in results if system != OURS]
    found = []
    for number, mine in enumerate(results[OURS]):
        best = max(others, key=lambda system: results[system][number].goodness)
        found.append((mine.goodness - results[best][number].goodness, mine.page.url, best, number))
    for gap, url, best, number in sorted(found)[:count]:
        mine, other = results[OURS][number], results[best][number]
        yield (f"{gap:+.3f} {mine.page.set}, {mine.page.half}: {url}\n    ours {mine.goodness:.3f} ({len(mine.text):,} "
               f"characters), {best} {other.goodness:.3f} ({len(other.text):,} characters)")
        for kind, mistaken in (("must", lambda here: not here), ("must_not", bool)):
            for snippet in getattr(mine.page, kind):
                alone = mine.page._replace(must=(snippet,), must_not=())
                if mistaken(snippets(mine.text, alone).tp):
                    yield f"    {kind}: {snippet[:100]!r}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crawl", type=Path, required=True, help="folder with news.warc.gz, book-git.warc.gz, gold.parquet")
    parser.add_argument("--every", type=int, default=8, help="take every so many-th page of the book (default: %(default)s)")
    parser.add_argument("--pages", type=int, help="at most so many pages of each set, printed and not written")
    parser.add_argument("--worst", type=int, default=0, help="print so many pages where ours is worst, and write nothing")
    given = parser.parse_args()
    results = measure(given.crawl, given.every, given.pages)
    designs = sorted({one.page.set for one in of_set(results[OURS], BOOK)})
    versions = ", ".join(f"{name} {version(name)}" for name in LIBRARIES)
    short = table(results, MEASURED)
    long = table(results, [(set_, "words") for set_ in designs])
    note = f"One in {given.every} pages of the book; {versions}; {date.today()}.\n"
    print(short, long, note, sep="\n")
    print(*worst(results, given.worst), sep="\n")
    if not given.worst and given.pages is None:
        (RESULTS / "extract-quality.md").write_text(f"{short}\n{note}", "utf-8")
        (RESULTS / "extract-quality-designs.md").write_text(f"{long}\n{note}", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
