"""Packed blocks of a mixture, opened for training (the format: `textmill/base/blocks_format.py`).

Guarantees: only files named in `_manifest.json` are read, in its order, after their sha256 and row count were found
right; a step's blocks are a pure function of (manifest, batch size, step), so a resumed run sees the batches it would
have seen, and further passes go on in the same order. Streams are memory-mapped, never loaded whole.
"""

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from textmill.base.blocks_format import LEARN, NO_TARGET
from textmill.model import ModelError
from textmill.model.data.batch import Batch, covered, next_tokens
from textmill.model.data.streams import open_stream, read_manifest


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

    def _row(self, number: int) -> pa.RecordBatch:
        position = int(np.searchsorted(self._ends, number, side="right"))
        source = self._batches[position]
        return source.slice(number - (int(self._ends[position]) - source.num_rows), 1)

    def read(self, numbers: Sequence[int]) -> Batch:
        """These blocks as one batch."""
        tokens, entries, starts, ends, learned = [], [], [], [], []
        for row, number in enumerate(numbers):
            block = self._row(number)
            tokens.append(block.column("tokens").flatten().to_numpy())
            entries.append(block.column("entry")[0].as_py())
            spans = block.column("spans").flatten()
            first, last = (spans.field(name).to_numpy() for name in ("from", "to"))
            if np.any(first >= last) or np.any(first[1:] < last[:-1]) or first[:1].sum() < 0 or last[-1:].sum() > self.length:
                raise ModelError(f"{self.folder}: the spans of block {number} overlap or leave it; pack the mixture again")
            if self.has_learn:
                learned.append(self._learned(number, first, last, spans.field(LEARN)))
            joined = (first[1:] == last[:-1]) & _continues(spans)
            starts.append(first[np.append(True, ~joined)[:len(first)]] + row * self.length)
            ends.append(last[np.append(~joined, True)[:len(last)]] + row * self.length)
        ids = np.stack(tokens).astype(np.int64)
        if ids.max() >= self.vocab_size:
            raise ModelError(f"{self.folder}: token {ids.max()} is outside the vocabulary of {self.vocab_size}; "
                             "pack the mixture again")
        targets, lengths = next_tokens(ids, np.concatenate(starts), np.concatenate(ends),
                                       np.concatenate(learned) if self.has_learn else None)
        return Batch(torch.from_numpy(ids), torch.from_numpy(targets), lengths, tuple(entries),
                     int((targets != NO_TARGET).sum()))

    def _learned(self, number: int, first: np.ndarray, last: np.ndarray, learn: pa.ListArray) -> np.ndarray:
        """bool[length]: which tokens of block `number` are learned: those that LEARN names, and of a span without it all."""
        of, ranges = np.asarray(pc.list_parent_indices(learn)), learn.flatten()
        begin, end = (ranges.field(name).to_numpy() for name in ("from", "to"))
        if np.any(begin >= end) or np.any(begin < first[of]) or np.any(end > last[of]) or np.any(begin[1:] < end[:-1]):
            raise ModelError(f"{self.folder}: what is learned of block {number} overlaps or leaves its spans; pack the mixture "
                             "again")
        whole = learn.is_null().to_numpy(zero_copy_only=False)
        return covered(self.length, np.append(begin, first[whole]), np.append(end, last[whole]))


def _continues(spans: pa.StructArray) -> np.ndarray:
    """For each span but the first, whether it is a later piece of the document that the span before it is of.

    Pieces joined are the document's text, so two that touch are one stretch: attention sees across, and the token at the
    joint has a target."""
    ids, pieces = spans.field("id").to_numpy(zero_copy_only=False), spans.field("piece").to_numpy()
    return (ids[1:] == ids[:-1]) & (pieces[1:] > pieces[:-1])


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
