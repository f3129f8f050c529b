"""Filesystems behind paths and URIs: local folders, S3, Google Cloud Storage; their errors, listings and busy answers."""

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
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
S3_ATTEMPTS = 8         # with doubling pauses, half a minute in all: a store that throttles answers again by then


class StageError(TextmillError):
    """An error for the user: the problem and its cure, in one sentence. Anything else that escapes a stage is a bug."""


@dataclass(frozen=True, order=True)
class StoredFile:
    """A file in a folder: path relative to the folder, size in bytes, modification time in nanoseconds (0: unknown)."""

    path: str
    size: int
    modified: int


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


class PatientFile:
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


def local_entries(root: str, folder: str, recursive: bool) -> Iterator[StoredFile]:
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


def put(temporary: str, filesystem: fs.FileSystem, target: str) -> None:
    """Copy a local file into a store, as it is: the default would compress files named .gz once more."""
    with open(temporary, "rb") as source, filesystem.open_output_stream(target, compression=None) as sink:
        while chunk := source.read(COPY_BYTES):
            sink.write(chunk)


def sync(folder: str) -> None:
    """Bring the entries of a local folder onto the disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def is_alive(process: int) -> bool:
    """Whether a process of this host is there."""
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:             # of another user
        pass
    return True


def sha256(file: BinaryIO, tell: Callable[[int], object] = int) -> str:
    """Of all bytes of an open file; `tell` is given how many have been read."""
    digest, count = hashlib.sha256(), 0
    while chunk := file.read(8 << 20):
        digest.update(chunk)
        count += len(chunk)
        tell(count)
    return digest.hexdigest()
