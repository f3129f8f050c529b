"""Dialogues mined from curated text: passages written as two speakers in turn, by a published heuristic.

Rae et al. 2021 (Gopher), appendix on the dialogue-tuned model: at least six consecutive paragraphs, each with a prefix that
ends in a separator ("Gopher: ", "Dr Smith - ", "Q. "); the even ones share one prefix, the odd ones another, and the two
differ, so that it goes strictly back and forth. Paragraphs are blocks between blank lines, or lines, as extractors write
either; a passage keeps to one separator. Who speaks first is the user, who answers the assistant.

Written as JSONL of `messages`, with id and URL of the page and the place in its curated text: extract reads it as it stands.
"""

import heapq
import json
import os
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.display.lines import labelled, shown

PARAGRAPHS = 6              # of a dialogue at least
PREFIX = 40                 # characters of a prefix at most
FILE = "dialogues.jsonl"
SEPARATORS = (r":(?=\s)|：", r" [-–—](?=\s)|:? ?—(?=\s)", r"\.(?=\s)")
_PREFIXES = tuple(re.compile(rf"(?P<name>[^\W_][^\n]{{0,{PREFIX - 1}}}?)(?:{separator})\s*(?=\S)") for separator in SEPARATORS)
_PARAGRAPHS = (re.compile(r"\S(?:.*\S)?(?:\n(?:.*\S))*"), re.compile(r"\S(?:.*\S)?"))      # blocks, lines
SHOWN = 300                 # characters of a turn on a terminal

ONE_PREFIX = "one prefix"
NOT_IN_TURN = "two prefixes, not in turn"
MORE = "more prefixes"


class Spoken(NamedTuple):
    """A paragraph with a prefix: who speaks, where what he says begins and ends, and where the paragraph begins."""

    speaker: str
    start: int
    end: int
    begin: int


class Mined(NamedTuple):
    """A passage that is a dialogue."""

    turns: tuple[Spoken, ...]

    @property
    def begin(self) -> int:
        return self.turns[0].begin

    @property
    def end(self) -> int:
        return self.turns[-1].end


@dataclass
class MinedCounts:
    """What was looked at: texts, candidates (runs of six paragraphs or more with prefixes), why some are no dialogues."""

    texts: int = 0
    candidates: int = 0
    texts_with: int = 0
    dialogues: int = 0
    turns: int = 0
    refused: Counter[str] = field(default_factory=Counter)


def mine(data: Folder, folder: Path, show: int) -> Iterator[str]:
    """Write `folder`/dialogues.jsonl from the curated texts; the counts as lines, and so many of the dialogues.

    The file is written whole or not at all. StageError where nothing is curated yet."""
    counts, chosen = MinedCounts(), list[tuple[bytes, int, dict[str, Any]]]()
    folder.mkdir(parents=True, exist_ok=True)
    unfinished = folder / f".{FILE}.{os.getpid()}"      # extract reads no hidden files
    try:
        with unfinished.open("w", encoding="utf-8") as file:
            for row in rows(data, counts):
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                place = blake2b(f"{row['id']} {row['start']}".encode(), digest_size=8).digest()
                chosen = heapq.nsmallest(show, [*chosen, (place, counts.dialogues, row)])
        unfinished.replace(folder / FILE)
    finally:
        unfinished.unlink(missing_ok=True)
    yield (f"dialogues: {counts.texts:,} texts, {counts.candidates:,} candidates, {counts.dialogues:,} dialogues of "
           f"{counts.turns:,} turns in {counts.texts_with:,} texts, written to {folder / FILE}")
    if counts.refused:
        yield f"no dialogues: {', '.join(f'{why} {count:,}' for why, count in sorted(counts.refused.items()))}"
    for _, _, row in chosen:
        yield ""
        yield f"{shown(row['url'] or row['id'])}, characters {row['start']:,} to {row['end']:,}"
        for message, speaker in zip(row["messages"], row["speakers"] * len(row["messages"]), strict=False):
            said = " ".join(message["content"].split())
            said = said if len(said) <= SHOWN else said[:SHOWN] + " …"
            yield from labelled(message["role"], f"({shown(speaker)}) {shown(said)}", indent=2)


def rows(data: Folder, counts: MinedCounts) -> Iterator[dict[str, Any]]:
    """The row of each dialogue, in the order of the texts; what has turns already is passed over."""
    for text, row in texts(data):
        counts.texts += 1
        found = dialogues(text, counts)
        counts.texts_with += bool(found)
        for dialogue in found:
            counts.dialogues += 1
            counts.turns += len(dialogue.turns)
            messages = [{"role": ("user", "assistant")[number % 2], "content": text[turn.start:turn.end]}
                        for number, turn in enumerate(dialogue.turns)]
            yield {"messages": messages, "id": row["id"], "url": row["url"], "start": dialogue.begin, "end": dialogue.end,
                   "speakers": [turn.speaker for turn in dialogue.turns[:2]], "mined_from": row["source"]}


def texts(data: Folder) -> Iterator[tuple[str, dict[str, Any]]]:
    """The curated texts of pages, pieces put together, each with a row of it."""
    manifest = Manifest.read(data / "curated")
    if manifest is None:
        raise StageError(f"there is nothing in {data.uri}/curated yet; run `textmill curate`")
    columns = ["id", "url", "source", "text", "turns"]
    pieces = (row for part in manifest.parts for batch in read_batches(data / "curated", part, columns)
              for row in batch.to_pylist() if row["turns"] is None)
    for _, group in groupby(pieces, key=lambda row: row["id"]):     # the pieces of a document follow each other
        listed = list(group)
        yield "".join(row["text"] for row in listed), listed[0]


def dialogues(text: str, counts: MinedCounts) -> list[Mined]:
    """The dialogues of a text in order; of two that overlap the first found: blocks before lines, ": " before the others."""
    found: list[Mined] = []
    for paragraphs in _PARAGRAPHS:
        places = [(match.start(), match.end()) for match in paragraphs.finditer(text)]
        if len(places) < PARAGRAPHS:
            continue
        for prefix in _PREFIXES:
            for run in _runs(text, places, prefix):
                if any(run[0].begin < other.end and other.begin < run[-1].end for other in found):
                    continue
                counts.candidates += 1
                if not (mined := in_turn(run)):
                    speakers = len({spoken.speaker for spoken in run})
                    counts.refused[ONE_PREFIX if speakers == 1 else NOT_IN_TURN if speakers == 2 else MORE] += 1
                found += mined
    return sorted(found, key=lambda dialogue: dialogue.begin)


def _runs(text: str, places: Sequence[tuple[int, int]], prefix: re.Pattern[str]) -> Iterator[list[Spoken]]:
    """The runs of PARAGRAPHS or more paragraphs that all have a prefix."""
    run: list[Spoken] = []
    for begin, end in (*places, (len(text), len(text))):
        match = prefix.match(text, begin, end)
        if match:
            run.append(Spoken(match["name"].strip(), match.end(), end, begin))
            continue
        if len(run) >= PARAGRAPHS:
            yield run
        run = []


def in_turn(run: Sequence[Spoken]) -> list[Mined]:
    """The stretches of a run, of PARAGRAPHS or more, in which two speakers take turns."""
    found, start = [], 0
    while start + PARAGRAPHS <= len(run):
        end = start + 1
        while end < len(run) and run[end].speaker != run[end - 1].speaker and (
                end < start + 2 or run[end].speaker == run[end - 2].speaker):
            end += 1
        if end - start >= PARAGRAPHS:
            found.append(Mined(tuple(run[start:end])))
            start = end
        else:
            start = max(start + 1, end - 1)     # the last may begin the next
    return found
