"""The browser over a million documents: seconds to each kind of answer, memory, and what its indexes take to make.

    python -m benchmarks.browse --documents 1000000 --to folder

Writes the documents (benchmarks.synthetic_data) where they are not there yet, makes both indexes, and asks a server in a
process of its own, each page three times; the first is told with its processor time, beside the best.
"""

import argparse
import platform
import resource
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import psutil

from benchmarks import synthetic_data
from textmill.pipelines.browse.indexes import FOLDER, Indexes
from textmill.pipelines.browse.search import by_id
from textmill.pipelines.browse.snapshot import Snapshot
from textmill.pipelines.contract.storage import Folder

RESULT = Path(__file__).parent / "results/browse.md"
MIB = 1 << 20


def made(data: Path) -> Iterator[tuple[str, str]]:
    """(what, how long and how large) of each index, made anew."""
    shutil.rmtree(data / FOLDER, ignore_errors=True)
    snapshot = Snapshot.of(Folder(str(data)))
    begin, used = time.perf_counter(), time.process_time()
    indexes = Indexes(snapshot)
    yield "table of facts", cost(data, "facts", begin, used)
    begin, used = time.perf_counter(), time.process_time()
    indexes.make_words()
    yield "index of words", cost(data, "words", begin, used)
    yield "peak memory while they are made", f"{resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MiB"


def told() -> list[str]:
    """What the results say of making the indexes."""
    _, _, rest = RESULT.read_text("utf-8").partition("|---|---|\n")
    return rest.partition("\n\n")[0].splitlines()


def cost(data: Path, ending: str, begin: float, used: float) -> str:
    (path,) = (data / FOLDER).glob(f"*.{ending}")
    size = sum(file.stat().st_size for file in (path, *path.glob("*")) if file.is_file())
    return (f"{time.perf_counter() - begin:,.0f} s ({time.process_time() - used:,.0f} s of processor time), "
            f"{size / MIB:,.0f} MiB")


def questions(data: Path) -> list[tuple[str, str]]:
    """(what, address) of each kind of page."""
    indexes = Indexes(Snapshot.of(Folder(str(data))))
    copy, host = indexes.connection.execute("SELECT id, host FROM facts WHERE kind = 'near' LIMIT 1 OFFSET 1000").fetchall()[0]
    (row,) = indexes.snapshot.rows("documents", [by_id(indexes, copy)[0].row], ["text", "url"])
    words = sorted(set(row["text"].split()), key=lambda word: (-len(word), word))
    common, rare, two = row["text"].split()[0], words[0], f"{words[0]} {words[1]}"
    start = " ".join(row["text"].split()[:2])
    return [
        ("overview", "/"), ("search: a rare word", f"/search?q={rare}"), ("search: two words", f"/search?q={quote(two)}"),
        ("search: a common word", f"/search?q={common}"),
        ("search: a common word with three filters", f"/search?q={common}&language=en&outcome=kept&source=crawl"),
        ("search: a phrase", f"/search?q={quote(chr(34) + start + chr(34))}"),
        ("search: an address", f"/search?q={quote(row['url'])}"), ("search: an id", f"/search?q={copy}"),
        ("filter: rule broken and a range", "/search?rule=stop_words&signal=digit_share&low=0.1&high="),
        ("filter: host", f"/search?host={host}"), ("sorted by a measurement", "/search?order=compression_ratio"),
        ("a document's story", f"/document/{copy}"), ("two texts, word by word", f"/twins/{copy}"), ("clusters", "/clusters"),
        ("rules", "/rules"), ("what-if: one bound moved", "/rules/effect?word_count.low=20"),
        ("what-if: five bounds moved",
         "/rules/effect?word_count.low=20&digit_share.high=0.1&top_2gram.high=0.1&stop_words.low=1&short_lines.high=0.5"),
        ("SQL: count by language", "/sql?sql=" + quote("SELECT language, count(*) FROM signals GROUP BY 1"))]


def asked(data: Path, pages: list[tuple[str, str]]) -> Iterator[tuple[str, float, float, float]]:
    """(what, seconds of the first answer, its processor seconds, seconds of the best of three); at last the memory in MiB."""
    process = subprocess.Popen([sys.executable, "-m", "textmill", "browse", "--data", str(data), "--port", "0"],
                               stderr=subprocess.PIPE, text=True)
    try:
        begin = time.perf_counter()
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
        server = psutil.Process(process.pid)
        yield "start of the server, indexes being there", time.perf_counter() - begin, used(server), float("nan")
        at = line.split("http://")[1].split(";")[0]
        for what, page in pages:
            seconds, processor = [], []
            for _ in range(3):
                begin, before = time.perf_counter(), used(server)
                with urllib.request.urlopen(f"http://{at}{page}", timeout=120) as reply:
                    reply.read()
                seconds.append(time.perf_counter() - begin)
                processor.append(used(server) - before)
            yield what, seconds[0], processor[0], min(seconds)
        yield "memory", server.memory_info().rss / MIB, float("nan"), float("nan")
    finally:
        process.terminate()
        process.wait(30)


def used(process: psutil.Process) -> float:
    """Processor seconds of a process and those that it has started."""
    return sum(each.cpu_times().user + each.cpu_times().system for each in (process, *process.children(recursive=True)))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--to", required=True, type=Path)
    parser.add_argument("--keep", action="store_true", help="ask over the indexes that are there")
    given = parser.parse_args()
    if not (given.to / "ledger/duplicates/manifest.json").exists():
        synthetic_data.write(Folder(str(given.to)), given.documents)
    documents = Snapshot.of(Folder(str(given.to))).documents
    size = sum(path.stat().st_size for name in synthetic_data.SCHEMAS for path in (given.to / name).glob("*.parquet"))
    lines = [f"{documents:,} synthetic documents of about 3,000 characters, {size / MIB:,.0f} MiB of Parquet; "
             f"{psutil.cpu_count()} processors ({platform.machine()}), shared with other work.", "",
             "| index | made in |", "|---|---|"]
    lines += told() if given.keep else [f"| {what} | {said} |" for what, said in made(given.to)]
    lines += ["", "| answer | first (s) | of processor time (s) | best of three (s) |", "|---|--:|--:|--:|"]
    for what, first, processor, best in asked(given.to, questions(given.to)):
        lines.append(f"| {what} | {first:,.0f} MiB | | |" if what == "memory" else
                     f"| {what} | {first:.2f} | {processor:.2f} | {'' if best != best else f'{best:.2f}'} |")
    if documents >= 1_000_000:
        RESULT.write_text("\n".join(lines) + "\n", "utf-8")
    print("\n".join(lines))


if __name__ == "__main__":
    main()
