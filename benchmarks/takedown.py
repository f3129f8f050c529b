"""A host and a page with copies taken down on the real crawl: what is left, what else changed, and what asking costs.

`python -m benchmarks.takedown --raw ../shared/data --data DIR` runs every stage but train on crawl/*.warc.gz and
books.jsonl.zst of that folder, writes the ledger's costs to benchmarks/results/ledger.md, takes a host down and the page
elsewhere that stands for most copies, checks what is promised, and writes benchmarks/results/takedown.md. A check that fails
ends it.
"""

import argparse
import hashlib
import json
import subprocess
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import psutil
import pyarrow as pa

from benchmarks.real_crawl import ROOT, STAGES, prepare
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.row_groups import find_ids, rows_of
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.erasure.listing import stepping_in
from textmill.pipelines.ledger.blocks import shards
from textmill.pipelines.ledger.lookup import find_pages
from textmill.pipelines.ledger.trace import trace, where
from textmill.pipelines.ledger.why import why
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.settings import read_config

RESULTS = ROOT / "benchmarks/results"
RECIPE = ROOT / "benchmarks/real-crawl.yaml"
SETS = ("documents", "signals", "verdicts", "duplicates", "curated", "tokens", "tokenizers", "blocks")
ALIGNED = SETS[:5]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True, help="folder with crawl/*.warc.gz and books.jsonl.zst")
    parser.add_argument("--data", type=Path, required=True, help="a folder to work in; what is made there already is used")
    parser.add_argument("--host", required=True, help="whose pages go")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    settings, data = prepare(given.raw, given.data, 1), given.data

    def run(*command: str) -> list[str]:
        ran = subprocess.run([sys.executable, "-m", "textmill", *command, "--data", str(data), "--mixture", str(RECIPE)],
                             cwd=ROOT, text=True, capture_output=True)
        if ran.returncode or "Traceback" in ran.stderr:
            sys.exit(f"{' '.join(command)}\n{ran.stdout}{ran.stderr}")
        return ran.stdout.strip().splitlines()

    flags = ("--config", str(settings), "--workers", str(given.workers))
    for stage in STAGES:
        print(*run(stage, "--alone", *flags), flush=True)
    run("report")
    config = read_config(str(settings), str(ROOT / "rules.yaml"), str(RECIPE), None)
    ledger(RunContext(Folder(str(data)), config, BeamEngine()), given.host)

    stood, copies = most_copies(Folder(str(data)), given.host)
    (data / "takedown.txt").write_text(f"host:{given.host}\nid:{stood}\n")
    before = rows_of_blocks(data)
    listed = run("takedown", *flags)
    start = time.monotonic()
    said = run("takedown", "--carry-out", *flags)
    seconds = time.monotonic() - start
    after, once = rows_of_blocks(data), hashes(data)
    changed = [key for key in before if before[key] != after[key]]
    touched = [key for key, (_, spans) in before.items() if {span["id"] for span in spans} & ids_of(data)]
    expect(changed == touched != [], "the blocks that changed are those that held a page of the host")
    expect(list(before) == list(after), "no block went or came")
    stepped = sum(row is not None and row["kind"] is None for row in rows_of(
        Folder(str(data)), "duplicates", [found[0] for found in find_ids(Folder(str(data)), copies).values()], ["kind"]))
    expect(stepped > 0, "a copy of the page stepped in")
    start = time.monotonic()
    again = run("takedown", "--carry-out", *flags)
    again_seconds = time.monotonic() - start
    expect(hashes(data) == once, "a second run changes nothing")
    for stage in STAGES[:5]:
        expect(": up to date" in run(stage, "--alone", *flags)[0], f"{stage} is current after it")
    rebuilt = rebuild(run, data, flags)
    emptied = {key: value for key, value in once.items() if key.startswith("documents/")}
    expect(rebuilt == emptied, "extract gives the same bytes from the raw files")
    expect(hashes(data) == once, "nothing else changed by that")
    print(*run("pack", "--alone", *flags), *run("report"), sep="\n", flush=True)
    last = run("takedown", "--carry-out", *flags)[-2]
    write(given.host, listed, [*said, again[-2]], (seconds, again_seconds), (len(changed), len(before)),
          (len(copies), stepped), last)


def most_copies(data: Folder, name: str) -> tuple[str, list[str]]:
    """The document outside of a host that stands for most copies, the smallest id of several; and their ids."""
    inside = {document.id for document in find_pages(data, name).documents}
    manifest, counts = Manifest.read(data / "duplicates"), Counter[str]()
    for part in manifest.parts if manifest else ():
        for batch in read_batches(data / "duplicates", part, ["kept_id", "kind"]):
            counts.update(batch["kept_id"].filter(batch["kind"].is_valid()).to_pylist())
    stood = min((id_ for id_ in counts if id_ not in inside), key=lambda id_: (-counts[id_], id_))
    return stood, stepping_in(data, [stood])[stood]


def rebuild(run: Callable[..., list[str]], data: Path, flags: tuple[str, ...]) -> dict[str, str]:
    """The hashes of `documents` when it is made again from the raw files, with the list and what was taken beside them."""
    aside = data / "aside"
    (data / "documents").rename(aside)
    print(*run("extract", *flags), flush=True)
    found = hashes(data)
    subprocess.run(["rm", "-r", str(aside)], check=True)
    return {key: value for key, value in found.items() if key.startswith("documents/")}


def expect(holds: bool, what: str) -> None:
    """Say what was checked, or end where it does not hold."""
    if not holds:
        sys.exit(f"this does not hold: {what}")
    print(f"checked: {what}", flush=True)


def hashes(data: Path) -> dict[str, str]:
    """sha256 of every file of every dataset, by path."""
    paths = [path for name in SETS for place in (data / name, data / "ledger" / name) for path in sorted(place.rglob("*"))]
    return {str(path.relative_to(data)): hashlib.sha256(path.read_bytes()).hexdigest() for path in paths
            if path.is_file() and path.name not in ("run.json", "_run.json")}


def rows_of_blocks(data: Path) -> dict[tuple[str, int], tuple[str, list[dict[str, Any]]]]:
    """(split, number of a block) → sha256 of the bytes of its tokens, and its spans."""
    found = {}
    for shard in shards(Folder(str(data)) / "blocks/real-crawl"):
        for number, row in enumerate(shard.rows.to_batches()[0].to_pylist()):
            tokens = pa.array(row["tokens"], pa.uint16()).buffers()[1].to_pybytes()
            found[shard.split, shard.first + number] = hashlib.sha256(tokens).hexdigest(), row["spans"]
    return found


def ids_of(data: Path) -> set[str]:
    return {one["id"] for one in json.loads((data / "takedown.json").read_text())["taken"]}


def ledger(context: RunContext, name: str) -> None:
    """What each question costs, in seconds, and in bytes read where it is not through a memory map."""
    pages = find_pages(context.data, name).documents
    page = str(pages[len(pages) // 2].url)
    asked: dict[str, Callable[[], list[str]]] = {
        "why URL": lambda: why(context, page), "why ID": lambda: why(context, pages[0].id),
        "where URL": lambda: where(context.data, page), "where HOST": lambda: where(context.data, name),
        "trace BLOCK": lambda: trace(context.data, context.config[Mixture].name, "train", 0)}
    stored = sum(entry.size for dataset in SETS for entry in (context.data / dataset).entries())
    lines = ["| question | seconds | MB read | lines of answer |", "|---|---:|---:|---:|"]
    for question, ask in asked.items():
        read, start = psutil.Process().io_counters().read_chars, time.monotonic()
        answer = ask()
        seconds, read = time.monotonic() - start, psutil.Process().io_counters().read_chars - read
        lines.append(f"| {question} | {seconds:.2f} | {read / 1e6:.1f} | {len(answer)} |")
    lines += ["", f"On the datasets of the real crawl, {stored / 1e6:,.0f} MB in all; the start of the command itself, about "
              f"two seconds, comes on top; {date.today()}."]
    (RESULTS / "ledger.md").write_text("\n".join(lines) + "\n")


def write(host: str, listed: list[str], said: list[str], seconds: tuple[float, float], blocks: tuple[int, int],
          copies: tuple[int, int], last: str) -> None:
    """benchmarks/results/takedown.md; names of pages and machine paths stay out."""
    head = [line for line in listed if line.startswith(("line ", "tokenizer"))]
    steps = [line for line in said if line.startswith("takedown: ")]
    folded = [line for step in (*head, *steps) for line in textwrap.wrap(step, 78, subsequent_indent="    ")]
    lines = ["```text", *folded, "```", "",
             "| checked | |", "|---|---|",
             f"| blocks that held a page of the host | {blocks[0]:,} of {blocks[1]:,}; all others kept their bytes |",
             f"| the {copies[0]:,} copies that the page stood for | {copies[1]:,} stepped in |",
             "| a second run | changed no file |",
             "| documents made again from the raw files | the same bytes |",
             "| extract to curate afterwards | up to date |",
             f"| after `pack` and `report` anew | {last.removeprefix('takedown: ')} |", "",
             f"{seconds[0]:.0f} seconds, a second run {seconds[1]:.0f}; {host}; {date.today()}."]
    (RESULTS / "takedown.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
