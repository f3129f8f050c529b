"""Verified, resumable downloads.

It appears under its name only when all its bytes are there: as many as the server says, all of one version of the file,
with the checksum the server promises, if it promises one. Until then it grows under a name that begins with a dot, and a
later run resumes where a killed one stopped. `sha256sums.txt` beside it contains its sum, for `sha256sum -c` and for later.
"""

import base64
import contextlib
import hashlib
import os
import re
from pathlib import Path
from typing import NamedTuple

import requests

from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.web.client import DroppedError, Remote, Tries, Web, begins, body, described, same

SUMS = "sha256sums.txt"
_SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)")
_MD5_ETAG = re.compile(r'"([0-9a-f]{32})"')


class Download(NamedTuple):
    """A file to get: its address, the name it is given here, its description by the server."""

    address: str
    name: str
    remote: Remote
    checksum: tuple[str, str] | None        # algorithm and hex digits


def ask_for(web: Web, address: str, name: str) -> Download:
    """The server's description of a file; StageError where it does not state the size."""
    with web.ask("HEAD", address, (200,), web.tries(address), {"x-amz-checksum-mode": "ENABLED"}) as response:
        remote = described(response)
        if remote is None:
            raise StageError(f"{address} is on a server that does not say how large the file is; take it from another one")
        return Download(address, name, remote, promised_checksum(response))


def promised_checksum(response: requests.Response) -> tuple[str, str] | None:
    """Algorithm and hex digits of the checksum of the whole file; None where the server promises none.

    An ETag is the MD5 of the content on Amazon S3 alone, and there not of an object sent in parts (it has a dash) or
    encrypted with a key of the customer (S3 API reference, "Object"). Elsewhere its 32 digits may mean anything.
    """
    headers = response.headers
    for name, algorithm, size in (("x-amz-checksum-sha256", "sha256", 32), ("Content-MD5", "md5", 16)):
        with contextlib.suppress(ValueError):       # the checksum of the checksums of parts is no base64
            value = base64.b64decode(headers.get(name, ""), validate=True)
            if len(value) == size:
                return algorithm, value.hex()
    etag = _MD5_ETAG.fullmatch(headers.get("ETag", ""))
    is_content = headers.get("Server") == "AmazonS3" and headers.get("x-amz-server-side-encryption", "AES256") == "AES256"
    return ("md5", etag[1]) if etag and is_content else None


def fault_of(folder: Path, wanted: Download, sums: dict[str, str]) -> str | None:
    """Why a file has to be downloaded: "" where it is not there, else what is wrong with it. None where nothing is."""
    path = folder / wanted.name
    if not path.exists():
        return ""
    if wanted.name not in sums:
        return f"has no sum in {SUMS}"
    if path.stat().st_size != wanted.remote.size:
        return "has not the size that the server says"
    return None if digest(path, "sha256") == sums[wanted.name] else f"has been altered (its sum is not the one in {SUMS})"


def download(web: Web, wanted: Download, folder: Path, sums: dict[str, str]) -> None:
    """Get a file, check it, note its sum in `sums` and in the folder, and give it its name."""
    part, version = unfinished(folder, wanted.name)
    for _ in range(2):
        wanted = grow(web, wanted, part, version)
        if wanted.checksum is None or digest(part, wanted.checksum[0]) == wanted.checksum[1]:
            break
        part.unlink()
        wanted = ask_for(web, wanted.address, wanted.name)
    else:
        assert wanted.checksum is not None
        raise StageError(f"{wanted.address} came twice with another {wanted.checksum[0]} than the server says; run the same "
                         "command again later, or take it from another server")
    with part.open("rb") as file:
        os.fsync(file.fileno())
    sums[wanted.name] = digest(part, "sha256")
    write_sums(folder, sums)        # before the file: killed between the two, the next run finds the part whole
    part.rename(folder / wanted.name)
    version.unlink()


def grow(web: Web, wanted: Download, part: Path, version: Path) -> Download:
    """Request until `part` is complete; the file as the server described it last. WebError without progress."""
    tries, most = web.tries(wanted.address), 0
    while not take(web, wanted, part, version, tries):
        have = part.stat().st_size
        if have > most:             # a server that starts over each time makes no progress
            most = have
            tries.got_on()
        tries.failed(f"broke off after {have:,} of {wanted.remote.size:,} bytes")
        wanted = ask_for(web, wanted.address, wanted.name)
    return wanted


def take(web: Web, wanted: Download, part: Path, version: Path, tries: Tries) -> bool:
    """Append one response to `part`; whether it is complete now.

    It goes on only with the version of the file that it began with. It begins anew where the server has another one now,
    cannot tell versions apart (a weak ETag may not stand in If-Range: RFC 9110, 13.1.5), or sends more than the rest.
    """
    remote = wanted.remote
    noted = f"{remote.size} {remote.version}"
    can_go_on = remote.version and not remote.version.startswith("W/")
    if not (can_go_on and version.exists() and version.read_text() == noted):
        part.unlink(missing_ok=True)
        version.write_text(noted)
    part.touch()
    have = part.stat().st_size
    if have == remote.size:
        return True
    headers = {"Range": f"bytes={have}-", "If-Range": remote.version} if have else {}
    with web.ask("GET", wanted.address, (200, 206, 416), tries, headers) as response, part.open("r+b", buffering=0) as file:
        start = begins(response)
        if response.status_code == 416 or start not in (0, have) or not same(response, remote):
            file.truncate(0)
            return False
        file.seek(start)
        with contextlib.suppress(DroppedError):
            for chunk in body(response):
                file.write(chunk)
                if file.tell() > remote.size:
                    file.truncate(0)
                    return False
        return file.tell() == remote.size


def unfinished(folder: Path, name: str) -> tuple[Path, Path]:
    """Where a file grows, and where it is noted of which version."""
    return folder / f".{name}.part", folder / f".{name}.version"


def begun(folder: Path, name: str) -> int:
    """Bytes of a file that have come while it is unfinished."""
    try:
        return unfinished(folder, name)[0].stat().st_size
    except FileNotFoundError:
        return 0


def read_sums(folder: Path) -> dict[str, str]:
    """Name → sha256 of what was downloaded before; a line that `sha256sum` would not write is left out."""
    try:
        found = [_SUM.fullmatch(line) for line in (folder / SUMS).read_text(errors="replace").splitlines()]
    except FileNotFoundError:
        return {}
    return {match[2]: match[1] for match in found if match}


def write_sums(folder: Path, sums: dict[str, str]) -> None:
    """Write the checksums in the format of `sha256sum`, atomically."""
    temporary = folder / f".{SUMS}.part"
    temporary.write_text("".join(f"{sums[name]}  {name}\n" for name in sorted(sums)))
    temporary.rename(folder / SUMS)


def digest(path: Path, algorithm: str) -> str:
    """The digest of a file, in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, algorithm).hexdigest()
