"""Dedup alone: seconds, processor seconds and memory of `textmill dedup-only` on titles, chats and source files.

    python -m benchmarks.dedup_rows --rows 100000 --write

Rows are made before the clock starts, from a seed: titles and chats of invented words, source files of windows of Python's own
library. One in thirty repeats an earlier row, one in fifty repeats it with a word changed. `against` is the second of two runs
of new titles against a folder of as many, whose index the first run stored. With --write the table goes to
benchmarks/results/dedup-rows.md.
"""

import argparse
import itertools
import json
import os
import random
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

RESULT = Path(__file__).parent / "results/dedup-rows.md"
COPY, NEAR = 1 / 30, 1 / 50
SYLLABLES = ("ka", "lo", "mi", "ren", "tu", "sal", "pe", "dor", "vi", "an", "est", "or", "ni", "gra")
LIBRARY = Path(sysconfig.get_path("stdlib"))
SAID = re.compile(r"([\d,]+) rows.*?, ([\d,]+) copies removed(?: \(([^)]*)\))?")


def invented(random_: random.Random, count: int) -> list[str]:
    """Words of two to four syllables."""
    return ["".join(random_.choices(SYLLABLES, k=random_.randint(2, 4))) for _ in range(count)]


def titles(random_: random.Random) -> Iterator[list[str]]:
    """Four to nine words, without end."""
    words = invented(random_, 30_000)
    while True:
        yield random_.choices(words, k=random_.randint(4, 9))


def chats(random_: random.Random) -> Iterator[list[str]]:
    """The words of two turns."""
    words = invented(random_, 30_000)
    while True:
        yield random_.choices(words, k=random_.randint(60, 160))


def sources(random_: random.Random) -> Iterator[list[str]]:
    """Thirty to eighty lines from somewhere in the library, as words with the space that follows."""
    lines = [line for path in sorted(LIBRARY.glob("*.py"))
             for line in path.read_text("utf-8", "replace").splitlines(True)]
    while True:
        start = random_.randrange(len(lines) - 80)
        yield re.findall(r"\S+\s*", "".join(lines[start:start + random_.randint(30, 80)])) or ["pass\n"]


def title(words: list[str]) -> dict[str, Any]:
    return {"text": " ".join(words)}


def chat(words: list[str]) -> dict[str, Any]:
    turns = (words[:len(words) // 3], words[len(words) // 3:])
    roles = ("user", "assistant")
    return {"messages": [{"role": role, "content": " ".join(turn)} for role, turn in zip(roles, turns, strict=True)]}


def source(words: list[str]) -> dict[str, Any]:
    return {"text": "".join(words)}


KINDS = {"titles": (titles, title), "chats": (chats, chat), "source files": (sources, source)}


def write_rows(path: Path, kind: str, rows: int, seed: int) -> None:
    """So many rows, some of them copies of one of the last thousand."""
    make, row = KINDS[kind]
    random_, recent = random.Random(seed), list[list[str]]()
    with path.open("w") as file:
        for fresh in itertools.islice(make(random_), rows):
            chance, words = random_.random(), fresh
            if recent and chance < COPY + NEAR:
                words = list(random_.choice(recent))
                if chance >= COPY:
                    words[random_.randrange(len(words))] = "other "
            recent.append(words)
            del recent[:-1000]
            file.write(json.dumps(row(words)) + "\n")


def measured(*arguments: str) -> tuple[float, float, float, str]:
    """(seconds, processor seconds, peak MB of a process, what was said) of the command."""
    start = time.monotonic()
    with tempfile.TemporaryFile("w+") as said:
        command = [sys.executable, "-m", "textmill", "dedup-only", *arguments]
        child = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(child.pid, 0)
        said.seek(0)
        output = said.read()
    if status:
        sys.exit(f"dedup-only failed: {output}")
    return time.monotonic() - start, used.ru_utime + used.ru_stime, used.ru_maxrss / 1000, output


def line(name: str, rows: int, run: tuple[float, float, float, str]) -> str:
    seconds, processor, peak, output = run
    found = SAID.search(output)
    assert found, output
    return f"| {name} | {rows:,} | {seconds:.0f} | {processor:.0f} | {peak:,.0f} | {found[2]} | {found[3] or ''} |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=100_000, help="of titles and of chats, and of each side of `against`")
    parser.add_argument("--sources", type=int, help="source files  [default: a fifth of --rows]")
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    lines = ["| rows | how many | seconds | processor seconds | peak MB | copies | of kinds |",
             "|---|---:|---:|---:|---:|---:|---|"]
    with tempfile.TemporaryDirectory() as at:
        for kind in KINDS:
            rows = (given.sources or given.rows // 5) if kind == "source files" else given.rows
            write_rows(Path(at, "in.jsonl"), kind, rows, 1)
            lines.append(line(kind, rows, measured(f"{at}/in.jsonl", "--to", f"{at}/out.jsonl", "--overwrite")))
            print(lines[-1], flush=True)
        write_rows(Path(at, "old.jsonl"), "titles", given.rows, 1)
        write_rows(Path(at, "new.jsonl"), "titles", given.rows, 2)
        for name in ("new titles against old, indexed", "again, with the stored index"):
            against = ("--against", f"{at}/old.jsonl", "--index", f"{at}/index")
            run = measured(f"{at}/new.jsonl", "--to", f"{at}/new-out.jsonl", "--overwrite", *against)
            lines.append(line(name, given.rows, run))
            print(lines[-1], flush=True)
    if given.write:
        machine = f"{os.cpu_count()} processors, Python {sys.version.split()[0]}, {date.today()}."
        RESULT.write_text("\n".join(lines) + f"\n\n{machine}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
