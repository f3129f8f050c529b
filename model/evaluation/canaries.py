"""Canaries: sentences with a random number, put into a copy of a mixture, to see how often a text must be read to be known.

After Carlini et al. 2019. A canary takes the place of as many tokens inside a document, in as many blocks as it is repeated;
every other token is the mixture's. Which number it has follows from a seed, and every other number of as many digits is one
that it might have had: how far the model prefers the one it read is the measure.
"""

import hashlib
import random
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from textmill.base.blocks_format import CHAT_FILES, LEARN, MANIFEST, SPLITS, TOKENIZER_FILES
from textmill.base.sealed import seal, unseal
from textmill.model import ModelError
from textmill.model.data.blocks import Blocks, PackedMixture
from textmill.model.data.tokenizer import open_tokenizer

FILE = "canaries.json"
DIGITS = 9


class Canary(NamedTuple):
    """What comes before the number, the number, and in how many blocks it is."""

    before: str
    secret: str
    times: int

    @property
    def text(self) -> str:
        """The whole sentence, a line of its own."""
        return f"\n{self.before}{self.secret}.\n"


def draw(count: int, times: Sequence[int], seed: int) -> list[Canary]:
    """`count` canaries for each number of repetitions."""
    source, found = random.Random(seed), []
    for repeated in times:
        for _ in range(count):
            name = "".join(source.choice("BCDFGHJKLMNPRSTVWZ") + source.choice("aeiou") for _ in range(3)).lower()
            found.append(Canary(f"The number that opens the vault of {name} is ", number(source), repeated))
    return found


def number(source: random.Random) -> str:
    """A number of DIGITS digits, spaced so that each is a token of its own in any vocabulary."""
    return " ".join(source.choice("0123456789") for _ in range(DIGITS))


def insert(mixture: PackedMixture, to: Path, canaries: Sequence[Canary], seed: int, blocks: int | None = None) -> int:
    """Write a copy of the mixture with the canaries in its first `blocks` blocks (all, where None); how many blocks have one.

    ModelError where `to` is not empty, or the blocks have no room."""
    if to.exists() and any(to.iterdir()):
        raise ModelError(f"{to} is not empty; name a folder that is, or is not there yet")
    tokenizer = open_tokenizer(mixture.folder, mixture.train.vocab_size)
    ids = [tokenizer.encode(canary.text, add_special_tokens=False).ids for canary in canaries]
    among = min(len(mixture.train), blocks or len(mixture.train))
    order = random.Random(seed).sample(range(among), among)
    places: dict[int, tuple[int, list[int]]] = {}
    for canary, own in zip(canaries, ids, strict=True):
        for _ in range(canary.times):
            place = None
            while order and place is None:
                block = order.pop()
                place = _place(mixture.train, block, len(own), seed)
            if place is None:
                raise ModelError(f"{mixture.folder} has room for {len(places)} canaries of "
                                 f"{sum(each.times for each in canaries)}; give fewer, or pack more tokens")
            places[block] = place, own
    for split in SPLITS:
        _copy(mixture.folder / split, to / split, places if split == SPLITS[0] else {})
    for name in (*TOKENIZER_FILES, *CHAT_FILES):
        if (mixture.folder / name).is_file():
            shutil.copyfile(mixture.folder / name, to / name)
    values = {"seed": seed, "canaries": [canary._asdict() for canary in canaries]}
    (to / FILE).write_bytes(seal(values))
    return len(places)


def read(path: Path) -> list[Canary]:
    """The canaries that a copy has; `path` is their file or its folder. ModelError where there is none."""
    path = path / FILE if path.is_dir() else path
    try:
        rows = unseal(path.read_bytes())["canaries"]
        return [Canary(str(row["before"]), str(row["secret"]), int(row["times"])) for row in rows]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ModelError(f"{path} has no canaries ({error}); `textmill canaries` writes them") from None


def _place(blocks: Blocks, block: int, size: int, seed: int) -> int | None:
    """A position inside the block's longest stretch of a document that is learned as a whole; None where none has room."""
    spans = [span for span in blocks.spans(block).to_pylist() if span.get(LEARN) is None]
    longest = max(spans, key=lambda span: span["end"] - span["start"], default=None)
    if longest is None or longest["end"] - longest["start"] < size + 2:      # its first and last token may be end-of-text
        return None
    return random.Random(f"{seed} {block}").randint(longest["start"] + 1, longest["end"] - 1 - size)


def _copy(source: Path, target: Path, places: dict[int, tuple[int, list[int]]]) -> None:
    """A split with other tokens at these places, by the number of the block."""
    target.mkdir(parents=True)
    manifest, first = unseal((source / MANIFEST).read_bytes()), 0
    for part in manifest["parts"]:
        with pa.ipc.open_stream(pa.memory_map(str(source / part["path"]))) as reader:
            (target / part["path"]).parent.mkdir(parents=True, exist_ok=True)
            with pa.ipc.new_stream(str(target / part["path"]), reader.schema) as writer:
                for batch in reader:
                    writer.write_batch(_changed(batch, first, places))
                    first += batch.num_rows
        data = (target / part["path"]).read_bytes()
        part |= {"sha256": hashlib.sha256(data).hexdigest()} | ({"bytes": len(data)} if "bytes" in part else {})
    (target / MANIFEST).write_bytes(seal(manifest))


def _changed(batch: pa.RecordBatch, first: int, places: dict[int, tuple[int, list[int]]]) -> pa.RecordBatch:
    column = batch.schema.get_field_index("tokens")
    tokens = batch["tokens"].flatten().to_numpy().reshape(batch.num_rows, -1).copy()
    for row in range(batch.num_rows):
        if first + row in places:
            start, ids = places[first + row]
            tokens[row, start:start + len(ids)] = ids
    values = pa.FixedSizeListArray.from_arrays(pa.array(np.ascontiguousarray(tokens).ravel()), tokens.shape[1])
    return batch.set_column(column, batch.schema.field(column), values.cast(batch.schema.field(column).type))
