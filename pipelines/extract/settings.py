"""Settings of extract; every value here can change output bytes, so all of them are in the fingerprint."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import ClassVar, Literal

MIB = 1 << 20
# Not data by their names: hidden files and folders, what describes or licenses the data, checksums, and what Hugging Face's
# `datasets` keeps beside its shards.
IGNORE = (".*", "_*", ".*/", "_*/", "README*", "LICENSE*", "LICENCE*", "COPYING*", "*.md5", "*.sha1", "*.sha256", "*.sha512",
          "md5sum*", "sha*sum", "sha*sums", "sha*sums.txt", "dataset_info.json", "dataset_dict.json", "state.json",
          "cache-*.arrow")
RUN_ONLY = ("max_quarantined", "ignore", "unknown")       # settings that decide which files are read, or what a run says


@dataclass(frozen=True)
class DialogueColumns:
    """JSONL and Parquet: where a row keeps the parts of a dialogue, by columns or paths as `text_columns` are.

    A row is a dialogue where it has `chosen` and `rejected`, or `messages`, or `prompt` and `response`, in this order; else it
    is a text. With an empty list a part is not looked for.
    """

    messages: tuple[str, ...] = ("messages", "conversations")
    """A list of turns, each with `role` and `content`, or `from` and `value`."""
    prompt: tuple[str, ...] = ("prompt", "instruction")
    """What the user says, or a list of turns."""
    input: tuple[str, ...] = ("input", "context")
    """What the prompt is about, put after it."""
    response: tuple[str, ...] = ("response", "completion", "output")
    """What the assistant answers, or a list of turns."""
    chosen: tuple[str, ...] = ("chosen",)
    """The preferred of two answers, or the dialogue with it."""
    rejected: tuple[str, ...] = ("rejected",)
    """The other."""
    system: tuple[str, ...] = ("system", "system_prompt")
    """The system turn, where the list has none."""
    tools: tuple[str, ...] = ("tools",)
    """Definitions of tools; a row with some is rejected as `tool_calls`."""


@dataclass(frozen=True)
class ExtractSettings:
    """Sizes and limits of `extract`. Limits are counted, never timed, so the same page has the same outcome everywhere."""

    part_bytes: int = 128 * MIB
    """Approximate bytes of text in one part of `documents`."""
    split_bytes: int = 16 * MIB
    """Stored bytes of a raw file that one split, and so one task, owns."""
    max_record_bytes: int = 64 * MIB
    """A record, line or file that is larger is rejected as too_large."""
    max_page_bytes: int = 32 * MIB
    """Of an HTML body after its transfer and content codings are undone."""
    max_row_values: int = 1_000_000
    """JSONL: values in a row, lists and objects included; each takes up to 250 bytes of memory, however short it is."""
    max_inflation: int = 500
    """Inflated over stored bytes of a record over 16 MiB; a page of script state reached 216."""
    max_nodes: int = 60_000
    """Start tags of a page: 190k took 9.6 s and 1.1 GB (measured); real pages reached 34k."""
    max_depth: int = 200
    """Nested elements: trafilatura walks by recursion, Python stops near 1000 frames."""
    max_nesting: int = 1_000_000
    """The depths of all elements added up: lists 90 deep took 7.7 s with 60k tags (measured)."""
    max_row_cells: int = 2_000
    """Cells of one table row: 40k took 8.5 s, growing with the square (measured)."""
    max_tag_attributes: int = 25_000
    """Attributes of one tag: 50k took 3.0 s, growing with the square (measured)."""
    max_attributes: int = 200_000
    """Attributes of all tags: 6M took 15 s and 4.8 GB (measured)."""
    max_links: int = 20_000
    """Links of a page: 300k took 4.7 s and 782 MB (measured)."""
    max_page_seconds: float = 30
    """CPU seconds of a page, and a tenth of a document's: a backstop behind the limits above, which stop it long before."""
    max_page_memory_mb: int = 1024
    """MiB that a page may add to the process that reads it: a backstop too."""
    max_replaced_share: float = 0.05
    """Share of characters that could not be decoded."""
    text_columns: tuple[str, ...] = ("text", "content", "raw_content")
    """JSONL and Parquet: the first of these columns, or paths such as meta.text, in which a row has text; in any case."""
    html_columns: tuple[str, ...] = ("html", "raw_html")
    """Columns with HTML, used where there is no text."""
    dialogue_columns: DialogueColumns = field(default_factory=DialogueColumns)
    """Columns that make a row a dialogue, whatever text it has beside them."""
    engine: Literal["model", "trafilatura"] = "model"
    """What finds a page's main text: `model`, a small network of ours (docs/extract-model.md), or `trafilatura`."""
    format: Literal["text", "markdown"] = "text"
    """Of the model's text: `text`, or `markdown` with marks for headings, quotes and code."""
    blocklists: tuple[str, ...] = ()
    """Files under blocklists/: a page is refused by the first that lists its URL."""
    ignore: tuple[str, ...] = IGNORE
    """Names of files that are not read, as patterns; with a slash at the end of folders. In archives too. Counted."""
    unknown: Literal["count", "stop"] = "count"
    """A file of no known kind: `count` it as rejected, or `stop` before work starts."""
    max_quarantined: float = 0.01
    """Share of records that may be unreadable before a run ends with exit 1; ten may, if they are at most a tenth."""

    renamed: ClassVar = {
        "record_bytes": "max_record_bytes", "page_bytes": "max_page_bytes", "ratio": "max_inflation", "nodes": "max_nodes",
        "depth": "max_depth", "nesting": "max_nesting", "cells": "max_row_cells", "attributes": "max_tag_attributes",
        "all_attributes": "max_attributes", "links": "max_links", "deadline": "max_page_seconds",
        "memory_mb": "max_page_memory_mb", "replaced": "max_replaced_share"}

    def problems(self) -> Iterator[str]:
        for name in ("part_bytes", "split_bytes", "max_record_bytes", "max_page_bytes", "max_row_values", "max_inflation",
                     "max_nodes", "max_depth", "max_nesting", "max_row_cells", "max_tag_attributes", "max_attributes",
                     "max_links", "max_page_seconds"):
            if getattr(self, name) < 1:
                yield f"{name} is {getattr(self, name)}; give a number of at least 1"
        if self.max_page_memory_mb < 64:
            yield f"max_page_memory_mb is {self.max_page_memory_mb}; a page of some MB needs 64"
        if self.max_depth > 400:
            yield f"max_depth is {self.max_depth}; the extractor walks a page by recursion, so give at most 400"
        for name in ("max_replaced_share", "max_quarantined"):
            if not 0 <= getattr(self, name) <= 1:
                yield f"{name} is {getattr(self, name)}; it is a share, give a number from 0 to 1"
        if self.engine == "trafilatura" and self.format == "markdown":
            yield "format is markdown, which engine trafilatura does not write; set engine: model or format: text"
        if any(not pattern.strip("/ ") for pattern in self.ignore):
            yield "ignore has an empty pattern; give patterns of names such as README* or *.md5"
        for name in self.blocklists:
            if not re.fullmatch(r"[^/\s._][^/\s]*", name):
                yield f"blocklists names {name!r}; give the name of a file in the data folder's blocklists/, without its path"
        if len(set(self.blocklists)) < len(self.blocklists):
            yield "blocklists names a list twice; give each once"
        if not self.text_columns and not self.html_columns:
            yield "text_columns and html_columns are both empty; name a column with the text or the HTML"
