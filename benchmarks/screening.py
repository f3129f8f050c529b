"""How much good text the shipped rules lose, and how much spam: by language and set, by kind, halves apart.

    python -m benchmarks.screening --shared ../shared/data --data /tmp/screening

writes benchmarks/results/screening-kept.md, screening-lost.md, screening-spam.md, screening-what-if.txt and
screening-languages.md. `--data` is a folder to work in: the hostile and the sample pages go through extract, measure and
screen there, as a user's would. Main texts, books, prose, and documents made of SIB-200 and the Declaration of Human Rights
are measured as text.
"""

import argparse
import json
import shutil
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple
from urllib.parse import unquote

import pyarrow as pa

from benchmarks.good_texts import GoodText, as_documents, good_texts, json_lines
from benchmarks.language_codes import model_code
from textmill.base.strict import parse, read_yaml
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.measure.language_model import LanguageIdentifier, find_model
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS, measure_batch, open_tools
from textmill.pipelines.screen.rules import Rule, read_rules
from textmill.pipelines.screen.verdicts import broken_rules
from textmill.pipelines.settings import Settings

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
BATCH = 256
FEWEST_WORDS = 50               # Gopher's bound: a shorter text is no page
TRIED = {"    low: 50\n    high: 1_000_000\n": "    low: 30\n    high: 1_000_000\n",
         "    high: 0.05\n    forms: {code: {high: 0.15}, mathematics: {high: 0.15}}\n": "    high: 0\n",
         "duplicate_5gram: {high: 0.45, forms: {verse: {high: 0.8}}}": "duplicate_5gram: {high: 0.15}"}
NAMED = 3                       # of the lost texts of one kind
SENTENCES = 25                  # of SIB-200 or paragraphs of the Declaration in one document


class Judged(NamedTuple):
    """A text with what the rules say: the language found, its words, and the excluding rules it breaks."""

    text: GoodText
    language: str
    words: int
    broken: tuple[tuple[str, float, float], ...]


def judge(texts: Sequence[GoodText], rules: Sequence[Rule], settings: MeasureSettings) -> Iterator[Judged]:
    tools = open_tools(settings)
    for start in range(0, len(texts), BATCH):
        some = texts[start:start + BATCH]
        signals = measure_batch(as_documents([one.text for one in some]), tools)
        for one, language, words, broken in zip(some, signals["language"].to_pylist(), signals["word_count"].to_pylist(),
                                                broken_rules(signals, rules).to_pylist(), strict=True):
            yield Judged(one, language, int(words), tuple((b["rule"], b["value"], b["bound"]) for b in broken))


def kept_table(judged: Sequence[Judged]) -> str:
    """Keep rate by set and language, development and test half apart; texts below FEWEST_WORDS are counted beside."""
    groups: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for one in judged:
        groups[one.text.set, one.text.language or "unlabelled"].append(one)
    lines = ["| texts | language | texts of 50 words | kept | development | test | shorter | rules broken most |",
             "|---|---|---:|---:|---:|---:|---:|---|"]
    for (set_, language), every in sorted(groups.items()):
        pages = [one for one in every if one.words >= FEWEST_WORDS]
        halves = [[one for one in pages if one.text.half == half] for half in ("development", "test")]
        rules = Counter(name for one in pages for name, _, _ in one.broken).most_common(3)
        lines.append(f"| {set_} | {language} | {len(pages):,} | {rate(pages)} | {rate(halves[0])} | {rate(halves[1])} | "
                     f"{len(every) - len(pages)} | {', '.join(f'{name} {n}' for name, n in rules)} |")
    return "\n".join(lines) + "\n"


def rate(some: Sequence[Judged]) -> str:
    return f"{100 * sum(not one.broken for one in some) / len(some):.1f} % of {len(some):,}" if some else "–"


def lost_table(judged: Sequence[Judged]) -> str:
    """Every good text of 50 words that is lost, under the first rule it breaks, a few of each by name; no text."""
    groups: dict[tuple[str, str, str], list[Judged]] = defaultdict(list)
    for one in judged:
        if one.broken and one.words >= FEWEST_WORDS:
            groups[one.text.set, one.text.language or "unlabelled", one.broken[0][0]].append(one)
    lines = ["| texts | language | first rule broken | texts lost | its value, and the text's name |",
             "|---|---|---|---:|---|"]
    for (set_, language, rule), some in sorted(groups.items(), key=lambda item: (item[0][:2], -len(item[1]), item[0])):
        named = [f"{one.broken[0][1]:.3g} {short(one.text.name)}" for one in some[:NAMED]]
        more = f" and {len(some) - NAMED} more" if len(some) > NAMED else ""
        lines.append(f"| {set_} | {language} | {rule} | {len(some)} | {', '.join(named)}{more} |")
    return "\n".join(lines) + "\n"


def short(name: str) -> str:
    """A name without scheme, escapes and folders that say nothing; its end where it is long.

    >>> short("ruby/de/news/_posts/2013-06-27-ruby-2-0-0-p247-is-released")
    'de/2013-06-27-ruby-2-0-0-p247-is-released'
    """
    said = unquote(name).partition("://")[2] or name.removeprefix("ruby/").replace("news/_posts/", "")
    return said if len(said) <= 60 else f"{said[:28]}…{said[-31:]}"


def many_languages(data: Path) -> list[GoodText]:
    """Documents of SENTENCES each, by label; no bound was chosen by looking at them."""
    by_label: dict[tuple[str, str], list[str]] = defaultdict(list)
    for row in json_lines(data / "langid.jsonl.zst"):
        by_label[row["origin"], row["label"]].append(row["text"])
    return [GoodText(origin, origin, label, "test", f"{label} {start // SENTENCES}", "\n".join(texts[start:start + SENTENCES]))
            for (origin, label), texts in sorted(by_label.items()) for start in range(0, len(texts) - SENTENCES + 1, SENTENCES)]


def languages_table(judged: Sequence[Judged]) -> str:
    """Keep rate of the documents of many languages: where the model knows the language and says so, where not."""
    model = LanguageIdentifier(find_model(None))
    known = model.languages
    rows: dict[tuple[str, str], list[Judged]] = defaultdict(list)
    for one in judged:
        code = model_code(one.text.language, one.text.origin, known)
        known_as = "known and found" if code == one.language else "known, taken for another"
        what = "unknown to lid.176" if code is None else known_as
        rows[one.text.origin, what].append(one)
    lines = ["| documents of | language | labels | documents | kept | rules broken most |", "|---|---|---:|---:|---:|---|"]
    for (origin, what), some in sorted(rows.items()):
        rules = Counter(name for one in some for name, _, _ in one.broken).most_common(3)
        lines.append(f"| {origin} | {what} | {len({one.text.language for one in some})} | {len(some):,} | {rate(some)} | "
                     f"{', '.join(f'{name} {n}' for name, n in rules)} |")
    return "\n".join(lines) + "\n"


def spam_table(shared: Path, data: Path) -> str:
    """What becomes of planted spam and of good pages beside it, by kind, after extract, measure and screen."""
    raw = data / "raw"
    shutil.rmtree(data, ignore_errors=True)
    shutil.copytree(ROOT / "sample/raw", raw / "sample")
    (raw / "hostile").mkdir()
    (raw / "hostile/hostile.warc.gz").symlink_to((shared / "crawl/hostile.warc.gz").absolute())
    settings = data / "settings.yaml"
    settings.write_text((ROOT / "settings.yaml").read_text().replace("max_quarantined: 0.01", "max_quarantined: 0.5"))
    for stage in ("extract", "measure", "screen"):
        subprocess.run([sys.executable, "-m", "textmill", stage, "--alone", "--data", str(data), "--config", str(settings)],
                       check=True, cwd=ROOT, stdout=subprocess.DEVNULL)
    wanted = {entry["record_id"]: (f"hostile {entry['kind']}", entry["expect"]["decision"])
              for entry in json.loads((shared / "crawl/hostile.json").read_text())["records"]
              if entry["group"] == "quality" and "expect" in entry}
    wanted |= {label["record_id"]: (f"sample {label['what']}", "drop" if label["what"].startswith(("spam", "thin")) else "keep")
               for label in map(json.loads, (ROOT / "sample/labels.jsonl").read_text("utf-8").splitlines())
               if label["record_id"] and (label["what"].startswith(("spam", "thin")) or label["becomes"] == "curated")}
    found: dict[str, list[str]] = {}
    folders = [Folder(str(data)) / name for name in ("documents", "verdicts")]
    for documents, verdicts in zip(*(Manifest.read(folder).parts for folder in folders), strict=True):  # type: ignore[union-attr]
        tables = [pa.Table.from_batches(read_batches(folder, part, columns)).to_pylist() for folder, part, columns
                  in zip(folders, (documents, verdicts), (["record_id"], ["broken"]), strict=True) if part.rows]
        for page, verdict in zip(*tables, strict=True):
            found[page["record_id"]] = [broken["rule"] for broken in verdict["broken"]]
    kinds: dict[tuple[str, str], list[list[str] | None]] = defaultdict(list)
    for record_id, (kind, decision) in wanted.items():
        group = kind.rstrip("0123456789").rstrip("-") if decision == "drop" else f"{kind.split()[0]}: good pages"
        kinds[decision, group].append(found.get(record_id))
    lines = ["| should | kind | pages | no text | fell | stayed | rules broken |", "|---|---|---:|---:|---:|---:|---|"]
    for (decision, kind), pages in sorted(kinds.items()):
        rules = Counter(rule for page in pages if page for rule in page).most_common(4)
        lines.append(f"| {decision} | {kind} | {len(pages)} | {sum(page is None for page in pages)} | "
                     f"{sum(bool(page) for page in pages)} | {sum(page == [] for page in pages)} | "
                     f"{', '.join(name for name, _ in rules)} |")
    return "\n".join(lines) + "\n"


def what_if(data: Path) -> str:
    """What another table would keep of the sample and the hostile pages that `spam_table` left in `data`, as it is printed."""
    rules = (ROOT / "rules.yaml").read_text("utf-8")
    for now, then in TRIED.items():
        assert rules.count(now) == 1, now
        rules = rules.replace(now, then)
    (data / "new.yaml").write_text(rules, "utf-8")
    command = [sys.executable, "-m", "textmill", "what-if", "--data", ".", "--rules", "new.yaml"]
    ran = subprocess.run(command, check=True, cwd=data, capture_output=True, text=True)
    return f"$ textmill what-if --rules new.yaml\n{ran.stdout}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the development data")
    parser.add_argument("--data", type=Path, required=True, help="a folder to work in, which is emptied")
    parser.add_argument("--rules", default=str(ROOT / "rules.yaml"))
    parser.add_argument("--only", choices=("spam", "what-if", "kept", "languages"))
    given = parser.parse_args()
    rules = [rule for rule in read_rules(given.rules, RULE_MEASUREMENTS, KINDS).rules if rule.action == "exclude"]
    settings = parse(Settings, read_yaml(ROOT / "settings.yaml"), "settings.yaml").measure
    said = f"\nShipped rules, {date.today()}.\n"
    if given.only in (None, "spam"):
        (RESULTS / "screening-spam.md").write_text(spam_table(given.shared, given.data) + said, "utf-8")
    if given.only in (None, "spam", "what-if"):
        (RESULTS / "screening-what-if.txt").write_text(what_if(given.data), "utf-8")
    if given.only in (None, "languages"):
        judged = list(judge(many_languages(given.shared), rules, settings))
        (RESULTS / "screening-languages.md").write_text(languages_table(judged) + said, "utf-8")
    if given.only in (None, "kept"):
        judged = list(judge(list(good_texts(given.shared)), rules, settings))
        (RESULTS / "screening-kept.md").write_text(kept_table(judged) + said, "utf-8")
        (RESULTS / "screening-lost.md").write_text(lost_table(judged) + said, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
