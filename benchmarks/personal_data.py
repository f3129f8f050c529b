"""Personal data: precision and recall beside Presidio's pattern recognisers, what is found where nothing should be, and cost.

    python -m benchmarks.personal_data --shared ../shared/data --presidio-python /tmp/presidio/bin/python

writes benchmarks/results/personal-data.md (precision and recall), personal-false.md (findings in manuals and novels, masked),
personal-speed.md and personal-linear.md (the worst texts there are), and docs/personal-linear.svg, which plots those. Presidio
has an environment of its own:

    python3 -m venv /tmp/presidio && /tmp/presidio/bin/pip install presidio-analyzer==2.2.366

No language model is loaded: these are its recognisers by pattern and checksum, those of every country that the set has.
"""

import argparse
import io
import json
import re
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pyarrow.parquet as pq
import zstandard

from benchmarks.gold import responses
from benchmarks.personal_cases import HALVES, marked_cases, personal_cases
from textmill.pipelines.extract.pages.charset import decode
from textmill.pipelines.extract.pages.read_page import read_page
from textmill.pipelines.extract.refusal import Refusal
from textmill.pipelines.extract.settings import ExtractSettings
from textmill.pipelines.measure.personal.find import KINDS, Finding, find_personal_data

RESULTS, DOCS = (Path(__file__).parents[1] / name for name in ("benchmarks/results", "docs"))
OURS, PRESIDIO = "textmill", "Presidio"
SENTENCES = "pii.jsonl.zst"
# What the labelled sentences call the kinds that need no model.
GOLD = {
    "CREDIT_CARD": "CREDIT_CARD",
    "IBAN_CODE": "IBAN",
    "EMAIL_ADDRESS": "EMAIL",
    "PHONE_NUMBER": "PHONE",
    "IP_ADDRESS": "IP",
    "US_SSN": "NATIONAL_ID",
}
# Texts that the detectors like least: each is looked at, number by number or sign by sign, and nothing is found.
WORST = (
    "12 ",
    "1.1.1.1 ",
    "0 0 0 0 ",
    "(030) ",
    "4111 1111 1111 1111 ",
    "12345678-A ",
    "1-2-3-4-5-6-7-",
    "x [at] y [dot] ",
    "a.a@b.c",
    "api_key = 'a1B2c3D4e5F6g7H8' ",
    "0x" + "aB" * 20 + " ",
    "eyJa.",
)
SIZES = (1 << 16, 1 << 17, 1 << 18, 1 << 19)


class Labelled(NamedTuple):
    """A text with its gold findings; `negatives` counts the look-alikes in it, by kind."""

    text: str
    language: str
    host: str | None
    gold: frozenset[Finding]
    negative: str | None = None


class Tally(NamedTuple):
    """Of one kind: gold items, look-alikes, found in the exact place, found wrongly, missed, and found or missed by overlap."""

    items: int = 0
    negatives: int = 0
    right: int = 0
    wrong: int = 0
    missed: int = 0
    touching: int = 0
    astray: int = 0

    def plus(self, *more: int) -> "Tally":
        return Tally(*(a + b for a, b in zip(self, more, strict=True)))

    @property
    def exact(self) -> tuple[float, float, float]:
        return _score(self.right, self.right + self.wrong, self.items)

    @property
    def overlapping(self) -> tuple[float, float, float]:
        return _score(self.touching, self.touching + self.astray, self.items)


def _score(right: int, found: int, wanted: int) -> tuple[float, float, float]:
    precision, recall = right / found if found else 1.0, right / wanted if wanted else 1.0
    return precision, recall, 2 * precision * recall / (precision + recall) if right else 0.0


def labelled_sets(shared: Path | None) -> dict[str, list[Labelled]]:
    """Our own cases by half, and the labelled sentences where the folder has them."""
    sets = {
        f"own, {half}": [
            Labelled(
                case.text,
                case.language,
                case.host,
                frozenset({(case.kind, *case.gold)} if case.gold else ()),
                None if case.gold else case.kind,
            )
            for case in personal_cases()
            if case.half == half
        ]
        for half in HALVES
    }
    sets["own, marked"] = marked_texts()
    if shared:
        rows = read_jsonl(shared / SENTENCES)
        sets["labelled sentences"] = [
            Labelled(
                row["text"],
                "en",
                None,
                frozenset((GOLD[span["type"]], span["start"], span["end"]) for span in row["spans"] if span["type"] in GOLD),
            )
            for row in rows
        ]
    return sets


def marked_texts(language_known: bool = True) -> list[Labelled]:
    """The texts of personal_marked.yaml, with their languages or as texts in no known one."""
    return [Labelled(case.text, case.language if language_known else "und", case.host,
                     frozenset({(case.kind, *case.gold)} if case.gold else ()))
            for case in marked_cases()]


def read_jsonl(path: Path) -> list[dict]:
    with zstandard.open(path, "rb") as lines:
        return [json.loads(line) for line in io.TextIOWrapper(lines, "utf-8")]


def ours(texts: Sequence[Labelled]) -> list[list[Finding]]:
    return find_personal_data([one.text for one in texts], [one.language for one in texts], [one.host for one in texts])


def presidio(texts: Sequence[Labelled], python: str) -> list[list[Finding]]:
    asked = json.dumps({"texts": [{"text": one.text} for one in texts]})
    ran = subprocess.run(
        [python, str(Path(__file__).with_name("presidio_findings.py"))],
        input=asked,
        text=True,
        check=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    )
    return [[(kind, start, end) for kind, start, end in found] for found in json.loads(ran.stdout)["findings"]]


def tallies(texts: Sequence[Labelled], found: Sequence[Sequence[Finding]]) -> dict[str, Tally]:
    """By kind. A finding astray overlaps no gold item of its kind; one of another kind in its place is wrong for that kind."""
    by_kind = {kind: Tally() for kind in KINDS}
    for one, findings in zip(texts, found, strict=True):
        for kind in by_kind:
            gold = {place[1:] for place in one.gold if place[0] == kind}
            mine = {place[1:] for place in findings if place[0] == kind}
            touched = sum(any(a < d and c < b for c, d in mine) for a, b in gold)
            astray = sum(not any(a < d and c < b for c, d in gold) for a, b in mine)
            by_kind[kind] = by_kind[kind].plus(
                len(gold), one.negative == kind, len(gold & mine), len(mine - gold), len(gold - mine), touched, astray
            )
    return by_kind


def quality(sets: dict[str, list[Labelled]], python: str | None) -> str:
    lines = [
        "| set | kind | items | look-alikes | system | precision | recall | F1 | F1, overlap |",
        "|---|---|---:|---:|---|---:|---:|---:|---:|",
    ]
    for name, texts in sets.items():
        systems = {OURS: tallies(texts, ours(texts))} | ({PRESIDIO: tallies(texts, presidio(texts, python))} if python else {})
        for kind in KINDS:
            for system, by_kind in systems.items():
                one = by_kind[kind]
                if one.items and not (system == PRESIDIO and kind == "SECRET"):
                    lines.append(
                        f"| {name} | {kind} | {one.items} | {one.negatives or ''} | {system} | "
                        f"{' | '.join(f'{value:.3f}' for value in (*one.exact, one.overlapping[2]))} |"
                    )
    return "\n".join(lines) + "\n"


def pages(shared: Path, archive: str, every: int) -> Iterator[tuple[str, str, str, float]]:
    """(text, language, host, CPU seconds of extraction) of every so many-th page of an archive that gives a text."""
    languages = {
        row["record_id"]: row["language"]
        for row in pq.read_table(shared / "crawl/gold.parquet", columns=["record_id", "language"]).to_pylist()
    }
    limits = ExtractSettings()
    for number, (record, url, body, charset) in enumerate(responses(shared / f"crawl/{archive}.warc.gz")):
        if number % every == 0:
            start = time.process_time()
            read = read_page(decode(body, charset).text, limits)
            if not isinstance(read, Refusal):
                yield read.text, languages.get(record) or "und", urlsplit(url).hostname or "", time.process_time() - start


def findings_where_none_should_be(shared: Path) -> str:
    """Per kind the findings in novels and manuals, per million words, and their shapes: letters as a, digits as 0."""
    novels = [
        Labelled(row["text"], row.get("language") or "en", None, frozenset()) for row in read_jsonl(shared / "books.jsonl.zst")
    ]
    manuals = [Labelled(text, language, host, frozenset()) for text, language, host, _ in pages(shared, "manuals-httpd", 1)]
    lines = [
        "| texts | million words | kind | findings | per million words | shapes, commonest first |",
        "|---|---:|---|---:|---:|---|",
    ]
    for name, texts in (("novels", novels), ("manuals", manuals)):
        words = sum(len(one.text.split()) for one in texts) / 1e6
        shapes: dict[str, Counter[str]] = {kind: Counter() for kind in KINDS}
        for one, found in zip(texts, ours(texts), strict=True):
            for kind, start, end in found:
                shapes[kind][re.sub(r"\d", "0", re.sub(r"[^\W\d_]+", "a", one.text[start:end]))] += 1
        for kind, counted in shapes.items():
            shown = ", ".join(
                f"`{shape[:40]}` {count}" for shape, count in sorted(counted.items(), key=lambda i: (-i[1], i[0]))[:8]
            )
            lines.append(f"| {name} | {words:.2f} | {kind} | {counted.total()} | {counted.total() / words:.1f} | {shown} |")
    return "\n".join(lines) + "\n"


def speed(shared: Path) -> str:
    """CPU of one core on the same pages: extraction, and the search for personal data in what it gave."""
    lines = [
        "| texts | pages | MB of text | MB/s | ms a page | extraction, ms a page | share |",
        "|---|---:|---:|---:|---:|---:|---:|",
    ]
    find_personal_data(["warm up 12"], ["en"], [None])
    for archive, every in (("news", 4), ("manuals-httpd", 16), ("book-git", 40)):
        found = list(pages(shared, archive, every))
        lines.append(_cost(archive, [one[:3] for one in found], sum(one[3] for one in found)))
    lines.append(_cost("novels", [(row["text"], "en", "") for row in read_jsonl(shared / "books.jsonl.zst")[::6]], None))
    return "\n".join(lines) + "\n"


def _cost(name: str, texts: list[tuple[str, str, str]], extraction: float | None) -> str:
    least = float("inf")
    for _ in range(2):
        start = time.process_time()
        find_personal_data(*(list(column) for column in zip(*texts, strict=True)))
        least = min(least, time.process_time() - start)
    size = sum(len(text.encode()) for text, _, _ in texts) / 1e6
    beside = f"{1000 * extraction / len(texts):.1f} | {least / extraction:.1%}" if extraction else "|"
    return f"| {name} | {len(texts)} | {size:.1f} | {size / least:.1f} | {1000 * least / len(texts):.2f} | {beside} |"


def linear() -> tuple[str, str]:
    """(a table, a plot as SVG) of the seconds that the worst texts take, by their size."""
    curves = {}
    for unit in WORST:
        curves[unit] = []
        for size in SIZES:
            text = (unit * (size // len(unit) + 1))[:size]
            start = time.process_time()
            find_personal_data([text], ["es"], ["h.fi"])
            curves[unit].append(time.process_time() - start)
    lines = [
        "| repeated | " + " | ".join(f"{size >> 10} kB, s" for size in SIZES) + " | twice the text takes |",
        "|---|" + "---:|" * (len(SIZES) + 1),
    ]
    for unit, seconds in sorted(curves.items(), key=lambda curve: -curve[1][-1]):
        lines.append(
            f"| `{unit[:24]}` | " + " | ".join(f"{one:.2f}" for one in seconds) + f" | {seconds[-1] / seconds[-2]:.1f} × |"
        )
    return "\n".join(lines) + "\n", plot(curves)


def plot(curves: dict[str, list[float]]) -> str:
    """Seconds over size, a line each, as an SVG of 480 by 300."""
    most = max(seconds[-1] for seconds in curves.values())
    drawn = []
    for unit, seconds in curves.items():
        points = " ".join(
            f"{40 + 420 * size / SIZES[-1]:.1f},{270 - 240 * one / most:.1f}" for size, one in zip(SIZES, seconds, strict=True)
        )
        title = unit.replace("&", "&amp;").replace("<", "&lt;")
        drawn.append(f'<polyline points="40,270 {points}" fill="none" stroke="#36c"><title>{title}</title></polyline>')
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" width="480" height="300" font-family="sans-serif" font-size="11">'
        '<path d="M40 20V270H470" fill="none" stroke="#888"/>'
        + "".join(drawn)
        + f'<text x="40" y="290">0</text><text x="410" y="290">{SIZES[-1] >> 10} kB</text>'
        f'<text x="4" y="34">{most:.1f} s</text></svg>\n'
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument(
        "--shared", type=Path, help=f"folder with {SENTENCES}, books.jsonl.zst and crawl/; without it only our own cases"
    )
    parser.add_argument("--presidio-python", help="the Python of an environment that has presidio-analyzer")
    parser.add_argument("--only", choices=("quality", "false", "speed", "linear"), help="one of the four (default: all)")
    given = parser.parse_args()
    note = (
        f"\n{date.today()}; {'Presidio 2.2.366, its pattern recognisers' if given.presidio_python else 'without Presidio'}.\n"
    )
    made = {}
    if given.only in (None, "quality"):
        sets = labelled_sets(given.shared) | {"own, marked, language unknown": marked_texts(language_known=False)}
        made["personal-data.md"] = quality(sets, given.presidio_python) + note
    if given.shared and given.only in (None, "false"):
        made["personal-false.md"] = findings_where_none_should_be(given.shared)
    if given.shared and given.only in (None, "speed"):
        made["personal-speed.md"] = speed(given.shared)
    if given.only in (None, "linear"):
        made["personal-linear.md"], made["personal-linear.svg"] = linear()
    for name, content in made.items():
        (DOCS if name.endswith(".svg") else RESULTS).joinpath(name).write_text(content, "utf-8")
        print(content if name.endswith(".md") else f"{name} written")
    return 0


if __name__ == "__main__":
    sys.exit(main())
