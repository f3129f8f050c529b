"""What a user may set for `extract`; every value here can change the bytes written, so all of them are in the fingerprint."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

MIB = 1 << 20


@dataclass(frozen=True)
class ExtractSettings:
    """Sizes and limits of `extract`. Limits are counted, never timed, so the same page meets the same fate everywhere."""

    part_bytes: int = 128 * MIB         # text that one part of `documents` holds, about
    split_bytes: int = 16 * MIB         # stored bytes of a raw file that one split owns
    record_bytes: int = 64 * MIB        # a record, line or file larger than this is rejected as too_large
    page_bytes: int = 32 * MIB          # an HTML body after its transfer and content codings are undone
    ratio: int = 500                    # inflated / stored bytes of a record over 16 MiB; a page of script state reached 216
    nodes: int = 60_000                 # start tags of a page: 190k took 9.6 s and 1.1 GB (measured); real pages reached 34k
    depth: int = 200                    # nested elements: trafilatura walks by recursion, Python stops near 1000 frames
    nesting: int = 1_000_000            # the depths of all elements added up: lists 90 deep took 7.7 s with 60k tags (measured)
    cells: int = 2_000                  # of one table row: 40k took 8.5 s, growing with the square (measured)
    attributes: int = 25_000            # of one tag: 50k took 3.0 s, growing with the square (measured)
    all_attributes: int = 200_000       # of all tags: 6M took 15 s and 4.8 GB (measured)
    links: int = 20_000                 # 300k links took 4.7 s and 782 MB (measured)
    deadline: float = 30                # CPU seconds of a page: a backstop behind the limits above, which stop it long before
    memory_mb: int = 1024               # MiB that a page may add to the process that reads it: as above
    replaced: float = 0.05              # share of characters that could not be decoded
    text_columns: tuple[str, ...] = ("text", "content", "raw_content")   # the first that a row has is its text
    html_columns: tuple[str, ...] = ("html", "raw_html")                 # looked for where there is no text
    blocklists: tuple[str, ...] = ()    # files under blocklists/: a page is refused by the first that lists its URL
    max_quarantined: float = 0.01       # share of records that may be unreadable before a run ends with exit 1

    def problems(self) -> Iterator[str]:
        for name in ("part_bytes", "split_bytes", "record_bytes", "page_bytes", "ratio", "nodes", "depth", "nesting", "cells",
                     "attributes", "all_attributes", "links", "deadline"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}; give a number of at least 1"
        if self.memory_mb < 64:
            yield f"memory_mb is {self.memory_mb}; a page of some MB needs 64"
        if self.depth > 400:
            yield f"depth is {self.depth}; the extractor walks a page by recursion, so give at most 400"
        for name in ("replaced", "max_quarantined"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name} is {getattr(self, name)}; it is a share, give a number from 0 to 1"
        for name in self.blocklists:
            if not re.fullmatch(r"[^/\s._][^/\s]*", name):
                yield f"blocklists names {name!r}; give the name of a file in the data folder's blocklists/, without its path"
        if len(set(self.blocklists)) < len(self.blocklists):
            yield "blocklists names a list twice; give each once"
        if not self.text_columns and not self.html_columns:
            yield "text_columns and html_columns are both empty; name a column that holds the text or the HTML"
