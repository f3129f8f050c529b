"""Real dialogues and comparisons through the whole mill and each trainer: what is dropped and why, what a small model learns.

    python -m benchmarks.posttraining_real --shared FOLDER --base DATA --data WORK

puts instruct.jsonl.zst and preference.jsonl.zst of FOLDER beside the raw sources of DATA (a finished `textmill demo`) into the
empty folder WORK, runs every stage, fine-tunes the demo's model on the dialogues, trains a reward model, DPO and IPO on the
comparisons, lets the fine-tuned model judge the held-out ones, and writes benchmarks/results/posttraining-real.md. DATA is only
read. One thread; about fifteen processor minutes.
"""

import argparse
import json
import os
import platform
import re
import resource
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import torch

from textmill.base.sealed import unseal
from textmill.model.evaluation.statistics import wilson
from textmill.model.posttraining.comparisons import Comparison, Comparisons, is_held_out, read_comparisons
from textmill.model.posttraining.start import start_from
from textmill.pipelines.contract.storage import Folder

ROOT = Path(__file__).parents[1]
STAGES = ("extract", "measure", "screen", "dedup", "curate", "tokenize", "pack")
SOURCES, HELD_OUT, JUDGED = ("instruct", "preference"), 0.2, 200
RECIPE = """# Real dialogues with a tenth of pretraining text: the recipe of benchmarks/posttraining_real.py.
name: real
block: 512
tokens: 800_000
seed: 11
validation: 0.08
tokenizer: demo-8k
entries:
  dialogues: {where: {source: instruct}, share: 0.9, learn: [assistant]}
  pretraining: {where: {source: python-docs}, share: 0.1}
"""
FINE_TUNING = ("train.steps=390", "train.batch=4", "train.lr=0.003", "train.warmup=10", "train.decay=1",
               "train.validation_every=390", "train.save_every=390", "train.validation_blocks=null")
PAGES = "dialogues:\n  parked_phrases: {}\n  lorem_ipsum: {}\n"        # what judged dialogues as it judges pages


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="folder with instruct.jsonl.zst and preference.jsonl.zst")
    parser.add_argument("--base", type=Path, required=True, help="data folder of a finished demo")
    parser.add_argument("--data", type=Path, required=True, help="an empty folder to work in")
    parser.add_argument("--beside", default="nothing", help="what else the machine did, for the record")
    given = parser.parse_args()
    data = given.data
    record = data / "said.json"                         # a benchmark that was stopped goes on
    if not record.exists():
        prepare(given.shared, given.base, data)
    done: dict[str, Any] = json.loads(record.read_text()) if record.exists() else {}

    def run(name: str, *arguments: object) -> str:
        if name not in done:
            done[name] = measured(*arguments)
            record.write_text(json.dumps(done))
            print(f"{name}: {done[name][1]:.0f} s\n{done[name][0]}", flush=True)
        return str(done[name][0])

    flow = ["--data", data, "--mixture", data / "real.yaml", "--workers", 1]
    for stage in STAGES:
        if stage == "screen":       # first as pages are judged: what is lost by that
            run("screen by the bounds of pages", stage, "--alone", *flow, "--rules", data / "pages.yaml")
            by_pages = done.setdefault("by pages", rules_broken(data))
        run(stage, stage, "--alone", *flow)
    run("comparisons", "comparisons", "--data", data, "--to", data / "comparisons")
    pairs = data / "comparisons/comparisons.jsonl"
    chat = data / "checkpoints/chat"
    run("train", "train", "--from", given.base / "checkpoints/demo", "--blocks", data / "blocks/real", "--run", chat,
        "--device", "cpu", *changes(FINE_TUNING))
    trained = {}
    for name, word, more in (("reward", "reward", ()), ("dpo", "prefer", ()), ("ipo", "prefer", ("prefer.method=ipo",))):
        run(name, word, "--from", chat, "--comparisons", pairs, "--run", data / f"checkpoints/{name}", "--device", "cpu",
            *changes([f"{word}.held_out={HELD_OUT}", f"{word}.validation_every=1000", *more]))
        trained[name] = validations(data / f"checkpoints/{name}")
    some = data / "held-out.jsonl"
    held_out = [line for line in pairs.read_text("utf-8").splitlines() if is_held_out(json.loads(line)["prompt"], HELD_OUT)]
    some.write_text("".join(f"{line}\n" for line in held_out[:JUDGED]))
    judge = run("judge", "judge", "--pairs", some, "--judge", chat, "--to", data / "judged", "--device", "cpu")
    seconds = {name: each[1] for name, each in done.items() if name != "by pages"}
    said = {name: done[name][0] for name in (*STAGES, "comparisons")}
    lines = [*head(given), *stages(said, seconds), "", *dropped(data, by_pages), "", *fine_tuned(chat), "",
             *preferred(trained, as_read(pairs, chat)), "", *judged(judge), "", *times(seconds)]
    (ROOT / "benchmarks/results/posttraining-real.md").write_text("\n".join(lines) + "\n")


def prepare(shared: Path, base: Path, data: Path) -> None:
    """The raw sources as links, the tokenizer as a copy, the recipe and the table of rules as it was for pages."""
    for source in SOURCES:
        (data / "raw" / source).mkdir(parents=True)
        (data / "raw" / source / f"{source}.jsonl.zst").symlink_to((shared / f"{source}.jsonl.zst").absolute())
    (data / "raw/python-docs").symlink_to((base / "raw/python-docs").absolute())
    shutil.copytree(base / "tokenizers", data / "tokenizers")
    (data / "real.yaml").write_text(RECIPE)
    rules = (ROOT / "rules.yaml").read_text()
    rules = re.sub(r"^dialogues:\n", PAGES, rules, flags=re.MULTILINE)
    (data / "pages.yaml").write_text(re.sub(r"^(  spam_phrases: )\{high: 0.08\}.*$", r"\1{}", rules, flags=re.MULTILINE))


def measured(*arguments: object) -> tuple[str, float]:
    """What a word says, and its processor seconds; exits where it fails."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    ran = subprocess.run([sys.executable, "-m", "textmill", *map(str, arguments)], cwd=ROOT, stdout=subprocess.PIPE, text=True,
                         env=os.environ | {"OMP_NUM_THREADS": "1"})
    if ran.returncode:
        sys.exit(f"{arguments[0]} failed")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return ran.stdout.strip(), after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def changes(settings: Iterator[str] | tuple[str, ...] | list[str]) -> list[str]:
    return [argument for change in settings for argument in ("--set", change)]


def table(data: Path, dataset: str, columns: list[str]) -> list[dict[str, Any]]:
    """The rows of the parts that a dataset's manifest lists."""
    parts = unseal((Folder(str(data)) / dataset).read("_manifest.json"))["parts"]
    return pa.concat_tables([pq.read_table(data / dataset / part["path"], columns=columns) for part in parts]).to_pylist()


def rules_broken(data: Path) -> dict[str, Counter[str]]:
    """Of each source, how many dialogues each rule rejects, the first one counting."""
    source = {row["id"]: row["source"] for row in table(data, "documents", ["id", "source"])}
    found = {name: Counter[str]() for name in SOURCES}
    for row in table(data, "verdicts", ["id", "kept", "broken"]):
        if not row["kept"] and source[row["id"]] in found:
            found[source[row["id"]]][row["broken"][0]["rule"]] += 1
    return found


def as_read(pairs: Path, run: Path) -> Comparisons:
    """The comparisons as the trainers read and divide them."""
    begin = start_from(run)
    return read_comparisons(pairs, begin.encoder, begin.model(torch.device("cpu")).context_length, HELD_OUT)


def validations(run: Path) -> list[dict[str, Any]]:
    return [line for line in map(json.loads, (run / "log.jsonl").read_text().splitlines()) if "validation" in line]


def head(given: argparse.Namespace) -> list[str]:
    return [f"{platform.machine()}, one thread, Python {platform.python_version()}, {date.today()}; beside it ran "
            f"{given.beside}. The model is the demo's (ci, 1.9 M parameters).", ""]


def stages(said: dict[str, str], seconds: dict[str, float]) -> Iterator[str]:
    yield from ("| stage | processor seconds | what it said |", "|---|---:|---|")
    for name, lines in said.items():
        last = "; ".join(line.partition(": ")[2] for line in lines.splitlines())
        last = re.sub(r" to \S+comparisons.jsonl", "", last)
        yield f"| {name} | {seconds[name]:.0f} | {last} |"


def dropped(data: Path, by_pages: dict[str, Any]) -> Iterator[str]:
    rejected = {name: unseal((Folder(str(data)) / name).read("_stats.json")) for name in ("documents", "blocks/real")}
    edits = {name: Counter[str]() for name in SOURCES}
    for row in table(data, "curated", ["source", "edits"]):
        if row["source"] in edits:
            edits[row["source"]].update(edit["kind"] for edit in row["edits"] or ())
    copies = {name: Counter[str]() for name in SOURCES}
    source = {row["id"]: row["source"] for row in table(data, "documents", ["id", "source"])}
    for row in table(data, "duplicates", ["id", "kind"]):
        if row["kind"] and source[row["id"]] in copies:
            copies[source[row["id"]]][row["kind"]] += 1
    shipped = rules_broken(data)
    yield from ("| what | instruct | preference |", "|---|---|---|")
    yield f"| no dialogue (extract) | {_counted(Counter())} | {_counted(Counter(rejected['documents']['rejected']))} |"
    for what, of in (("rejected by the bounds of pages for phrases and dummy text", by_pages),
                     ("rejected by the shipped rules for dialogues", shipped), ("copies (dedup)", copies),
                     ("personal data replaced (places)", edits)):
        yield f"| {what} | {' | '.join(_counted(Counter(of[name])) for name in SOURCES)} |"
    counts = rejected["blocks/real"]["dialogues"].get("dialogues", {})
    yield f"| in blocks (pack) | {', '.join(f'{name} {value:,}' for name, value in counts.items())} | not packed |"


def _counted(counts: Counter[str]) -> str:
    listed = ", ".join(f"{name} {count}" for name, count in counts.most_common())
    return f"{counts.total():,}{f' ({listed})' if counts else ''}"


def fine_tuned(run: Path) -> Iterator[str]:
    before, after = (validations(run)[place]["entries"] for place in (0, -1))
    yield from ("| held out | bits per byte before | after fine-tuning |", "|---|---:|---:|")
    yield f"| dialogues, of what the assistant says | {before['dialogues']:.3f} | {after['dialogues']:.3f} |"
    yield f"| pretraining text | {before['pretraining']:.3f} | {after['pretraining']:.3f} |"


def preferred(trained: dict[str, list[dict[str, Any]]], read: Comparisons) -> Iterator[str]:
    learned, right = shorter_chosen(read.learned), shorter_chosen(read.held_out)
    kind, of = "shorter" if learned > 0.5 else "longer", len(read.held_out)
    yield f"{read.words.partition(', ')[0]} to learn from, {of} held out, {read.too_long} longer than the model's context."
    yield ""
    yield from (f"| of {of} held-out pairs | ranked right | 95 % interval | beside it |", "|---|---:|---:|---|")
    yield _ranked(f"the {kind} answer, chosen in {max(learned, 1 - learned):.2f} of what is learned from",
                  (right if learned > 0.5 else 1 - right) * of, of, "")
    for name, lines in trained.items():
        last = lines[-1]
        beside = ", ".join(f"{key} {value:.3f}" for key, value in last["entries"].items())
        yield _ranked(name, last["validation"] * of, of, beside)
    yield "| people with each other, as published | about .73 | | |"


def shorter_chosen(comparisons: Sequence[Comparison]) -> float:
    """The share of pairs in which the answer of fewer tokens was chosen, half where both have as many."""
    lengths = [[len(row) for row in each.answers] for each in comparisons]
    return sum((chosen < rejected) + 0.5 * (chosen == rejected) for chosen, rejected in lengths) / len(lengths)


def _ranked(name: str, right: float, of: int, beside: str) -> str:
    low, high = wilson(right, of)
    return f"| {name} | {right / of:.3f} | {low:.3f} to {high:.3f} | {beside} |"


def judged(said: str) -> Iterator[str]:
    yield f"What the fine-tuned model is worth as a judge of {JUDGED} held-out pairs, by its log-probabilities:"
    yield ""
    yield from (f"- {line.removeprefix('judge: ')}" for line in said.splitlines()[1:-1])


def times(seconds: dict[str, float]) -> Iterator[str]:
    yield from ("| word | processor seconds |", "|---|---:|")
    yield from (f"| {name} | {value:.0f} |" for name, value in seconds.items() if name not in STAGES)
    yield f"| all | {sum(seconds.values()):.0f} |"


if __name__ == "__main__":
    main()
