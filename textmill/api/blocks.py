"""Packed blocks, opened as torch tensors."""

from pathlib import Path
from typing import TYPE_CHECKING

from textmill.base.blocks_format import MANIFEST, SPLITS
from textmill.base.errors import TextmillError
from textmill.base.extras import needing

if TYPE_CHECKING:
    from textmill.model.data.blocks import Blocks, PackedMixture


def load_blocks(path: str | Path) -> "PackedMixture | Blocks":
    """The blocks of a mixture's folder, or of one of its splits.

    From data/blocks/demo: a Mixture, with `train` and `validation`. From data/blocks/demo/train: Blocks. These have a length,
    and `read([0, 1])` gives blocks 0 and 1 as a Batch: `tokens` and `targets`, int64 tensors (blocks, length), with -100 where
    nothing is to be predicted, and `lengths` of the stretches that attend to themselves only. `in_order(8)` goes through all
    of them, eight at a time. Raises TextmillError where a file is missing or damaged, or torch is not installed.

    >>> batch = textmill.load_blocks("data/blocks/demo").train.read([0])     # doctest: +SKIP
    """
    with needing("textmill.load_blocks", "textmill[model]"):
        from textmill.model.data.blocks import Blocks, PackedMixture
    if "://" in str(path):
        raise TextmillError(f"blocks are mapped into memory, so {path} has to be copied to a local folder first")
    folder = Path(path)
    if (folder / MANIFEST).is_file() and not any((folder / split).is_dir() for split in SPLITS):
        return Blocks(folder)
    return PackedMixture(folder)
