"""The report at scale: seconds, memory and bytes of `textmill report` for synthetic datasets of many documents.

    python -m benchmarks.report --documents 1000000 --data FOLDER

The datasets are written by the contract's own functions: documents of twelve sources and 150 languages, whose measurements lie
about the bounds of rules.yaml and are judged by screen's own function; a fifth of those within them are copies. They lie on up
to a hundred thousand hosts. With --keep those of an earlier run are used again. The table goes to benchmarks/results/report.md.
"""

import argparse
import os
import platform
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.sealed import seal
from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.parts import MANIFEST, STATS, Manifest, Part
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import to_plain
from textmill.pipelines.curate.rows import CURATED
from textmill.pipelines.dedup.keep import DUPLICATES
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.extract.rows import DOCUMENTS
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS, SIGNALS
from textmill.pipelines.screen.rules import Rule, read_rules
from textmill.pipelines.screen.verdicts import VERDICTS, RuleCount, verdicts_batch

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/report.md"
PART = 20_000           # documents
SOURCES = [f"crawl-{n}" for n in range(12)]
LANGUAGES = ["en", "de", "fr", "ru", "zh", "es", "ja", "und", *(f"x{n:03}" for n in range(142))]
HOSTS = 100_000
LIMIT = 5_000_000       # bytes of the page
WORDS = ["the", "miller", "grinds", "corn", "and", "rye", "of", "village", "river", "wheel", "stone", "flour", "bread", "sack",
         "road", "cart", "horse", "morning", "window", "garden", "market", "winter", "summer", "letter", "table", "lamp"]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--keep", action="store_true")
    given = parser.parse_args()
    data = given.data / "report-benchmark"              # of its own: nothing else is deleted
    if not given.keep:
        shutil.rmtree(data, ignore_errors=True)
        write_datasets(Folder(str(data)), given.documents)
    begin, before = time.monotonic(), resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run([sys.executable, "-m", "textmill", "report", "--data", str(data)], check=True, cwd=ROOT,
                   stdout=subprocess.DEVNULL, env=os.environ | {"OMP_NUM_THREADS": "1"})
    wall, after = time.monotonic() - begin, resource.getrusage(resource.RUSAGE_CHILDREN)
    processor = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    home = data / "report"
    files = {path.relative_to(home): path.stat().st_size for path in home.rglob("*") if path.is_file()}
    page, tables = files[Path("index.html")], sum(size for path, size in files.items() if path.suffix == ".csv")
    stored = sum(path.stat().st_size for path in data.rglob("*.parquet"))
    lines = ["| documents | stored | processor seconds | wall seconds | peak MB | page | report.json | report.md | CSV files |",
             "|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
             f"| {given.documents:,} | {stored / 1e9:.1f} GB | {processor:.0f} | {wall:.0f} | {after.ru_maxrss / 1000:,.0f} | "
             f"{page / 1e6:.2f} MB | {files[Path('report.json')] / 1e6:.2f} MB | {files[Path('report.md')] / 1e6:.2f} MB | "
             f"{tables / 1e6:.2f} MB |", "",
             f"One process, {platform.machine()}, Python {platform.python_version()}; others worked beside; {date.today()}."]
    print("\n".join(lines))
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")
    return 0 if page < LIMIT else 1


def write_datasets(data: Folder, count: int) -> None:
    """documents, signals, verdicts, duplicates and curated, aligned, with their counts."""
    rules = read_rules(ROOT / "rules.yaml", RULE_MEASUREMENTS, KINDS).rules
    names = {"documents": DOCUMENTS, "signals": SIGNALS, "verdicts": VERDICTS, "duplicates": DUPLICATES, "curated": CURATED}
    parts: dict[str, list[Part]] = {name: [] for name in names}
    totals = Totals()
    for number in range(-(-count // PART)):
        batches = part_of(number, min(PART, count - number * PART), rules, totals)
        for name, schema in names.items():
            key = f"{number:05}"
            with PartWriter(data / name, key, f"{key}.f.parquet", schema) as writer:
                for first in range(0, len(batches[name]), 2000):
                    writer.write(batches[name][first:first + 2000])
            assert writer.part
            parts[name].append(writer.part)
    settings = {"verdicts": [to_plain(rule) for rule in rules], "duplicates": to_plain(DedupSettings())}
    for name, stage in (("documents", "extract"), ("signals", "measure"), ("verdicts", "screen"), ("duplicates", "dedup"),
                        ("curated", "curate")):
        (data / name).write(STATS, seal(totals.counts(name)))
        made_from = {"settings": settings.get(name), "libraries": {"numpy": np.__version__}, "named_inputs": {}}
        (data / name).write(MANIFEST, Manifest(stage, 1, "w", tuple(parts[name]), (), (), made_from).to_json())


class Totals:
    """The counts of all parts."""

    def __init__(self) -> None:
        self.documents = self.passed = self.unique = self.bytes = 0
        self.first: Counter[str] = Counter()            # the first rule that a document breaks
        self.rules: dict[str, RuleCount] = {}
        self.groups: dict[str, dict[str, Counter[str]]] = {"language": {}, "source": {}}

    def counts(self, name: str) -> dict[str, Any]:
        copies = {"near": self.passed - self.unique}
        groups = {of: {key: dict(counts) for key, counts in by.items()} for of, by in self.groups.items()}
        counted = {"documents": {"read": self.documents, "kept": self.documents, "source": groups["source"]},
                   "signals": {"read": self.documents, "kept": self.documents, "language": groups["language"],
                               "personal_data": {"EMAIL": self.documents // 50}},
                   "verdicts": {"read": self.documents, "kept": self.passed, "rejected": dict(self.first), **groups,
                                "rules": {rule: vars(count) for rule, count in self.rules.items()}},
                   "duplicates": {"read": self.documents, "kept": self.unique,
                                  "rejected": copies | {"screened_out": self.documents - self.passed}},
                   "curated": {"read": self.documents, "kept": self.unique, "pieces": self.unique, "bytes": self.bytes,
                               "edits": {"EMAIL": self.unique // 10},
                               "rejected": dict(self.first) | {"duplicate_near": copies["near"]}}}
        return counted[name]


def part_of(number: int, rows: int, rules: tuple[Rule, ...], totals: Totals) -> dict[str, pa.RecordBatch]:
    """The batches of one part, from its number alone."""
    random = np.random.default_rng(number)
    ids = pa.array([random.bytes(16).hex() for _ in range(rows)])
    prose = " ".join(random.choice(WORDS, 400_000))
    starts, lengths = random.integers(0, 2_000_000 - 6000, rows), np.minimum(random.lognormal(7.4, 0.8, rows).astype(int), 5900)
    texts = pa.array([prose[start:start + length] for start, length in zip(starts, lengths, strict=True)])
    source = pa.array(np.array(SOURCES)[np.minimum(random.zipf(1.5, rows) - 1, len(SOURCES) - 1)])
    language = pa.array(np.array(LANGUAGES)[np.minimum(random.zipf(1.4, rows) - 1, len(LANGUAGES) - 1)])
    host = [f"h{n}.example" for n in np.minimum(random.zipf(1.2, rows), HOSTS)]
    url = [f"https://{name}/{number}/{row}" for row, name in enumerate(host)]
    months, days = random.integers(1, 7, rows), random.integers(1, 29, rows)
    documents = filled(DOCUMENTS, rows, {
        "id": ids, "source": source, "url": url, "host": host, "domain": host, "text": texts, "page_chars": lengths,
        "title": pc.utf8_slice_codeunits(texts, 0, 60),
        "date": [f"2026-{month:02}-{day:02}T00:00:00Z" for month, day in zip(months, days, strict=True)]})
    signals = filled(SIGNALS, rows, {"id": ids, "language": language} | {
        rule.name: measured(rule, random, rows, lengths) for rule in rules})
    verdicts, counts = verdicts_batch(signals, rules)
    kept = verdicts["kept"].to_numpy(zero_copy_only=False)
    copy = kept & (random.random(rows) < 0.2)
    cluster = [f"{number:05}{row // 10:06}" if is_copy else None for row, is_copy in enumerate(copy)]
    duplicates = filled(DUPLICATES, rows, {
        "id": ids, "cluster": cluster, "kind": np.where(copy, "near", None), "similarity": np.where(copy, 0.9, np.nan),
        "kept_id": cluster, "cluster_size": pa.array(np.where(copy, 2 + number % 40, 0), pa.int32(), mask=~copy)})
    stays = pa.array(kept & ~copy)
    here = texts.filter(stays)
    edits = CURATED.field("edits").type
    edit = dict(zip((field.name for field in edits.value_type), ("EMAIL", 0, 7), strict=True))
    curated = filled(CURATED, len(here), {
        "id": ids.filter(stays), "text": pc.binary_join_element_wise("<EMAIL> ", here, ""), "url": pa.array(url).filter(stays),
        "language": language.filter(stays), "source": source.filter(stays), "piece": np.zeros(len(here)),
        "pieces": np.ones(len(here)), "edits": pa.array([[edit] if n % 10 == 0 else [] for n in range(len(here))], edits)})
    add(totals, counts, verdicts, source, language, lengths, copy, here)
    return {"documents": documents, "signals": signals, "verdicts": verdicts, "duplicates": duplicates, "curated": curated}


def measured(rule: Rule, random: np.random.Generator, rows: int, lengths: np.ndarray) -> np.ndarray:
    """Values of which one in a hundred and fifty breaks the rule, in steps, so that many lie on the bound itself."""
    if rule.name == "word_count":
        return np.round(lengths / 5.5)
    low, high = rule.low, rule.high
    if high == 0:
        return (random.random(rows) < 1 / 150).astype(np.float64)
    good = random.beta(2, 4, rows)
    values = good * high if high is not None else (low or 0.5) * (1 + 3 * good)
    if low is not None and high is not None:
        values = low + good * (high - low)
    beyond = random.random(rows) < 1 / 150
    out = 1.1 * high if high is not None else 0.9 * (low or 0.5)
    return np.round(np.where(beyond, out, values), 3)


def filled(schema: pa.Schema, rows: int, columns: dict[str, Any]) -> pa.RecordBatch:
    """A batch of a schema; columns that are not given are null, or empty where they cannot be."""
    def column(field: pa.Field) -> pa.Array:
        if field.name in columns:
            given = columns[field.name]
            return (given if isinstance(given, pa.Array) else pa.array(given, from_pandas=True)).cast(field.type)
        if field.nullable:
            return pa.nulls(rows, field.type)
        empty: Any = [] if pa.types.is_list(field.type) else "" if pa.types.is_string(field.type) else 0
        if pa.types.is_fixed_size_list(field.type):
            empty = [0] * field.type.list_size
        if pa.types.is_fixed_size_binary(field.type):
            empty = bytes(field.type.byte_width)
        return pa.array([empty] * rows, field.type)

    return pa.RecordBatch.from_arrays([column(field) for field in schema], schema=schema)


def add(totals: Totals, counts: dict[str, RuleCount], verdicts: pa.RecordBatch, source: pa.Array, language: pa.Array,
        lengths: np.ndarray, copy: np.ndarray, here: pa.Array) -> None:
    """Count a part."""
    kept = verdicts["kept"]
    totals.documents += len(verdicts)
    totals.passed += pc.sum(kept).as_py()
    totals.unique += len(here)
    totals.bytes += pc.sum(pc.binary_length(here)).as_py()
    for rule, count in counts.items():
        totals.rules[rule] = totals.rules.get(rule, RuleCount()) + count
    broken = verdicts["broken"].filter(pc.invert(kept)).to_pylist()
    totals.first.update(entries[0]["rule"] for entries in broken)
    table = pa.table({"source": source, "language": language, "kept": kept.cast(pa.int64()), "words": lengths // 5,
                      "text_bytes": lengths, "payload_bytes": lengths * 4, "documents": np.ones(len(lengths), np.int64)})
    for of, by in totals.groups.items():
        sums = table.group_by(of).aggregate([(name, "sum") for name in table.column_names[2:]])
        for row in sums.to_pylist():
            by.setdefault(row.pop(of), Counter()).update({name.removesuffix("_sum"): value for name, value in row.items()})


if __name__ == "__main__":
    sys.exit(main())
