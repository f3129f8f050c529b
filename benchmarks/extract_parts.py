"""What a page costs by part: CPU milliseconds of one process, beside libraries on the same pages.

    python -m benchmarks.extract_parts --crawl ../shared/data/crawl

writes benchmarks/results/extract-parts.md: of every so many-th response of the crawl, in order of their hash. Libraries are
measured where they are installed.
"""

import argparse
import hashlib
import pickle
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from benchmarks.extract_quality import RESULTS, SYSTEMS
from benchmarks.extract_speed import WARCS
from benchmarks.gold import responses
from textmill.pipelines.extract.pages.blocks import read_blocks
from textmill.pipelines.extract.pages.charset import decode
from textmill.pipelines.extract.pages.elements import Elements
from textmill.pipelines.extract.pages.features import features
from textmill.pipelines.extract.pages.items import KINDS, items_of
from textmill.pipelines.extract.pages.layout import laid_out
from textmill.pipelines.extract.pages.legal import json_ld_nodes, legal_signals
from textmill.pipelines.extract.pages.metadata import metadata
from textmill.pipelines.extract.pages.model import decide
from textmill.pipelines.extract.pages.page_words import declared
from textmill.pipelines.extract.pages.read_page import meta_elements, oversized_source, read_page
from textmill.pipelines.extract.pages.text import clean_text
from textmill.pipelines.extract.pages.tree import oversized, parse
from textmill.pipelines.extract.settings import ExtractSettings

LIMITS = ExtractSettings()


class Clock:
    """CPU seconds by part."""

    def __init__(self) -> None:
        self.spent: dict[str, float] = defaultdict(float)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        start = time.process_time()
        yield
        self.spent[part] += time.process_time() - start


def sample(crawl: Path, pages: int) -> list[tuple[bytes, str | None]]:
    """Bodies and their charsets, of pages chosen by the hash of their address."""
    found = [(hashlib.sha256(url.encode()).digest(), body, charset) for name in WARCS
             for _, url, body, charset in responses(crawl / f"{name}.warc.gz")]
    return [(body, charset) for _, body, charset in sorted(found)[:pages]]


def parts(clock: Clock, body: bytes, charset: str | None) -> None:
    """One page by hand, as read_page and the process around it do."""
    with clock.of("charset"):
        html = decode(body, charset).text
    with clock.of("limits"):
        refused = oversized_source(html, LIMITS)
    with clock.of("parse"):
        tree = parse(html)
    if refused or tree is None:
        return
    with clock.of("limits"):
        oversized(tree, LIMITS)
    with clock.of("metadata"):
        metas, json_ld = meta_elements(tree), json_ld_nodes(tree)
        metadata(html, tree, metas, json_ld)
        says = declared(tree, metas, json_ld)
    with clock.of("legal"):
        legal_signals(tree, metas, json_ld)
    with clock.of("blocks"):
        page = read_blocks(tree, json_ld)
    if not page.texts:
        return
    start = time.process_time()
    features(page, Elements.of(page), says.title, says.description)
    of_features = time.process_time() - start
    with clock.of("model"):
        decision = decide(page, *says)
    clock.spent["features"] += of_features
    clock.spent["model"] -= of_features         # it has its own
    with clock.of("layout"):
        kept = items_of(page, decision.kept, decision.places) if decision.kind in KINDS else decision.kept
        clean_text(laid_out(page, kept))


def libraries() -> dict[str, Callable[[str], str | None]]:
    """Ours as a whole, and what is installed."""
    all_: dict[str, Callable[[str], str | None]] = {
        "textmill, trafilatura": lambda html: str(read_page(html, ExtractSettings(engine="trafilatura"))),
        **{name: SYSTEMS[name] for name in ("trafilatura, fast", "trafilatura", "resiliparse")}}
    if find_spec("rs_trafilatura"):
        rust = import_module("rs_trafilatura")
        all_["rs-trafilatura"] = lambda html: rust.extract(html).main_content
    return all_


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crawl", type=Path, required=True, help=f"folder with {', '.join(WARCS)}, each .warc.gz")
    parser.add_argument("--pages", type=int, default=300, help="(default: %(default)s)")
    given = parser.parse_args()
    pages, by_part, whole = sample(given.crawl, given.pages), Clock(), Clock()
    for body, charset in pages[:20]:
        parts(Clock(), body, charset)           # what is loaded and remembered
    for body, charset in pages:
        parts(by_part, body, charset)
        html = decode(body, charset).text
        with whole.of("textmill, model"):
            answer = read_page(html, LIMITS)
        with by_part.of("hand-over"):
            pickle.loads(pickle.dumps(answer, pickle.HIGHEST_PROTOCOL))
        for name, find in libraries().items():
            with whole.of(name):
                find(html)
    lines = ["| part | ms a page |", "|---|---:|"]
    lines += [f"| {name} | {1000 * spent / len(pages):.2f} |" for name, spent in by_part.spent.items()]
    lines += [f"| all parts | {1000 * sum(by_part.spent.values()) / len(pages):.2f} |"]
    lines += [f"| {name}, as a whole | {1000 * spent / len(pages):.2f} |" for name, spent in whole.spent.items()]
    size = sum(len(body) for body, _ in pages) / len(pages) / 1000
    said = "\n".join(lines) + f"\n\n{len(pages)} pages of {size:.0f} kB; CPU time of one process; {date.today()}.\n"
    print(said)
    (RESULTS / "extract-parts.md").write_text(said, "utf-8")


if __name__ == "__main__":
    main()
