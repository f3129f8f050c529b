"""A polite HTTP client: it retries busy servers with backoff and validates every response.

Bodies are taken as they are stored: no content coding is asked for, and none is undone. A drop, a timeout or a busy
server is tried again after a wait that doubles, or that the server asks for. What cannot be had is a WebError.
"""

import random
import re
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from importlib.metadata import version
from typing import NamedTuple

import requests
from urllib3.exceptions import HTTPError

from textmill.pipelines.contract.storage import StageError

BUSY = frozenset({408, 425, 429, 500, 502, 503, 504})       # worth another try; any other status is an answer
CURES = {401: "it wants a login; get the file otherwise", 404: "correct the address", 410: "correct the address",
         403: "it is not public, or too much was asked for and the server wants a pause (Common Crawl: a day)"}
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
                response = self.session.request(method, address, headers=headers, stream=True, timeout=TIMEOUT,
                                                allow_redirects=True)
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

    def read(self, address: str) -> bytes:
        """A whole small file."""
        tries = self.tries(address)
        while True:
            with self.ask("GET", address, (200,), tries) as response:
                try:
                    return b"".join(body(response))
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
