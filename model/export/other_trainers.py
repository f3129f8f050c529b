"""Blocks for other trainers: Megatron's indexed datasets, nanoGPT's .bin, MosaicML's MDS, and JSON lines.

A split is read in training order, after its sha256 was found right. All but MDS take documents for themselves, not blocks: what
is written is each stretch of a document that lies in a block, in order, with end-of-text added in front of one that goes on
from another block and behind one that another goes on from, so that a boundary is seen wherever there is one. Padding is left
out. MDS keeps the blocks, with their spans. What was added is counted. No torch is needed, and no GPU.
"""

import json
import shutil
import struct
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from textmill.base.blocks_format import CHAT_FILES, LEARN, SPLITS, TOKENIZER_FILES
from textmill.model import ModelError
from textmill.model.data.streams import Facts, open_stream, read_manifest
from textmill.model.data.stretches import open_batch
from textmill.model.data.tokenizer import open_tokenizer

MEGATRON_TYPES = {np.dtype(np.uint16): 8, np.dtype(np.int32): 4}        # megatron/core/datasets/indexed_dataset.py, DType


class Stretch(NamedTuple):
    """Consecutive tokens of one document in one block.

    `learn` has the places, `from` and `to`, of what is learned of a dialogue; None where all is."""

    document: str           # its id
    entry: str              # of the recipe
    tokens: np.ndarray
    learn: list[dict[str, int]] | None


class Written(NamedTuple):
    """Counts of a split that was written."""

    sequences: int
    tokens: int
    added: int              # of them end-of-text that no block has


def convert(blocks: Path, format_: str, to: Path) -> str:
    """Write both splits of `blocks` into the folder `to`, and the tokenizer's files; the summary line.

    ModelError where the blocks are not sound, the format cannot hold them, or `to` has files already.
    """
    if to.exists() and (not to.is_dir() or any(to.iterdir())):
        raise ModelError(f"{to} is there already and not empty; name another folder with --to")
    splits = {split: Split(blocks / split) for split in SPLITS}
    FORMATS[format_].check(splits["train"].facts)
    to.mkdir(parents=True, exist_ok=True)
    lines = []
    for split, blocks_of in splits.items():
        counts = FORMATS[format_].write(blocks_of, to, split)
        added = f", {counts.added:,} end-of-text of them added at cuts" if counts.added else ""
        lines.append(f"{split}: {counts.sequences:,} sequences, {counts.tokens:,} tokens{added}")
    for name in (*TOKENIZER_FILES, *CHAT_FILES):
        if (blocks / name).is_file():
            shutil.copyfile(blocks / name, to / name)
    return f"blocks-to {format_}: {'; '.join(lines)}; a vocabulary of {splits['train'].facts.vocab_size:,}, in {to}"


class Split:
    """The blocks of one split, checked, as batches of the mapped files."""

    def __init__(self, folder: Path):
        self.folder = folder
        streams = [open_stream(folder, part) for part in read_manifest(folder)]
        self.facts: Facts = streams[0].facts
        self.batches = [batch for stream in streams for batch in stream.batches]

    def stretches(self) -> Iterator[Stretch]:
        """Every stretch of every block in order, without padding. ModelError where spans cannot be."""
        number, length = 0, self.facts.length
        for batch in self.batches:
            opened, spans = open_batch(batch, length, self.facts.has_learn, self.folder, number), batch["spans"].flatten()
            block = np.repeat(np.arange(batch.num_rows), batch["spans"].value_lengths().to_numpy())
            starts, ends = opened.stretches.starts, opened.stretches.ends
            leading = np.searchsorted(block * length + spans.field("start").to_numpy(), starts)      # the span it begins with
            ids, tokens = spans.field("id").take(pa.array(leading)).to_pylist(), opened.tokens.reshape(-1)
            learn = spans.field(LEARN).take(pa.array(leading)).to_pylist() if self.facts.has_learn else [None] * len(ids)
            for id_, start, end, learned in zip(ids, starts.tolist(), ends.tolist(), learn, strict=True):
                yield Stretch(id_, opened.entries[start // length], tokens[start:end], _moved(learned, start % length))
            number += batch.num_rows

    def closed(self) -> Iterator[tuple[Stretch, int]]:
        """Every stretch with end-of-text at both ends, and how many of them were added."""
        end = self.facts.end_of_text
        for stretch in self.stretches():
            before, behind = int(stretch.tokens[0] != end), int(stretch.tokens[-1] != end)
            tokens = np.concatenate([[end] * before, stretch.tokens, [end] * behind]).astype(stretch.tokens.dtype)
            yield stretch._replace(tokens=tokens), before + behind


def _moved(ranges: list[dict[str, int]] | None, by: int) -> list[dict[str, int]] | None:
    """Ranges of a block as ranges of a stretch that begins at `by`."""
    return None if ranges is None else [{edge: place - by for edge, place in each.items()} for each in ranges]


def write_nanogpt(split: Split, to: Path, name: str) -> Written:
    """`train.bin` and `val.bin`: ids as uint16 without a header, which nanoGPT's train.py maps and draws windows from."""
    sequences = tokens = added = 0
    with (to / {"validation": "val.bin"}.get(name, f"{name}.bin")).open("wb") as file:
        for stretch, more in split.closed():
            file.write(stretch.tokens.astype("<u2").tobytes())
            sequences, tokens, added = sequences + 1, tokens + len(stretch.tokens), added + more
    return Written(sequences, tokens, added)


def write_megatron(split: Split, to: Path, name: str) -> Written:
    """`NAME.bin` with the ids and `NAME.idx` with lengths and places: an indexed dataset, each stretch a document of it."""
    dtype = np.dtype(np.uint16 if split.facts.vocab_size <= 1 << 16 else np.int32)
    lengths, added = [], 0
    with (to / f"{name}.bin").open("wb") as file:
        for stretch, more in split.closed():
            file.write(stretch.tokens.astype(dtype.newbyteorder("<")).tobytes())
            lengths.append(len(stretch.tokens))
            added += more
    sizes = np.array(lengths, "<i4")
    places = np.append(0, np.cumsum(sizes, dtype="<i8")[:-1] * dtype.itemsize) if lengths else np.zeros(0)
    with (to / f"{name}.idx").open("wb") as file:
        file.write(b"MMIDIDX\x00\x00" + struct.pack("<QBQQ", 1, MEGATRON_TYPES[dtype], len(sizes), len(sizes) + 1))
        for array in (sizes, places.astype("<i8"), np.arange(len(sizes) + 1, dtype="<i8")):
            file.write(array.tobytes())
    return Written(len(lengths), int(sizes.sum()), added)


def write_mds(split: Split, to: Path, name: str) -> Written:
    """A folder of MDS shards, one sample a block: `tokens` as llm-foundry reads them, `entry`, and `spans` as JSON."""
    from streaming import MDSWriter

    columns = {"tokens": "ndarray:int32", "entry": "str", "spans": "json"}
    blocks = 0
    with MDSWriter(out=str(to / name), columns=columns, hashes=["sha1"]) as writer:
        for batch in split.batches:
            tokens = batch["tokens"].flatten().to_numpy().reshape(batch.num_rows, -1)
            for row, entry, spans in zip(tokens, batch["entry"].to_pylist(), batch["spans"].to_pylist(), strict=True):
                writer.write({"tokens": row.astype(np.int32), "entry": entry, "spans": spans})
            blocks += batch.num_rows
    return Written(blocks, blocks * split.facts.length, 0)


def write_jsonl(split: Split, to: Path, name: str) -> Written:
    """`NAME.jsonl`: a stretch a line, its text, ids, document and entry; a character that a cut divides shows as U+FFFD.

    A dialogue has `learn`, the ranges of its ids that are to be learned."""
    tokenizer = open_tokenizer(split.folder.parent, split.facts.vocab_size)
    sequences = tokens = 0
    with (to / f"{name}.jsonl").open("w", encoding="utf-8", newline="\n") as file:
        for stretch in split.stretches():
            ids = stretch.tokens.tolist()
            text = tokenizer.decode([number for number in ids if number != split.facts.end_of_text], skip_special_tokens=False)
            row = {"text": text, "id": stretch.document, "entry": stretch.entry, "tokens": ids} | (
                {} if stretch.learn is None else {"learn": stretch.learn})
            file.write(json.dumps(row, ensure_ascii=False) + "\n")
            sequences, tokens = sequences + 1, tokens + len(ids)
    return Written(sequences, tokens, 0)


def _anything(facts: Facts) -> None:
    """Every mixture can be written."""


def _learns_all(facts: Facts) -> None:
    if facts.has_learn:
        raise ModelError("these blocks have dialogues, of which only some turns are to be learned, and this format has no "
                         "place that says which; write jsonl or mds, or pack a mixture without dialogues")


def _learns_all_in_sixteen_bits(facts: Facts) -> None:
    _learns_all(facts)
    if facts.vocab_size > 1 << 16:
        raise ModelError(f"nanoGPT reads ids of 16 bits, and this vocabulary has {facts.vocab_size:,}; write megatron or mds")


def _streaming_installed(facts: Facts) -> None:
    try:
        import streaming  # noqa: F401
    except ImportError:
        raise ModelError("the package mosaicml-streaming writes this format and is not installed; "
                         "pip install mosaicml-streaming") from None


class Format(NamedTuple):
    """How a format is written, and what is refused before."""

    write: Callable[[Split, Path, str], Written]
    check: Callable[[Facts], None]


FORMATS = {"megatron": Format(write_megatron, _learns_all), "nanogpt": Format(write_nanogpt, _learns_all_in_sixteen_bits),
           "mds": Format(write_mds, _streaming_installed), "jsonl": Format(write_jsonl, _anything)}
