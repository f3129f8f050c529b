"""Archives and compressed files: zip and tar around files of any kind, gzip, zstd, bz2 and xz around one.

A member of an archive is read as a file of its own with the path `archive/member`. Nothing is written under a member's name,
what is inflated has a bound, links are not followed, and an archive within an archive is named and not read.
"""

import contextlib
import re
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NamedTuple

from textmill.base.errors import TextmillError
from textmill.pipelines.extract.files.archive import Ends
from textmill.pipelines.extract.files.ignored import ignored_by
from textmill.pipelines.extract.files.inflated import (
    BrokenFileError,
    bounded,
    is_compressed,
    on_disk,
    open_inflated,
    pieces,
)
from textmill.pipelines.extract.files.raw_file import Range, RawFile
from textmill.pipelines.extract.formats.format import ANY_SIZE, GZIP, ZSTD, Format, Item, Member, whole
from textmill.pipelines.extract.formats.kinds import KINDS, by_name, by_start, first_bytes
from textmill.pipelines.extract.formats.rows import PlainRow
from textmill.pipelines.extract.formats.unknown import SUFFIXES, inner_path, is_not_read, unknown
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

_DIRECTORY = 32 << 20       # bytes of a zip's directory, which is in memory: 300,000 names take 130 MB (measured)
_HEADER = 1 << 20           # bytes of a tar's header at most, which is in memory
_LONGEST_NAME = 4096
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\ufffd\ud800-\udfff]")
_END = b"PK\5\6"
# Not what programs of an office write, whose members are no files of their own: slides, sheets.
_ZIP_MAGIC = re.compile(rb"PK(?:\x05\x06|\x03\x04(?!.{26}(?:\[Content_Types\]\.xml|_rels/|docProps/|mimetype)))", re.S)


class Entry(NamedTuple):
    """A member of an archive: its name, its size, how to open it, or the rule that keeps it unread."""

    name: str
    size: int
    open: Callable[[], Any] | None
    refused: tuple[str, str] | None = None


def read_compressed(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Item]:
    """The items of the file within; its path stays that of the compressed file, and offsets count inflated bytes."""
    yield from _inside(file, part, settings)


def _inside(file: Any, part: Range, settings: ExtractSettings) -> Iterator[Item]:
    """The items of a file that may be compressed, by the kind of what is inside."""
    kind = kind_inside(file, part.path) if part.end else None
    if kind in ARCHIVES:
        yield Rejected(part.path, 0, "nested_archive", part.end, detail="an archive within another; unpack it under raw/")
        return
    if kind is None:
        yield unknown(part.path, None if part.end else 0)
        return
    opened, parts = _opened(kind, file, part, settings)
    for one in parts:
        yield from kind.read(opened, one, settings, [])


def rows_inside(kind: Format, file: Any, part: Range, settings: ExtractSettings) -> Iterator[PlainRow | Rejected]:
    """The rows as they are stored of a table that may be compressed; none of a file of another kind."""
    inside = kind_inside(file, part.path) if kind is COMPRESSED else kind
    if inside is not None and inside.rows:
        opened, parts = _opened(inside, file, part, settings)
        for one in parts:
            yield from inside.rows(opened, one, settings)


def kind_inside(file: Any, path: str) -> Format | None:
    """The kind of what a file holds, compressed or not."""
    return by_name(inner_path(path), (*KINDS, *ARCHIVES)) or kind_by_start(path, file)


def kind_by_start(path: str, file: Any) -> Format | None:
    """The kind that first bytes say, inflated; none for a zip archive whose name says what is packed in it and not read."""
    kind = by_start(first_bytes(file), (*KINDS, *ARCHIVES))
    return None if kind is ZIP and is_not_read(path) else kind


def _opened(kind: Format, file: Any, part: Range, settings: ExtractSettings) -> tuple[Any, list[Range]]:
    """A file as its reader takes it, and its ranges; inflated on disk where the reader goes back and forth."""
    opened = file if reads_as_is(kind, file) else open_inflated(file, settings.max_inflation)
    if kind.random_access and opened is not file:
        opened = on_disk(pieces(opened))
    size = opened.seek(0, 2) if kind.random_access or opened is file else ANY_SIZE
    ranges = kind.cut(RawFile(part.path, size, ""), lambda _: contextlib.nullcontext(opened), size + 1)
    opened.seek(0)
    return opened, [part._replace(start=start, end=end) for start, end in ranges]


def reads_as_is(kind: Format, file: Any) -> bool:
    """Whether a reader takes a file in the compression it has."""
    file.seek(0)
    start = file.read(8)
    file.seek(0)
    return kind is TAR or not is_compressed(start) or (kind.inflates and start.startswith((GZIP, ZSTD)))


def read_zip(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Item]:
    """The items of each member of a zip archive, in the order of its directory."""
    if (size := _directory_size(file)) > _DIRECTORY:
        raise BrokenFileError("too_large", "bytes of the archive's directory; pack it as tar", str(size), str(_DIRECTORY))
    try:
        archive = zipfile.ZipFile(file)
        entries = archive.infolist()
    except (zipfile.BadZipFile, NotImplementedError, ValueError, OSError, EOFError) as error:
        raise BrokenFileError("damaged", f"zip: {error}") from None
    yield from _members((_zip_entry(archive, info) for info in entries if not info.is_dir()), part, settings)


def _zip_entry(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Entry:
    refused = ("encrypted", "the member needs a password") if info.flag_bits & 1 else None
    if info.external_attr >> 28 == 0xA:     # the type of a Unix mode
        refused = ("archive_link", "a link, which is not followed")
    return Entry(info.filename, info.file_size, partial(archive.open, info), refused)


def _directory_size(file: Any) -> int:
    """The size that a zip archive says its directory has."""
    size = file.seek(0, 2)
    file.seek(max(0, size - 65_557))
    tail = file.read(65_557)
    at = tail.rfind(_END)
    return int.from_bytes(tail[at + 12:at + 16], "little") if at >= 0 else 0


def read_tar(file: Any, part: Range, settings: ExtractSettings, ends: list[Ends]) -> Iterator[Item]:
    """The items of each member of a tar archive, plain or compressed, in their order."""
    opened = open_inflated(file, settings.max_inflation)
    try:
        headers: Any = _Headers(opened)
        archive = tarfile.open(fileobj=headers, mode="r:", errorlevel=1, encoding="utf-8")     # noqa: SIM115
    except tarfile.TarError as error:
        raise BrokenFileError("damaged", f"tar: {error}") from None
    yield from _members(_tar_entries(archive), part, settings)


def _tar_entries(archive: tarfile.TarFile) -> Iterator[Entry]:
    """The members from where the archive stands on."""
    while True:
        try:
            member = archive.next()
        except (tarfile.TarError, ValueError, OverflowError) as error:
            raise BrokenFileError("damaged", f"tar: {error}; what follows cannot be read") from None
        archive.members = []        # type: ignore[attr-defined]      # which would hold them all
        if member is None:
            return
        if member.isdir():
            continue
        refused = None if member.isreg() else ("archive_link", "a link or a device, which is not followed")
        yield Entry(member.name, member.size, partial(archive.extractfile, member), refused)


class _Headers:
    """A tar's bytes as its reader takes them: none of its headers may be so large that memory would suffer.

    The reader steps back by a byte before each header. That byte is kept: going back in what is inflated would begin again.
    """

    def __init__(self, file: Any):
        self.file, self.position, self.last, self.behind = file, 0, b"", 0

    def tell(self) -> int:
        return self.position - self.behind

    def seek(self, offset: int) -> int:
        self.behind = int(offset == self.position - 1 and bool(self.last))
        if offset not in (self.position, self.position - self.behind):
            self.position, self.last = self.file.seek(offset), b""
        return offset

    def read(self, count: int) -> bytes:
        if count > _HEADER:
            raise BrokenFileError("bomb", "a header of the tar archive is larger than any is", str(count), str(_HEADER))
        kept = self.last[:self.behind and count]
        found: bytes = self.file.read(count - len(kept))
        self.position += len(found)
        self.behind -= len(kept)
        self.last = found[-1:] or self.last
        return kept + found


def _members(entries: Iterator[Entry], part: Range, settings: ExtractSettings) -> Iterator[Item]:
    """The items of each member; a member that is not read is one row."""
    inflated = 0

    def counted(chunks: Iterator[bytes]) -> Iterator[bytes]:
        nonlocal inflated
        for chunk in bounded(chunks, part.end, settings.max_inflation, inflated):
            inflated += len(chunk)
            yield chunk

    for entry in entries:
        path = f"{part.path}/{entry.name}"
        if refused := _refused(entry, settings):
            yield Rejected(f"{part.path}/{_shown(entry.name)}", 0, refused[0], entry.size, detail=refused[1])
            continue
        try:
            with entry.open() as stored, on_disk(counted(pieces(stored))) as member:      # type: ignore[misc]
                size = member.seek(0, 2)
                for item in _inside(member, Range(path, part.sha256, 0, size), settings):
                    yield item if isinstance(item, Rejected) else Member(path, item)
        except BrokenFileError as error:
            row = error.row(path, entry.size)
            if error.rule == "bomb":
                row.detail = f"{row.detail}; it and what follows in the archive are not read"
            yield row
            if error.rule == "bomb":
                return
        except (TextmillError, MemoryError):        # a store that does not answer, a disk that is full
            raise
        except Exception as error:                  # whatever a decompressor or a reader raises: the next member may be sound
            yield Rejected(path, 0, "damaged", entry.size, detail=f"{type(error).__name__}: the member cannot be read")


def _refused(entry: Entry, settings: ExtractSettings) -> tuple[str, str] | None:
    """Why a member is not read: its rule, and in words."""
    name = entry.name
    if _UNSAFE.search(name) or len(name) > _LONGEST_NAME or name.startswith("/") or ".." in re.split(r"[/\\]", name):
        return "unsafe_path", "the member's name leads out of the archive, or has characters that no name has"
    if by := ignored_by(name, settings.ignore):
        return "ignored", f"its name matches {by} of extract.ignore"
    return entry.refused


def _shown(name: str) -> str:
    return _UNSAFE.sub("\ufffd", name)[:_LONGEST_NAME]


ZIP = Format("zip", re.compile(r"\.zip$", re.I), _ZIP_MAGIC, whole, read_zip)
TAR = Format("tar", re.compile(r"\.(tar(\.(gz|bz2|xz|zst))?|tgz|tbz2?|txz)$", re.I), re.compile(rb".{257}ustar", re.S), whole,
             read_tar)
ARCHIVES = (ZIP, TAR)
COMPRESSED = Format("compressed", re.compile(SUFFIXES, re.I), None, whole, read_compressed)
