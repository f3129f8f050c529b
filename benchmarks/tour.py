"""Walks through the mill as README does, in a fresh folder, and writes what was said to benchmarks/results/tour-*.

`python benchmarks/tour.py` takes about three minutes of two cores. What it takes from other results, and writes alone with
`--from-results`, are the lines about training in demo.txt (the output of `make demo`), a short form of that file, and the
cost of a Common Crawl in the seconds of real-crawl.md (written by real_crawl.py).
"""

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.pipelines.contract.storage import Folder

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
WIDTH = 78          # a terminal of 80 columns shows it without breaking lines itself
PAGE = "https://en.quillop.example/en/notes/testing-the-till"                 # has personal data and what only looks like it
PAGES_PER_FILE = 30_000     # Common Crawl gives 2.4 to 3 billion pages in 90,000 to 100,000 WARC files of about 1 GB
READING = ("extract", "measure", "screen", "dedup", "curate")
PROGRESS = re.compile(r"s left$|it/s\]")
SPAM = "https://de.merelle.example/de/angebot/matratze-guenstig-kaufen"
COPY = "https://en.merelle.example/en/sea/reading-tide-tables"
TINY = "train: {steps: 3, batch: 1, accumulate: 1, validation_every: 3, validation_blocks: 4, save_every: 3}\n"
BAD_MIXTURE = """name: bad
block: 2048
tokens: 1_000
seed: 1
validation: 0.05
tokenizer: demo-8k
entries:
  web:  {where: {source: sample}, share: 0.5, repeat: 1}
  docs: {where: {source: python-docs}, share: 0.6, repeat: 2}
"""


class Tour:
    """A folder with the shipped configuration, in which commands run as a reader of README would type them."""

    def __init__(self, folder: Path):
        self.folder, self.lines = folder, list[str]()
        for name in ("settings.yaml", "rules.yaml"):
            shutil.copy(ROOT / name, folder)
        shutil.copytree(ROOT / "mixtures", folder / "mixtures")
        shutil.copytree(ROOT / "sample/raw", folder / "data/raw/sample")
        shutil.copytree(ROOT / "sample/dialogues", folder / "data/raw/dialogues")
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        self.environment = os.environ | {"PATH": path, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}

    def run(self, command: str, status: int = 0) -> None:
        """Run a command line, note it and what it said; end the tour where it exits otherwise than expected."""
        ran = subprocess.run(command, shell=True, cwd=self.folder, env=self.environment, text=True, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT)
        if ran.returncode != status or "Traceback" in ran.stdout:
            sys.exit(f"{command}: exit {ran.returncode}\n{ran.stdout}")
        self.lines += f"$ {command}".splitlines()
        for line in ran.stdout.splitlines():
            if line.strip() and not PROGRESS.search(line):
                self.say(line)

    def say(self, line: str) -> None:
        """Note a line, folded at WIDTH columns."""
        self.lines += textwrap.wrap(line, WIDTH, subsequent_indent="    ", break_on_hyphens=False) or [""]

    def show(self, title: str, row: dict[str, Any]) -> None:
        """Note a row, a column a line, long values cut."""
        self.lines.append("")
        self.say(title)
        for name, value in row.items():
            self.lines.append(textwrap.shorten(f"  {name}: {brief(value)}", 4 * WIDTH, placeholder=" …"))
            self.lines[-1:] = textwrap.wrap(self.lines[-1].strip(), WIDTH, initial_indent="  ", subsequent_indent="      ",
                                            break_on_hyphens=False)

    def write(self, name: str) -> None:
        """Write the notes to benchmarks/results/tour-NAME.txt and begin new ones."""
        text = "\n".join(self.lines) + "\n"
        if str(self.folder) in text or str(ROOT) in text:
            sys.exit(f"tour-{name}.txt would name a folder of this machine:\n{text}")
        (RESULTS / f"tour-{name}.txt").write_text(text, "utf-8")
        self.lines = []
        print(f"benchmarks/results/tour-{name}.txt", flush=True)

    def rows(self, dataset: str, rejected: bool = False) -> list[dict[str, Any]]:
        """All rows of a dataset in order, or all its rejected ones."""
        home = Folder(str(self.folder / "data")) / dataset
        listed = json.loads(home.read("_manifest.json"))["rejected" if rejected else "parts"]
        return pa.concat_tables([pq.read_table(home.path(part["path"])) for part in listed]).to_pylist()

    def stats(self, dataset: str) -> dict[str, Any]:
        return json.loads((Folder(str(self.folder / "data")) / dataset).read("_stats.json"))


def brief(value: Any) -> str:
    """A value in few characters: lists end after six items, numbers after three decimals."""
    if isinstance(value, float):
        return f"{value:.3f}".rstrip("0").rstrip(".")
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, dict):
        return "{" + ", ".join(f"{key}: {brief(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        shown = [brief(item) for item in value[:6]] + ([f"… {len(value)} in all"] if len(value) > 6 else [])
        return "[" + ", ".join(shown) + "]"
    return " ".join(str(value).split())


def only(row: dict[str, Any], *names: str) -> dict[str, Any]:
    """These columns of a row (all, where none is named) that hold something."""
    return {name: row[name] for name in names or row if row[name] not in (None, [], "")}


def stages(tour: Tour) -> None:
    """Every data stage on the sample crawl and Python's documentation, each with a row of what it wrote."""
    tour.run("textmill python-docs --to data/raw/python-docs")
    tour.write("python-docs")

    tour.run("textmill extract")
    documents = tour.rows("documents")
    at = {row["url"]: n for n, row in enumerate(documents) if row["source"] == "sample"}
    tour.show("a row of data/documents:", only(documents[at[PAGE]]) | {"text": documents[at[PAGE]]["text"][:240] + " …"})
    broken = next(row for row in tour.rows("documents", rejected=True) if row["rule"] == "damaged")
    tour.show("a row of data/ledger/documents/rejected:", only(broken))
    tour.write("extract")

    tour.run("textmill measure --alone")
    signals = tour.rows("signals")
    tour.show("some columns of a row of data/signals:", only(
        signals[at[PAGE]], "id", "language", "language_score", "script", "word_count", "mean_word_length", "stop_words",
        "duplicate_5gram", "compression_ratio", "spam_phrases", "link_density", "content_hash", "shingles", "minhash",
        "findings"))
    tour.write("measure")

    tour.run("textmill screen --alone")
    tour.show(f"the row of data/verdicts for {SPAM.split('//')[1]}:", tour.rows("verdicts")[at[SPAM]])
    tour.write("screen")

    tour.run("textmill dedup --alone")
    duplicates = tour.rows("duplicates")
    row = duplicates[at[COPY]]
    kept = next(document["url"] for document in documents if document["id"] == row["kept_id"])
    tour.show(f"the row of data/duplicates for {COPY.split('//')[1]}:", only(row))
    tour.say(f"  (what stays is {kept.split('//')[1]})")
    tour.write("dedup")

    tour.run("textmill curate --alone")
    curated = next(row for row in tour.rows("curated") if row["url"] == PAGE)
    found = curated["text"].index("The number <")
    tour.show("a row of data/curated:", only(curated) | {"text": "… " + curated["text"][found:found + 270] + " …"})
    tour.write("curate")

    tour.run("textmill tokenizer --alone")
    tour.write("tokenizer")
    tour.run("textmill tokenize --alone")
    tour.show("a row of data/tokens/demo-8k:", next(row for row in tour.rows("tokens/demo-8k") if row["id"] == curated["id"]))
    tour.write("tokenize")

    tour.run("textmill pack --alone")
    blocks = tour.folder / "data/blocks/demo/train"
    part = json.loads((blocks / "_manifest.json").read_text())["parts"][0]
    with pa.ipc.open_stream(blocks / part["path"]) as reader:
        block = next(row for row in reader.read_all().to_pylist() if row["entry"] == "web")
    tour.show("a block of data/blocks/demo/train:", block | {"spans": block["spans"][:3]})
    tour.write("pack")

    tour.run("textmill report")
    tour.write("report")
    funnel(tour)


def funnel(tour: Tour) -> None:
    """Where every record went, from the counts that each stage wrote."""
    extract, screen, dedup = (tour.stats(name) for name in ("documents", "verdicts", "duplicates"))
    curate, tokens, blocks = (tour.stats(name) for name in ("curated", "tokens/demo-8k", "blocks/demo"))

    def lost(counts: dict[str, int]) -> str:
        most = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[:4]
        return ", ".join(f"{rule} {count:,}" for rule, count in most if count)

    copies = {kind: count for kind, count in dedup["rejected"].items() if kind != "screened_out"}
    lines = ["| stage | in | out | where the rest went |", "|---|---:|---:|---|",
             f"| extract | {extract['read']:,} records | {extract['kept']:,} documents | "
             f"rejected: {lost(extract['rejected'])}, …; quarantined: {lost(extract['quarantined'])} |",
             f"| screen | {screen['read']:,} documents | {screen['kept']:,} documents | {lost(screen['rejected'])}, … |",
             f"| dedup | {screen['kept']:,} documents | {dedup['kept']:,} documents | {lost(copies)} |",
             f"| curate | {dedup['kept']:,} documents | {curate['pieces']:,} pieces | edits: {lost(curate['edits'])}, … |",
             f"| tokenize | {tokens['read']:,} pieces | {tokens['tokens']:,} tokens | |",
             f"| pack | {blocks['read']:,} pieces | {blocks['kept']:,} packed | {lost(blocks['rejected'])} |"]
    (RESULTS / "tour-funnel.md").write_text("\n".join(lines) + "\n", "utf-8")


def ledger(tour: Tour) -> None:
    """A page's story, the pages of a block, what holds a page."""
    tour.run(f"textmill why \\\n    {SPAM} \\\n    | grep -v 'all$'")
    tour.write("why")
    tour.run(f"textmill why \\\n    {PAGE}")
    tour.write("why-kept")
    tour.run(f"textmill where \\\n    {PAGE}")
    block = next(line.split()[1].partition("-")[0].rstrip(",") for line in tour.lines if line.startswith("blocks/demo/train"))
    tour.run(f"textmill trace {block}")
    tour.write("trace")


def takedown(tour: Tour) -> None:
    """A page goes, and the copy of another steps in; twice."""
    shutil.copytree(tour.folder / "data", tour.folder / "copy")
    mine = {row["id"] for row in tour.rows("documents") if row["source"] == "sample"}
    kept = next(row["kept_id"] for row in tour.rows("duplicates") if row["kind"] == "exact" and row["kept_id"] in mine)
    (tour.folder / "copy/takedown.txt").write_text(f"# asked for on 2026-11-20\nurl:{PAGE}\nid:{kept}\n")
    tour.run("cat copy/takedown.txt")
    tour.run("textmill takedown --data copy")
    tour.write("takedown-list")
    tour.run("textmill takedown --data copy --carry-out | grep '^takedown'")
    tour.run("textmill takedown --data copy --carry-out | tail -n 2")
    tour.write("takedown")


def again(tour: Tour) -> None:
    """Nothing to do; one new file; stale input refused; mistakes told."""
    tour.run("textmill extract")
    tour.run("mkdir -p data/raw/notes && cp data/raw/sample/loose/*.txt data/raw/notes/")
    tour.run("textmill curate --alone", status=1)
    for stage in ("extract", "measure"):
        tour.run(f"textmill {stage} --alone")
    tour.write("again")
    (tour.folder / "mixtures/bad.yaml").write_text(BAD_MIXTURE)
    tour.run("cat mixtures/bad.yaml")
    tour.run("textmill pack --alone --mixture mixtures/bad.yaml", status=1)
    tour.run("textmill pack --alone --runner DaskRunner", status=1)
    tour.write("errors")


def own(tour: Tour) -> None:
    """A JSONL and a folder of HTML of one's own."""
    (tour.folder / "my").mkdir()
    page = next(row for row in tour.rows("documents") if row["url"] == PAGE)
    (tour.folder / "my/posts.jsonl").write_text(json.dumps(
        {"text": page["text"], "url": page["url"], "author": "somebody", "likes": 3}) + "\n")
    shutil.copytree(tour.folder / "data/raw/sample/loose", tour.folder / "my/site", ignore=shutil.ignore_patterns("*.txt"))
    tour.run("ls my my/site")
    tour.run("mkdir -p own/raw/blog own/raw/site")
    tour.run("cp my/posts.jsonl own/raw/blog/ && cp -R my/site/. own/raw/site/")
    tour.run("textmill extract --data own")
    home = tour.folder / "own/documents"
    for part in json.loads((tour.folder / "own/ledger/documents/manifest.json").read_text())["parts"]:
        row = pq.read_table(home / part["path"]).to_pylist()[0]
        tour.show("a row of own/documents:",
                  only(row, "source", "url", "title", "file", "offset", "extra") | {"text": row["text"][:120] + " …"})
    tour.write("own")


def recipes(tour: Tour) -> None:
    """Only dedup, only a tokenizer, only training."""
    with (tour.folder / "pages.jsonl").open("w", encoding="utf-8") as file:
        for row in tour.rows("documents"):
            if row["source"] == "sample":
                file.write(json.dumps({"url": row["url"], "title": row["title"], "text": row["text"]}) + "\n")
    tour.run("textmill dedup-only pages.jsonl --to unique.jsonl")
    tour.run("wc -l pages.jsonl unique.jsonl")
    tour.write("only-dedup")

    shutil.copytree(ROOT / "sample/pages", tour.folder / "texts")
    tour.run("textmill train-tokenizer texts/*.txt --to mine --vocab-size 2048")
    tour.run("""python -c '
from tokenizers import Tokenizer
mine = Tokenizer.from_file("mine/tokenizer.json")
print(mine.encode("The village bread").tokens, mine.encode("A").ids)'""")
    tour.write("only-tokenizer")

    shutil.copytree(tour.folder / "data/blocks/demo", tour.folder / "copied")
    (tour.folder / "three.yaml").write_text(TINY)
    tour.run("cat three.yaml")
    tour.run("textmill train --blocks copied --run run --settings three.yaml")
    tour.run("textmill sample --run run --prompt 'The river' --tokens 12")
    tour.run("textmill export --run run --to exported")
    tour.run("ls exported")
    tour.write("only-training")


def training(tour: Tour, log: Path) -> None:
    """The lines about training in the output of `make demo`."""
    tour.say("$ textmill train")
    for line in log.read_text("utf-8").splitlines():
        if line.startswith("train: ") and not PROGRESS.search(line):
            tour.say(line)
    tour.write("train")


def demo(tour: Tour, log: Path) -> None:
    """`make demo` in a few lines: of each stage the last line, its first two clauses, without what stands in brackets."""
    last: dict[str, str] = {}
    for line in log.read_text("utf-8").splitlines():
        if found := re.match(r"\$ |([a-z]+): |real\b", line):
            last.pop(found[0], None)        # a later line of the same word stands where it was said
            last[found[0]] = line
    for line in last.values():
        clauses = [clause for clause in re.sub(r" \([^()]*\)", "", line).split("; ")
                   if not re.match(r"\d+ parts|applied to no", clause)]
        tour.say(re.sub(r"\s+", " ", "; ".join(clauses[:2])))
    tour.write("demo")


def common_crawl(measured: Path) -> None:
    """What a crawl would cost at the speed of benchmarks/results/real-crawl.md, extract to curate."""
    text = measured.read_text("utf-8")
    records, workers = (int(re.findall(rf"([\d,]+) {name}", text)[0].replace(",", "")) for name in ("records", "workers"))
    seconds = sum(int(found) for stage, found in re.findall(r"^\| (\w+) \| (\d+) ", text, re.MULTILINE) if stage in READING)
    rate = records / seconds
    lines = [f"Measured: {records:,} records in {seconds:,} seconds with {workers} workers, extract to curate; that is "
             f"{rate:.0f} records a second, {rate / workers:.0f} for each.", "",
             f"| input | pages, about | hours with {workers} workers | hours with 64 workers |", "|---|---:|---:|---:|"]
    for name, files in (("1 WARC file", 1), ("100 files", 100), ("a whole crawl, 100,000 files", 100_000)):
        hours = files * PAGES_PER_FILE / rate / 3600
        shown = [f"{value:,.0f}" if value >= 10 else f"{value:.2g}" for value in (hours, hours * workers / 64)]
        lines.append(f"| {name} | {files * PAGES_PER_FILE:,} | {shown[0]} | {shown[1]} |")
    (RESULTS / "common-crawl.md").write_text("\n".join(lines) + "\n", "utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--demo-log", type=Path, default=RESULTS / "demo.txt", help="what `make demo` said")
    parser.add_argument("--from-results", action="store_true", help="only what is taken from other results; runs nothing")
    given = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        tour = Tour(Path(folder))
        if given.demo_log.exists():
            training(tour, given.demo_log)
            demo(tour, given.demo_log)
        if (RESULTS / "real-crawl.md").exists():
            common_crawl(RESULTS / "real-crawl.md")
        if not given.from_results:
            stages(tour)
            ledger(tour)
            recipes(tour)
            own(tour)
            takedown(tour)
            again(tour)
    return 0


if __name__ == "__main__":
    sys.exit(main())
