"""Configuration of pack besides the mixture."""

from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class PackSettings:
    """Settings of pack."""

    shard_bytes: int = 64 << 20
    """Of tokens in one file of blocks; a worker holds about three times that."""

    def problems(self) -> Iterator[str]:
        if self.shard_bytes < 1:
            yield f"shard_bytes is {self.shard_bytes}; give at least 1"
