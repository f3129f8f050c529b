"""Sizes of decoders, by name or by layers and width.

Widths and counts from our reference on small models: row widths divisible by 256 where a size allows it (so that
k-quants apply) and heads of 64 or 128 (what inference servers support).
"""

import re
from typing import NamedTuple


class Shape(NamedTuple):
    """A decoder's size, whatever its architecture; one that has no use for a field leaves it unread."""

    layers: int
    width: int          # of the residual stream
    heads: int          # of queries
    head_width: int
    kv_heads: int       # of keys and values
    mlp: int            # inner width
    tied: bool          # the output matrix is the embedding
    window: int | None = None       # tokens of its document that a token sees; None: all before it
    experts: int = 8                # in a mixture of experts: how many,
    active: int = 2                 # how many of them a token goes through,
    shared: bool = False            # and whether every token goes through one more

    @property
    def expert_mlp(self) -> int:
        """Inner width of an expert: a token goes through as much as `mlp`, rounded up to a multiple of 8."""
        return -(-self.mlp // (8 * (self.active + self.shared))) * 8


SHAPES = {
    "ci": Shape(layers=4, width=128, heads=2, head_width=64, kv_heads=2, mlp=384, tied=True),
    "10m": Shape(layers=8, width=256, heads=4, head_width=64, kv_heads=2, mlp=768, tied=True),
    "40m": Shape(layers=10, width=512, heads=8, head_width=64, kv_heads=4, mlp=1536, tied=True),
    "124m": Shape(layers=12, width=768, heads=6, head_width=128, kv_heads=3, mlp=2048, tied=False),
    "350m": Shape(layers=24, width=1024, heads=8, head_width=128, kv_heads=4, mlp=2816, tied=False),
}


def shape_of(name: str) -> Shape | None:
    """A shape by its name, or written as layers x width, such as 6x192, with `ci`'s proportions; None where it is neither."""
    if name in SHAPES or not (match := re.fullmatch(r"([1-9]\d?)x([1-9]\d{1,3})", name)) or int(match[2]) % 32:
        return SHAPES.get(name)
    layers, width = int(match[1]), int(match[2])
    head = 64 if width % 64 == 0 else 32
    return Shape(layers, width, width // head, head, width // head, 3 * width, tied=True)
