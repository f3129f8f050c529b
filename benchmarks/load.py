"""Load: extract on many files, on large ones and on many rows; time, memory, and whether every record is accounted for.

    python -m benchmarks.load --data /tmp/load [--only many_files] [--scale 1]

writes benchmarks/results/load.json and load.md. The texts are drawn from a list of words by a seed, so they say nothing of the
quality of anything. The peak is that of the largest process (VmHWM): Linux only.
"""

import argparse
import json
import random
import shutil
import sys
import time
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.extract_memory import RESULTS, peaks
from textmill.pipelines.contract.parts import read_counts
from textmill.pipelines.contract.storage import Folder

WORDS = ["the", "mill", "stands", "by", "a", "river", "and", "grinds", "grain", "for", "every", "village", "with", "sacks",
         "of", "flour", "before", "winter", "comes", "again"]
HEADERS = "| load | stored MB | seconds | MB a second | largest process, MB | records read | kept | rejected | quarantined |"


def prose(draw: random.Random, characters: int) -> str:
    """A text of about so many characters, in lines of twenty words."""
    line = " ".join(draw.choices(WORDS, k=20))
    return ".\n".join(f"{line} {n}" for n in range(max(1, characters // (len(line) + 6))))


def many_files(folder: Path, scale: float) -> str:
    """20,000 pages of HTML of 2 kB, a file each."""
    draw = random.Random(1)
    for number in range(int(20_000 * scale)):
        sub = folder / f"{number // 1000:03d}"
        sub.mkdir(exist_ok=True)
        (sub / f"{number:05d}.html").write_text(f"<html><head><title>{number}</title></head><body><article><p>"
                                                f"{prose(draw, 2000)}</p></article></body></html>")
    return f"{int(20_000 * scale):,} files of HTML, 2 kB each"


def one_jsonl(folder: Path, scale: float) -> str:
    """2 GB of JSONL in one file, 5 kB a row."""
    draw, left = random.Random(2), int(2e9 * scale)
    with (folder / "rows.jsonl").open("w") as file:
        while left > 0:
            left -= file.write(json.dumps({"url": f"https://a.example/{left}", "text": prose(draw, 5000)}) + "\n")
    return f"one JSONL of {2 * scale:g} GB, 5 kB a row"


def one_document(folder: Path, scale: float) -> str:
    """A text of 300 MB."""
    (folder / "book.txt").write_text(prose(random.Random(3), int(3e8 * scale)))
    return f"one text of {300 * scale:g} MB"


def short_rows(folder: Path, scale: float) -> str:
    """A Parquet of a million rows of 50 characters."""
    draw, count = random.Random(4), int(1e6 * scale)
    texts = pa.array([" ".join(draw.choices(WORDS, k=10)) for _ in range(count)])
    pq.write_table(pa.table({"text": texts}), folder / "rows.parquet", row_group_size=50_000)
    return f"a Parquet of {count:,} rows, 50 characters each"


LOADS: tuple[Callable[[Path, float], str], ...] = (many_files, one_jsonl, one_document, short_rows)


def measured(load: Callable[[Path, float], str], data: Path, scale: float, workers: int) -> dict[str, Any]:
    """Make the files, extract them, and say what it took. Fails where the records do not balance."""
    shutil.rmtree(data, ignore_errors=True)
    raw = data / "raw/load"
    raw.mkdir(parents=True)
    what = load(raw, scale)
    stored = sum(path.stat().st_size for path in raw.rglob("*") if path.is_file())
    start = time.monotonic()
    most = peaks([sys.executable, "-m", "textmill", "extract", "--data", str(data), "--workers", str(workers)])
    seconds = time.monotonic() - start
    counts = read_counts(Folder(str(data)) / "documents")
    rejected, quarantined = (sum(counts.get(name, {}).values()) for name in ("rejected", "quarantined"))
    assert counts["read"] == counts["kept"] + rejected + quarantined
    shutil.rmtree(data)
    return {"load": what, "stored": stored, "seconds": round(seconds, 1), "peak": max(max(of) for of in most.values()),
            "read": counts["read"], "kept": counts["kept"], "rejected": rejected, "quarantined": quarantined,
            "workers": workers, "scale": scale, "date": str(date.today())}


def row(one: dict[str, Any]) -> str:
    """A line of the table."""
    return (f"| {one['load']} | {one['stored'] / 1e6:,.0f} | {one['seconds']:,.0f} | "
            f"{one['stored'] / 1e6 / one['seconds']:.1f} | {one['peak'] / 1e6:,.0f} | {one['read']:,} | {one['kept']:,} | "
            f"{one['rejected']:,} | {one['quarantined']:,} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="a folder to work in; it is emptied")
    parser.add_argument("--only", choices=[load.__name__ for load in LOADS], action="append")
    parser.add_argument("--scale", type=float, default=1.0, help="of the sizes (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    path = RESULTS / "load.json"
    results = json.loads(path.read_text()) if path.exists() else {}
    for load in LOADS:
        if load.__name__ in (given.only or [load.__name__]):
            results[load.__name__] = measured(load, given.data, given.scale, given.workers)
            path.write_text(json.dumps(results, indent=1, sort_keys=True) + "\n")
    lines = [HEADERS, "|---|---:|---:|---:|---:|---:|---:|---:|---:|"]
    lines += [row(results[load.__name__]) for load in LOADS if load.__name__ in results]
    lines += ["", f"`extract` with {given.workers} workers, {date.today()}; read = kept + rejected + quarantined in each."]
    (RESULTS / "load.md").write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
