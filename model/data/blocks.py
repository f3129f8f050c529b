"""Packed blocks of a mixture, opened for training (the format: `textmill/base/blocks_format.py`).

Guarantees: only files named in `_manifest.json` are read, in its order, after their sha256 and row count were found
right; a step's blocks are a pure function of (manifest, batch size, step), so a resumed run sees the batches it would
have seen, and further passes go on in the same order. Streams are memory-mapped, never loaded whole.
"""

import hashlib
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from textmill.base.blocks_format import NO_TARGET
from textmill.model import ModelError
from textmill.model.data.batch import Batch, next_tokens, places
from textmill.model.data.streams import open_stream, read_manifest
from textmill.model.data.stretches import OpenBatch, open_batch


class Blocks:
    """The blocks of one split, by number, in training order. Raises ModelError where the folder is not sound."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.parts = read_manifest(folder)
        streams = [open_stream(folder, part) for part in self.parts]
        facts = streams[0].facts
        if any(stream.facts != facts for stream in streams):
            raise ModelError(f"{folder}: its streams were packed with different settings; pack the mixture again")
        self.length, self.vocab_size, self.end_of_text = facts.length, facts.vocab_size, facts.end_of_text
        self.tokenizer_sha256, self.shares, self.has_learn = facts.tokenizer_sha256, facts.shares, facts.has_learn
        self._batches = [batch for stream in streams for batch in stream.batches]
        self._ends = np.cumsum([batch.num_rows for batch in self._batches])
        self._opened: dict[int, OpenBatch] = {}

    def __len__(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def step(self, step: int, batch: int, accumulate: int) -> list[Batch]:
        """The batches of training step `step` (from 0): `accumulate` of `batch` blocks each."""
        first = step * batch * accumulate
        return [self.read([n % len(self) for n in range(start, start + batch)])
                for start in range(first, first + batch * accumulate, batch)]

    def in_order(self, batch: int, limit: int | None = None) -> Iterator[Batch]:
        """The first `limit` blocks (all, where None), each once, `batch` at a time."""
        stop = len(self) if limit is None else min(limit, len(self))
        for start in range(0, stop, batch):
            yield self.read(range(start, min(start + batch, stop)))

    def documents(self, limit: int | None = None) -> dict[str, int]:
        """How many documents each entry has in the first `limit` blocks (in all, where None)."""
        ids: defaultdict[str, set[str]] = defaultdict(set)
        left = len(self) if limit is None else limit
        for batch in self._batches:
            some = batch.slice(0, left)
            left -= some.num_rows
            for entry, spans in zip(some.column("entry").to_pylist(), some.column("spans"), strict=True):
                ids[entry].update(spans.values.field("id").to_pylist())
        return {entry: len(of_entry) for entry, of_entry in ids.items()}

    def spans(self, number: int) -> pa.StructArray:
        """The spans of a block, SPAN_FIELDS each."""
        return self._row(number).column("spans").flatten()

    def documents_of(self, step: int, blocks: int) -> list[str]:
        """The ids of the documents in the blocks of training step `step` (from 0), which has so many, in order."""
        numbers = (number % len(self) for number in range(step * blocks, (step + 1) * blocks))
        return list(dict.fromkeys(id_ for number in numbers for id_ in self.spans(number).field("id").to_pylist()))

    def entry(self, number: int) -> str:
        """The entry of the recipe that a block belongs to."""
        return str(self._row(number).column("entry")[0])

    def open_batches(self) -> Iterator[OpenBatch]:
        """All blocks as arrays, those of one record batch at a time, in order; their tokens are views of the mapped files."""
        first = 0
        for batch in self._batches:
            yield open_batch(batch, self.length, self.has_learn, self.folder, first)
            first += batch.num_rows

    def _row(self, number: int) -> pa.RecordBatch:
        position = int(np.searchsorted(self._ends, number, side="right"))
        source = self._batches[position]
        return source.slice(number - (int(self._ends[position]) - source.num_rows), 1)

    def read(self, numbers: Sequence[int]) -> Batch:
        """These blocks as one batch."""
        ids = np.empty((len(numbers), self.length), np.int64)
        learned = np.zeros(ids.size, bool) if self.has_learn else None
        entries, starts, ends, row = list[str](), [np.zeros(0, np.int64)], [np.zeros(0, np.int64)], 0
        for position, first, last in self._runs(numbers):
            opened, count = self._open(position), last - first
            tokens = opened.tokens[first:last]
            if tokens.max() >= self.vocab_size:
                raise ModelError(f"{self.folder}: token {tokens.max()} is outside the vocabulary of {self.vocab_size}; "
                                 "pack the mixture again")
            ids[row : row + count] = tokens
            entries += opened.entries[first:last].tolist()
            shift = (row - first) * self.length
            mine = slice(*opened.stretches.bounds[[first, last]])
            starts.append(opened.stretches.starts[mine] + shift)
            ends.append(opened.stretches.ends[mine] + shift)
            if learned is not None and opened.learned:
                mine = slice(*opened.learned.bounds[[first, last]])
                learned[places(opened.learned.starts[mine] + shift, opened.learned.ends[mine] + shift)] = True
            row += count
        targets, lengths = next_tokens(ids, np.concatenate(starts), np.concatenate(ends), learned)
        return Batch(torch.from_numpy(ids), torch.from_numpy(targets), lengths, tuple(entries),
                     int(np.count_nonzero(targets != NO_TARGET)))

    def _runs(self, numbers: Sequence[int]) -> Iterator[tuple[int, int, int]]:
        """(place of a record batch, first row, end) of each stretch of blocks that follow each other in one."""
        wanted = np.asarray(numbers)
        position = np.searchsorted(self._ends, wanted, side="right")
        cuts = np.flatnonzero((np.diff(wanted) != 1) | (np.diff(position) != 0)) + 1
        for first, end in itertools.pairwise([0, *cuts.tolist(), len(wanted)]):
            if end > first:
                place = int(position[first])
                row = int(wanted[first]) - (int(self._ends[place]) - self._batches[place].num_rows)
                yield place, row, row + end - first

    def _open(self, position: int) -> OpenBatch:
        """A record batch as arrays; the last two are kept, as blocks are read in order."""
        if position not in self._opened:
            source = self._batches[position]
            first = int(self._ends[position]) - source.num_rows
            while len(self._opened) > 1:
                self._opened.pop(next(iter(self._opened)))
            self._opened[position] = open_batch(source, self.length, self.has_learn, self.folder, first)
        return self._opened[position]


class PackedMixture:
    """A `blocks/<mixture>/` folder: blocks to train on, blocks held out (or none), and the tokenizer they were made with."""

    def __init__(self, folder: str | Path):
        self.folder = Path(folder)
        if not self.folder.is_dir():
            raise ModelError(f"there is no folder {folder}; pack the mixture, or point --blocks at a copied folder")
        self.tokenizer = self.folder / "tokenizer.json"
        self.train, self.validation = Blocks(self.folder / "train"), Blocks(self.folder / "validation")
        if not len(self.train):
            raise ModelError(f"{self.train.folder} holds no blocks; pack more tokens")
        if not self.tokenizer.is_file():
            raise ModelError(f"there is no {self.tokenizer}; copy the whole folder, the tokenizer belongs to it")
        digest = hashlib.sha256(self.tokenizer.read_bytes()).hexdigest()
        for split in (self.train, self.validation):
            if split.tokenizer_sha256 != digest:
                raise ModelError(f"{self.tokenizer} is not the tokenizer that {split.folder} was packed with; "
                                 "pack the mixture again, or copy the whole folder")
        if (self.train.length, self.train.vocab_size) != (self.validation.length, self.validation.vocab_size):
            raise ModelError(f"{self.folder}: train and validation differ in block length or vocabulary; "
                             "pack the mixture again")

    def identity(self) -> str:
        """sha256 over the order and the contents of both splits and the tokenizer: equal means equal batches."""
        listed = [[split.tokenizer_sha256, [[part["path"], part["rows"], part["sha256"]] for part in split.parts]]
                  for split in (self.train, self.validation)]
        return hashlib.sha256(json.dumps(listed).encode()).hexdigest()
