"""The index of origins on disk: the suffix array of a mixture's training blocks, and what it belongs to.

A folder of FACTS, a JSON object with the digest of the blocks, and SUFFIXES, a NumPy array of positions in them (uint32),
memory-mapped. It holds places only: what is taken out of the blocks is in no index. The facts are written last and each file
is published whole, so that a build that was ended leaves nothing that is read.
"""

import hashlib
import json
import os
from pathlib import Path

import numpy as np

from textmill.base.sealed import seal, unseal
from textmill.model import ModelError
from textmill.model.data.blocks import Blocks, PackedMixture
from textmill.model.evaluation.suffixes import MOST, suffix_array
from textmill.model.training.checkpoint_files import sha256_of

FORMAT = 1
FACTS, SUFFIXES = "origins.json", "suffixes.npy"


def index_folder(blocks: Path) -> Path:
    """Where the index of a folder of blocks lies: DATA/origins/NAME for DATA/blocks/NAME."""
    blocks = Path(os.path.abspath(blocks))
    return blocks.parent.parent / "origins" / blocks.name


def digest(blocks: Blocks) -> str:
    """sha256 over the order and contents of the blocks and their tokenizer."""
    listed = [FORMAT, blocks.tokenizer_sha256, [[part["path"], part["rows"], part["sha256"]] for part in blocks.parts]]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def build_index(mixture: PackedMixture, folder: Path) -> int:
    """Write the index of a mixture's training blocks; the tokens in it. ModelError where they are too many."""
    blocks = mixture.train
    if len(blocks) * blocks.length >= MOST:
        raise ModelError(f"{blocks.folder} has {len(blocks) * blocks.length:,} positions and an index holds {MOST:,}; pack a "
                         "smaller mixture of what is to be looked up")
    opened = list(blocks.open_batches())
    shifts = np.cumsum([0, *(batch.tokens.size for batch in opened)])
    edges = [np.concatenate([getattr(batch.stretches, name) + shift for batch, shift in zip(opened, shifts, strict=False)])
             for name in ("starts", "ends")]
    suffixes = suffix_array(np.concatenate([batch.tokens.ravel() for batch in opened]), *edges)
    folder.mkdir(parents=True, exist_ok=True)
    (folder / FACTS).unlink(missing_ok=True)
    with (temporary := folder / f".{SUFFIXES}.{os.getpid()}").open("wb") as file:
        np.save(file, suffixes)
    facts = {"format": FORMAT, "blocks": digest(blocks), "tokens": len(suffixes), "sha256": sha256_of(temporary)}
    os.replace(temporary, folder / SUFFIXES)
    (temporary := folder / f".{FACTS}.{os.getpid()}").write_bytes(seal(facts))
    os.replace(temporary, folder / FACTS)
    return len(suffixes)


def is_current(folder: Path, mixture: PackedMixture) -> bool:
    """Whether there is an index of these blocks."""
    try:
        return bool(unseal((folder / FACTS).read_bytes(), required=True)["blocks"] == digest(mixture.train))
    except (OSError, ValueError, KeyError, RecursionError):
        return False


def read_index(folder: Path, mixture: PackedMixture) -> np.ndarray:
    """The positions, mapped. ModelError where there is no index, or it is damaged or of other blocks."""
    if not (folder / FACTS).is_file():
        raise ModelError(f"there is no index of origins in {folder}; `textmill origins` writes one")
    if not is_current(folder, mixture):
        raise ModelError(f"the index in {folder} is of other blocks than those in {mixture.folder}; `textmill origins` writes "
                         "it anew")
    facts = unseal((folder / FACTS).read_bytes())
    try:
        if sha256_of(folder / SUFFIXES) == facts["sha256"]:
            return np.load(folder / SUFFIXES, mmap_mode="r")
    except OSError:
        pass
    raise ModelError(f"{folder / SUFFIXES} is damaged; delete {folder}, and `textmill origins` writes it anew")
