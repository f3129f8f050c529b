"""The main text of pages of seven kinds (WCXB's development half), each by a model that never saw its host.

    python -m textmill.pipelines.learned.main_text --gold ../shared/data/wcxb ../shared/data/crawl --folds /tmp/folds
    python -m benchmarks.extract_kinds --wcxb ../shared/data/wcxb --folds /tmp/folds

writes benchmarks/results/extract-kinds.md: the mean over pages with gold text of F1 over words, by kind, then precision,
recall, and the shares of snippets that are where they belong. Other libraries are measured where they are installed.
Milliseconds are CPU time of one process. `--systems` takes some of them, printed and not written.
"""

import argparse
import time
from collections import defaultdict
from collections.abc import Callable
from datetime import date
from functools import partial
from importlib import import_module
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean
from typing import NamedTuple

import pyarrow.parquet as pq

from benchmarks.extract_quality import RESULTS, SYSTEMS
from benchmarks.gold import GoldPage, Score, Snippets, overlap, responses, snippets
from textmill.pipelines.extract.pages.charset import decode
from textmill.pipelines.extract.pages.legal import json_ld_nodes
from textmill.pipelines.extract.pages.model import KINDS, Model, model
from textmill.pipelines.extract.pages.read_page import by_model, meta_elements, read_page
from textmill.pipelines.extract.pages.tree import parse
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.learned.folds import FOLDS, fold

MODEL = "textmill, model"
PACKAGES = ("trafilatura", "resiliparse", "rs-trafilatura", "readability-lxml", "newspaper4k", "boilerpy3", "jusText",
            "magic-html")


class Result(NamedTuple):
    """What a system made of a page."""

    kind: str
    words: Score
    snippets: Snippets
    seconds: float


def by_library(html: str) -> str:
    read = read_page(html, ExtractSettings(engine="trafilatura"))
    return "" if isinstance(read, Refusal) else read.text


def of_model(html: str, weights: Model) -> str:
    """The text of a page by a model."""
    tree = parse(html)
    return "" if tree is None else by_model(html, tree, meta_elements(tree), json_ld_nodes(tree), False, weights).text


def others() -> dict[str, Callable[[str], str | None]]:
    """The libraries that are installed."""
    all_: dict[str, Callable[[str], str | None]] = {"textmill, trafilatura": by_library}
    all_ |= {name: SYSTEMS[name] for name in ("trafilatura, fast", "trafilatura", "resiliparse")}
    if find_spec("rs_trafilatura"):
        rust = import_module("rs_trafilatura")
        all_["rs-trafilatura"] = lambda html: rust.extract(html).main_content
    if find_spec("readability"):
        document = import_module("readability").Document
        text_of = SYSTEMS["resiliparse, all text"]
        all_["readability-lxml"] = lambda html: text_of(document(html).summary())
    if find_spec("newspaper"):
        newspaper = import_module("newspaper")
        all_["newspaper4k"] = lambda html: newspaper.article("https://a.example/", input_html=html, fetch_images=False).text
    if find_spec("boilerpy3"):
        all_["boilerpy3"] = import_module("boilerpy3.extractors").ArticleExtractor().get_content
    if find_spec("justext"):
        all_["jusText"] = _justext
    if find_spec("magic_html"):
        magic, all_text = import_module("magic_html").GeneralExtractor(), SYSTEMS["resiliparse, all text"]
        all_["magic-html"] = lambda html: all_text(magic.extract(html, base_url="https://a.example/")["html"])
    return all_


def _justext(html: str) -> str:
    """The paragraphs that jusText calls good, by the stop words of English, the language of nearly all these pages."""
    justext = import_module("justext")
    paragraphs = justext.justext(html, justext.get_stoplist("English"))
    return "\n".join(each.text for each in paragraphs if not each.is_boilerplate)


def measure(wcxb: Path, folds: Path, systems: list[str] | None) -> dict[str, list[Result]]:
    """Every system's results on the pages that have gold text, in the same order."""
    gold = {row["record_id"]: row for row in pq.read_table(wcxb / "gold.parquet").to_pylist() if row["text"]}
    models = [model.__wrapped__(folds / f"{number}.npz") for number in range(FOLDS)]
    asked = {name: find for name, find in others().items() if not systems or name in systems}
    results: dict[str, list[Result]] = defaultdict(list)
    for path in sorted(wcxb.glob("*.warc.gz")):
        for record_id, url, body, charset in responses(path):
            if row := gold.get(record_id):
                html = decode(body, charset).text
                page = GoldPage(url, "", "", html, row["text"], tuple(row["must"] or ()), tuple(row["must_not"] or ()))
                finds = {MODEL: partial(of_model, weights=models[fold(url)]), **asked}
                for name, find in finds.items():
                    start = time.process_time()
                    try:
                        text = find(html) or ""
                    except Exception:       # of a library on some page: it found nothing
                        text = ""
                    seconds = time.process_time() - start
                    results[name].append(Result(row["type"], overlap(text, row["text"]), snippets(text, page), seconds))
    return results


def table(results: dict[str, list[Result]]) -> str:
    lines = [f"| system | pages | all | {' | '.join(KINDS)} | precision | recall | must | must not | ms |",
             f"|---|---:|---:|{'---:|' * len(KINDS)}---:|---:|---:|---:|---:|"]
    for name, of in results.items():
        by_kind = [fmean(one.words.f1 for one in of if one.kind == kind) for kind in KINDS]
        counted = Snippets(*map(sum, zip(*(one.snippets for one in of), strict=True)))
        cells = [fmean(one.words.f1 for one in of), *by_kind, fmean(one.words.precision for one in of),
                 fmean(one.words.recall for one in of), counted.tp / (counted.tp + counted.fn),
                 counted.tn / (counted.tn + counted.fp)]
        lines.append(f"| {name} | {len(of)} | {' | '.join(f'{cell:.3f}' for cell in cells)} | "
                     f"{1000 * fmean(one.seconds for one in of):.1f} |")
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--wcxb", type=Path, required=True, help="folder with dev-*.warc.gz and gold.parquet")
    parser.add_argument("--folds", type=Path, required=True, help="folder with the models without the hosts of one fold each")
    parser.add_argument("--systems", nargs="+", choices=list(others()), help="ours and these, printed and not written")
    given = parser.parse_args()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES if _installed(name))
    said = (f"{table(measure(given.wcxb, given.folds, given.systems))}\n\nEvery page by a model that did not learn from its "
            f"host; `must` is the share of snippets found, `must not` of those left out; {versions}; {date.today()}.\n")
    print(said)
    if not given.systems:
        (RESULTS / "extract-kinds.md").write_text(said, "utf-8")


def _installed(name: str) -> bool:
    try:
        return bool(version(name))
    except ModuleNotFoundError:
        return False


if __name__ == "__main__":
    main()
