"""The whole flow on a real crawl: seconds, peak memory of any process, and what is left, stage by stage.

`python benchmarks/real_crawl.py --raw ../shared/data --data FOLDER` links crawl/*.warc.gz and
books.jsonl.zst of the first folder as the sources `crawl` and `books`, runs every stage in the second as a user would, and
writes benchmarks/results/real-crawl.md.
"""

import argparse
import json
import platform
import re
import subprocess
import sys
import threading
import time
from datetime import date
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[1]
STAGES = ("extract", "measure", "screen", "dedup", "curate", "tokenizer", "tokenize", "pack")


def measured(command: list[str]) -> tuple[float, float, str]:
    """(seconds, peak resident bytes of the largest process, last line said) of a command; exits where it fails."""
    start = time.monotonic()
    process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    peak = 0

    def watch() -> None:
        nonlocal peak
        while process.is_running():
            try:
                for one in [process, *process.children(recursive=True)]:
                    peak = max(peak, one.memory_info().rss)
            except psutil.Error:
                pass
            time.sleep(0.2)

    threading.Thread(target=watch, daemon=True).start()
    said, _ = process.communicate()
    if process.returncode or "Traceback" in said:
        sys.exit(f"{' '.join(command)}\n{said}")
    return time.monotonic() - start, peak, said.strip().splitlines()[-1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--raw", type=Path, required=True, help="folder with crawl/*.warc.gz and books.jsonl.zst")
    parser.add_argument("--data", type=Path, required=True, help="an empty folder to work in")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--train-steps", type=int, default=40)
    given = parser.parse_args()
    settings, recipe = prepare(given.raw, given.data, given.train_steps), ROOT / "benchmarks/real-crawl.yaml"
    rows = []
    for stage in STAGES:
        said = measured([sys.executable, "-m", "textmill", stage, "--alone", "--data", str(given.data), "--config",
                         str(settings), "--mixture", str(recipe), "--workers", str(given.workers)])
        rows.append((stage, *said))
        print(*said, flush=True)
    run = given.data / "checkpoints/real-crawl"
    rows.append(("train", *measured([sys.executable, "-m", "textmill", "train", "--blocks",
                                     str(given.data / "blocks/real-crawl"), "--run", str(run), "--settings", str(settings),
                                     "--replace"])))
    print(*rows[-1], flush=True)
    write(rows, given)


def prepare(raw: Path, data: Path, steps: int) -> Path:
    """Link the raw files as two sources of an empty data folder; the path of the settings to run with, written there."""
    sources = {"crawl": sorted((raw / "crawl").glob("*.warc.gz")), "books": [raw / "books.jsonl.zst"]}
    for source, files in sources.items():
        folder = data / "raw" / source
        folder.mkdir(parents=True, exist_ok=True)
        for file in files:
            link = folder / file.name
            if not link.exists():
                link.symlink_to(file.absolute())
    settings = data / "settings.yaml"
    text = (ROOT / "settings.yaml").read_text()
    text = re.sub(r"^  steps: \d+", f"  steps: {steps}", text, flags=re.MULTILINE)
    text = re.sub(r"^  (validation|save)_every: \d+", rf"  \1_every: {steps}", text, flags=re.MULTILINE)
    # One block at a time: the logits of a 16k vocabulary are what a training process holds most of.
    text = re.sub(r"^  batch: \d+", "  batch: 1", re.sub(r"^  accumulate: \d+", "  accumulate: 8", text, flags=re.MULTILINE),
                  flags=re.MULTILINE)
    settings.write_text(re.sub(r"^  vocab_size: \d+", "  vocab_size: 16384", text, flags=re.MULTILINE))
    return settings


def write(rows: list[tuple[str, float, float, str]], given: argparse.Namespace) -> None:
    stats = json.loads((given.data / "ledger/documents/stats.json").read_text())
    lines = [f"{stats['read']:,} records, {stats['payload_bytes'] / 1e6:,.0f} MB of pages that gave "
             f"{stats['text_bytes'] / 1e6:,.0f} MB of text; {given.workers} workers, {platform.machine()}, "
             f"Python {platform.python_version()}, {date.today()}.", "",
             "| stage | seconds | peak MB of a process | what it said |", "|---|---:|---:|---|"]
    lines += [f"| {stage} | {seconds:.0f} | {peak / 1e6:,.0f} | {said.partition(': ')[2].replace(f'{given.data}/', '')} |"
              for stage, seconds, peak, said in rows]
    results = ROOT / "benchmarks/results"
    results.mkdir(exist_ok=True)
    (results / "real-crawl.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
