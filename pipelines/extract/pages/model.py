"""Main-text model: for each block of a page whether it is main text, and the kind of the page.

A network of three layers over the blocks in their order, each of which sees its neighbours, what lies in the same element
and a summary of the page. All numbers are whole: weights in 1/1024, activations in 1/256, held as float64, in which every
product and sum here is exact. So the order in which a BLAS adds them is no matter, and a page has the same text everywhere.

The file lies beside this module; `python -m textmill.pipelines.learned.main_text` writes it, and docs/extract-model.md says
from what.
"""

import hashlib
import io
from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np

from textmill.pipelines.extract.pages.blocks import Blocks
from textmill.pipelines.extract.pages.features import features

KINDS = ("article", "documentation", "service", "forum", "product", "collection", "listing")
FILE = Path(__file__).with_name("main-text.npz")
WEIGHT, ACTIVATION = 1024, 256
WORDS = 12              # words of a block that are looked at
NEAR = 4                # blocks before and after whose mean is seen
GROUP = 4               # blocks that an element holds at least, to be seen as what a block is in


class Decision(NamedTuple):
    """`scores`: of each block, above 0 for main text, in log-odds; the kind of page and how sure it is, 0 to 1."""

    scores: np.ndarray
    kind: str
    kind_score: float


class Model(NamedTuple):
    """The weights, each as (inputs, outputs), and the numbers of the words that have any; 0 is every other word."""

    names: dict[str, int]
    text: dict[str, int]
    page: dict[str, int]
    weights: dict[str, np.ndarray]


@lru_cache(1)
def model(file: Path = FILE) -> Model:
    """The model of a file."""
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
        words = {name: {word: n for n, word in enumerate(bytes(stored[f"{name}_words"]).decode().split("\n"), start=1)}
                 for name in ("names", "text", "page")}
        return Model(**words, weights={name: stored[name].astype(np.float64) for name in stored.files if "_words" not in name})


def digest(file: Path = FILE) -> str:
    """The sha256 of the model's file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def summed(table: np.ndarray, rows: list[list[int]]) -> np.ndarray:
    """The sum of a table's rows for each list; row 0, the unknown word, is zero."""
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    flat = np.fromiter((n for row in rows for n in row), np.int64, int(counts.sum()))
    if not len(flat):
        return np.zeros((len(rows), table.shape[1]))
    sums = np.zeros((len(rows), table.shape[1]))
    full = counts > 0
    sums[full] = np.add.reduceat(table[flat], (np.cumsum(counts) - counts)[full], axis=0)
    return sums


def decide(page: Blocks, words: list[str], weights: Model | None = None) -> Decision:
    """What the model says of a page that has at least one block; `words` are those of the page itself."""
    m = weights or model()
    w, names, text = m.weights, m.names, m.text
    look = features(page)
    count = len(page.blocks)
    node = np.array(look.around, dtype=np.int64)
    parent = np.array([max(one.parent, 0) for one in page.nodes], dtype=np.int64)
    ids = [[names[word] for word in one.words if word in names] for one in page.nodes]
    near = summed(w["near"], ids)
    near[1:] += near[parent][1:]         # the right side is taken before it is added
    path = along(summed(w["path"], ids), page)
    z = (look.dense * (ACTIVATION / 64)) @ w["dense"]
    z += (near[node] + path[node]) * ACTIVATION
    z += summed(w["text"], [[text[word] for word in row[:WORDS] if word in text] for row in look.text_words]) * ACTIVATION
    hidden = shrunk(z + w["dense_bias"] * ACTIVATION)
    size = np.array([max(block.text.count(" ") + 1, 1) for block in page.blocks], dtype=np.float64)
    mean = np.floor(hidden.sum(axis=0) / count)
    heavy = np.floor((hidden * size[:, None]).sum(axis=0) / size.sum())
    summary = np.concatenate([mean, heavy]) @ w["summary"] + w["summary_bias"] * ACTIVATION
    summary = shrunk(summary + summed(w["page"], [[m.page[word] for word in words if word in m.page]])[0] * ACTIVATION)
    kinds = summary @ w["kind"] + w["kind_bias"] * ACTIVATION
    place = np.arange(count)
    ranges = [(np.maximum(place - NEAR, 0), np.minimum(place + NEAR + 1, count)), groups(page)]
    for layer in ("two", "three"):
        size_ = hidden.shape[1] * 5
        seen = around(hidden, ranges) @ w[layer][:size_] + (summary @ w[layer][size_:] + w[f"{layer}_bias"] * ACTIVATION)
        hidden = shrunk(seen)
    scores = (hidden @ w["out"] + w["out_bias"] * ACTIVATION)[:, 0] / (WEIGHT * ACTIVATION)
    best = int(np.argmax(kinds))
    return Decision(scores, KINDS[best], round(chance(kinds / (WEIGHT * ACTIVATION), best), 2))


def shrunk(z: np.ndarray) -> np.ndarray:
    """Activations: what is above 0, in 1/256."""
    return np.floor(np.maximum(z, 0) / WEIGHT)


def along(own: np.ndarray, page: Blocks) -> np.ndarray:
    """The sums of rows from the root down to each node."""
    depth = [0] * len(page.nodes)
    levels: list[list[int]] = [[0]]
    for number, one in enumerate(page.nodes[1:], start=1):
        depth[number] = deep = depth[one.parent] + 1
        if deep == len(levels):
            levels.append([])
        levels[deep].append(number)
    for level in levels[1:]:
        own[level] += own[[page.nodes[number].parent for number in level]]
    return own


def around(hidden: np.ndarray, ranges: list[tuple[np.ndarray, np.ndarray]]) -> np.ndarray:
    """Each block's activations, those of the one before and after, and the means over its ranges."""
    none = np.zeros((1, hidden.shape[1]))
    sums = np.concatenate([none, np.cumsum(hidden, axis=0)])
    means = [np.floor((sums[stop] - sums[start]) / (stop - start)[:, None]) for start, stop in ranges]
    return np.concatenate([hidden, np.concatenate([none, hidden[:-1]]), np.concatenate([hidden[1:], none]), *means], axis=1)


def groups(page: Blocks) -> tuple[np.ndarray, np.ndarray]:
    """For each block the blocks of the innermost element around it that holds several."""
    nodes, spans = page.nodes, page.spans
    of: list[int] = []
    for number, (start, stop) in enumerate(spans):
        of.append(of[nodes[number].parent] if number and stop - start < GROUP else number)
    wide = np.array([spans[of[block.node]] for block in page.blocks], dtype=np.int64)
    return wide[:, 0], wide[:, 1]


def chance(logits: np.ndarray, best: int) -> float:
    """The share of one of the logits, by powers of two that are straight between whole exponents: exact everywhere."""
    powers = []
    for value in (logits - logits.max()) * 1.5:
        whole = int(np.floor(value))
        powers.append((1 + float(value) - whole) * 2.0 ** max(whole, -60))
    return powers[best] / sum(powers)
