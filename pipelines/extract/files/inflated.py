"""Compressed files as files: gzip, zstd, bz2 and xz, inflated in bounded steps, forward.

What is inflated has a bound in relation to what is stored, so a bomb costs its own file, and a stream that breaks off or is
damaged says so where it does.
"""

import bz2
import io
import lzma
import tempfile
from collections.abc import Callable, Iterator
from typing import Any, BinaryIO, cast

from textmill.pipelines.contract.deflate import GZIP
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.lines import inflated, plain_error
from textmill.pipelines.contract.zstd import FRAME
from textmill.pipelines.extract.files.framing import BOMB_FROM
from textmill.pipelines.extract.rows import Rejected

BZ2, XZ = b"BZh", b"\xfd7zXZ\0"
MAGIC = (GZIP, FRAME, BZ2, XZ)          # first bytes of a compressed file
_STEP = 1 << 18             # stored bytes read at once
_OUT = 1 << 20              # inflated bytes of a step at most
_XZ_MEMORY = 1 << 28        # of its decoder: `xz -9` needs 65 MiB
_IN_MEMORY = 1 << 24        # bytes of a file on its way to disk that stay in memory


class BrokenFileError(Exception):
    """A file that cannot be read on, with the rule that says why; caught where its row is written."""

    def __init__(self, rule: str, detail: str, value: str | None = None, bound: str | None = None):
        super().__init__(detail)
        self.rule, self.detail, self.value, self.bound = rule, detail, value, bound

    def row(self, path: str, length: int | None = None) -> Rejected:
        """Its row."""
        return Rejected(path, 0, self.rule, length, value=self.value, bound=self.bound, detail=self.detail)


class Chunks(io.RawIOBase):
    """A file whose bytes `chunks()` gives from the beginning on: it goes forward; going back begins again."""

    def __init__(self, chunks: Callable[[], Iterator[bytes]]):
        self._chunks, self._iterator, self._rest, self._position = chunks, chunks(), memoryview(b""), 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def readinto(self, buffer: Any) -> int:
        rest = self._filled()
        count = min(len(buffer), len(rest))
        buffer[:count] = rest[:count]
        self._take(count)
        return count

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END:
            while rest := self._filled():
                self._take(len(rest))
        target = max(0, offset + (0 if whence == io.SEEK_SET else self._position))
        if target < self._position:
            self._iterator, self._rest, self._position = self._chunks(), memoryview(b""), 0
        while self._position < target and (rest := self._filled()):
            self._take(min(len(rest), target - self._position))
        return self._position

    def _filled(self) -> memoryview:
        while not self._rest and (chunk := next(self._iterator, None)) is not None:
            self._rest = memoryview(chunk)
        return self._rest

    def _take(self, count: int) -> None:
        self._rest = self._rest[count:]
        self._position += count


def is_compressed(start: bytes) -> bool:
    """Whether these first bytes are those of a compressed file."""
    return start.startswith(MAGIC)


def open_inflated(file: Any, ratio: int) -> BinaryIO:
    """The inflated form of a compressed file; the file itself where it is not. Reading it may raise BrokenFileError."""
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    if not is_compressed(start):
        return cast(BinaryIO, file)
    size = file.seek(0, 2)

    def chunks() -> Iterator[bytes]:
        file.seek(0)
        return bounded(_chunks(file, start), size, ratio)

    return cast(BinaryIO, io.BufferedReader(Chunks(chunks), 1 << 16))


def bounded(chunks: Iterator[bytes], stored: int, ratio: int, before: int = 0) -> Iterator[bytes]:
    """The chunks; BrokenFileError as soon as they, with `before` bytes already inflated, exceed `ratio` times the stored."""
    most, produced = max(BOMB_FROM, ratio * stored), before
    for chunk in chunks:
        produced += len(chunk)
        if produced > most:
            raise BrokenFileError("bomb", f"inflates beyond {ratio} times its {stored:,} stored bytes", f">{most}", str(most))
        yield chunk


def on_disk(chunks: Iterator[bytes]) -> Any:
    """The bytes as a file that can be read in any order, on disk where they are many; it is gone when it is closed."""
    file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)      # noqa: SIM115      # its reader closes it
    try:
        for chunk in chunks:
            _write(file, chunk)
    except BaseException:
        file.close()
        raise
    file.seek(0)
    return file


def _write(file: Any, chunk: bytes) -> None:
    try:
        file.write(chunk)
    except OSError as error:            # no damage of what is read
        raise StageError(f"{tempfile.gettempdir()} cannot hold what is inflated on its way ({error.strerror}); make room "
                         "there, and run the same command again") from None


def pieces(file: Any) -> Iterator[bytes]:
    """The bytes of a file from where it stands."""
    return iter(lambda: file.read(_OUT), b"")


def _chunks(file: Any, start: bytes) -> Iterator[bytes]:
    if start.startswith(BZ2):
        yield from _streams(file, bz2.BZ2Decompressor, "bz2")
    elif start.startswith(XZ):
        yield from _streams(file, lambda: lzma.LZMADecompressor(memlimit=_XZ_MEMORY), "xz")
    else:
        for chunk in inflated(file):
            if isinstance(chunk, tuple):
                raise BrokenFileError(*chunk)
            yield chunk


def _streams(file: Any, decompressor: Callable[[], Any], name: str) -> Iterator[bytes]:
    """Streams of bz2 or xz one after the other, as parallel compressors and Wikipedia write them."""
    stream, stored, number = decompressor(), b"", 0
    while True:
        if stream.eof:
            stored = (stream.unused_data or file.read(_STEP)).lstrip(b"\0")
            if not stored:
                return
            stream, number = decompressor(), number + 1
        elif stream.needs_input:
            stored = file.read(_STEP)
            if not stored:
                raise BrokenFileError("truncated", f"the {name} stream breaks off")
        try:
            out = stream.decompress(stored, _OUT)
        except (OSError, ValueError, EOFError, lzma.LZMAError, MemoryError) as error:
            raise BrokenFileError("damaged", f"{name}: {plain_error(error)}") from None
        stored = b""
        if out:
            yield out
