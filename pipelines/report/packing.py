"""The tokenizer's mixture as it was packed: what each entry asked for and what it gave."""

from dataclasses import dataclass
from typing import Any

from textmill.pipelines.pack.where import ALL, ANY, sentence
from textmill.pipelines.report.dataset import StoredDataset
from textmill.pipelines.report.tables import Column, Table, table


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


def entry_table(of: Packing) -> Table:
    """One row for each entry of the mixture."""
    return table("mixture", "Entries of the mixture", "an entry of the recipe", [
        Column("entry", "its name"), Column("takes", "which texts", long=True), Column("tokens", "packed to train on", "count"),
        Column("asked_share", "of all tokens", "share", "asked share", "plain"),
        Column("packed_share", "of all tokens", "share", "packed share", "kept"), Column("blocks", "to train on", "count"),
        Column("empty", "positions without a token", "count", "empty positions"), Column("documents", "packed", "count"),
        Column("cut", "documents that go on in another block", "count"), Column("passes", "begun over the texts", "count"),
        Column("repeat", "passes the recipe allows", "count", "allowed passes"),
        Column("held_blocks", "for validation", "count", "held-out blocks"),
        Column("held_tokens", "in them", "count", "held-out tokens")],
        ((one.name, one.where, one.tokens, one.share, one.packed_share, one.blocks, one.empty, one.documents, one.cut,
          one.passes,
          one.repeat, one.held_blocks, one.held_tokens) for one in of.entries))


def _where(where: dict[str, Any]) -> str:
    if any(isinstance(value, dict) or key in (ANY, ALL) for key, value in where.items()):
        return sentence(where)
    return ", ".join(f"{column} {' or '.join(value) if isinstance(value, list) else value}" for column, value in where.items())
