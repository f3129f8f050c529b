"""Sample texts and rejected pages: ten of each, chosen by the hash of their ids, so anyone gets the same ten.

Sample texts come from `curated`, where personal data is replaced already; other texts are shown as masked excerpts.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.display.masking import masked
from textmill.pipelines.measure.personal.find import find_personal_data
from textmill.pipelines.report.dataset import StoredDataset, side_by_side
from textmill.pipelines.report.tables import Column, Table, table

SHOWN = 10
CHARACTERS = 300
LOOKED_AT = 4 * CHARACTERS      # of a text, for personal data: what lies across the end of an excerpt is found whole

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
    turns: tuple[tuple[str, str], ...] = ()
    """Of a dialogue: who says what of the text."""


@dataclass(frozen=True)
class RejectedPage:
    """A page that broke rules, with every one: (rule, value, bound)."""

    id: str
    url: str
    source: str
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
                                  ["id", "piece", "url", "source", "language", "text", "turns"]):
            here = [id_ for _, id_, part in chosen if part == number]
            begun = pc.utf8_slice_codeunits(batch["text"], 0, CHARACTERS + 1)
            for row, id_ in enumerate(batch["id"].to_pylist()):
                if id_ in here and batch["piece"][row].as_py() == 0:
                    text = begun[row].as_py()
                    turns = tuple((turn["role"], text[turn["start"]:turn["end"]][:CHARACTERS - turn["start"]])
                                  for turn in batch["turns"][row].as_py() or () if turn["start"] < CHARACTERS)
                    found[id_] = SampleText(id_, masked(batch["url"][row].as_py()), batch["source"][row].as_py(),
                                            batch["language"][row].as_py(), text[:CHARACTERS], len(text) > CHARACTERS, turns)
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
    columns = ((documents, ["id", "url", "host", "source", "title"]), (signals, ["language"]), (verdicts, ["broken"]))
    for batches in side_by_side(*columns):
        mask = pc.is_in(batches[0]["id"], value_set=wanted)
        for page, signal, verdict in zip(*(batch.filter(mask).to_pylist() for batch in batches), strict=True):
            language, broken = signal["language"], verdict["broken"]
            found[page["id"]] = RejectedPage(
                page["id"], masked(page["url"]), page["source"], masked(page["title"], language, page["host"]), language,
                tuple((entry["rule"], entry["value"], entry["bound"]) for entry in broken))
    return [found[id_] for _, id_, _ in chosen]


def excerpt(text: str | None, language: str = "und", host: str | None = None) -> str:
    r"""The beginning of a text on one line, personal data masked; it ends before a finding that would be cut in two.

    >>> excerpt("Write\n to anna@mail.example.de"), len(excerpt("word " * 1000))
    ('Write to <EMAIL>', 300)
    """
    line = " ".join((text or "")[:20 * CHARACTERS].split())[:LOOKED_AT]
    (findings,) = find_personal_data([line], [language], [host])
    end = len(line) if len(line) < LOOKED_AT else LOOKED_AT - CHARACTERS       # what is cut off there may be half a finding
    shown, at = [], 0
    for kind, start, stop in findings:
        if stop > end:
            end = min(end, start)
            break
        shown += [line[at:start], f"<{kind}>"]
        at = stop
    whole = "".join((*shown, line[at:end]))
    return whole if len(whole) <= CHARACTERS else f"{whole[:CHARACTERS - 1]}…"


def smallest(ids: Iterator[tuple[int, list[str]]], count: int = SHOWN) -> list[Chosen]:
    """The `count` ids of smallest hash among (part, ids) lists, each once, in the order of their hashes."""
    best: list[Chosen] = []
    for part, here in ids:
        hashed = {id_: (blake2b(id_.encode(), digest_size=8).digest(), id_, part) for id_ in here}
        best = heapq.nsmallest(count, (hashed | {row[1]: row for row in best}).values())
    return best


def text_table(texts: list[SampleText]) -> Table:
    """One row for each sample text."""
    return table("sample_texts", "Texts that were kept", "a curated text", [
        Column("id", "of the document"), Column("url", "its address, personal data masked"),
        Column("source", "folder under raw/"),
        Column("language", "as measured"), Column("text", f"its first {CHARACTERS} characters, personal data replaced"),
        Column("cut", "whether it goes on", "flag")],
        ((one.id, one.url, one.source, one.language, one.text, one.cut) for one in texts))


def rejected_table(pages: list[RejectedPage]) -> Table:
    """One row for each rule that a sample page broke."""
    return table("sample_rejected", "Pages that broke a rule", "a rule that a page broke", [
        Column("id", "of the document"), Column("url", "its address, personal data masked"),
        Column("source", "folder under raw/"), Column("title", "personal data masked"),
        Column("language", "as measured"), Column("rule", "that it broke"), Column("value", "measured", "number"),
        Column("bound", "that it broke", "number")],
        ((page.id, page.url, page.source, page.title, page.language, *entry) for page in pages for entry in page.broken))
