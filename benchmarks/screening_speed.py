"""Measure and screen beside datatrove's filters, on the same texts: CPU seconds of one process each, and their verdicts.

    python -m benchmarks.screening_speed --documents DATA --work /tmp/speed --datatrove-python /tmp/dt/bin/python

writes benchmarks/results/screening-speed.md, screening-memory.md and screening-agreement.md. Texts are English main texts that
extract took from the crawl in `DATA/documents`, every so many by hash of their id. Textmill's time is all of measure
(language, every measurement, personal data, content hash, MinHash) and screen, on batches in memory; datatrove's is that of
its language, Gopher repetition, Gopher quality, C4 and FineWeb filters (benchmarks/datatrove_filters.py). Models are loaded
before the clock starts; ours runs once before and once after theirs, and the mean counts. Peak memory is that of the stages
themselves, on the texts REPEATS times over, as one part. Agreement is of the same rules with the published bounds
(benchmarks/published-rules.yaml).
"""

import argparse
import json
import shutil
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from textmill.base.strict import parse, read_yaml
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.measure.language_model import find_model
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS, measure_batch, open_tools
from textmill.pipelines.report.samples import smallest
from textmill.pipelines.screen.rules import Rule, read_rules
from textmill.pipelines.screen.verdicts import broken_rules, verdicts_batch
from textmill.pipelines.settings import Settings

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
BATCH = 256
REPEATS = (2, 8)
# Prints the kilobytes that a command needed at its peak.
PEAK = ("import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)")
# datatrove's filters: each of their reasons to reject a text, and the rule of ours that says the same.
GOPHER_GRAMS = ({f"top_{n}_gram": f"top_{n}gram" for n in (2, 3, 4)}
                | {f"duplicated_{n}_n_grams": f"duplicate_{n}gram" for n in range(5, 11)})
REASONS = {
    "gopher_repetition": {"dup_line_frac": "duplicate_lines", "dup_line_char_frac": "duplicate_line_chars", "dup_para_frac":
                          "duplicate_paragraphs", "dup_para_char_frac": "duplicate_paragraph_chars"} | GOPHER_GRAMS,
    "gopher_quality": {"gopher_short_doc": "word_count", "gopher_long_doc": "word_count", "gopher_below_avg_threshold":
                       "mean_word_length", "gopher_above_avg_threshold": "mean_word_length", "gopher_too_many_hashes":
                       "hash_word_ratio", "gopher_too_many_ellipsis": "ellipsis_word_ratio", "gopher_too_many_bullets":
                       "bullet_lines", "gopher_too_many_end_ellipsis": "ellipsis_lines", "gopher_below_alpha_threshold":
                       "alphabetic_words", "gopher_enough_stop_words": "stop_words"},
    "c4": {"too_few_sentences": "sentence_count", "lorem_ipsum": "lorem_ipsum", "curly_bracket": "curly_braces"},
    "fineweb": {"line_punct_ratio": "terminal_punctuation_lines", "short_line_ratio": "short_lines", "char_dup_ratio":
                "duplicate_line_chars", "list_ratio": "newline_ratio"},
}
GOPHER_LINE_CHARS = Rule("duplicate_line_chars", high=0.2)      # FineWeb's bound on the same is in the table


def documents(folder: Folder, number: int) -> pa.Table:
    """`number` of the crawl's pages that declare English and are 500 characters or longer, by hash of their ids."""
    manifest = Manifest.read(folder)
    if manifest is None:
        sys.exit(f"there is nothing in {folder.uri}; run extract on the crawl first")

    def there() -> Iterator[pa.RecordBatch]:
        for part in manifest.parts:
            for batch in read_batches(folder, part):
                english = pa.array([(tag or "").startswith("en") for tag in batch["declared_language"].to_pylist()])
                yield batch.filter(english).filter(pa.array([len(t) >= 500 for t in batch.filter(english)["text"].to_pylist()]))

    table = pa.Table.from_batches(there())
    ids = [(0, table["id"].to_pylist())]
    chosen = {id_ for _, id_, _ in smallest(iter(ids), number)}
    rows = [n for n, id_ in enumerate(table["id"].to_pylist()) if id_ in chosen]
    return table.take(pa.array(rows)).combine_chunks()


def ours(table: pa.Table) -> tuple[float, float, pa.Table]:
    """(CPU seconds of measure, of screen, the signals)."""
    settings = parse(Settings, read_yaml(ROOT / "settings.yaml"), "settings.yaml").measure
    rules = read_rules(ROOT / "rules.yaml", RULE_MEASUREMENTS, KINDS).rules
    tools = open_tools(settings)
    batches = table.to_batches(max_chunksize=BATCH)
    measure_batch(batches[0].slice(0, 8), tools)                    # tables that are made on first use
    start = time.process_time()
    measured = [measure_batch(batch, tools) for batch in batches]
    middle = time.process_time()
    for batch in measured:
        verdicts_batch(batch, rules)
    return middle - start, time.process_time() - middle, pa.Table.from_batches(measured)


def datatrove(table: pa.Table, work: Path, python: str) -> tuple[dict[str, float], pa.Table]:
    """(CPU seconds by filter, a column of reasons for each filter) of datatrove's filters on the texts, by that Python."""
    texts, verdicts = work / "texts.parquet", work / "verdicts.parquet"
    pq.write_table(table.select(["text"]), texts)
    script = Path(__file__).with_name("datatrove_filters.py")
    command = [python, str(script), str(texts), str(verdicts), str(find_model(None))]
    ran = subprocess.run(command, capture_output=True, text=True)
    if ran.returncode:
        sys.exit(ran.stderr)
    return json.loads(ran.stdout.splitlines()[-1]), pq.read_table(verdicts)


def speed(texts: list[str], measured: float, screened: float, theirs: dict[str, float]) -> str:
    megabytes = sum(len(text.encode()) for text in texts) / 1e6
    lines = ["| system | step | ms a text | MB/s a core | textmill is |", "|---|---|---:|---:|---:|"]

    def row(system: str, step: str, seconds: float, times: str = "") -> None:
        lines.append(f"| {system} | {step} | {1e3 * seconds / len(texts):.2f} | {megabytes / seconds:.2f} | {times} |")

    row("textmill", "measure", measured)
    row("textmill", "screen", screened)
    row("textmill", "both", measured + screened)
    for name, seconds in theirs.items():
        row("datatrove", name.replace("_", " "), seconds)
    if total := sum(theirs.values()):
        row("datatrove", "all five", total, f"{total / (measured + screened):.1f} × as fast")
    million = 1e6 * 5e-3 / (megabytes / (measured + screened)) / 2 / 60
    return "\n".join(lines) + (
        f"\n\n{len(texts):,} texts, {megabytes:.1f} MB, {1e3 * megabytes / len(texts):.1f} kB each; CPU seconds, one "
        f"process each. At this rate a million texts of 5 kB take 2 cores {million:.0f} minutes. {date.today()}.\n")


def memory(texts: list[str], work: Path) -> str:
    """Peak memory of the stage measure on few and on four times as many documents, in processes of their own."""
    said = []
    for times in REPEATS:
        data = work / f"times-{times}"
        shutil.rmtree(data, ignore_errors=True)
        (data / "raw/texts").mkdir(parents=True)
        with (data / "raw/texts/texts.jsonl").open("w", encoding="utf-8") as file:
            file.writelines(json.dumps({"text": text}) + "\n" for _ in range(times) for text in texts)
        for stage in ("extract", "measure", "screen"):
            command = [sys.executable, "-m", "textmill", stage, "--alone", "--data", str(data), "--workers", "1"]
            ran = subprocess.run([sys.executable, "-c", PEAK, *command], cwd=ROOT, check=True, capture_output=True, text=True)
            if stage != "extract":
                said.append((stage, times * len(texts), int(ran.stdout.splitlines()[-1]) / 1e3))
        shutil.rmtree(data)
    rows = [f"| {stage} | {number:,} | {peak:,.0f} MB |" for stage, number, peak in sorted(said)]
    return "\n".join(["| stage | documents in one part | peak memory |", "|---|---:|---:|", *rows]) + "\n"


def agreement(signals: pa.Table, theirs: pa.Table) -> str:
    """Of each filter, on how many texts both say the same; of each reason, how often ours breaks the same rule."""
    table = read_rules(ROOT / "benchmarks/published-rules.yaml", RULE_MEASUREMENTS, KINDS)
    published = {rule.name: rule for rule in table.rules}
    whole = ["| filter | both keep | both reject | only datatrove rejects | only textmill rejects | agreement |",
             "|---|---:|---:|---:|---:|---:|"]
    by_reason = ["| filter | datatrove's first reason | texts | of these textmill breaks | textmill alone |",
                 "|---|---|---:|---:|---:|"]
    (batch,) = signals.combine_chunks().to_batches()
    for name, reasons in REASONS.items():
        rules = published | ({"duplicate_line_chars": GOPHER_LINE_CHARS} if name == "gopher_repetition" else {})
        breaks = [{entry["rule"] for entry in row} for row
                  in broken_rules(batch, [rules[one] for one in dict.fromkeys(reasons.values())]).to_pylist()]
        said = theirs[name].to_pylist()
        counts = Counter((bool(reason), bool(broken)) for reason, broken in zip(said, breaks, strict=True))
        same = (counts[True, True] + counts[False, False]) / len(said)
        title = name.replace("_", " ")
        whole.append(f"| {title} | {counts[False, False]} | {counts[True, True]} | {counts[True, False]} | "
                     f"{counts[False, True]} | {100 * same:.1f} % |")
        for reason, rule in reasons.items():
            mine = [broken for one, broken in zip(said, breaks, strict=True) if one == reason]
            alone = sum(rule in broken for one, broken in zip(said, breaks, strict=True) if not one)
            if mine or alone:
                both = sum(rule in broken for broken in mine)
                by_reason.append(f"| {title} | {reason} | {len(mine)} | {both} `{rule}` | {alone} |")
    return "\n".join([*whole, "", *by_reason]) + f"\n\nOn the same texts, with the published bounds; {date.today()}.\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", required=True, help="a data folder in which extract has read the crawl")
    parser.add_argument("--work", type=Path, required=True, help="a folder to work in")
    parser.add_argument("--datatrove-python", help="the Python of an environment that has datatrove (default: only ours runs)")
    parser.add_argument("--texts", type=int, default=600)
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    table = documents(Folder(given.documents) / "documents", given.texts)
    measured, screened, signals = ours(table)
    theirs: dict[str, float] = {}
    if given.datatrove_python:
        theirs, verdicts = datatrove(table, given.work, given.datatrove_python)
        (RESULTS / "screening-agreement.md").write_text(agreement(signals, verdicts), "utf-8")
    again = ours(table)
    (RESULTS / "screening-speed.md").write_text(
        speed(table["text"].to_pylist(), (measured + again[0]) / 2, (screened + again[1]) / 2, theirs), "utf-8")
    (RESULTS / "screening-memory.md").write_text(memory(table["text"].to_pylist(), given.work), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
