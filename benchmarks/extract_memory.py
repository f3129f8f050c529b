"""Peak memory of every process of extract, on a crawl and on the same crawl given several times.

    python -m benchmarks.extract_memory --crawl ../shared/data/crawl --data /tmp/memory

writes benchmarks/results/extract-memory.md. The copies differ from the crawl by a comment at the end of every page, so that
no page is known from before; an archive that is broken or hostile on purpose is given again as it is. The peak is the
kernel's own (VmHWM), read until the process ends, so this runs on Linux only.
"""

import argparse
import contextlib
import gzip
import subprocess
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import date
from pathlib import Path
from statistics import median

import psutil
from fastwarc.warc import ArchiveIterator, WarcRecordType

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
# A word of the command line that tells what a process is for.
ROLES = {"textmill.pipelines.engines.worker": "worker",
         "textmill.pipelines.extract.pages.reader_process": "page reader", "textmill": "driver"}
OTHER = "other"
AS_IT_IS = ("hostile", "broken")
EVERY = 0.1             # seconds between two looks
_CODING = ("content-length", "content-encoding", "transfer-encoding")

Peaks = dict[str, list[int]]        # bytes, by role, a number for each process


def peaks(command: list[str], roles: Mapping[str, str] = ROLES) -> Peaks:
    """The peak resident memory of each process of a command; exits with what it said where it fails."""
    process = psutil.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=ROOT)
    seen: dict[psutil.Process, tuple[str, int]] = {}

    def watch() -> None:
        while process.is_running():
            with contextlib.suppress(psutil.Error):
                for one in [process, *process.children(recursive=True)]:
                    with contextlib.suppress(psutil.Error, OSError):        # it ended while we looked
                        if not (words := one.cmdline()):        # it has ended, and its parent has not noticed yet
                            continue
                        role = next((roles[word] for word in words if word in roles), OTHER)
                        before = seen.get(one, (role, 0))
                        # A process that is being started shows its parent's command line and memory at first.
                        seen[one] = role, max(peak(one.pid), before[1] if before[0] == role else 0)
            time.sleep(EVERY)

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    said, _ = process.communicate()
    watching.join()
    if process.returncode:
        sys.exit(f"{' '.join(command)}\n{said}")
    print(said.strip().splitlines()[-1], flush=True)
    by_role: Peaks = defaultdict(list)
    for role, most in seen.values():
        by_role[role].append(most)
    return by_role


def peak(pid: int) -> int:
    """Bytes; 0 where the process has given its memory back already."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM:")), 0)


def copy(warc: Path, to: Path, number: int) -> None:
    """The responses of a WARC, each page with a comment at its end, transfer and content coding undone."""
    with warc.open("rb") as file, to.open("wb") as out:
        for record in ArchiveIterator(file, record_types=WarcRecordType.response, auto_decode="all"):
            body = record.reader.read() + f"\n<!-- copy {number} -->".encode()
            headers = [f"{name}: {value}" for name, value in record.http_headers.items() if name.lower() not in _CODING]
            block = "\r\n".join([record.http_headers.status_line, *headers, "", ""]).encode() + body
            head = ["WARC/1.1", "WARC-Type: response", f"WARC-Record-ID: {record.record_id[:-1]}-{number}>",
                    f"WARC-Target-URI: {record.headers['WARC-Target-URI']}", f"WARC-Date: {record.headers['WARC-Date']}",
                    "Content-Type: application/http;msgtype=response", f"Content-Length: {len(block)}", "", ""]
            out.write(gzip.compress("\r\n".join(head).encode() + block + b"\r\n\r\n", 6))


def give(crawl: Path, data: Path, times: int) -> None:
    """The crawl so many times as the source `crawl` of a data folder."""
    raw = data / "raw/crawl"
    raw.mkdir(parents=True)
    for warc in sorted(crawl.glob("*.warc.gz")):
        for number in range(times):
            to = raw / f"{number}-{warc.name}"
            if number == 0 or warc.name.startswith(AS_IT_IS):
                to.symlink_to(warc.absolute())
            else:
                copy(warc, to, number)


def rows(once: Peaks, again: Peaks) -> Iterator[str]:
    for role in (*ROLES.values(), OTHER):
        cells = []
        for of in (once[role], again[role]):
            cells += [f"{len(of)}", f"{median(of) / 1e6:.0f}", f"{max(of) / 1e6:.0f}"] if of else ["0", "", ""]
        if once[role] and again[role]:
            yield f"| {role} | {' | '.join(cells)} | {max(again[role]) / max(once[role]):.2f} × |"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crawl", type=Path, required=True, help="folder with *.warc.gz")
    parser.add_argument("--data", type=Path, required=True, help="a folder to make two data folders in")
    parser.add_argument("--times", type=int, default=4, help="how often the crawl is given (default: %(default)s)")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    found = []
    for times in (1, given.times):
        data = given.data / f"times-{times}"
        give(given.crawl, data, times)
        found.append(peaks([sys.executable, "-m", "textmill", "extract", "--data", str(data), "--workers",
                            str(given.workers)]))
    lines = [f"| process | the crawl once: processes | MB, median | MB, largest | {given.times} times: processes | MB, median "
             "| MB, largest | growth |", "|---|---:|---:|---:|---:|---:|---:|---:|", *rows(*found)]
    stored = sum(warc.stat().st_size for warc in given.crawl.glob("*.warc.gz")) / 1e6
    lines += ["", f"Peak resident memory of one process; {stored:.0f} MB of WARC files once, {given.workers} workers; "
              f"{date.today()}."]
    said = "\n".join(lines) + "\n"
    print(said)
    (RESULTS / "extract-memory.md").write_text(said, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
