"""Fetch files of Common Crawl into a folder under raw/, where `extract` finds them.

Which files: the first ones in the order of a hash of their path. So they are spread over the crawl, and what a larger
number fetches begins with what a smaller one did. A file that has the size the server states and the sum that
was noted is not fetched again. The download and its checks are in `textmill.pipelines.web.download`.
"""

import contextlib
import gzip
import io
import os
import re
import shutil
import sys
import time
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

from textmill.base.progress import watched
from textmill.pipelines.contract.filesystems import StageError, full_disk
from textmill.pipelines.contract.lock import holder, try_lock
from textmill.pipelines.web.client import Patience, Web, WebError
from textmill.pipelines.web.download import Download, ask_for, begun, download, fault_of, read_sums

MB = 10**6
_LISTING = 256 << 20        # bytes; that of a crawl of 100,000 files has 14 MB
KINDS = ("warc", "wet")
_CRAWL = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*(/[0-9]+)*")       # CC-MAIN-2026-42, CC-NEWS/2026/10
_PATH = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/=-]*[A-Za-z0-9]")
_BYTES = re.compile(r"(\d+(?:\.\d+)?) ?(|[KMGT]i?)B?", re.I)


@dataclass(frozen=True)
class Wanted:
    """A request: `files` of a crawl, or as many as fit in `budget` bytes, from `base` into `folder`."""

    crawl: str
    kind: str
    files: int | None
    budget: int | None
    folder: Path
    base: str


def wanted(crawl: str, kind: str, files: str, size: str, to: str, base: str) -> Wanted:
    """The request of the command line; StageError with all its problems."""
    problems = []
    if not _CRAWL.fullmatch(crawl):
        problems.append(f"{crawl!r} is not a crawl; give one as in --crawl CC-MAIN-2026-42, from index.commoncrawl.org")
    if kind not in KINDS:
        problems.append(f"{kind!r} is not a kind of file; give warc or wet")
    if bool(files) == bool(size):
        problems.append("say how much, once: a number of files (--files 4) or of bytes (--bytes 2GB)")
    count = int(files) if files.isdecimal() else 0
    if files and not count:
        problems.append(f"{files!r} is not a number of files; give 1 or more")
    budget = parse_bytes(size)
    if size and not budget:
        problems.append(f"{size!r} is not a size; give one such as 2GB or 500MB")
    if "://" in to:
        problems.append(f"{to} is not a local folder, and an object store cannot resume a partial file; fetch into a local "
                        "one, or put a list of addresses there (.paths), which extract reads in place")
    elif not to or Path(to).name.startswith((".", "_")):
        problems.append(f"{to!r} is not a folder that extract reads; give one such as data/raw/{crawl or 'CC-MAIN-2026-42'}")
    if problems:
        raise StageError("\n".join(problems))
    return Wanted(crawl, kind, count or None, budget, Path(to), base.rstrip("/"))


def parse_bytes(said: str) -> int | None:
    """2GB is 2·10⁹ bytes, 2GiB 2·2³⁰; None where it is neither."""
    match = _BYTES.fullmatch(said)
    if not match:
        return None
    power = " KMGT".index(match[2][:1].upper() or " ")
    return int(float(match[1]) * (1024 if len(match[2]) > 1 else 1000) ** power)


def fetch(order: Wanted, patience: Patience | None = None) -> str:
    """Download the requested files that are missing; the summary line. StageError where that fails."""
    start, folder = time.monotonic(), order.folder
    with contextlib.closing(Web(patience)) as web, locked(folder):
        paths = listing(web, order)
        chosen = choose(web, order, paths)
        missing = to_fetch(folder, chosen)
        rest = fetch_all(web, folder, missing)
    size = sum(one.remote.size for one in chosen)
    return (f"fetch: {order.crawl}, {len(chosen):,} of {len(paths):,} {order.kind} files, {size / 1e9:.2f} GB in {folder} "
            f"({len(missing):,} fetched now, {rest / 1e9:.2f} GB), {time.monotonic() - start:.1f} s")


def listing(web: Web, order: Wanted) -> list[str]:
    """The paths of all files of the crawl, in the order of their hash; StageError where there is no such list."""
    address = f"{order.base}/crawl-data/{order.crawl}/{order.kind}.paths.gz"
    try:
        with gzip.open(io.BytesIO(web.read(address))) as file:
            stored = file.read(_LISTING + 1)
        if len(stored) > _LISTING:
            raise StageError(f"{address} inflates to more than {_LISTING >> 20} MiB, too much for a list; look at --from")
        lines = stored.decode().split("\n")
    except WebError as error:
        if error.status in (403, 404):
            raise StageError(f"there is no list of {order.kind} files of {order.crawl} (HTTP {error.status} for {address}); "
                             "correct the name, or wait: who asks too much is refused for a day") from None
        raise
    except (OSError, EOFError, ValueError, zlib.error):
        raise StageError(f"{address} is not a list of paths; look at it, and at --from") from None
    paths = [line for line in lines if line]
    names = {path.rpartition("/")[2] for path in paths}
    if not paths or len(names) < len(paths) or not all(_PATH.fullmatch(path) and ".." not in path for path in paths):
        raise StageError(f"{address} is not a list of paths with distinct names; look at it, and at --from")
    return sorted(paths, key=lambda path: (blake2b(path.encode(), digest_size=8).digest(), path))


def choose(web: Web, order: Wanted, paths: list[str]) -> list[Download]:
    """The first files, as many as wanted. StageError where the crawl has fewer, or the bytes do not suffice for one."""
    if order.files and order.files > len(paths):
        raise StageError(f"{order.crawl} has {len(paths):,} {order.kind} files, not {order.files:,}; give at most that many")
    chosen: list[Download] = []
    size = 0
    total, unit = (order.budget // MB, "MB") if order.budget else (order.files or 0, "files")
    with watched("fetch, asking for sizes", total, lambda: size // MB if order.budget else len(chosen), unit=unit):
        for path in paths[:order.files]:
            one = ask_for(web, f"{order.base}/{path}", path.rpartition("/")[2])
            size += one.remote.size
            if order.budget and size > order.budget:
                break
            chosen.append(one)
    if not chosen:
        raise StageError(f"the first file has {size / 1e9:.2f} GB, more than {(order.budget or 0) / 1e9:.2f} GB; "
                         "give at least that, or a number of files")
    return chosen


def to_fetch(folder: Path, chosen: list[Download]) -> list[Download]:
    """Those not in the folder, complete and with their sum; a line on stderr for each that has to be fetched anew."""
    sums = read_sums(folder)
    faults: dict[str, str | None] = {}
    with watched("fetch, checking files", len(chosen), lambda: len(faults), unit="files"):
        for one in chosen:
            faults[one.name] = fault_of(folder, one, sums)
    for name, fault in faults.items():
        if fault:
            print(f"fetch: {folder / name} {fault}, so it is fetched again", file=sys.stderr)
    return [one for one in chosen if faults[one.name] is not None]


def fetch_all(web: Web, folder: Path, missing: list[Download]) -> int:
    """Download the files one after the other; how many bytes were fetched."""
    sums = {name: value for name, value in read_sums(folder).items() if (folder / name).exists()}
    total, finished = sum(one.remote.size for one in missing), [0]
    before = sum(begun(folder, one.name) for one in missing)

    def come() -> int:
        return sum(finished) + sum(begun(folder, one.name) for one in missing) - before

    check_space(folder, total - before)
    try:
        with watched("fetch", (total - before) // MB, lambda: max(0, come() // MB), unit="MB"):
            for one in missing:
                download(web, one, folder, sums)
                finished.append(one.remote.size)
    except OSError as error:
        raise full_disk(error, str(folder)) from error
    return total - before


def check_space(folder: Path, rest: int) -> None:
    """StageError where the disk has no room for the bytes to fetch."""
    free = shutil.disk_usage(folder).free
    if rest > free:
        raise StageError(f"{rest / 1e9:.2f} GB have to be fetched and the disk of {folder} has {free / 1e9:.2f} GB left; "
                         "free some, or fetch less")


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Create the folder and lock it; StageError where another fetch holds the lock or it cannot be created."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError as error:
        raise StageError(f"{folder} cannot be made ({error.strerror}); give another folder") from None
    try:
        if not try_lock(descriptor):
            raise StageError(f"another fetch into {folder} is running{holder(descriptor)}; wait for it or stop it")
        yield
    finally:
        os.close(descriptor)
