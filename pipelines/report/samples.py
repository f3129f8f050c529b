"""Sample texts and rejected pages: ten of each, chosen by the hash of their ids, so anyone gets the same ten.

Texts are shown from `curated` only, where personal data is replaced already; of a rejected page no text is shown.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.display.masking import masked
from textmill.pipelines.report.dataset import StoredDataset, side_by_side

SHOWN = 10
CHARACTERS = 300

Chosen = tuple[bytes, str, int]         # hash, id, number of the part


@dataclass(frozen=True)
class SampleText:
    """The beginning of a curated text; `cut` where it goes on."""

    id: str
    url: str
    source: str
    language: str
    text: str
    cut: bool


@dataclass(frozen=True)
class RejectedPage:
    """A page that broke rules, with every one: (rule, value, bound)."""

    id: str
    url: str
    title: str
    language: str
    broken: tuple[tuple[str, float, float], ...]


def texts(curated: StoredDataset) -> list[SampleText]:
    """The beginnings of the chosen documents' first pieces."""
    def ids() -> Iterator[tuple[int, list[str]]]:
        for number, part in enumerate(curated.manifest.parts):
            for batch in read_batches(curated.folder, part, ["id"]):
                yield number, batch["id"].to_pylist()

    chosen = smallest(ids())
    found = {}
    for number in sorted({part for _, _, part in chosen}):
        for batch in read_batches(curated.folder, curated.manifest.parts[number],
                                  ["id", "piece", "url", "source", "language", "text"]):
            here = [id_ for _, id_, part in chosen if part == number]
            begun = pc.utf8_slice_codeunits(batch["text"], 0, CHARACTERS + 1)
            for row, id_ in enumerate(batch["id"].to_pylist()):
                if id_ in here and batch["piece"][row].as_py() == 0:
                    text = begun[row].as_py()
                    found[id_] = SampleText(id_, masked(batch["url"][row].as_py()), batch["source"][row].as_py(),
                                      batch["language"][row].as_py(), text[:CHARACTERS], len(text) > CHARACTERS)
    return [found[id_] for _, id_, _ in chosen]


def rejected_pages(documents: StoredDataset, verdicts: StoredDataset, signals: StoredDataset) -> list[RejectedPage]:
    """The chosen documents that screen rejected."""
    def ids() -> Iterator[tuple[int, list[str]]]:
        for number, part in enumerate(verdicts.manifest.parts):
            for batch in read_batches(verdicts.folder, part, ["id", "kept"]):
                yield number, batch["id"].filter(pc.invert(batch["kept"])).to_pylist()

    chosen = smallest(ids())
    wanted = pa.array([id_ for _, id_, _ in chosen], pa.string())
    found = {}
    for batches in side_by_side((documents, ["id", "url", "host", "title"]), (signals, ["language"]), (verdicts, ["broken"])):
        mask = pc.is_in(batches[0]["id"], value_set=wanted)
        for page, signal, verdict in zip(*(batch.filter(mask).to_pylist() for batch in batches), strict=True):
            found[page["id"]] = RejectedPage(
                page["id"], masked(page["url"]), masked(page["title"], signal["language"], page["host"]), signal["language"],
                tuple((entry["rule"], entry["value"], entry["bound"]) for entry in verdict["broken"]))
    return [found[id_] for _, id_, _ in chosen]


def smallest(ids: Iterator[tuple[int, list[str]]], count: int = SHOWN) -> list[Chosen]:
    """The `count` ids of smallest hash among (part, ids) lists, each once, in the order of their hashes."""
    best: list[Chosen] = []
    for part, here in ids:
        hashed = {id_: (blake2b(id_.encode(), digest_size=8).digest(), id_, part) for id_ in here}
        best = heapq.nsmallest(count, (hashed | {row[1]: row for row in best}).values())
    return best
