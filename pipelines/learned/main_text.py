"""Training of the main-text model (pipelines/extract/pages/model.py) on pages with gold text, split by host.

    python -m textmill.pipelines.learned.main_text --gold ../shared/data/wcxb ../shared/data/crawl

Learns from three in four hosts, prints what it gets on the rest after each pass, and writes the model's file. One thread and
one seed, so the same pages and the same PyTorch give the same file. A page that has only snippets is learned from as the
library reads it, if that has every snippet where it belongs.
"""

import argparse
import hashlib
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
import pyarrow.parquet as pq
import torch
from fastwarc.warc import ArchiveIterator, WarcRecordType
from torch.nn import functional

from textmill.pipelines.extract.pages.blocks import Blocks, read_blocks
from textmill.pipelines.extract.pages.charset import decode, http_charset
from textmill.pipelines.extract.pages.features import features, page_words
from textmill.pipelines.extract.pages.legal import json_ld_nodes
from textmill.pipelines.extract.pages.model import ACTIVATION, FILE, KINDS, NEAR, WORDS, groups
from textmill.pipelines.extract.pages.read_page import by_library, meta_elements
from textmill.pipelines.extract.pages.tree import parse
from textmill.pipelines.learned.gold_blocks import labels
from textmill.pipelines.learned.main_text_network import Network, stored

HOSTS, MOST = 15, 800           # hosts that must have a word, and words of a table: more fit the hosts themselves (measured)
PASSES, PAGES, RATE = 4, 8, 3e-3
ONE_IN = 16                     # pages of the book
SKIPPED = ("hostile", "broken", "javadoc-kafka", "manuals-httpd")       # no gold, or made to mislead
TABLES = ("near", "path", "text", "page")
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


def learned_from(url: str) -> bool:
    """Whether pages of this host are learned from: three in four hosts, by hash."""
    return bool(host_number(url) % 4)


def host_number(url: str) -> int:
    """A hash of the host, and of the folder of a book or manual, whose pages share a text."""
    parts = urlsplit(url)
    host = (parts.hostname or "").removeprefix("www.")
    folder = "/".join(["", *parts.path.split("/")[1:3]]) if parts.path.startswith(("/book/", "/docs/")) else ""
    return int.from_bytes(hashlib.blake2b(f"{host}{folder}".encode(), digest_size=8).digest(), "big")


def examples(folder: Path, wanted: Callable[[str], bool]) -> Iterator[Example]:
    """The pages of a folder of WARC files and gold.parquet: of the wanted addresses, with gold text or snippets."""
    gold = {row["record_id"]: row for row in pq.read_table(folder / "gold.parquet").to_pylist()
            if (row["text"] or row["must"]) and wanted(row["url"])}
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
    page, gold = read_blocks(tree, json_ld), row["text"] or by_library(html, parse(html)).text
    read = plain(gold)
    if not row["text"] and not (all(plain(snippet) in read for snippet in row["must"] or ())
                                and not any(plain(snippet) in read for snippet in row["must_not"] or ())):
        return
    if 0 < len(page.blocks) <= MOST_BLOCKS:
        look = features(page)
        yield Example(page, look.dense, look.text_words, page_words(metas, json_ld),
                      KINDS.index(row["type"]) if row.get("type") else None, host_number(row["url"]),
                      labels([block.text for block in page.blocks], gold))


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


def inputs(one: Example, tables: dict[str, dict[str, int]]) -> dict[str, Any]:
    """What the network is given of a page."""
    nodes, names = one.page.nodes, tables["names"]
    own = [[names[word] for word in node.words if word in names] for node in nodes]
    path: list[list[int]] = []
    for node, ids in zip(nodes, own, strict=True):
        path.append([*(path[node.parent] if node.parent >= 0 else ()), *ids])
    where = [block.node for block in one.page.blocks]
    count, place = len(where), np.arange(len(where))
    size = np.array([block.text.count(" ") + 1 for block in one.page.blocks], np.float32)
    return {"dense": one.dense.astype(np.float32) / 64,
            "near": [own[node] + (own[nodes[node].parent] if node else []) for node in where],
            "path": [path[node] for node in where],
            "text": [[tables["text"][word] for word in row[:WORDS] if word in tables["text"]] for row in one.text_words],
            "page": [tables["page"][word] for word in one.page_words if word in tables["page"]],
            "ranges": [(np.maximum(place - NEAR, 0), np.minimum(place + NEAR + 1, count)), groups(one.page)],
            "size": size, "keep": one.keep, "kind": one.kind}


def loss(network: Network, one: dict[str, Any]) -> torch.Tensor:
    """Cross-entropy of blocks by the root of their words, what is lacking of F1 over words, and of the kind."""
    scores, kinds = network(one)
    keep, size = torch.from_numpy(one["keep"]), torch.from_numpy(one["size"])
    of_blocks, weight = functional.binary_cross_entropy_with_logits(scores, keep, reduction="none"), size.sqrt()
    entropy = (of_blocks * weight).sum() / weight.sum()
    chance = scores.sigmoid()
    f1 = 2 * (size * chance * keep).sum() / ((size * chance).sum() + (size * keep).sum() + 1)
    of_kind = functional.cross_entropy(kinds[None], torch.tensor([one["kind"]])) if one["kind"] is not None else 0
    return entropy + 0.7 * (1 - f1) + 0.15 * of_kind


def train(pages: list[dict[str, Any]], held: list[dict[str, Any]], sizes: dict[str, int], seed: int = 0) -> Network:
    """A network after all passes, its weights averaged over the last hundred steps or so."""
    torch.manual_seed(seed)
    order = random.Random(seed)
    network = Network(sizes)
    named = [(name.split(".")[0] in TABLES, weight) for name, weight in network.named_parameters()]
    rows, rest = ([weight for is_row, weight in named if is_row == wanted] for wanted in (True, False))
    optimizer = torch.optim.AdamW([{"params": rows, "weight_decay": 0.1}, {"params": rest, "weight_decay": 0.02}], lr=RATE)
    steps = PASSES * (len(pages) // PAGES)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps + 1, pct_start=0.15)
    average = {name: value.clone() for name, value in network.state_dict().items()}
    for number in range(PASSES):
        order.shuffle(pages)
        for start in range(0, len(pages) - PAGES + 1, PAGES):
            optimizer.zero_grad()
            torch.stack([loss(network, one) for one in pages[start:start + PAGES]]).mean().backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            for name, value in network.state_dict().items():
                average[name].lerp_(value, 0.01)
        network.eval()
        with torch.no_grad():
            of_held = np.mean([float(loss(network, one)) for one in held])
            print(f"pass {number + 1}: loss {of_held:.4f} on hosts not learned from", flush=True)
        network.train()
    network.load_state_dict(average)
    return network.eval()


def fit() -> None:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gold", type=Path, nargs="+", required=True, help="folders of WARC files with a gold.parquet")
    parser.add_argument("--to", type=Path, default=FILE, help="the model's file (default: that of the package)")
    given = parser.parse_args()
    torch.set_num_threads(1)
    pages = [one for folder in given.gold for one in examples(folder, learned_from)]
    held = [one for folder in given.gold for one in examples(folder, lambda url: not learned_from(url))]
    tables = {"names": vocabulary(pages, lambda one: (word for node in one.page.nodes for word in node.words), HOSTS),
              "text": vocabulary(pages, lambda one: (word for row in one.text_words for word in row[:WORDS]), 2 * HOSTS),
              "page": vocabulary(pages, lambda one: one.page_words, 4)}
    sizes = {"dense": pages[0].dense.shape[1], **{name: len(table) + 1 for name, table in tables.items()}}
    network = train([inputs(one, tables) for one in pages], [inputs(one, tables) for one in held], sizes)
    given.to.write_bytes(stored(network, tables))
    print(f"{len(pages)} pages learned from, {len(held)} not; activations in 1/{ACTIVATION}; "
          f"{given.to} {hashlib.sha256(given.to.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    fit()
