"""Labelled texts: rows of JSONL (.gz, .zst) or Parquet with a text and a label, split by hash into three sides.

Guarantees: a text counts once, and not at all where its labels contradict each other; what side a text is on follows from it
alone, or from its group (a host, a cluster of near copies), so that no text or group is on two sides; the order of rows changes
nothing.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textmill.model import ModelError

SIDES = ("learned", "development", "held out")
MOST_CLASSES = 100
BATCH = 1024            # rows of Parquet at a time


@dataclass(frozen=True)
class Labelled:
    """N texts in the order of their hashes, their labels and sides."""

    texts: list[str]
    labels: np.ndarray              # [N] int64, numbers of classes; float64 for scores
    sides: np.ndarray               # [N] int64, numbers of SIDES
    classes: tuple[str, ...]        # none for scores
    left_out: int                   # rows of texts that came before, or that contradict each other
    sha256: str                     # of the file

    def side(self, name: str) -> np.ndarray:
        """The numbers of the texts on a side."""
        return np.flatnonzero(self.sides == SIDES.index(name))

    @property
    def words(self) -> str:
        """How many there are, for a line."""
        counts = np.bincount(self.sides, minlength=len(SIDES))
        kinds = f"of {len(self.classes)} classes" if self.classes else "with scores"
        left = f", {self.left_out:,} left out (copies and contradictions)" if self.left_out else ""
        return (f"{counts[0]:,} texts {kinds} to learn from, {counts[1]:,} for development, {counts[2]:,} held out{left}")


def read_labelled(path: Path, text: str, label: str, group: str | None, regression: bool, held_out: float,
                  development: float) -> Labelled:
    """The labelled texts of a file, by the names of its columns. ModelError where a row is none, or a side lacks a class."""
    found: dict[str, tuple[set[str | float], str]] = {}
    read = 0
    for number, row in rows(path, [text, label, *([group] if group else [])]):
        words, value = row.get(text), row.get(label)
        if not isinstance(words, str):
            raise ModelError(f"{path}, row {number}: has no text in {text!r}; name its column with --text-column")
        named = words if group is None else row.get(group)
        if not isinstance(named, str | int):
            raise ModelError(f"{path}, row {number}: has no {group!r}; give every row one, or leave --group-column out")
        value = _score(value, path, number) if regression else _class(value, label, path, number)
        read += 1
        if words.strip():
            found.setdefault(words, (set(), str(named)))[0].add(value)
    kept = sorted((hashlib.sha256(words.encode("utf-8", "surrogatepass")).digest(), words, next(iter(values)), named)
                  for words, (values, named) in found.items() if len(values) == 1)
    sides = np.array([_side(named, held_out, development) for *_, named in kept], np.int64)
    values = [value for _, _, value, _ in kept]
    classes = () if regression else tuple(sorted(set(map(str, values)), key=_number_first))
    labels = np.array(values, np.float64) if regression else np.array([classes.index(str(each)) for each in values], np.int64)
    _check(path, label, labels, sides, classes)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Labelled([words for _, words, _, _ in kept], labels, sides, classes, read - len(kept), digest)


def rows(path: Path, columns: list[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """Number and columns of each row. ModelError where the file, or a row, cannot be read."""
    try:
        if path.name.endswith(".parquet"):
            with pq.ParquetFile(path) as parquet:
                there = [name for name in columns if name in parquet.schema_arrow.names]
                batches = (batch.to_pylist() for batch in parquet.iter_batches(BATCH, columns=there))
                yield from enumerate((row for batch in batches for row in batch), 1)
            return
        with pa.input_stream(str(path), compression="detect") as stream:
            for number, line in enumerate(stream.read().splitlines(), 1):
                if line.strip():
                    row = json.loads(line)
                    if not isinstance(row, dict):
                        raise ModelError(f"{path}, row {number}: is no JSON object; write one a line")
                    yield number, row
    except (OSError, pa.ArrowException) as error:
        raise ModelError(f"{path} cannot be read ({' '.join(str(error).split())}); give JSONL (.gz, .zst) or Parquet") from None
    except (ValueError, RecursionError) as error:
        raise ModelError(f"{path} is no JSONL ({error}); write one object a line, or give Parquet") from None


def _class(value: Any, label: str, path: Path, number: int) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str | int | float) or value == "":
        raise ModelError(f"{path}, row {number}: has no label in {label!r}; name its column with --label-column")
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)


def _score(value: Any, path: Path, number: int) -> float:
    if not isinstance(value, int | float) or not abs(value) < float("inf"):
        raise ModelError(f"{path}, row {number}: the label {value!r} is no score; give numbers, or `head.regression: false`")
    return float(value)


def _number_first(name: str) -> tuple[bool, float, str]:
    """Classes that are numbers in the order of numbers, others of the alphabet."""
    try:
        return False, float(name), name
    except ValueError:
        return True, 0.0, name


def _side(named: str, held_out: float, development: float) -> int:
    draw = int.from_bytes(hashlib.sha256(b"head " + named.encode("utf-8", "surrogatepass")).digest()[:8]) / 2**64
    return 2 if draw < held_out else 1 if draw < held_out + development else 0


def _check(path: Path, label: str, labels: np.ndarray, sides: np.ndarray, classes: tuple[str, ...]) -> None:
    if len(classes) > MOST_CLASSES:
        raise ModelError(f"{path}: {label!r} has {len(classes):,} different labels, and {MOST_CLASSES} can be told apart; set "
                         "`head.regression` to true where they are scores")
    if len(classes) == 1:
        raise ModelError(f"{path}: every label is {classes[0]!r}, so there is nothing to tell apart; give texts of two classes")
    for side, name in enumerate(SIDES):
        mine = labels[sides == side]
        needed = len(classes) if name == "learned" or len(classes) == 2 else 0      # a rare class of many may lack
        missing = [each for number, each in enumerate(classes[:needed]) if number not in mine]
        if missing or not len(mine):
            what = f"of class {missing[0]!r} " if missing else ""
            raise ModelError(f"{path}: no text {what}is on the side {name!r}; give more texts or groups, or a larger share "
                             "(`head.held_out`, `head.development`)")
