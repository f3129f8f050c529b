"""Configuration of curate."""

import re
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class CurateSettings:
    """Settings of curate."""

    max_piece_bytes: int = 32768
    """Longer texts are cut: 8192 tokens, the longest block, at 4 bytes a token (English BPE)."""
    clean_tables: bool = True
    """Rows of tables without a word are taken out, each recorded as an edit."""
    evaluation_sets: tuple[str, ...] = ()
    """Files under evaluation_sets/: documents that contain their items are dropped or tagged."""

    def problems(self) -> Iterator[str]:
        """Invalid settings, one sentence each."""
        if self.max_piece_bytes < 256:
            yield f"max_piece_bytes is {self.max_piece_bytes}; pieces that short cut words and sentences: give 256 or more"
        for name in self.evaluation_sets:
            if not re.fullmatch(r"[^/\s._][^/\s]*", name):
                yield (f"evaluation_sets names {name!r}; give the name of a file in the data folder's evaluation_sets/, "
                       "without its path")
        if len(set(self.evaluation_sets)) < len(self.evaluation_sets):
            yield "evaluation_sets names a set twice; give each once"
