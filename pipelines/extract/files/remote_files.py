"""Raw files by path below raw/ or by address; remote files are read in ranges.

A failed read is never taken for damage of the file: the part is left unfinished, and the run reports it.
"""

import io
import os
from collections.abc import Callable
from typing import Any

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.extract.files.raw_file import is_elsewhere
from textmill.pipelines.web.client import Remote, Web, described

RAW = "raw"
BLOCK = 4 << 20         # bytes of one request: a split of 64 MiB costs 16


def web_file(web: Web, address: str) -> Remote:
    """A file on a web server, as described by it; StageError where the server offers no ranges or no version."""
    with web.ask("GET", address, (200, 206, 416), web.tries(address), {"Range": "bytes=0-0"}) as response:
        remote, status = described(response), response.status_code
    if remote is None:
        lacks = "does not say its size"
    elif status != 206 and remote.size:         # an empty file has no range, and needs none
        lacks = "gives no ranges of it, so workers cannot share it"
    elif not remote.version:
        lacks = "gives neither ETag nor Last-Modified, so a change would not be seen"
    else:
        return remote
    raise StageError(f"{address} lies on a server that {lacks}; download the file into raw/ and take it out of the list")


def open_raw(data: Folder, path: str) -> Any:
    """A raw file, by its path below raw/ or its address, as a seekable binary file. OSError or StageError where it cannot be.

    A remote file is read in blocks of 4 MiB.
    """
    if path.startswith("http") and is_elsewhere(path):
        web = Web()
        remote = web_file(web, path)
        blocks = RemoteBlocks(path, remote.size, lambda start, end: web.read_range(path, start, end, remote), web.close)
        return io.BufferedReader(blocks, BLOCK)
    folder, name = (Folder(os.path.dirname(path)), os.path.basename(path)) if is_elsewhere(path) else (data / RAW, path)
    file = folder.open(name)
    if folder.is_local:
        return file

    def read_at(start: int, end: int) -> bytes:
        file.seek(start)
        return bytes(file.read(end - start))

    return io.BufferedReader(RemoteBlocks(f"{folder.uri}/{name}", file.size(), read_at, file.close), BLOCK)


class RemoteBlocks(io.RawIOBase):
    """A remote file. A failed read raises StageError, and closing the file raises it again.

    Readers of archives and tables catch the errors of a damaged file. A failed network is no damage, so closing, which
    they cannot catch, fails the part.
    """

    def __init__(self, address: str, size: int, read_at: Callable[[int, int], bytes], done: Callable[[], None]):
        self.address, self.size, self.read_at, self.done = address, size, read_at, done
        self.position, self.failure = 0, ""

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        self.position = max(0, offset + (0, self.position, self.size)[whence])
        return self.position

    def readall(self) -> bytes:
        """Python's own would ask for 8 KiB at a time."""
        return b"".join(iter(lambda: self.read(BLOCK), b""))

    def readinto(self, buffer: Any) -> int:
        end = min(self.position + len(buffer), self.size)
        if self.position >= end:
            return 0
        try:
            found = self.read_at(self.position, end)
            if not found:
                raise OSError("it has become shorter")
        except StageError as error:
            self.failure = str(error)
        except OSError as error:
            self.failure = f"{self.address} cannot be read on ({reason(error)}); run the same command again"
        if self.failure:
            raise StageError(self.failure)
        buffer[:len(found)] = found
        self.position += len(found)
        return len(found)

    def close(self) -> None:
        if not self.closed:
            self.done()
            super().close()
            if self.failure:
                raise StageError(self.failure)


def reason(error: Exception) -> str:
    """The message of the system or a library, in one line."""
    return getattr(error, "strerror", None) or " ".join(str(error).split())
