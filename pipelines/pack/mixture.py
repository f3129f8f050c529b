"""Mixtures: which texts go into the blocks, in which shares. Parsed strictly: every problem is reported at once."""

import difflib
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Literal

import numpy as np
import pyarrow as pa

from textmill.base.errors import TextmillError
from textmill.base.names import name_problem
from textmill.base.strict import changed, parse, read_yaml
from textmill.pipelines.pack import where
from textmill.pipelines.pack.columns import COLUMNS
from textmill.pipelines.pack.dialogues import LEARNED, MAY_LEARN

BLOCKS = range(128, 8192 + 1, 128)      # lengths of a block: FlexAttention masks in tiles of 128
AVAILABLE: Literal["available"] = "available"
_ONE = 1e-9                             # how far a sum of shares may be from 1


class MixtureError(TextmillError):
    """A mixture that the token rows cannot satisfy; the message says what to change."""


@dataclass(frozen=True)
class Spread:
    """A share divided among the values of a column: an entry for each value, by the tokens that it has."""

    by: str
    """A column of text, such as language, script, domain or license."""
    temperature: float = 1.0
    """Exponent of a value's tokens: 1 leaves the proportions as they are, 0 makes all equal, 0.7 is between."""
    of: float | Literal["available"] = AVAILABLE
    """The share that is divided; `available` is what the entries with numbers leave."""

    def problems(self) -> Iterator[str]:
        """One sentence for each value that cannot be."""
        texts = [name for name, column in COLUMNS.items() if column.kind == "text"]
        if self.by not in texts:
            near = difflib.get_close_matches(self.by, texts, n=1)
            cure = f"did you mean {near[0]!r}?" if near else f"give a column of text: {', '.join(texts)}"
            yield f"by is {self.by!r}; {cure}"
        if self.temperature > 1:
            yield (f"temperature is {self.temperature:g}; it is the exponent of a value's tokens, from 0 (all equal) to 1 (as "
                   f"there is): what others write as T={self.temperature:g} is {1 / self.temperature:.3g} here")
        elif not self.temperature >= 0:
            yield f"temperature is {self.temperature:g}; give 0 (all equal) to 1 (as there is)"
        if isinstance(self.of, float) and not 0 < self.of <= 1:
            yield f"of is {self.of:g}; give more than 0 and at most 1, or leave it out for what is left"


@dataclass(frozen=True)
class Phase:
    """A stretch of the run with shares of its own."""

    part: float
    """Of the run's tokens."""
    shares: dict[str, float]
    """Of the phase's tokens, by entry; an entry that is not named has none."""

    def problems(self) -> Iterator[str]:
        """One sentence for each value that cannot be."""
        if not 0 < self.part <= 1:
            yield f"part is {self.part:g}; give more than 0 and at most 1"
        if wrong := [name for name, share in self.shares.items() if not 0 <= share <= 1]:
            yield from (f"the share of {name} is {self.shares[name]:g}; give 0 to 1" for name in wrong)
        elif problem := _not_one("the shares of the phase", self.shares.values()):
            yield problem


@dataclass(frozen=True)
class Entry:
    """An entry of a mixture: which texts, and how many of their tokens."""

    where: dict[str, Any]
    """A condition on stored columns: values, lists of values or bounds, and any, all, not."""
    share: float | Literal["available"] | Spread | None = None
    """Of tokens, not of documents: a number, `available` (what the numbers leave, by the tokens there are), or a spread."""
    repeat: int = 1
    """Passes over its documents that are allowed."""
    repeat_by_cluster_size: dict[int, int] = field(default_factory=dict)
    """Gives back some of what dedup removed: {2: 2, 10: 3} takes a document that is kept for a cluster of 2 or more twice in
    a pass, of 10 or more three times."""

    learn: tuple[str, ...] | None = None
    """Of dialogues, the roles whose turns are learned: null is [assistant]; system and developer may be added."""

    renamed: ClassVar = {"popular": "repeat_by_cluster_size"}

    def __post_init__(self) -> None:
        object.__setattr__(self, "where", where.plain(self.where))

    def problems(self) -> Iterator[str]:
        """One sentence for each value that cannot be."""
        yield from where.problems(self.where)
        if isinstance(self.share, float) and not 0 < self.share <= 1:
            yield f"share is {self.share}; give more than 0 and at most 1"
        if self.repeat < 1:
            yield f"repeat is {self.repeat}; give the passes allowed, 1 or more"
        if self.learn is not None and not self.learn:
            yield f"learn is empty, so nothing would be learned; name {', '.join(MAY_LEARN)}, or leave it out for {LEARNED[0]}"
        for role in self.learn or ():
            if role not in MAY_LEARN:
                why = "what people ask is read and never learned, or the model would learn to ask" if role == "user" else \
                    "what tools answer is read and never learned" if role == "tool" else "no such role is learned"
                yield f"learn names {role}; {why}: name {', '.join(MAY_LEARN)}"
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

    @property
    def learned(self) -> tuple[str, ...]:
        """The roles of dialogues that are learned."""
        return self.learn or LEARNED

    def columns(self) -> set[str]:
        """The columns that are read to know its rows and their values."""
        return where.columns(self.where) | ({self.share.by} if isinstance(self.share, Spread) else set())


@dataclass(frozen=True)
class Mixture:
    """A training mixture: entries with their shares, and the size of blocks.

    `tokens` is the number to pack for training, end-of-text included; `validation` is the share of documents held out; `seed`
    orders the blocks; `fill` is how documents are laid into them: `fit` keeps them whole where they fit, `concat` lays them
    end to end. `schedule` gives the entries their shares phase by phase."""

    name: str
    block: int
    tokens: int
    seed: int
    validation: float
    tokenizer: str
    entries: dict[str, Entry]
    fill: Literal["fit", "concat"] = "fit"
    schedule: list[Phase] = field(default_factory=list)

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
        else:
            yield from self._of_schedule() if self.schedule else self._of_shares()

    def columns(self) -> set[str]:
        """The columns that are read to divide rows among the entries."""
        return set[str]().union(*(entry.columns() for entry in self.entries.values()))

    def _of_shares(self) -> Iterator[str]:
        for name, entry in self.entries.items():
            if entry.share is None:
                yield f"entry {name} has no share; give one, or a schedule"
        numbers, rest = numbered(self), left_over(self)
        if not any(entry.share is None for entry in self.entries.values()):
            if rest and math.fsum(numbers.values()) >= 1 - _ONE:
                yield (f"the shares of the entries are {_sum(numbers.values())}, which leaves nothing for {', '.join(rest)}; "
                       "lower them")
            elif not rest and (problem := _not_one("the shares of the entries", numbers.values())):
                yield problem

    def _of_schedule(self) -> Iterator[str]:
        if problem := _not_one("the parts of the schedule", [phase.part for phase in self.schedule]):
            yield problem
        for name in dict.fromkeys(name for phase in self.schedule for name in phase.shares if name not in self.entries):
            near = difflib.get_close_matches(str(name), self.entries, n=1)
            cure = f"did you mean {near[0]!r}?" if near else f"entries: {', '.join(self.entries)}"
            yield f"the schedule names {name!r}, which is no entry; {cure}"
        for name, entry in self.entries.items():
            if not any(phase.shares.get(name) for phase in self.schedule):
                yield f"the schedule gives entry {name} no share in any phase; give it one, or take the entry out"
            if isinstance(entry.share, Spread):
                if entry.share.of != AVAILABLE:
                    yield f"entry {name} has `of` in its share, and the schedule gives it one; take `of` out"
            elif entry.share is not None:
                yield f"entry {name} has a share, and the schedule gives it one; take the share out"


def numbered(mixture: Mixture) -> dict[str, float]:
    """The entries whose share is a number, or a spread of a number."""
    shares = {name: entry.share.of if isinstance(entry.share, Spread) else entry.share
              for name, entry in mixture.entries.items()}
    return {name: share for name, share in shares.items() if isinstance(share, float)}


def left_over(mixture: Mixture) -> list[str]:
    """The entries that divide what the numbers leave."""
    return [name for name, entry in mixture.entries.items()
            if (entry.share.of if isinstance(entry.share, Spread) else entry.share) == AVAILABLE]


def read_mixture(path: str | Path, changes: Mapping[str, Any] = MappingProxyType({})) -> Mixture:
    """The recipe in a YAML file with `changes` made; SettingsError (textmill.base.strict) with every problem found."""
    return parse(Mixture, changed(read_yaml(path), changes), str(path))


def entry_of(mixture: Mixture, rows: pa.RecordBatch) -> pa.Array:
    """Per row, which entry it belongs to: int32, the place in the recipe's order, null for none.

    `rows` has the columns of `mixture.columns()`. A row belongs to one entry at most: MixtureError names those that overlap.
    The answer of a compared pair that was not preferred belongs to an entry only where its condition asks for `preferred`.
    """
    owner = np.full(rows.num_rows, -1, np.int32)
    names = list(mixture.entries)
    for number, (name, entry) in enumerate(mixture.entries.items()):
        matches = where.matches(entry.where, rows)
        if "preferred" in rows.schema.names and "preferred" not in where.columns(entry.where):
            matches &= rows["preferred"].fill_null(True).to_numpy(zero_copy_only=False)
        if (twice := matches & (owner >= 0)).any():
            other = names[owner[twice.argmax()]]
            asked = where.columns(entry.where) | where.columns(mixture.entries[other].where)
            values = {column: rows[column][int(twice.argmax())].as_py() for column in COLUMNS if column in asked}
            raise MixtureError(f"entries {other} and {name} both take rows with {where.sentence(values)}; narrow their `where` "
                               "so that a document belongs to one")
        owner[matches] = number
    return pa.array(owner, mask=owner < 0)


def _not_one(what: str, shares: Any) -> str | None:
    total = math.fsum(shares)
    return None if abs(total - 1) <= _ONE else f"{what} are {_sum(shares)}; change them so that they add up to 1"


def _sum(shares: Any) -> str:
    return f"{' + '.join(f'{share:g}' for share in shares)} = {math.fsum(shares):.10g}"
