"""Main-text model: for each block of a page how likely it is main text, and the kind of the page.

A network, or some whose log-odds are averaged, each of some layers over the blocks in their order, in which a block sees its
neighbours, the blocks of the elements around it, those at the same place of other elements of the same names (all titles of
cards, all posts), and a summary of the page. All numbers are whole: weights in 1/1024, activations in 1/256, held as float64,
in which every product and sum here is exact. So the order in which a BLAS adds them is no matter, and a page has the same
text everywhere.

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
from textmill.pipelines.extract.pages.elements import Elements
from textmill.pipelines.extract.pages.features import features

KINDS = ("article", "documentation", "service", "forum", "product", "collection", "listing")
FILE = Path(__file__).with_name("main-text.npz")
WEIGHT, ACTIVATION = 1024, 256
WORDS = 12              # words of a block that are looked at
NEAR = 4                # blocks before and after whose mean is seen
GROUPS = (4, 16)        # blocks that an element holds at least, to be seen as what a block is in
TEMPERATURE = 2         # of the log-odds: what makes them chances on hosts not learned from (measured: 1.2 to 3)
_REMEMBERED = 8192      # sets of names
LAYERS = 2              # after the first
CHANCE = 4096           # chances are in 1/4096


class Decision(NamedTuple):
    """What is main text of a page, and its kind."""

    scores: np.ndarray          # of each block, in log-odds
    kept: list[int]             # the blocks
    expected: float             # the F1 of words that these are expected to have
    kind: str
    kind_score: float           # how sure it is, 0 to 1
    places: list[int]           # of each block, the number of its place: see Elements.places


class Model(NamedTuple):
    """The weights, the first axis a network, and the numbers of the words that have any; 0 is every other word."""

    names: dict[str, int]
    text: dict[str, int]
    page: dict[str, int]
    weights: dict[str, np.ndarray]
    known: dict[tuple[str, ...], list[int]]     # numbers of the names of elements met before

    def of_names(self, words: tuple[str, ...]) -> list[int]:
        """The numbers of an element's words."""
        numbers = self.known.get(words)
        if numbers is None:
            if len(self.known) >= _REMEMBERED:
                self.known.clear()
            numbers = self.known[words] = [number for word in words if (number := self.names.get(word))]
        return numbers


@lru_cache(1)
def model(file: Path = FILE) -> Model:
    """The model of a file."""
    with np.load(io.BytesIO(file.read_bytes()), allow_pickle=False) as stored:
        words = {name: {word: n for n, word in enumerate(bytes(stored[f"{name}_words"]).decode().split("\n"), start=1)}
                 for name in ("names", "text", "page")}
        weights = {name: stored[name].astype(np.float64) for name in stored.files if "_words" not in name}
        # The networks' first layers side by side, and the two tables of names: one look-up, one product.
        for name in ("dense", "near", "path", "text", "page"):
            weights[name] = np.concatenate(list(weights[name]), axis=1)
        weights["names"] = np.concatenate([weights.pop("near"), weights.pop("path")], axis=1)
        return Model(**words, weights=weights, known={})


def digest(file: Path = FILE) -> str:
    """The sha256 of the model's file."""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def decide(page: Blocks, words: list[str], title: str = "", description: str = "", weights: Model | None = None) -> Decision:
    """What the model says of a page that has at least one block; `words` are those of the page itself."""
    m = weights or model()
    w = m.weights
    elements = Elements.of(page)
    look = features(page, elements, title, description)
    count, networks, node = len(page.texts), len(w["out"]), elements.node
    named = summed(w["names"], *flat([m.of_names(words) for words in elements.names]), len(elements.names))[elements.name]
    near, path = np.split(named, 2, axis=1)
    z = (look.dense * (ACTIVATION / 64)) @ w["dense"] + w["dense_bias"].reshape(-1) * ACTIVATION
    around = near[node] + near[elements.parent[node]] * (node > 0)[:, None] + elements.along(path)
    hidden = shrunk(z + (around + summed(w["text"], *beginnings(look.text_words, m.text), count)) * ACTIVATION)
    size = block_words(page)
    mean = np.floor(hidden.sum(axis=0) / count)
    heavy = np.floor((hidden * size[:, None]).sum(axis=0) / size.sum())
    said = summed(w["page"], *flat([[number for word in words if (number := m.page.get(word))]]), 1)
    summary = np.concatenate([mean.reshape(networks, 1, -1), heavy.reshape(networks, 1, -1)], axis=2) @ w["summary"]
    summary = shrunk(summary + (said.reshape(networks, 1, -1) + w["summary_bias"][:, None]) * ACTIVATION)
    kinds = (summary @ w["kind"] + w["kind_bias"][:, None] * ACTIVATION).sum(axis=(0, 1))
    context = Context.of(elements)
    for layer in range(LAYERS):
        weight, bias = w[f"deep{layer}"], w[f"deep{layer}_bias"]
        seen = context.around(hidden).reshape(count, -1, networks, hidden.shape[1] // networks)
        inputs = seen.transpose(2, 0, 1, 3).reshape(networks, count, -1)
        split = inputs.shape[2]
        out = inputs @ weight[:, :split] + (summary @ weight[:, split:] + bias[:, None] * ACTIVATION)
        hidden = shrunk(out).transpose(1, 0, 2).reshape(count, -1)
    scores = hidden @ w["out"].reshape(-1) + w["out_bias"].sum() * ACTIVATION
    unit = networks * WEIGHT * ACTIVATION
    best = int(np.argmax(kinds))
    judged = scores if KINDS[best] == "article" else together(scores, context.place)
    kept, expected = most_expected(judged / unit, size.astype(np.int64))
    return Decision(scores / unit, kept, expected, KINDS[best], round(share(kinds / unit, best), 2),
                    context.place.tolist())


def block_words(page: Blocks) -> np.ndarray:
    """Words of each block, by its spaces."""
    return np.array([text.count(" ") + 1 for text in page.texts], dtype=np.float64)


def together(scores: np.ndarray, places: np.ndarray) -> np.ndarray:
    """Of each block the mean of those at its place: all posts of a thread, all prices of a shop stay, or none.

    Of an article's paragraphs each is judged alone, as one may be a note to the reader. F1 is the same to .0005 (measured).
    """
    return (np.bincount(places, weights=scores) / np.bincount(places))[places]


def most_expected(scores: np.ndarray, size: np.ndarray) -> tuple[list[int], float]:
    """The blocks that have the highest expected F1 over words, if each is main text with its chance; and that F1.

    They are those above half of it (Lipton et al. 2014): a page of which nothing is sure keeps what is likelier, not nothing.
    """
    likely = chances(scores / TEMPERATURE)
    order = np.argsort(-likely, kind="stable")
    both = np.cumsum((likely * size)[order])
    f1 = 2 * both / (np.cumsum(size[order]) * CHANCE + both[-1] + 1)
    best = int(np.argmax(f1))
    return np.flatnonzero(likely >= likely[order[best]]).tolist(), float(f1[best])


def chances(logits: np.ndarray) -> np.ndarray:
    """1 / (1 + 2^-x) of x = log-odds * 1.4427, in 1/4096, whole; powers between whole exponents are straight lines."""
    x = np.clip(logits * 1.4427, -24, 24)
    whole = np.floor(x)
    power = np.ldexp(1 + (x - whole), whole.astype(np.int64))
    return np.floor(CHANCE * (power / (1 + power))).astype(np.int64)


def share(logits: np.ndarray, best: int) -> float:
    """The share of one of the logits, by the same powers of two."""
    powers = []
    for value in (logits - logits.max()) * 1.4427:
        whole = int(np.floor(value))
        powers.append((1 + float(value) - whole) * 2.0 ** max(whole, -60))
    return powers[best] / sum(powers)


def flat(rows: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of some lists, and for each the list it is in."""
    counts = np.fromiter(map(len, rows), np.int64, len(rows))
    return np.array([number for row in rows for number in row], dtype=np.int64), np.repeat(np.arange(len(rows)), counts)


def beginnings(words: list[str], table: dict[str, int]) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the first words of each block that have any, and for each its block."""
    numbers = np.array([table.get(word, 0) if word != "\x01" else -1 for word in words], dtype=np.int64)
    block = np.cumsum(numbers < 0)
    first = np.searchsorted(block, np.arange(block[-1] + 1 if len(block) else 0))
    chosen = (numbers > 0) & (np.arange(len(numbers)) - first[block] < WORDS + (block > 0))
    return numbers[chosen], block[chosen]


def summed(table: np.ndarray, numbers: np.ndarray, of: np.ndarray, count: int) -> np.ndarray:
    """The sum of a table's rows for each of `count` lists, whose numbers these are in their order."""
    sums = np.zeros((count, table.shape[1]))
    if len(numbers):
        at, first = np.unique(of, return_index=True)
        sums[at] = np.add.reduceat(table[numbers], first, axis=0)
    return sums


def shrunk(z: np.ndarray) -> np.ndarray:
    """Activations: what is above 0, in 1/256."""
    return np.floor(np.maximum(z, 0) / WEIGHT)


class Context(NamedTuple):
    """What a block sees beside itself: ranges of blocks, and the number of its place, the same for places of the same names."""

    ranges: list[tuple[np.ndarray, np.ndarray]]
    order: np.ndarray           # of the blocks by place
    first: np.ndarray           # in that order, of each place
    place: np.ndarray

    @classmethod
    def of(cls, elements: Elements) -> "Context":
        count = len(elements.node)
        at = np.arange(count)
        ranges = [(np.maximum(at - NEAR, 0), np.minimum(at + NEAR + 1, count))]
        for least in GROUPS:
            around = elements.nearest(elements.held >= least)[elements.node]
            ranges.append((elements.start[around], elements.end[around]))
        place = elements.places()
        sizes = np.bincount(place)
        return cls(ranges, np.argsort(place, kind="stable"), np.cumsum(sizes) - sizes, place)

    def around(self, hidden: np.ndarray) -> np.ndarray:
        """(blocks, 7, width): a block, the one before, the one after, the means over its ranges and over its place."""
        none = np.zeros((1, hidden.shape[1]))
        sums = np.concatenate([none, np.cumsum(hidden, axis=0)])
        means = [np.floor((sums[stop] - sums[start]) / (stop - start)[:, None]) for start, stop in self.ranges]
        sizes = np.diff(np.append(self.first, len(hidden)))
        alike = np.floor(np.add.reduceat(hidden[self.order], self.first, axis=0) / sizes[:, None])[self.place]
        before, after = np.concatenate([none, hidden[:-1]]), np.concatenate([hidden[1:], none])
        return np.stack([hidden, before, after, *means, alike], axis=1)
