"""Training of the main-text model (pipelines/extract/pages/model.py) on pages with gold text.

    python -m textmill.pipelines.learned.main_text --gold ../shared/data/wcxb ../shared/data/crawl

learns from all hosts and writes the model's file. With `--folds FOLDER` it also writes there five models, each without the
hosts of one fold of five, by hash: so benchmarks/extract_kinds.py measures every page by a model that never saw its host.
One thread and fixed seeds, so the same pages and the same PyTorch give the same file. A page that has only snippets is learned
from as the library reads it, if that has every snippet where it belongs.
"""

import argparse
import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow.parquet as pq
import torch
from fastwarc.warc import ArchiveIterator, WarcRecordType
from torch.nn import functional

from textmill.pipelines.extract.pages.blocks import Blocks, read_blocks
from textmill.pipelines.extract.pages.charset import decode, http_charset
from textmill.pipelines.extract.pages.elements import Elements
from textmill.pipelines.extract.pages.features import features
from textmill.pipelines.extract.pages.legal import json_ld_nodes
from textmill.pipelines.extract.pages.model import FILE, KINDS, WORDS
from textmill.pipelines.extract.pages.page_words import declared
from textmill.pipelines.extract.pages.read_page import by_library, meta_elements
from textmill.pipelines.extract.pages.tree import parse
from textmill.pipelines.learned.folds import FOLDS, host_number
from textmill.pipelines.learned.gold_blocks import labels
from textmill.pipelines.learned.main_text_network import TABLES, Inputs, Network, Pages, context_inputs, stored, together

HOSTS, MOST = 15, 800           # hosts that must have a word, and words of a table: more fit the hosts themselves (measured)
PASSES, PAGES, RATE, NETWORKS = 6, 8, 3e-3, 1       # a second network of another seed adds nothing (measured)
ONE_IN = 16                     # pages of the book
SKIPPED = ("hostile", "broken", "javadoc-kafka", "manuals-httpd")       # no gold, or made to mislead
MOST_BLOCKS = 3_000             # of a page that is learned from


class Example(NamedTuple):
    """A page with its labels."""

    page: Blocks
    dense: np.ndarray
    text_words: list[list[str]]
    page_words: list[str]
    kind: int | None            # None where it is not known
    host: int
    keep: np.ndarray


def examples(folder: Path) -> Iterator[Example]:
    """The pages of a folder of WARC files and gold.parquet that have gold text or snippets."""
    gold = {row["record_id"]: row for row in pq.read_table(folder / "gold.parquet").to_pylist()
            if row["text"] or row["must"]}
    for path in sorted(folder.glob("*.warc.gz")):
        if path.name.removesuffix(".warc.gz") in SKIPPED:
            continue
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response, auto_decode="all"):
                row = gold.get(record.record_id)
                sampled = row is not None and (not path.name.startswith("book") or int(sha(row["url"]), 16) % ONE_IN == 0)
                if row is not None and sampled:
                    charset = http_charset(record.http_headers.get("Content-Type"))
                    yield from example(decode(record.reader.read(), charset).text, row)


def sha(text: str) -> str:
    """The sha256 of a text in hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


def example(html: str, row: dict[str, Any]) -> Iterator[Example]:
    """The page as it is learned from, if it can be."""
    tree = parse(html)
    if tree is None:
        return
    metas, json_ld = meta_elements(tree), json_ld_nodes(tree)
    says = declared(tree, metas, json_ld)
    page, gold = read_blocks(tree, json_ld), row["text"] or by_library(html, parse(html)).text
    read = plain(gold)
    if not row["text"] and not (all(plain(snippet) in read for snippet in row["must"] or ())
                                and not any(plain(snippet) in read for snippet in row["must_not"] or ())):
        return
    if 0 < len(page.texts) <= MOST_BLOCKS:
        look = features(page, Elements.of(page), says.title, says.description)
        kind = KINDS.index(row["type"]) if row.get("type") else None
        yield Example(page, look.dense, beginnings(look.text_words), says.words, kind, host_number(row["url"]),
                      labels(page.texts, gold))


def beginnings(words: list[str]) -> list[list[str]]:
    """The first words of each block."""
    blocks: list[list[str]] = [[]]
    for word in words:
        if word == "\x01":
            blocks.append([])
        elif len(blocks[-1]) < WORDS:
            blocks[-1].append(word)
    return blocks


def plain(text: str) -> str:
    """A text as snippets are compared."""
    return " ".join(text.split()).lower()


def vocabulary(pages: list[Example], words: Callable[[Example], Iterable[str]], hosts: int) -> dict[str, int]:
    """Numbers, from 1, of the words that most hosts have."""
    having: dict[str, set[int]] = defaultdict(set)
    for page in pages:
        for word in set(words(page)):
            having[word].add(page.host)
    ranked = sorted((-len(of), word) for word, of in having.items() if len(of) >= hosts)
    return {word: number for number, (_, word) in enumerate(ranked[:MOST], start=1)}


def inputs(one: Example, tables: dict[str, dict[str, int]]) -> Inputs:
    """What the network is given of a page."""
    page, names = one.page, tables["names"]
    own = [[names[word] for word in words if word in names] for words in page.words]
    path: list[list[int]] = []
    for parent, ids in zip(page.parent, own, strict=True):
        path.append([*(path[parent] if parent >= 0 else ()), *ids])
    words = {"near": [own[node] + (own[page.parent[node]] if node else []) for node in page.node],
             "path": [path[node] for node in page.node],
             "text": [[tables["text"][word] for word in row if word in tables["text"]] for row in one.text_words],
             "page": [[tables["page"][word] for word in one.page_words if word in tables["page"]]]}
    return Inputs(one.dense.astype(np.float32) / 64, words, *context_inputs(page), one.keep, one.kind)


def loss(network: Network, pages: Pages) -> torch.Tensor:
    """Mean of pages: cross-entropy of blocks by the root of their words, what is lacking of F1 over words; and of kinds."""
    scores, kinds = network(pages)
    keep, size = pages.keep, pages.size
    of_blocks, weight = functional.binary_cross_entropy_with_logits(scores, keep, reduction="none"), size.sqrt()
    entropy = pages.sums(of_blocks * weight) / pages.sums(weight)
    chance = scores.sigmoid()
    f1 = 2 * pages.sums(size * chance * keep) / (pages.sums(size * chance) + pages.sums(size * keep) + 1)
    known = pages.kind >= 0
    of_kind = functional.cross_entropy(kinds[known], pages.kind[known]) if known.any() else 0
    return (entropy + 0.7 * (1 - f1)).mean() + 0.15 * of_kind


def train(pages: list[Inputs], sizes: dict[str, int], seed: int) -> Network:
    """A network after all passes, its weights averaged over the last hundred steps or so."""
    torch.manual_seed(seed)
    order = random.Random(seed)
    pages = list(pages)
    dense = torch.from_numpy(np.concatenate([one.dense for one in pages]))
    network = Network(sizes, dense.mean(0), dense.std(0) + 0.01)
    named = [(name.split(".")[0] in TABLES, weight) for name, weight in network.named_parameters()]
    rows, rest = ([weight for is_row, weight in named if is_row == wanted] for wanted in (True, False))
    optimizer = torch.optim.AdamW([{"params": rows, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.02}], lr=RATE)
    steps = PASSES * (len(pages) // PAGES)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1, pct_start=0.15)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    for number in range(PASSES):
        order.shuffle(pages)
        total = 0.0
        for start in range(0, len(pages) - PAGES + 1, PAGES):
            optimizer.zero_grad()
            lost = loss(network, together(pages[start:start + PAGES]))
            lost.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += float(lost.detach())
            for name, value in network.state_dict().items():
                average[name].lerp_(value, 0.01)
        print(f"network {seed}, pass {number + 1}: loss {total / max(len(pages) // PAGES, 1):.4f}", flush=True)
    network.load_state_dict(average)
    return network.eval()


def learned(pages: list[Example]) -> bytes:
    """The file of a model that learned from these pages."""
    tables = {"names": vocabulary(pages, lambda one: (word for words in one.page.words for word in words), HOSTS),
              "text": vocabulary(pages, lambda one: (word for row in one.text_words for word in row), 2 * HOSTS),
              "page": vocabulary(pages, lambda one: one.page_words, 4)}
    sizes = {name: len(table) + 1 for name, table in tables.items()}
    given = [inputs(one, tables) for one in pages]
    return stored([train(given, sizes, seed) for seed in range(NETWORKS)], tables)


def fit() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=Path, nargs="+", required=True, help="folders of WARC files with a gold.parquet")
    parser.add_argument("--to", type=Path, default=FILE, help="the model's file (default: that of the package)")
    parser.add_argument("--folds", type=Path, help="a folder for the models without the hosts of one fold each")
    given = parser.parse_args()
    torch.set_num_threads(1)
    pages = [one for folder in given.gold for one in examples(folder)]
    wanted = [(given.to, pages)]
    if given.folds:
        given.folds.mkdir(parents=True, exist_ok=True)
        wanted += [(given.folds / f"{number}.npz", [one for one in pages if one.host % FOLDS != number])
                   for number in range(FOLDS)]
    for path, some in wanted:
        path.write_bytes(learned(some))
        print(f"{len(some)} pages; {path} {hashlib.sha256(path.read_bytes()).hexdigest()}", flush=True)


if __name__ == "__main__":
    fit()
