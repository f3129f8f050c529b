"""Mixtures: which token rows go into the blocks, in which shares. Parsed strictly: every problem is reported at once."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.errors import TextmillError
from textmill.base.names import name_problem
from textmill.base.strict import changed, parse, read_yaml

COLUMNS = ("source", "language")        # of tokens, which `where` may ask for
BLOCKS = range(128, 8192 + 1, 128)      # lengths of a block: FlexAttention masks in tiles of 128


class MixtureError(TextmillError):
    """A mixture that the token rows cannot satisfy; the message says what to change."""


@dataclass(frozen=True)
class Entry:
    """An entry of a mixture: which token rows, and how many of their tokens."""

    where: dict[str, Any]
    """A value or a list of values for each column; a row has to match all of them."""
    share: float
    """Of tokens, not of documents."""
    repeat: int = 1
    """Passes over its documents that are allowed."""
    repeat_by_cluster_size: dict[int, int] = field(default_factory=dict)
    """Gives back some of what dedup removed: {2: 2, 10: 3} takes a document that is kept for a cluster of 2 or more twice in
    a pass, of 10 or more three times."""

    renamed: ClassVar = {"popular": "repeat_by_cluster_size"}

    def problems(self) -> Iterator[str]:
        """One sentence for each value that cannot be."""
        if not self.where:
            yield f"where is empty; say which rows to take by {' or '.join(COLUMNS)}"
        for column, values in self.where.items():
            if column not in COLUMNS:
                yield f"where asks for {column!r}; token rows can be chosen by {', '.join(COLUMNS)}"
            if not values and isinstance(values, list):
                yield f"where.{column} is an empty list, which no row matches; name at least one value"
            for value in values if isinstance(values, list) else [values]:
                if not isinstance(value, str):
                    yield f"where.{column} has {value!r}, which is not text; write it in quotes (YAML reads no as false)"
        if not 0 < self.share <= 1:
            yield f"share is {self.share}; give more than 0 and at most 1"
        if self.repeat < 1:
            yield f"repeat is {self.repeat}; give the passes allowed, 1 or more"
        repeats = self.repeat_by_cluster_size
        if wrong := {size: times for size, times in repeats.items() if type(size) is not int or size < 2 or times < 2}:
            for size, times in wrong.items():
                yield (f"repeat_by_cluster_size has {size}: {times}; give a cluster size and how often to take its "
                       "documents, both 2 or more")
        elif sorted(repeats.values()) != [times for _, times in sorted(repeats.items())]:
            yield ("repeat_by_cluster_size takes documents of a larger cluster less often than of a smaller one; let the times "
                   "not fall")

    def weights(self, cluster_sizes: np.ndarray) -> np.ndarray:
        """How often a pass takes documents of these cluster sizes (0: in no cluster)."""
        sizes = sorted(self.repeat_by_cluster_size)
        times = np.array([1, *(self.repeat_by_cluster_size[size] for size in sizes)])
        return times[np.searchsorted(sizes, cluster_sizes, side="right")]


@dataclass(frozen=True)
class Mixture:
    """A training mixture: entries with their shares, and the size of blocks.

    `tokens` is the number to pack for training, end-of-text included; `validation` is the share of documents held out; `seed`
    orders the documents."""

    name: str
    block: int
    tokens: int
    seed: int
    validation: float
    tokenizer: str
    entries: dict[str, Entry]

    def problems(self) -> Iterator[str]:
        """One sentence for each value that cannot be."""
        for key, name in (("name", self.name), ("tokenizer", self.tokenizer), *(("entry", e) for e in self.entries)):
            if problem := name_problem(key, name):
                yield problem
        if self.block not in BLOCKS:
            yield f"block is {self.block}; give a multiple of {BLOCKS.step} from {BLOCKS[0]} to {BLOCKS[-1]}"
        if self.tokens < self.block:
            yield f"tokens is {self.tokens}, less than one block; give at least {self.block}"
        if not 0 <= self.seed < 1 << 64:
            yield f"seed is {self.seed}; give 0 to {(1 << 64) - 1}"
        if not 0 <= self.validation < 0.5:
            yield f"validation is {self.validation}; give 0 or more and less than 0.5"
        if not self.entries:
            yield "entries is empty; give at least one"
        elif not abs((total := math.fsum(entry.share for entry in self.entries.values())) - 1) <= 1e-9:
            shares = " + ".join(f"{entry.share:g}" for entry in self.entries.values())
            yield f"the shares of the entries are {shares} = {total:.10g}; change them so that they add up to 1"


def read_mixture(path: str | Path, changes: Mapping[str, Any] = MappingProxyType({})) -> Mixture:
    """The recipe in a YAML file with `changes` made; SettingsError (textmill.base.strict) with every problem found."""
    return parse(Mixture, changed(read_yaml(path), changes), str(path))


def entry_of(mixture: Mixture, rows: pa.RecordBatch | pa.Table) -> pa.Array:
    """Per row, which entry it belongs to: int32, the place in the recipe's order, null for none.

    `rows` has the columns of COLUMNS. A row belongs to one entry at most: MixtureError names the entries that overlap.
    """
    found = np.full(rows.num_rows, -1, np.int32)
    names = list(mixture.entries)
    for number, entry in enumerate(mixture.entries.values()):
        matches = np.ones(rows.num_rows, bool)
        for column, values in entry.where.items():
            wanted = pa.array(values if isinstance(values, list) else [values], pa.string())
            matches &= pc.is_in(rows[column], value_set=wanted).to_numpy(zero_copy_only=False)
        if (twice := matches & (found >= 0)).any():
            row = {column: rows[column][int(twice.argmax())].as_py() for column in COLUMNS}
            raise MixtureError(f"entries {names[found[twice.argmax()]]} and {names[number]} both take rows with "
                               f"{_said(row)}; narrow their `where` so that a document belongs to one")
        found[matches] = number
    return pa.array(found, mask=found < 0)


def selects(entry: Entry) -> str:
    """`where` as a sentence says it: source=crawl, language=de."""
    return _said(entry.where)


def _said(where: dict[str, Any]) -> str:
    return ", ".join(f"{column}={'|'.join(v) if isinstance(v, list) else v}" for column, v in where.items())
