"""Beginnings of prompts that were read before, so that they are not read again.

A prompt is read in stretches of 64 tokens from its start, and the keys and values of each stretch are kept, with the logits
after the last one. A prompt that begins the same takes them over, and gets the same bits as if it had been read. What was not
used for longest goes first.
"""

import hashlib
from array import array
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch

STRETCH = 64


class Stretch(NamedTuple):
    """Where a stretch of a prompt begins and ends, and the digest of the prompt up to its end."""

    start: int
    stop: int
    key: bytes


def stretches(prompt: Sequence[int]) -> Iterator[Stretch]:
    """A prompt's stretches, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for start in range(0, len(prompt), STRETCH):
        stop = min(start + STRETCH, len(prompt))
        digest.update(array("q", prompt[start:stop]).tobytes())
        yield Stretch(start, stop, digest.digest())


class Prefixes:
    """Keys and values of stretches by digest, up to `room` bytes of them."""

    def __init__(self, room: int):
        self.room, self.used = room, 0
        self.kept: OrderedDict[bytes, tuple[torch.Tensor, torch.Tensor | None]] = OrderedDict()

    def find(self, key: bytes) -> tuple[torch.Tensor, torch.Tensor | None] | None:
        """Keys and values of a stretch, and the logits after it where a prompt ended there; None where it is not kept."""
        if key not in self.kept:
            return None
        self.kept.move_to_end(key)
        return self.kept[key]

    def keep(self, key: bytes, part: torch.Tensor, logits: torch.Tensor | None) -> None:
        """Keep a stretch; the longest unused go where there is no room."""
        if (before := self.kept.pop(key, None)) is not None:
            self.used -= size(before)
        self.kept[key] = part, logits
        self.used += size(self.kept[key])
        while self.used > self.room and self.kept:
            self.used -= size(self.kept.popitem(last=False)[1])


def size(entry: tuple[torch.Tensor, torch.Tensor | None]) -> int:
    """Bytes of what is kept of a stretch."""
    return sum(tensor.nbytes for tensor in entry if tensor is not None)
