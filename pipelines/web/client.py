"""A polite HTTP client: it retries busy servers with backoff and validates every response.

Bodies are taken as they are stored: no content coding is asked for, and none is undone. A drop, a timeout or a busy
server is tried again after a wait that doubles, or that the server asks for. What cannot be had is a WebError.
"""

import random
import re
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import NamedTuple
from urllib.parse import urljoin, urlsplit

import requests
from urllib3.exceptions import HTTPError

from textmill.pipelines.contract.filesystems import StageError

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})       # worth another try; any other status is an answer
CURES = {401: "it wants a login; get the file otherwise", 404: "correct the address", 410: "correct the address",
         403: "it is not public, or too much was asked for and the server wants a pause (Common Crawl: a day)"}
_REDIRECTS = 10
TIMEOUT = (10, 60)                                          # seconds to connect, and between two packets
_CONTENT_RANGE = re.compile(r"bytes (?:(\d+)-\d+|\*)/(\d+)$")
_SYSTEM_SAYS = re.compile(r"\[Errno -?\d+\] ([^')\"]+)")


class WebError(StageError):
    """An HTTP failure, in a sentence for the user; `status` is the HTTP status, None where there was no response."""

    def __init__(self, sentence: str, status: int | None = None):
        super().__init__(sentence)
        self.status = status


class DroppedError(Exception):
    """A truncated body. Internal: callers retry, so it never reaches users."""


class Patience(NamedTuple):
    """Retry policy: how often, and how long to wait for a server."""

    tries: int = 6          # that fail one after the other
    first: float = 1.0      # seconds after the first that failed; doubles with each
    most: float = 60.0      # seconds at most, unless the server asks for more
    asked: float = 600.0    # a server that asks for more than this is left alone until the user comes back


class Remote(NamedTuple):
    """A file as the server describes it: bytes, and its version.

    `version` is a strong ETag, else the date of the last change, else a weak ETag (W/"…"), else "".
    """

    size: int
    version: str


class Tries:
    """Consecutive failed attempts of one request. Progress resets the count; after too many failures, `failed` gives up."""

    def __init__(self, address: str, patience: Patience):
        self.address, self.patience, self.count = address, patience, 0

    def got_on(self) -> None:
        self.count = 0

    def failed(self, why: str, asked: float = 0.0) -> None:
        """Wait for the next try, as long as the server `asked` for or longer; WebError after the last one."""
        self.count += 1
        if self.count >= self.patience.tries:
            raise WebError(f"{self.address} {why}, {self.count} times in a row; run the same command again later")
        if asked > self.patience.asked:
            raise WebError(f"{self.address} {why} and asks for a pause of {asked:.0f} seconds; "
                           "run the same command again after it")
        wait = min(self.patience.first * 2 ** (self.count - 1), self.patience.most)
        time.sleep(max(asked, wait * random.uniform(0.5, 1)))       # many workers should not come back at the same moment


class Web:
    """A client with one connection to each server, for one thread."""

    def __init__(self, patience: Patience | None = None):
        self.patience = patience or Patience()
        self.session = requests.Session()
        self.session.headers.update({"User-Agent": f"textmill/{version('textmill')} (requests/{requests.__version__})",
                                     "Accept-Encoding": "identity"})

    def close(self) -> None:
        self.session.close()

    def tries(self, address: str) -> Tries:
        return Tries(address, self.patience)

    def ask(self, method: str, address: str, accept: tuple[int, ...], tries: Tries,
            headers: dict[str, str] | None = None) -> requests.Response:
        """A response whose status is in `accept`, its body unread; close it. WebError for any other answer."""
        while True:
            try:
                response = self._follow(method, address, headers)
            except ValueError:
                raise WebError(f"{address} is not a web address; correct it") from None
            except requests.RequestException as error:
                said = _SYSTEM_SAYS.search(str(error))
                tries.failed(f"cannot be reached ({said[1] if said else type(error).__name__})")
                continue
            status = response.status_code
            if status in accept:
                return response
            response.close()
            if status not in BUSY:
                cure = CURES.get(status, "look at it in a browser")
                raise WebError(f"{address} cannot be fetched (HTTP {status}); {cure}", status)
            tries.failed(f"is not served just now (HTTP {status})", asked_pause(response))

    def _follow(self, method: str, address: str, headers: dict[str, str] | None) -> requests.Response:
        """The response behind redirects, each of them checked before it is followed (`redirect_fault`)."""
        asked = address
        for _ in range(_REDIRECTS):
            response = self.session.request(method, asked, headers=headers, stream=True, timeout=TIMEOUT, allow_redirects=False)
            target = self.session.get_redirect_target(response)
            if target is None:
                return response
            response.close()
            before, asked = asked, urljoin(asked, target)
            if fault := redirect_fault(address, before, asked):
                raise WebError(f"{address} redirects to {asked[:200]}, {fault}; list the address it should lead to, or "
                               "download the file")
        raise WebError(f"{address} redirects more than {_REDIRECTS} times; look at it in a browser")

    def read(self, address: str, most: int = 1 << 26) -> bytes:
        """A whole small file; WebError where it has more than `most` bytes."""
        tries = self.tries(address)
        while True:
            with self.ask("GET", address, (200,), tries) as response:
                found = bytearray()
                try:
                    for chunk in body(response):
                        found += chunk
                        if len(found) > most:
                            raise WebError(f"{address} has more than {most:,} bytes, too many for a list; look at it")
                    return bytes(found)
                except DroppedError as error:
                    tries.failed(str(error))

    def read_range(self, address: str, start: int, end: int, remote: Remote) -> bytes:
        """The stored bytes from `start` to `end` at most of a file that is still the one described; WebError where it is not.

        Fewer only where the server caps what it gives at once.
        """
        tries = self.tries(address)
        while True:
            with self.ask("GET", address, (200, 206, 416), tries, {"Range": f"bytes={start}-{end - 1}"}) as response:
                if begins(response) != start or response.status_code != 206 or not same(response, remote):
                    raise WebError(f"{address} has changed since it was looked at; run the same command again")
                try:
                    found = b"".join(body(response))
                except DroppedError as error:
                    tries.failed(str(error))
                    continue
            if 0 < len(found) <= end - start:
                return found
            tries.failed("gave other bytes than were asked for")


def redirect_fault(address: str, before: str, target: str) -> str | None:
    """Why a redirect on the way from `address` is not followed; None for one that is.

    A server outside must not have this machine ask others in its network, or itself: only an address that names such a host
    leads there. Not from https to http, and to no other scheme.
    """
    asked, comes_from = urlsplit(target), urlsplit(before)
    if asked.scheme not in ("http", "https") or (comes_from.scheme, asked.scheme) == ("https", "http"):
        return "another scheme"
    if asked.hostname and asked.hostname != urlsplit(address).hostname and not _is_public(asked.hostname):
        return "a host of a private network or of this machine"
    return None


def _is_public(name: str) -> bool:
    """Whether all addresses of a host are of the public network; a name that cannot be looked up is nobody's address."""
    try:
        found = {str(entry[4][0]).partition("%")[0] for entry in socket.getaddrinfo(name, None)}
    except (OSError, UnicodeError):
        return True
    return all(_reached(ip_address(one)).is_global for one in found)


def _reached(address: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """The IPv4 address that an IPv6 one stands for, where it does."""
    return getattr(address, "ipv4_mapped", None) or address


def asked_pause(response: requests.Response) -> float:
    """Seconds that Retry-After asks for, given as a number or a date (RFC 9110, 10.2.3); 0 where it does not."""
    said = response.headers.get("Retry-After", "").strip()
    if said.isdecimal():
        return float(said)
    try:
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):     # TypeError: a date without a zone
        return 0.0


def described(response: requests.Response) -> Remote | None:
    """The whole file that a response is about, or is a range of; None where it does not say how large that is."""
    ranged = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    size = ranged[2] if ranged else "" if response.status_code == 206 else response.headers.get("Content-Length", "")
    if not size.isdecimal():
        return None
    etag, date = (response.headers.get(name, "").strip() for name in ("ETag", "Last-Modified"))
    return Remote(int(size), date or etag if etag.startswith("W/") else etag or date)


def same(response: requests.Response, remote: Remote) -> bool:
    """Whether a response is about the file that was described; one without size or version headers is assumed to match."""
    now = described(response)
    return now is None or (now.size, now.version or remote.version) == (remote.size, remote.version)


def begins(response: requests.Response) -> int | None:
    """The offset of the body's first byte in the file; None where the status says a range and the headers do not."""
    if response.status_code != 206:
        return 0
    ranged = _CONTENT_RANGE.match(response.headers.get("Content-Range", ""))
    return int(ranged[1]) if ranged and ranged[1] else None


def body(response: requests.Response) -> Iterator[bytes]:
    """The stored bytes of a response as they come in. DroppedError where the connection ends before the body does."""
    try:
        while chunk := response.raw.read1(1 << 20, decode_content=False):
            yield chunk
    except (HTTPError, OSError) as error:
        raise DroppedError(f"broke off ({type(error).__name__})") from None
