"""Small random worlds of documents for the tests of dedup, and the whole stage as plain function calls.

A document's shingles are numbers; its signature is made from them by the real code. Some are near copies along chains,
some exact copies, older captures of an address, or records stored twice.
"""

import hashlib
import random
from collections import defaultdict
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.bands import BAND, band_rows, signature_matrix
from textmill.pipelines.dedup.buckets import LINK, buckets, by_smallest, candidates, distinct
from textmill.pipelines.dedup.clusters import SpanningForest
from textmill.pipelines.dedup.exact import KEYED, exact_kinds, groups_of_two_or_more, keyed_rows, member_rows, resolve
from textmill.pipelines.dedup.forest import TREE, root_of
from textmill.pipelines.dedup.keep import CLUSTERED, decisions, duplicates_table
from textmill.pipelines.dedup.packed import Pass, joined
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.dedup.shingle_sets import ShingleSets, write_sets
from textmill.pipelines.dedup.verify import EDGE, HELD, Compared, compared, fullest
from textmill.pipelines.text.shingles import minhash


@dataclass(frozen=True)
class Page:
    id: str
    url: str | None
    date: str | None
    source: str
    shingles: frozenset[int]
    content: bytes
    length: int
    kept: bool = True

    @property
    def array(self) -> np.ndarray:
        return np.array(sorted(self.shingles), np.uint64)


def jaccard(a: Page, b: Page) -> float:
    return len(a.shingles & b.shingles) / len(a.shingles | b.shingles)


def page(shingles, seed, *, url=None, date=None, source="web", length=None, id=None, content=None, kept=True) -> Page:
    shingles = frozenset(shingles)
    content = content or hashlib.blake2b(repr((sorted(shingles), seed)).encode(), digest_size=16).digest()
    id = id or hashlib.blake2b(repr((seed, url, date, source)).encode(), digest_size=16).hexdigest()
    return Page(id, url, date, source, shingles, content, length or 6 * len(shingles), kept)


def world(seed: int, families: int = 25) -> list[Page]:
    rng = random.Random(seed)
    pages: list[Page] = []

    def number() -> int:
        return rng.getrandbits(64)

    for _ in range(families):
        current, url = {number() for _ in range(rng.randint(20, 120))}, None
        for _ in range(rng.choice([1, 1, 1, 2, 3, 6, 14])):
            date = None if rng.random() < .2 else f"20{rng.randint(10, 25)}-0{rng.randint(1, 9)}-01T00:00:00Z"
            if url is None or rng.random() < .6:    # else the last one's address, captured again
                url = None if rng.random() < .3 else f"https://site{rng.randint(0, 40)}.example/{rng.randint(0, 3)}"
            pages.append(page(current, number(), url=url, date=date, source=rng.choice(["web", "books", "wiki"]),
                              length=rng.randint(100, 104), kept=rng.random() > .05))
            if rng.random() < .5:       # the next page of the family is a copy of the last one: that makes chains
                for gone in rng.sample(sorted(current), rng.randint(0, max(1, len(current) // 12))):
                    current = current - {gone} | {number()}
            if rng.random() < .25:      # the same text elsewhere
                pages.append(page(current, number(), content=pages[-1].content if current == pages[-1].shingles else None,
                                  source=rng.choice(["web", "books"]), date=date))
            if rng.random() < .1:
                pages.append(pages[-1])     # the same record twice
    return pages


def deduplicate(parts: list[list[Page]], settings: DedupSettings, folder: str, passes: int = 1, partitions: int = 16):
    """The rows of `duplicates` for each part, as a list of record batches."""
    order, turns = settings.order, [Pass(n, passes) for n in range(passes)]
    members = [member_rows(pa.RecordBatch.from_pylist(
        [{"id": p.id, "date": p.date, "source": p.source} for p in part],
        pa.schema([("id", pa.string()), ("date", pa.string()), ("source", pa.string())])),
        np.array([p.length for p in part], np.int64), n << 32, settings.source_priority) for n, part in enumerate(parts)]
    groups = [np.zeros(0, KEYED)]
    for turn in turns:
        met = defaultdict(list)
        for part, rows in zip(parts, members, strict=True):
            for key, packed in keyed_rows(rows, pa.record_batch({
                    "url": pa.array([p.url for p in part], pa.string()), "pair": pa.nulls(len(part), pa.string()),
                    "preferred": pa.nulls(len(part), pa.bool_())}),
                                          pa.array([p.content for p in part], pa.binary(16)),
                                          np.array([p.kept for p in part], bool), exact_kinds(settings.kinds), turn, partitions):
                met[key].append(packed)
        groups += [groups_of_two_or_more(joined(chunks, KEYED)) for chunks in met.values()]
    removed, named, addressed = resolve(np.concatenate(groups), order, settings.same_address == "newest")

    alive = [np.array([p.kept and len(p.shingles) >= settings.min_shingles and "near" in settings.kinds for p in part], bool)
             & ~np.isin(rows["ref"], removed["ref"]) for part, rows in zip(parts, members, strict=True)]
    lists = defaultdict(list)
    for turn in turns:
        met = defaultdict(list)
        for part, rows, left in zip(parts, members, alive, strict=True):
            arrays = [p.array for p in part]
            offsets = np.concatenate([[0], np.cumsum([len(a) for a in arrays], dtype=np.int64)])
            signatures = minhash(offsets, np.concatenate([*arrays, np.zeros(0, np.uint64)]))
            column = pa.FixedSizeListArray.from_arrays(pa.array(signatures.ravel()), 120)
            for key, packed in band_rows(signature_matrix(column)[left], rows["ref"][left], *settings.banding(), turn,
                                         partitions):
                met[key].append(packed)
        for chunks in met.values():
            for key, packed in by_smallest(buckets(joined(chunks, BAND)), Pass(), partitions):
                lists[key].append(packed)
    links = {key: distinct(joined(chunks, LINK)) for key, chunks in lists.items()}
    wanted = defaultdict(list)
    for some in links.values():
        for ordinal, packed in candidates(some):
            wanted[ordinal].append(packed)
    for ordinal, chunks in wanted.items():
        rows = (np.unique(joined(chunks, np.dtype("<u8"))) & np.uint64(0xFFFFFFFF)).astype(int)
        arrays = [parts[ordinal][row].array for row in rows]
        write_sets(Folder(folder), ordinal, [(members[ordinal][rows], np.concatenate([[0], np.cumsum([len(a) for a in arrays])]),
                                              np.concatenate(arrays))])
    sets = ShingleSets(Folder(folder))
    found = [Compared(np.zeros(0, EDGE), np.zeros(0, HELD)), *(compared(some, sets, settings) for some in links.values())]
    edges, held = [one.edges for one in found], fullest(np.concatenate([one.held for one in found]))

    combine = SpanningForest()
    accumulator = combine.create_accumulator()
    for some in edges:
        accumulator = combine.add_input(accumulator, np.rec.fromarrays([some["a"], some["b"]], dtype=TREE).tobytes())
    exact = np.rec.fromarrays([removed["ref"], removed["kept"]], dtype=TREE).tobytes()
    trees = np.frombuffer(combine.extract_output(combine.add_input(accumulator, exact)), TREE)

    near = np.unique(np.concatenate([np.concatenate([e["a"], e["b"]]) for e in edges]))
    rows = np.zeros(len(named) + len(near), CLUSTERED)
    described = np.concatenate([named, sets.index(near)[list(named.dtype.names)].astype(named.dtype)])
    for name in named.dtype.names:
        rows[name] = described[name]
    rows["root"] = root_of(trees, rows["ref"])
    at = removed["ref"].searchsorted(rows["ref"])
    for row, place in enumerate(at):
        if place < len(removed) and removed["ref"][place] == rows["ref"][row]:
            rows["kind"][row], rows["kept"][row] = removed["kind"][place], removed["kept"][place]
    shared = {ref: (address, older) for ref, address, older in addressed.tolist()}
    for row, ref in enumerate(rows["ref"].tolist()):
        rows["address"][row], rows["older"][row] = shared.get(ref, (0, 0))
    decided = decisions(rows, sets, settings.threshold, order, settings.max_all_pairs_cluster)
    tables = []
    for n, part in enumerate(parts):
        mine = (rows[(rows["ref"] >> np.uint64(32)) == n] for rows in (decided, held))
        tables.append(duplicates_table(pa.array([p.id for p in part], pa.string()), n << 32, *mine))
    return tables, links, edges
