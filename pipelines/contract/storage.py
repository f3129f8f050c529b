"""Folders on any filesystem: a local path, s3:// or gs://. Writes are atomic.

A local file is written under a temporary name, synced and renamed; an object store gets a single put of a finished
local file. No other module opens paths of datasets itself.

The folder of a table holds its rows and nothing else, so that any tool opens it by its name. What is recorded of a dataset
(names that begin with `_`: receipts, rejected rows, manifest, counts) lies in the ledger beside: `_manifest.json` of
`data/curated` is `data/ledger/curated/manifest.json`.
"""

import contextlib
import errno
import hashlib
import os
import platform
import re
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa
from pyarrow import fs

from textmill.base.errors import TextmillError

COPY_BYTES = 8 << 20
STORE = re.compile(r"(AWS Error .+?|google::cloud::Status.+?)(?=\\n|\n| \[while running|$)")     # pyarrow's messages
# Arrow reads into a buffer of the size that was asked for. A store's answer that it is busy may be longer; then Arrow 25
# fails with this at once, where otherwise it would have waited.
CUT_OFF = "AWS Error INTERNAL_FAILURE during GetObject operation: Failed to flush response stream"
BUSY = re.compile(rf"AWS Error (?:SLOW_DOWN|SERVICE_UNAVAILABLE|UNKNOWN \(HTTP status 503\))|{CUT_OFF}")
TEMPORARY = "_tmp"      # in the folder itself: a file is renamed within one filesystem
LEDGER, MANIFEST = "ledger", "_manifest.json"
WHOLE = ("blocks", "tokenizers")        # are copied elsewhere as one folder, and so keep what is recorded of them inside
S3_ATTEMPTS = 8         # with doubling pauses, half a minute in all: a store that throttles answers again by then


class StageError(TextmillError):
    """An error for the user: the problem and its cure, in one sentence. Anything else that escapes a stage is a bug."""


@dataclass(frozen=True, order=True)
class StoredFile:
    """A file in a folder: path relative to the folder, size in bytes, modification time in nanoseconds (0: unknown)."""

    path: str
    size: int
    modified: int


@dataclass(frozen=True)
class Folder:
    """A folder by path or URI. Cheap to make and to send to a worker: the filesystem is opened at first use.

    `ledger` is the URI of the folder for what is recorded of a dataset; empty where that lies in the dataset itself, None for
    the data folder. Where an older version wrote it into the dataset, it is read there until a run of the stage moves it.
    """

    uri: str
    ledger: str | None = None

    @cached_property
    def _place(self) -> tuple[fs.FileSystem, str]:
        return open_filesystem(self.uri)

    @cached_property
    def _ledger(self) -> str | None:
        """The path of the ledger on the filesystem; None where what is recorded lies in the folder itself."""
        path = open_filesystem(self.ledger)[1] if self.ledger else None
        return None if path is None or self._of_an_older_version(path) else path

    def _of_an_older_version(self, ledger: str) -> bool:
        filesystem, root = self._place
        new, old = filesystem.get_file_info([f"{ledger}/{MANIFEST[1:]}", f"{root}/{MANIFEST}"])
        return new.type != fs.FileType.File and old.type == fs.FileType.File

    def __getstate__(self) -> dict[str, str | None]:
        return {"uri": self.uri, "ledger": self.ledger}

    def __truediv__(self, name: str) -> "Folder":
        uri = f"{self.uri.rstrip('/')}/{name}"
        if self.ledger is None:
            return Folder(uri, "" if name.partition("/")[0] in WHOLE else f"{self.uri.rstrip('/')}/{LEDGER}/{name}")
        if self.ledger and self._ledger and _is_recorded(name):
            return Folder(f"{self.ledger}/{name[1:]}", "")
        return Folder(uri, self.ledger and f"{self.ledger}/{name}")

    @property
    def is_local(self) -> bool:
        return isinstance(self._place[0], fs.LocalFileSystem)

    def path(self, name: str) -> str:
        """Where a file lies on the filesystem: an absolute path where it is local, else bucket and key."""
        root = self._place[1]
        if self.ledger and _is_recorded(name) and self._ledger:
            return f"{self._ledger}/{name[1:]}"
        return f"{root}/{name}" if name else root

    def shown(self, name: str) -> str:
        """The path or URI of a file, as people are told it."""
        if self.ledger and _is_recorded(name) and self._ledger:
            return f"{self.ledger}/{name[1:]}"
        return f"{self.uri}/{name}"

    def check(self) -> None:
        """StageError where the store does not answer, found out soon, or has no such bucket. A local folder may come later."""
        filesystem, path = open_filesystem(self.uri, attempts=2)
        if isinstance(filesystem, fs.LocalFileSystem):
            return
        bucket = path.partition("/")[0]
        try:
            found = filesystem.get_file_info(bucket).type
        except OSError as error:
            if busy(error) or "ACCESS_DENIED" in str(error):    # it is there: the work will wait, or tell
                return
            raise StageError(f"the store of {self.uri} does not answer ({unreachable(error) or error}); check its address "
                             "(AWS_ENDPOINT_URL), your credentials and the network") from None
        if found == fs.FileType.NotFound:
            raise StageError(f"{self.uri}: there is no bucket {bucket}; check its name, or make it")

    def entries(self, under: str = "", recursive: bool = True) -> list[StoredFile]:
        """The files below `under` (dangling links too), sorted by path relative to this folder.

        Of a dataset, what is recorded of it is listed too.
        """
        if self.ledger and (_is_recorded(under) or not under) and self._ledger:
            recorded = self._below(self._ledger, under[1:], recursive)
            listed = [StoredFile(f"_{entry.path}", entry.size, entry.modified) for entry in recorded]
            return sorted([*listed, *(() if under else self._below(self._place[1], under, recursive))])
        return sorted(self._below(self._place[1], under, recursive))

    def _below(self, root: str, under: str, recursive: bool) -> Iterator[StoredFile]:
        path = f"{root}/{under}" if under else root
        if self.is_local:
            yield from _local_entries(root, path, recursive)
            return
        for info in self._place[0].get_file_info(fs.FileSelector(path, recursive=recursive, allow_not_found=True)):
            if info.type != fs.FileType.Directory:
                yield StoredFile(info.path[len(root) + 1:], info.size or 0, info.mtime_ns or 0)

    def exists(self, name: str) -> bool:
        return self._place[0].get_file_info(self.path(name)).type == fs.FileType.File

    def size(self, name: str) -> int | None:
        """Bytes of a file; None where there is none."""
        found = self._place[0].get_file_info(self.path(name))
        return found.size if found.type == fs.FileType.File else None

    def open(self, name: str) -> pa.NativeFile:
        """A seekable file for reading. FileNotFoundError or another OSError where it cannot be opened."""
        file = self._place[0].open_input_file(self.path(name))
        return file if self.is_local else pa.PythonFile(_Patient(file), mode="r")

    def read(self, name: str) -> bytes:
        with self.open(name) as file:
            return file.read()

    def write(self, name: str, data: bytes) -> None:
        """Write `data` atomically: readers see the old file or the new one."""
        with self.new_file(name) as file:
            file.write(data)

    def delete(self, name: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            self._place[0].delete_file(self.path(name))

    def delete_empty_folders(self) -> None:
        """Remove local folders below this one that hold nothing (an object store has none)."""
        for root in {self._place[1], *([self._ledger] if self.ledger and self._ledger else [])} if self.is_local else ():
            for folder, _, _ in os.walk(root, topdown=False):
                if folder != root:
                    with contextlib.suppress(OSError):
                        os.rmdir(folder)

    def delete_leftovers(self) -> None:
        """Remove temporary files that processes of this host left when they were killed; those of living ones stay."""
        if not self.is_local:
            return
        for entry in self.entries(TEMPORARY, recursive=False):
            host, _, rest = entry.path.removeprefix(f"{TEMPORARY}/").rpartition(".")[0].rpartition(".")
            if host == platform.node() and rest.isdecimal() and not is_alive(int(rest)):
                self.delete(entry.path)
        with contextlib.suppress(OSError):
            os.rmdir(self.path(TEMPORARY))

    def move_to_ledger(self) -> None:
        """Move what an older version recorded in the folder itself, so that an interruption loses nothing: manifest last."""
        inside = Folder(self.uri, "")
        if not self.ledger or not inside.exists(MANIFEST):
            return
        names = sorted((e.path for e in inside.entries() if _is_recorded(e.path)), key=lambda name: name == MANIFEST)
        if not self._ledger:
            for name in names:
                Folder(self.ledger, "").write(name[1:], inside.read(name))
            del self.__dict__["_ledger"]
        for name in names:
            inside.delete(name)
        inside.delete_empty_folders()

    @contextlib.contextmanager
    def new_file(self, name: str) -> Iterator[BinaryIO]:
        """A local temporary file to write; it becomes `name` when the block ends well, and vanishes when it fails."""
        filesystem, _ = self._place
        target = self.path(name)
        local = isinstance(filesystem, fs.LocalFileSystem)
        folder = os.path.join(self._place[1], TEMPORARY) if local else None
        try:
            if folder:
                os.makedirs(folder, exist_ok=True)
                os.makedirs(os.path.dirname(target), exist_ok=True)
            descriptor, temporary = tempfile.mkstemp(dir=folder, prefix=f"{platform.node()}.{os.getpid()}.")
            try:
                with os.fdopen(descriptor, "w+b") as file:
                    yield file
                    file.flush()
                    if local:
                        os.fsync(file.fileno())
                if local:
                    os.chmod(temporary, 0o644)
                    os.replace(temporary, target)
                    _sync(os.path.dirname(target))
                else:
                    _put(temporary, filesystem, target)
            finally:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(temporary)
        except OSError as error:
            raise full_disk(error, self.uri) from error


def _is_recorded(name: str) -> bool:
    """Whether a file of a dataset is about the dataset, not of its rows."""
    return name.startswith("_") and name.partition("/")[0] != TEMPORARY


def dataset_at(uri: str) -> Folder:
    """The dataset in a folder that was named by its own path: its ledger is found two folders up at most."""
    above, _, name = uri.rstrip("/").rpartition("/")
    for _ in range(2 if name else 0):
        dataset = Folder(above or ".") / name
        if dataset.exists(MANIFEST):
            return Folder(uri, dataset.ledger)
        above, _, next_name = above.rpartition("/")
        if not next_name:
            break
        name = f"{next_name}/{name}"
    return Folder(uri, "")


def unreachable(error: BaseException) -> str | None:
    """The message of a store that did not answer or refused, from an error or its text; None for other errors."""
    found = STORE.search(str(error))
    return " ".join(found[1].split())[:300] if found else None


def busy(error: BaseException) -> bool:
    """Whether a store is throttling: it is reachable, and will answer later."""
    return BUSY.search(str(error)) is not None


def full_disk(error: OSError, where: str) -> Exception:
    """`error`, or a StageError where the disk is full or cannot be written."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StageError(f"no space left on the disk of {where}; free some and run the same command again: "
                          "finished parts are kept")
    if error.errno in (errno.EROFS, errno.EACCES):
        return StageError(f"{where} cannot be written ({error.strerror}); change its permissions or pass another --data")
    return error


def open_filesystem(uri: str, attempts: int | None = None) -> tuple[fs.FileSystem, str]:
    """The filesystem behind a path or URI and the path in it. Credentials and AWS_ENDPOINT_URL come from the environment."""
    scheme, _, rest = uri.partition("://")
    if not rest:
        return fs.LocalFileSystem(), str(Path(uri).absolute())
    if scheme == "s3":
        endpoint = os.environ.get("AWS_ENDPOINT_URL_S3") or os.environ.get("AWS_ENDPOINT_URL") or ""
        plain = endpoint.startswith("http://")
        region = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION") or "us-east-1"
        s3 = fs.S3FileSystem(endpoint_override=endpoint.split("://")[-1] or None, region=region,
                             scheme="http" if plain else "https",
                             retry_strategy=fs.AwsStandardS3RetryStrategy(max_attempts=attempts or S3_ATTEMPTS))
        return s3, rest.rstrip("/")
    if scheme == "gs":
        return fs.GcsFileSystem(), rest.rstrip("/")
    if scheme == "file":
        return fs.LocalFileSystem(), "/" + rest.strip("/")
    raise StageError(f"{uri}: no filesystem is known for {scheme}://; use a local path, s3:// or gs://")


class _Patient:
    """A Python file object on an object store, which retries reads that a busy store has cut off."""

    def __init__(self, file: pa.NativeFile):
        self._file = file
        self.seek, self.tell, self.close = file.seek, file.tell, file.close

    @property
    def closed(self) -> bool:
        return bool(self._file.closed)

    def read(self, size: int = -1) -> bytes:
        """OSError where the store stays busy for half a minute, as in all of Arrow's requests."""
        position, attempt = self._file.tell(), 0
        while True:
            try:
                return bytes(self._file.read(None if size < 0 else size))
            except OSError as error:
                attempt += 1
                if CUT_OFF not in str(error) or attempt == S3_ATTEMPTS:
                    raise
            time.sleep(2 ** attempt / 8)
            self._file.seek(position)


def _local_entries(root: str, folder: str, recursive: bool) -> Iterator[StoredFile]:
    """Follows links to folders. A dangling link is listed, so that opening it fails instead of going unnoticed.

    StageError where a folder cannot be listed, or a link leads to a folder that it lies in, which would never end.
    """
    def unlistable(error: OSError) -> None:
        if not isinstance(error, FileNotFoundError):
            raise StageError(f"{error.filename} cannot be listed ({error.strerror}); make it readable, or take it out")

    above: dict[str, tuple[str, ...]] = {}      # of a folder still to come: where it and those it lies in really are
    for where, folders, names in os.walk(folder, followlinks=True, onerror=unlistable):
        if not recursive:
            folders.clear()
        line = above.pop(where, None) or (os.path.realpath(where),)
        below = "" if where == root else os.path.relpath(where, root).replace(os.sep, "/") + "/"
        for name in folders:
            path = os.path.join(where, name)
            real = os.path.realpath(path) if os.path.islink(path) else os.path.join(line[-1], name)
            if any(one == real or one.startswith(real.rstrip(os.sep) + os.sep) for one in line):
                raise StageError(f"{path} is a link to a folder that it lies in; take it out")
            above[path] = (*line, real)
        for name in names:
            path = os.path.join(where, name)
            try:
                found = os.stat(path)
            except OSError:
                if not os.path.islink(path):
                    continue        # gone since it was listed
                found = os.lstat(path)
            yield StoredFile(f"{below}{name}", found.st_size, found.st_mtime_ns)


def is_alive(process: int) -> bool:
    """Whether a process of this host is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:             # of another user
        pass
    return True


def _put(temporary: str, filesystem: fs.FileSystem, target: str) -> None:
    # The default would compress files named .gz once more.
    with open(temporary, "rb") as source, filesystem.open_output_stream(target, compression=None) as sink:
        while chunk := source.read(COPY_BYTES):
            sink.write(chunk)


def _sync(folder: str) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sha256(file: BinaryIO, tell: Callable[[int], object] = int) -> str:
    """Of all bytes of an open file; `tell` is given how many have been read."""
    digest, count = hashlib.sha256(), 0
    while chunk := file.read(8 << 20):
        digest.update(chunk)
        count += len(chunk)
        tell(count)
    return digest.hexdigest()
