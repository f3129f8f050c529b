"""Tokenizer, packed mixture and training run.

The run's folder is read as plain JSON lines, a few facts a line, each with its step; nothing of `model` is imported.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.pack.where import ALL, ANY, sentence
from textmill.pipelines.report.dataset import StoredDataset

LOG = "log.jsonl"
POINTS = 240            # of the loss, at most: more are finer than the figure

Points = tuple[tuple[float, float], ...]        # (step, value)


@dataclass(frozen=True)
class EntryRow:
    """An entry of the mixture: its requested share and its packed blocks; `held` is validation."""

    name: str
    where: str
    share: float
    packed_share: float
    tokens: int
    blocks: int
    empty: int
    documents: int
    cut: int
    passes: int
    repeat: int
    held_blocks: int
    held_tokens: int


@dataclass(frozen=True)
class Packing:
    """The blocks of a mixture. `left_out` is (reason, texts)."""

    block: int
    tokens: int
    blocks: int
    empty_share: float
    held_tokens: int
    held_blocks: int
    texts: int
    packed: int
    left_out: tuple[tuple[str, int], ...]
    entries: tuple[EntryRow, ...]


@dataclass(frozen=True)
class Training:
    """A run: mean training loss (nats per token), bits per byte on held-out blocks, overall and by entry."""

    steps: int
    tokens: int | None
    loss: Points
    validation: Points
    entries: tuple[tuple[str, Points], ...]


def packing(blocks: StoredDataset) -> Packing:
    """From the counts, and the recipe that the blocks were made by."""
    counts, recipe = blocks.counts, blocks.manifest.made_from["settings"][0]
    train, held = counts["train"], counts["validation"]
    rows = []
    asked = sum(packed.get("wanted", 0) for packed in train["entries"].values())
    for name, packed in train["entries"].items():
        # An entry of the recipe, or one of those that a spread share became, which is named after it and a value.
        base = name if name in recipe["entries"] else max((e for e in recipe["entries"] if name.startswith(f"{e}-")), key=len)
        entry, aside = recipe["entries"][base], held["entries"][name]
        share = packed["wanted"] / asked if "wanted" in packed else entry["share"]
        rows.append(EntryRow(name, _where(entry["where"]), share, packed["tokens"] / max(1, train["tokens"]),
                             packed["tokens"], packed["blocks"], packed["empty"], packed["documents"], packed["cut"],
                             packed["passes"], entry["repeat"], aside["blocks"], aside["tokens"]))
    return Packing(recipe["block"], train["tokens"], train["blocks"],
                   train["empty"] / max(1, train["empty"] + train["tokens"]), held["tokens"], held["blocks"], counts["read"],
                   counts["kept"], tuple((reason, n) for reason, n in counts["rejected"].items() if n), tuple(rows))


def training(run: Folder) -> Training | None:
    """The run in this folder; None where there is no log or nothing in it. A half-written last line is left out."""
    try:
        lines = run.read(LOG).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return None
    rows = [row for line in lines if isinstance(row := _row(line), dict) and isinstance(row.get("step"), int)]
    if not rows:
        return None
    validation = [row for row in rows if "validation" in row]
    names = sorted({name for row in validation for name in row["entries"]})
    return Training(
        max(row["step"] for row in rows), max((row["tokens"] for row in rows if "tokens" in row), default=None),
        thinned([(row["step"], row["loss"]) for row in rows if "loss" in row]),
        tuple((row["step"], row["validation"]) for row in validation),
        tuple((name, tuple((row["step"], row["entries"][name]) for row in validation if name in row["entries"]))
              for name in names))


def thinned(points: Sequence[tuple[float, float]], most: int = POINTS) -> Points:
    """At most `most` points: means over runs of equally many neighbours.

    >>> thinned([(1, 4.0), (2, 2.0), (3, 1.0)], 2)
    ((1.5, 3.0), (3.0, 1.0))
    """
    size = -(-len(points) // most) if points else 1
    groups = [points[start:start + size] for start in range(0, len(points), size)]
    return tuple((sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups)


def _row(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        return None


def _where(where: dict[str, Any]) -> str:
    if any(isinstance(value, dict) or key in (ANY, ALL) for key, value in where.items()):
        return sentence(where)
    return ", ".join(f"{column} {' or '.join(value) if isinstance(value, list) else value}" for column, value in where.items())
