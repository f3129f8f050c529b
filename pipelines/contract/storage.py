"""Folders on any filesystem: a local path, s3:// or gs://. Writes are atomic.

A local file is written under a temporary name, synced and renamed; an object store gets a single put of a finished
local file. No other module opens paths of datasets itself.

The folder of a table holds its rows and nothing else, so that any tool opens it by its name. What is recorded of a dataset
(names that begin with `_`: receipts, rejected rows, manifest, counts) lies in the ledger beside: `_manifest.json` of
`data/curated` is `data/ledger/curated/manifest.json`.
"""

import contextlib
import os
import platform
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import BinaryIO

import pyarrow as pa
from pyarrow import fs

from textmill.pipelines.contract.filesystems import (
    PatientFile,
    StageError,
    StoredFile,
    busy,
    full_disk,
    is_alive,
    local_entries,
    open_filesystem,
    put,
    sync,
    unreachable,
)

TEMPORARY = "_tmp"      # in the folder itself: a file is renamed within one filesystem
LEDGER, MANIFEST = "ledger", "_manifest.json"
WHOLE = ("blocks", "tokenizers")        # are copied elsewhere as one folder, and so keep what is recorded of them inside


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

    def _in_ledger(self, name: str) -> bool:
        return _is_recorded(name) and self._ledger is not None

    def __getstate__(self) -> dict[str, str | None]:
        return {"uri": self.uri, "ledger": self.ledger}

    def __truediv__(self, name: str) -> "Folder":
        uri = f"{self.uri.rstrip('/')}/{name}"
        if self.ledger is None:
            return Folder(uri, "" if name.partition("/")[0] in WHOLE else f"{self.uri.rstrip('/')}/{LEDGER}/{name}")
        if self._in_ledger(name):
            return Folder(f"{self.ledger}/{name[1:]}", "")
        return Folder(uri, self.ledger and f"{self.ledger}/{name}")

    @property
    def is_local(self) -> bool:
        return isinstance(self._place[0], fs.LocalFileSystem)

    def path(self, name: str) -> str:
        """Where a file lies on the filesystem: an absolute path where it is local, else bucket and key."""
        if self._in_ledger(name):
            return f"{self._ledger}/{name[1:]}"
        root = self._place[1]
        return f"{root}/{name}" if name else root

    def shown(self, name: str) -> str:
        """The path or URI of a file, as people are told it."""
        return f"{self.ledger}/{name[1:]}" if self._in_ledger(name) else f"{self.uri}/{name}"

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
        if (not under or _is_recorded(under)) and self._ledger:
            recorded = self._below(self._ledger, under[1:], recursive)
            listed = [StoredFile(f"_{entry.path}", entry.size, entry.modified) for entry in recorded]
            return sorted([*listed, *(() if under else self._below(self._place[1], under, recursive))])
        return sorted(self._below(self._place[1], under, recursive))

    def _below(self, root: str, under: str, recursive: bool) -> Iterator[StoredFile]:
        path = f"{root}/{under}" if under else root
        if self.is_local:
            yield from local_entries(root, path, recursive)
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
        return file if self.is_local else pa.PythonFile(PatientFile(file), mode="r")

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
        for root in {self._place[1], *([self._ledger] if self._ledger else [])} if self.is_local else ():
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
                    sync(os.path.dirname(target))
                else:
                    put(temporary, filesystem, target)
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
