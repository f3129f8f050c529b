"""Inventory of raw files: those under raw/, and remote ones named by lists there (.paths). Read in place, hashed once.

A list holds one address a line: https://, http://, s3://, gs://, or a local path that begins with /. A listed file is
a file of the list's source; its address is its path, in `documents` too. All problems are reported before work starts.
"""

import contextlib
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, NamedTuple

import pyarrow as pa
from pyarrow import fs

from textmill.base.progress import watched
from textmill.pipelines.contract.deflate import GZIP
from textmill.pipelines.contract.filesystems import StageError, open_filesystem, sha256
from textmill.pipelines.contract.lines import read_lines
from textmill.pipelines.contract.run_notes import recall, remember
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.files.ignored import HIDDEN, ignored_by, ignored_line, is_source_settings
from textmill.pipelines.extract.files.raw_file import RawFile, is_elsewhere
from textmill.pipelines.extract.files.remote_files import RAW, open_raw, reason, web_file
from textmill.pipelines.extract.settings import IGNORE
from textmill.pipelines.web.client import Web

_MOST_PROBLEMS = 20     # a dead server would otherwise be tried for each of its files
_LONGEST_ADDRESS, _LONGEST_LIST = 1 << 14, 1 << 30      # bytes, inflated
_REMEMBER = 1 << 30     # hashed bytes that a killed run may have to hash again
_HIDDEN = re.compile(r"(?:^|/)[._][^/]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f\ufffd]")
_LIST = re.compile(r"\.paths(\.gz)?$", re.I)
# What would be written into `documents`, where a secret must not be: user:password@, and addresses that are signed.
_SECRET = re.compile(r"://[^/]*@|[?&]([\w-]*signature|sig)=", re.I)


class Found(NamedTuple):
    """A raw file with its state. `modified` changes when the file does: nanoseconds, or a web server's ETag or date."""

    path: str               # below raw/, or an address
    source: str | None      # None: the first folder of the path
    size: int
    modified: int | str     # 0: unknown


def survey(data: Folder, ignore: Sequence[str] = IGNORE) -> list[RawFile]:
    """Every raw file. StageError where there is none, or listing all that cannot be opened.

    A file whose size and modification are those of an earlier run is neither opened nor hashed again.
    """
    known = recall(data / "documents").get("files", {})

    def is_known(file: Found) -> bool:
        facts = known.get(file.path)
        return bool(facts and file.modified and (facts["size"], facts["modified"]) == (file.size, file.modified))

    files = look(data / RAW, is_known, ignore)
    now = {file.path: known[file.path] for file in files if is_known(file)}
    try:
        if todo := [file for file in files if file.path not in now]:
            hash_files(data, todo, now)
    finally:
        if now != known:
            remember(data / "documents", files=now)
    return [RawFile(file.path, file.size, now[file.path]["sha256"], file.source) for file in files]


def hash_files(data: Folder, files: list[Found], now: dict[str, Any]) -> None:
    """Add size, modification and sha256 of each file to `now`, saved after each GiB, so that a killed run loses no more."""
    read: dict[str, int] = {}       # bytes of each file so far

    def digest(file: Found) -> str:
        with open_raw(data, file.path) as opened:
            return sha256(opened, lambda count: read.update({file.path: count}))

    fresh, total = 0, sum(file.size for file in files)
    with (ThreadPoolExecutor(_threads()) as pool,
          watched("extract, checksums", total >> 20, lambda: sum(read.copy().values()) >> 20, unit="MiB")):
        for file, found in zip(files, pool.map(digest, files), strict=True):
            now[file.path] = {"size": file.size, "modified": file.modified, "sha256": found}
            fresh += file.size
            if fresh >= _REMEMBER:
                remember(data / "documents", files=now)
                fresh = 0


def look(raw: Folder, is_known: Callable[[Found], bool] = lambda _: False, ignore: Sequence[str] = IGNORE) -> list[Found]:
    """Every file under raw/ and in its lists, each opened once unless it is known; StageError with all problems."""
    everything = raw.entries()
    entries = [entry for entry in everything if not ignored_by(entry.path, ignore) and not is_source_settings(entry.path)]
    if not entries:
        paths = [entry.path for entry in everything]
        unread = "".join(f"; {line}" for line in [*hidden(paths, ignore), *ignored_line(paths, ignore)])
        raise StageError(f"nothing to read in {raw.uri}; put pages there (a folder for each source) or pass --data{unread}")
    problems = [problem for entry in entries if (problem := entry_fault(raw, entry.path))]
    if problems:
        raise StageError("\n".join(problems[:_MOST_PROBLEMS]))
    lists = [entry.path for entry in entries if _LIST.search(entry.path)]
    here = [Found(e.path, None, e.size, e.modified) for e in entries if not _LIST.search(e.path)]
    listed = read_lists(raw, lists, problems)

    def looked_at(file: Found) -> Found | None:
        if len(problems) < _MOST_PROBLEMS:
            try:
                return look_at(raw, file)
            except StageError as error:
                problems.append(str(error))
        return None

    with ThreadPoolExecutor(_threads()) as pool:
        found = [*(file for file in here if is_known(file)),
                 *pool.map(looked_at, [*(file for file in here if not is_known(file)), *listed])]
    if problems:
        more = ["more files may be wrong; these come first"] if len(problems) >= _MOST_PROBLEMS else []
        raise StageError("\n".join(sorted(problems) + more))
    if not found:
        raise StageError(f"the lists in {raw.uri} name no file; put an address a line into {lists[0]}, or take it out of raw/")
    return [file for file in found if file]


def hidden(paths: Iterable[str], ignore: Sequence[str] = IGNORE) -> list[str]:
    """A line that counts the files below raw/ that are not read for a name that begins with _ or ., by place; or none."""
    places = Counter(path[:found.end()] for path in paths
                     if ignored_by(path, ignore) in HIDDEN and (found := _HIDDEN.search(path)))
    if not places:
        return []
    most = sorted(places.items(), key=lambda one: (-one[1], one[0]))[:3]
    shown = ", ".join(f"raw/{place} {count:,}" for place, count in most)
    more = f", {len(places) - 3:,} more places" if len(places) > 3 else ""
    files = f"{places.total():,} files are" if places.total() > 1 else "1 file is"
    return [f"{files} not read, because a name in their path begins with _ or . ({shown}{more})"]


def entry_fault(raw: Folder, path: str) -> str | None:
    """The problem of what lies under raw/ that reading would not come to see, with its cure; None for a file or a dead link."""
    shown = f"{raw.uri}/{path}"
    if not is_text(path):
        return f"{shown.encode('utf-8', 'backslashreplace').decode()} has a name that is not UTF-8; rename it"
    if not raw.is_local:
        return None
    try:
        mode = os.stat(shown).st_mode
    except OSError:
        return None
    return None if stat.S_ISREG(mode) else f"{shown} is no file but a pipe, a socket or a device; take it out of raw/"


def is_text(path: str) -> bool:
    """Whether a path can be written as UTF-8."""
    try:
        path.encode()
    except UnicodeEncodeError:
        return False
    return True


def read_lists(raw: Folder, lists: list[str], problems: list[str]) -> list[Found]:
    """The files that the lists name, not yet opened; problems of a line or a list go to `problems`."""
    first: dict[str, str] = {}      # address → the line that names it first
    found = []
    for path in lists:
        source, slash, _ = path.partition("/")
        if not slash:
            problems.append(f"raw/{path} lies in no source folder; move it to raw/<source>/, for example raw/mine/")
            continue
        wrong: dict[str, list[str]] = {}
        for number, address in _lines(raw, path, problems):
            line = f"raw/{path}, line {number}"
            if fault := address_fault(address, raw):
                wrong.setdefault(fault, []).append(f"{line}: {_shown(address)}")
            elif address in first:
                wrong.setdefault("is listed again; take one out", []).append(f"{line}: {address} (first {first[address]})")
            else:
                first[address] = line
                found.append(Found(address, source, 0, 0))
        for fault, lines in wrong.items():
            more = f" (and {len(lines) - 1:,} more)" if len(lines) > 1 else ""
            problems.append(f"{lines[0]} {fault}{more}")
    return found


def address_fault(address: str, raw: Folder) -> str | None:
    """The problem of an address, with its cure; None for a valid one."""
    if _CONTROL.search(address):
        return "contains a character that no address has; correct it"
    if not is_elsewhere(address):
        return ("is not an address; begin it with https://, s3://, gs:// or /, for Common Crawl's own lists with "
                "https://data.commoncrawl.org/")
    if _SECRET.search(address):
        return "contains a password or a signature, which would be written into documents; list it without"
    if address.startswith("/") and raw.is_local and os.path.realpath(address).startswith(os.path.realpath(raw.uri) + os.sep):
        return "lies under raw/ and is read from there; take it out of the list"
    return None


def look_at(raw: Folder, file: Found) -> Found:
    """The file with its size and modification as they are now. StageError where it cannot be opened."""
    address = file.path
    if file.source is None:
        try:
            raw.open(address).close()
        except OSError as error:
            raise StageError(f"{raw.uri}/{address} cannot be opened ({reason(error)}); "
                             "make it readable or take it out of raw/") from None
        return file
    if address.startswith("http"):
        with contextlib.closing(Web()) as web:
            remote = web_file(web, address)
        return file._replace(size=remote.size, modified=remote.version)
    try:
        filesystem, path = open_filesystem(address)
        info = filesystem.get_file_info(path)
        if info.type != fs.FileType.File:
            raise FileNotFoundError("there is no such file")
        filesystem.open_input_file(path).close()
    except (OSError, pa.ArrowException) as error:
        raise StageError(f"{address} cannot be opened ({reason(error)}); correct the list under raw/{file.source}/, "
                         "or give access to the file") from None
    return file._replace(size=info.size, modified=info.mtime_ns or 0)


def _lines(raw: Folder, path: str, problems: list[str]) -> Iterator[tuple[int, str]]:
    """Number and address of each line of a list that is neither blank nor a comment; a list is never in memory whole."""
    try:
        with raw.open(path) as file:
            if path.lower().endswith(".gz") and file.read(2) != GZIP:
                raise ValueError("not gzipped")
            for number, line in enumerate(read_lines(file, 0, _LONGEST_LIST, _LONGEST_ADDRESS), 1):
                if line.offset >= _LONGEST_LIST:
                    problems.append(f"raw/{path} is longer than {_LONGEST_LIST >> 30} GiB; cut it into several lists")
                    return
                if line.data is None:
                    raise ValueError(line.rule)
                address = line.data.decode("utf-8-sig" if number == 1 else "utf-8").strip()
                if address and not address.startswith("#"):
                    yield number, address
    except (OSError, ValueError):
        problems.append(f"raw/{path} cannot be read as a list of addresses; give one in UTF-8, plain or gzipped")


def _shown(address: str) -> str:
    """An address for a message, without what may be secret."""
    return re.sub(r"://[^/]*@", "://…@", address).partition("?")[0][:200]


def _threads() -> int:
    return min(8, os.cpu_count() or 1)
