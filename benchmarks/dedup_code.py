"""Dedup alone on source code against the truth: functions of Python's library, and copies of them with planted changes.

    python -m benchmarks.dedup_code

writes benchmarks/results/dedup-code.md: what of each kind of change counts as a copy, and whether every pair that brute force
finds at the threshold is seen (Jaccard of shingles, all pairs that have one in common). An operator, a name or a level of
indentation changes what a function does, so a copy with one is not a copy; in a long function it is a small share of it.
"""

import ast
import json
import random
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np

from benchmarks.dedup_rows import LIBRARY
from benchmarks.dedup_truth import Sets, true_pairs
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.text.shingles import shingle_hashes
from textmill.pipelines.text.words import read_words

RESULT = Path(__file__).parent / "results/dedup-code.md"
FUNCTIONS = 3_000
SHORTEST, SHORT, LONGEST = 8, 20, 60            # lines
OPERATORS = {" == ": " != ", " < ": " <= ", " > ": " >= ", " + ": " - ", " and ": " or ", " is not ": " is ",
             " in ": " not in "}


def functions() -> Iterator[str]:
    """Every function of the library, its indentation taken away."""
    for path in sorted(LIBRARY.glob("*.py")):
        source = path.read_text("utf-8", "replace")
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno and SHORTEST <= node.end_lineno - node.lineno < LONGEST:
                lines = source.splitlines()[node.lineno - 1:node.end_lineno]
                yield "\n".join(line.removeprefix(" " * node.col_offset) for line in lines)


def with_operator(text: str, random_: random.Random) -> str | None:
    """One comparison, sum or condition turned."""
    places = [(at, old) for old in OPERATORS for at in range(len(text)) if text.startswith(old, at)]
    if not places:
        return None
    at, old = random_.choice(places)
    return text[:at] + OPERATORS[old] + text[at + len(old):]


def with_name(text: str, random_: random.Random) -> str | None:
    """The function's name and no other changed."""
    head, _, rest = text.partition("(")
    return f"{head}_again({rest}" if rest else None


def with_indentation(text: str, random_: random.Random) -> str | None:
    """One line, not the last, moved out of the block it ends."""
    lines = text.split("\n")
    ends = [n for n in range(1, len(lines) - 1) if lines[n].startswith("        ") and lines[n + 1].strip()
            and _depth(lines[n + 1]) < _depth(lines[n]) == _depth(lines[n - 1])]
    if not ends:
        return None
    at = random_.choice(ends)
    lines[at] = lines[at].removeprefix("    ")
    return "\n".join(lines)


def with_tabs(text: str, random_: random.Random) -> str | None:
    """Indented by tabs: the same program."""
    return "\n".join("\t" * (_depth(line) // 4) + line.lstrip(" ") for line in text.split("\n"))


def with_comment(text: str, random_: random.Random) -> str | None:
    """A comment after the first line: the same program."""
    head, _, rest = text.partition("\n")
    return f"{head}\n    # Taken over as it is.\n{rest}"


def with_nothing(text: str, random_: random.Random) -> str | None:
    return text


CHANGES: dict[str, Callable[[str, random.Random], str | None]] = {
    "none": with_nothing, "indented by tabs": with_tabs, "a comment": with_comment, "the function's name": with_name,
    "an operator": with_operator, "a line moved out of its block": with_indentation}


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))


def main() -> None:
    random_ = random.Random(1)
    originals = sorted(set(functions()), key=lambda text: (random.Random(text).random(), text))[:FUNCTIONS]
    texts, changed_from = list(originals), {}
    for number, text in enumerate(originals):
        change = list(CHANGES)[number % len(CHANGES)]
        copy = CHANGES[change](text, random_)
        if copy is not None and (change == "none" or copy != text):
            changed_from[len(texts)] = (change, number)
            texts.append(copy)
    with tempfile.TemporaryDirectory() as at:
        places, source = {}, Path(at, "in.jsonl")
        with source.open("wb") as file:
            for number, text in enumerate(texts):
                places[file.tell()] = number
                file.write(json.dumps({"text": text}).encode() + b"\n")
        command = [sys.executable, "-m", "textmill", "dedup-only", str(source), "--to", f"{at}/out.jsonl", "--removed",
                   f"{at}/removed.jsonl"]
        print(subprocess.run(command, check=True, text=True, capture_output=True).stdout)
        rows = [json.loads(line) for line in Path(at, "removed.jsonl").read_text().splitlines()]
    removed = {places[row["place"]]: (places[row["kept_place"]], row["similarity"]) for row in rows}
    said = f"{table(texts, changed_from, removed)}\n\n{truth(texts, removed)}\n{date.today()}.\n"
    print(said)
    RESULT.write_text(said, "utf-8")


def table(texts: list[str], changed_from: dict[int, tuple[str, int]], removed: dict[int, tuple[int, float]]) -> str:
    """By change: how many pairs, of how many one is removed for the other, and what similarity the pairs have."""
    similar, gone, gone_short = (defaultdict[str, list[float]](list) for _ in range(3))
    for copy, (change, original) in changed_from.items():
        similar[change].append(jaccard(texts[copy], texts[original]))
        gone[change].append(copy in removed or original in removed)
        if texts[copy].count("\n") < SHORT:
            gone_short[change].append(gone[change][-1])
    lines = ["| changed | pairs | one is removed | median similarity | of fewer than 20 lines: pairs | one is removed |",
             "|---|---:|---:|---:|---:|---:|"]
    for change, flags in gone.items():
        short = gone_short[change]
        lines.append(f"| {change} | {len(flags)} | {np.mean(flags):.1%} | {median(similar[change]):.3f} | {len(short)} | "
                     f"{np.mean(short):.1%} |")
    return "\n".join(lines)


def jaccard(one: str, other: str) -> float:
    offsets, hashes = shingle_hashes(read_words([one, other]))
    first, second = set(hashes[:offsets[1]].tolist()), set(hashes[offsets[1]:].tolist())
    return len(first & second) / max(len(first | second), 1)


def truth(texts: list[str], removed: dict[int, tuple[int, float]]) -> str:
    """Recall and proof against all pairs at the threshold."""
    threshold = DedupSettings().threshold
    pairs = true_pairs(Sets(*shingle_hashes(read_words(texts)))).at(threshold)
    both = sum(a not in removed and b not in removed for a, b in zip(pairs.a.tolist(), pairs.b.tolist(), strict=True))
    proved = sum(similarity >= threshold and kept not in removed for kept, similarity in removed.values())
    return (f"{len(texts):,} functions, {len(pairs.a):,} pairs at Jaccard {threshold} or more by brute force: both kept {both} "
            f"({both / max(len(pairs.a), 1):.3%}); {len(removed):,} removed, of these with a kept one so similar {proved:,} "
            f"({proved / max(len(removed), 1):.2%}).")


if __name__ == "__main__":
    main()
