"""Good texts of unusual form, and junk in the same forms: how many the rules keep, by form and by kind of page.

    git show 88c6a42:rules.yaml > /tmp/before.yaml
    python -m benchmarks.unusual --shared ../shared/data --before /tmp/before.yaml --datatrove /tmp/datatrove/bin/python

writes benchmarks/results/unusual.md (what is kept before and after, with datatrove's filters beside), unusual-sides.md (texts
that changed side) and unusual-bounds.md (what each bound by form or kind keeps, and what junk it lets in). The texts are those
of benchmarks/unusual/, whose half is by the hash of their name; gold texts of WCXB by kind of page; sources of Python's library
and the packages' own descriptions; and as junk the rest of WCXB's pages, their visible lines of at most 80 characters that
are no part of the main text.
"""

import argparse
import hashlib
import re
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date
from importlib.metadata import distributions
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

import pyarrow as pa
import pyarrow.parquet as pq
from lxml import html
from warcio.archiveiterator import ArchiveIterator

from benchmarks.good_texts import as_documents
from textmill.base.strict import parse, read_yaml
from textmill.pipelines.measure.form import form
from textmill.pipelines.measure.language_model import find_model
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.phrases import stop_terms
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS, measure_batch, open_tools
from textmill.pipelines.screen.rules import Rule, read_rules
from textmill.pipelines.screen.verdicts import broken_rules
from textmill.pipelines.settings import Settings
from textmill.pipelines.text.words import read_words

ROOT = Path(__file__).parents[1]
OWN = ROOT / "benchmarks/unusual"
RESULTS = ROOT / "benchmarks/results"
SOURCES = 200               # of the library
HALVES = ("development", "test")
BATCH = 256
FEWEST_WORDS = 50           # of junk from pages: what is shorter falls by its length alone
LONGEST_LINE = 80           # of it: longer ones are comments and teasers, of which some are good text


class Text(NamedTuple):
    """A text and whether a corpus wants it; `kind` is the kind of page it is from, None for no page."""

    set: str
    group: str
    name: str
    good: bool
    half: str
    kind: str | None
    text: str


def own_texts() -> Iterator[Text]:
    """Those of benchmarks/unusual/: `=== NAME FORM LANGUAGE | AUTHOR`, then the text.

    bad.txt is junk, and so is what is named BAD- in later.txt, which was written after the bounds were chosen."""
    for path in sorted(OWN.glob("*.txt")):
        for part in re.split(r"^=== ", path.read_text("utf-8"), flags=re.M)[1:]:
            head, _, text = part.partition("\n")
            name, form, _ = head.partition(" | ")[0].split()
            is_good = path.stem != "bad" and not name.startswith("BAD-")
            set_, group = ("own, later", form) if path.stem == "later" else ("own", path.stem if is_good else form)
            where = "test" if path.stem == "later" else half(name)
            yield Text(set_, group, name, is_good, where, None, text.strip("\n"))


def half(name: str) -> str:
    return HALVES[hashlib.blake2b(name.encode(), digest_size=8).digest()[-1] % 2]


def gold_texts(wcxb: Path) -> Iterator[Text]:
    """The main texts of pages of seven kinds; the half is by host."""
    for row in pq.read_table(wcxb / "gold.parquet", columns=["url", "type", "text"]).to_pylist():
        if row["text"]:
            where = half(urlsplit(row["url"]).hostname or "")
            yield Text("pages", row["type"], row["url"], True, where, row["type"], row["text"])


def surroundings(wcxb: Path) -> Iterator[Text]:
    """Menus, footers and lists of links: the visible lines of the same pages that are not in the main text."""
    gold = {row["record_id"]: row for row in pq.read_table(
        wcxb / "gold.parquet", columns=["record_id", "url", "type", "text"]).to_pylist() if row["text"]}
    for path in sorted(wcxb.glob("*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file):
                row = gold.get(record.rec_headers["WARC-Record-ID"])
                if record.rec_type != "response" or row is None:
                    continue
                try:
                    tree = html.document_fromstring(record.content_stream().read())
                except (ValueError, html.etree.ParserError):
                    continue
                whole = " ".join(row["text"].split())
                main = {" ".join(line.split()) for line in row["text"].split("\n")}
                lines = [line for line in visible_lines(tree)
                         if len(line) <= LONGEST_LINE and line not in main and not (len(line) > 20 and line in whole)]
                text = "\n".join(lines)
                if len(text.split()) >= FEWEST_WORDS:
                    where = half(urlsplit(row["url"]).hostname or "")
                    yield Text("around pages", row["type"], row["url"], False, where, row["type"], text)


def visible_lines(tree: html.HtmlElement) -> list[str]:
    for element in tree.xpath("//script|//style|//noscript|//template|//svg|//head"):
        element.drop_tree()
    return [line for node in tree.itertext() if isinstance(node, str) and (line := " ".join(node.split()))]


def library_texts() -> Iterator[Text]:
    """Sources of Python's library, and what the installed packages say of themselves: about as many of each."""
    library = Path(sysconfig.get_path("stdlib"))
    sources = {str(path.relative_to(library)): path for path in library.rglob("*.py")
               if not {"test", "tests", "site-packages", "dist-packages", "idlelib", "lib2to3"} & set(path.parts)}
    for name in sorted(sources, key=lambda name: hashlib.blake2b(name.encode()).digest())[:SOURCES]:
        text = sources[name].read_text("utf-8", "replace")
        if len(text.split()) >= FEWEST_WORDS and len(text) < 200_000:
            yield Text("library", "source", name, True, half(name), None, text)
    packages = {package.name: str(package.metadata.get_payload()) for package in distributions()}
    for name, text in sorted(packages.items()):
        if len(text.split()) >= FEWEST_WORDS:
            yield Text("library", "readme", name, True, half(name), None, text)


class Measured(NamedTuple):
    """Texts with their signals, in the same order."""

    texts: list[Text]
    signals: pa.Table

    def broken(self, rules: Sequence[Rule]) -> list[list[str]]:
        """Per text the rules it breaks."""
        batch = self.signals.combine_chunks().to_batches()[0]
        kinds = pa.array([one.kind for one in self.texts], pa.string())
        return [[entry["rule"] for entry in row] for row in broken_rules(batch, rules, page_kinds=kinds).to_pylist()]


def measure(texts: list[Text], settings: MeasureSettings) -> Measured:
    tools = open_tools(settings)
    batches = [measure_batch(as_documents([one.text for one in texts[start:start + BATCH]]), tools)
               for start in range(0, len(texts), BATCH)]
    return Measured(texts, pa.Table.from_batches(batches))


def kept_table(measured: Measured, before: Sequence[Rule], after: Sequence[Rule], datatrove: Sequence[bool] | None) -> str:
    """What is kept before and after, by set and group; both halves apart. Junk is counted by what stays, too."""
    was, now = measured.broken(before), measured.broken(after)
    groups: dict[tuple[bool, str, str], list[int]] = defaultdict(list)
    for row, one in enumerate(measured.texts):
        groups[not one.good, one.set, one.group].append(row)
    forms = measured.signals["form"].to_pylist() if "form" in measured.signals.schema.names else [None] * len(was)
    beside = " datatrove |" if datatrove is not None else ""
    lines = ["| texts | of | number | kept before | development | test | kept now | development | test |"
             f"{beside} seen as | rules broken most now |",
             "|---|---|" + "---:|" * (8 if beside else 7) + "---|---|"]
    for (junk, set_, group), rows in sorted(groups.items()):
        cells = []
        for broken in (was, now):
            halves = [[row for row in rows if measured.texts[row].half == where] for where in HALVES]
            cells += [share(broken, some) for some in (rows, *halves)]
        if datatrove is not None:
            cells.append(f"{sum(datatrove[row] for row in rows):,}")
        seen = Counter(str(forms[row] or "–") for row in rows).most_common(4)
        rules = Counter(rule for row in rows for rule in now[row]).most_common(4)
        lines.append(f"| {'junk: ' if junk else ''}{set_} | {group} | {len(rows):,} | {' | '.join(cells)} | "
                     f"{', '.join(f'{name} {n}' for name, n in seen)} | {', '.join(f'{name} {n}' for name, n in rules)} |")
    return "\n".join(lines) + "\n"


def share(broken: Sequence[Sequence[str]], rows: Sequence[int]) -> str:
    return f"{sum(not broken[row] for row in rows):,} of {len(rows):,}" if rows else "–"


def sides(measured: Measured, before: Sequence[Rule], after: Sequence[Rule], most: int = 10) -> str:
    """Texts that changed side: the rules that rejected them, and where they stand now."""
    was, now = measured.broken(before), measured.broken(after)
    groups: dict[tuple[bool, str, str], list[int]] = defaultdict(list)
    for row, one in enumerate(measured.texts):
        if bool(was[row]) != bool(now[row]):
            groups[one.good, one.set, one.group].append(row)
    lines = ["| texts | of | changed | text | now | seen as | rules |", "|---|---|---:|---|---|---|---|"]
    forms = measured.signals["form"].to_pylist()
    for (good, set_, group), rows in sorted(groups.items(), reverse=True):
        chosen = sorted(rows, key=lambda row: hashlib.blake2b(measured.texts[row].name.encode()).digest())[:most]
        lines += [f"| {'' if good else 'junk: '}{set_} | {group} | {len(rows)} | {measured.texts[row].name} | "
                  f"{'rejected' if now[row] else 'kept'} | {forms[row] or '–'} | {', '.join(was[row] or now[row])} |"
                  for row in chosen]
    return "\n".join(lines) + "\n"


def bounds_table(measured: Measured, after: Sequence[Rule]) -> str:
    """Each bound by form or kind: texts that fall without it, good ones and junk."""
    now = measured.broken(after)
    lines = ["| rule | for | bound | good texts kept by it | development | test | of pages | junk let in by it | own | "
             "around pages |",
             "|---|---|---|---:|---:|---:|---:|---:|---:|---:|"]
    for place, rule in enumerate(after):
        for of, exceptions in (("forms", rule.forms), ("kinds", rule.kinds)):
            for name, bound in exceptions.items():
                without = replace(rule, **{of: {other: ends for other, ends in exceptions.items() if other != name}})
                then = measured.broken([*after[:place], without, *after[place + 1:]])
                moved = [one for one, a, b in zip(measured.texts, now, then, strict=True) if not a and b]
                good, junk = ([one for one in moved if one.good == wanted] for wanted in (True, False))
                ends = ", ".join(f"{end} {'none' if value is None else f'{value:g}'}" for end, value in bound.items())
                counts = [len(good), *(sum(one.half == where for one in good) for where in HALVES),
                          sum(one.set == "pages" for one in good), len(junk),
                          *(sum(one.set.startswith(set_) for one in junk) for set_ in ("own", "around pages"))]
                lines.append(f"| `{rule.name}` | {name} | {ends} | {' | '.join(f'{count:,}' for count in counts)} |")
    return "\n".join(lines) + "\n"


def by_datatrove(texts: Sequence[Text], python: Path) -> list[bool]:
    """Whether datatrove's Gopher, C4 and FineWeb filters keep a text, each on the text as it is; its language filter aside."""
    with tempfile.TemporaryDirectory() as folder:
        given, said = Path(folder) / "texts.parquet", Path(folder) / "verdicts.parquet"
        pq.write_table(pa.table({"text": [one.text for one in texts]}), given)
        subprocess.run([python, ROOT / "benchmarks/datatrove_filters.py", given, said, find_model(None)], check=True,
                       stdout=subprocess.DEVNULL)
        verdicts = pq.read_table(said).drop_columns(["language"]).to_pylist()
    return [not any(row.values()) for row in verdicts]


def cost(texts: Sequence[Text]) -> str:
    """CPU milliseconds of a text for its form alone, its words being split for the other measurements anyway."""
    seconds = 0.0
    for start in range(0, len(texts), BATCH):
        words = read_words([one.text for one in texts[start:start + BATCH]])
        stop = stop_terms(words, ["en"] * len(words))
        before = time.process_time()
        form(words, stop)
        seconds += time.process_time() - before
    characters = sum(len(one.text) for one in texts)
    return f"{1000 * seconds / len(texts):.2f} ms of CPU for the form of a text of {characters / len(texts):,.0f} characters"


def excluding(path: Path) -> list[Rule]:
    return [rule for rule in read_rules(path, RULE_MEASUREMENTS, KINDS).rules if rule.action == "exclude"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the development data")
    parser.add_argument("--before", type=Path, help="table to compare with (default: as shipped, without forms and kinds)")
    parser.add_argument("--rules", type=Path, default=ROOT / "rules.yaml")
    parser.add_argument("--datatrove", type=Path, help="a Python that has datatrove")
    parser.add_argument("--only-own", action="store_true", help="own texts alone, printed and not written")
    given = parser.parse_args()
    after = excluding(given.rules)
    before = excluding(given.before) if given.before else [replace(rule, forms={}, kinds={}) for rule in after]
    settings = parse(Settings, read_yaml(ROOT / "settings.yaml"), "settings.yaml").measure
    texts = list(own_texts())
    if not given.only_own:
        wcxb = given.shared / "wcxb"
        texts += [*gold_texts(wcxb), *library_texts(), *surroundings(wcxb)]
    measured = measure(texts, settings)
    beside = by_datatrove(texts, given.datatrove) if given.datatrove else None
    written = {"unusual": kept_table(measured, before, after, beside), "unusual-sides": sides(measured, before, after),
               "unusual-bounds": bounds_table(measured, after)}
    for name, table in written.items():
        if given.only_own:
            print(table)
        else:
            said = f"{table}\nShipped rules against those before; {cost(texts)}; {date.today()}.\n"
            (RESULTS / f"{name}.md").write_text(said, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
