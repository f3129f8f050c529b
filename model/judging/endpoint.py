"""Client of an OpenAI-compatible endpoint: chat completions, with retries, for many conversations at once.

Guarantees: a reply of the endpoint, a refusal too, is kept in the journal and not asked for again; busy servers, drops and
timeouts are tried again after a wait that doubles, or that the server asks for; a question without a reply says why; what no
question can mend (a key, an address, a server that is not there) is a sentence. The key is sent to the named host only.
"""

import http.client
import json
import ssl
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from textmill.model import ModelError
from textmill.model.judging.journal import Journal, digest
from textmill.model.judging.speakers import CUT_OFF, Ask, Reply

BUSY = frozenset({408, 409, 425, 429, 500, 502, 503, 504})      # worth another try
CURES = {401: "give the right key with --api-key-file", 403: "give a key that may ask this model with --api-key-file",
         404: "correct --endpoint, which mostly ends in /v1, or --model", 405: "correct --endpoint, which mostly ends in /v1"}
LOOPBACK = ("localhost", "127.0.0.1", "::1")
LONGEST_WAIT = 60.0     # seconds before another try
LARGEST = 16 << 20      # bytes of a reply
IN_A_ROW = 8            # questions without an answer after which the endpoint is given up
REFUSED, NO_REPLY = "refused", "no reply"


class Endpoint:
    """A model behind an address; calling it is a Speaker. `first_wait`: seconds before the second try."""

    def __init__(self, address: str, model: str, journal: Journal, key: str | None = None, timeout: float = 60.0,
                 tries: int = 5, parallel: int = 4, extra: Mapping[str, Any] | None = None, first_wait: float = 1.0):
        try:
            parts = urlsplit(address if "://" in address else f"http://{address}")
            self.host, self.port = parts.hostname or "", parts.port
            if parts.scheme not in ("http", "https") or not self.host:
                raise ValueError
        except ValueError:
            raise ModelError(f"{address} is no address of an endpoint; give one such as http://127.0.0.1:8000/v1") from None
        if key and parts.scheme == "http" and self.host not in LOOPBACK:
            raise ModelError(f"{address} would get the key in the clear; give an address with https://")
        self.address, self.secure, self.path = address, parts.scheme == "https", f"{parts.path.rstrip('/')}/chat/completions"
        self.model, self.journal, self.key = model, journal, key
        self.timeout, self.tries, self.parallel, self.first_wait = timeout, tries, parallel, first_wait
        self.extra = dict(extra or {})
        self.name = f"{model} at {address}"
        self._silent, self._stop = 0, threading.Event()

    def __call__(self, asks: Sequence[Ask]) -> Iterator[Reply]:
        """The replies, in order. ModelError where the endpoint cannot be used."""
        pool = ThreadPoolExecutor(self.parallel, "endpoint")
        try:
            yield from pool.map(self.reply, asks)
        finally:
            self._stop.set()                        # threads that wait for another try
            pool.shutdown(wait=False, cancel_futures=True)
            self._stop = threading.Event()

    def reply(self, ask: Ask) -> Reply:
        """One reply, from the journal where it has it."""
        body = {"model": self.model, "messages": [dict(message) for message in ask.messages], "max_tokens": ask.max_tokens,
                "temperature": ask.temperature, "seed": ask.seed} | self.extra
        body = {name: value for name, value in body.items() if value is not None}
        key = digest(self.address, body)
        if (kept := self.journal.find(key)) is None:
            reply = self._asked(body)
            if reply.problem.startswith(NO_REPLY):
                return reply
            kept = [*reply]
            self.journal.keep(key, kept)
        return Reply(*kept)

    def _asked(self, body: Mapping[str, Any]) -> Reply:
        """What the endpoint says, after as many tries as there may be."""
        problem, wait = "it was stopped", self.first_wait
        for attempt in range(self.tries):
            if attempt and self._stop.wait(wait):
                break
            wait = min(2 * wait, LONGEST_WAIT)
            try:
                status, pause, data = self._post(json.dumps(body).encode())
            except TimeoutError:
                problem = f"nothing within {self.timeout:g} s"
            except (OSError, http.client.HTTPException) as error:
                problem = getattr(error, "strerror", None) or type(error).__name__
            else:
                if status == 200:
                    if reply := read(data):
                        self._silent = 0
                        return reply
                    problem = "a reply that is none of the protocol"
                elif status in BUSY:
                    problem, wait = f"HTTP {status}", max(wait / 2, min(pause, LONGEST_WAIT))
                else:
                    return self._refused(status, said(data))
        self._count(problem)
        return Reply("", f"{NO_REPLY}: {problem}")

    def _refused(self, status: int, message: str) -> Reply:
        """What another try does not change: of this question, or of all."""
        words = f"HTTP {status}{f', {message}' if message else ''}"
        if status in CURES or 300 <= status < 400:
            cure = CURES.get(status, "give the address that it leads to with --endpoint")
            raise ModelError(f"{self.address} does not answer for {self.model} ({words}); {cure}")
        self._count(words)
        return Reply("", f"{REFUSED}: {words}")

    def _count(self, problem: str) -> None:
        """Note a question without an answer; ModelError where there were many, one after the other."""
        self._silent += 1
        if self._silent >= IN_A_ROW and not self._stop.is_set():
            raise ModelError(f"{self.address} left {self._silent} questions in a row without an answer ({problem}); see that "
                             f"{self.model} is served there, or raise `timeout`, and run the same command again: what was "
                             "answered is kept")

    def _post(self, body: bytes) -> tuple[int, float, bytes]:
        """Status, the seconds that the server asks to wait, and the body."""
        kind = http.client.HTTPSConnection if self.secure else http.client.HTTPConnection
        more: dict[str, Any] = {"context": ssl.create_default_context()} if self.secure else {}
        deadline = time.monotonic() + self.timeout
        connection = kind(self.host, self.port, timeout=self.timeout, **more)
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {self.key}"} if self.key else {})
        try:
            connection.request("POST", self.path, body, headers)
            response = connection.getresponse()
            data = b""
            while chunk := response.read1(1 << 16):
                data += chunk
                if time.monotonic() > deadline:         # a server may send a byte now and then
                    raise TimeoutError
                if len(data) > LARGEST:
                    raise http.client.HTTPException
        finally:
            connection.close()
        asked = response.headers.get("Retry-After", "")
        return response.status, float(asked) if asked.isdecimal() else 0.0, data


def read(data: bytes) -> Reply | None:
    """The reply in a body: its text, or that the model would not answer; None where the body is no chat completion."""
    try:
        choice = json.loads(data)["choices"][0]
        message, reason = choice["message"], choice.get("finish_reason")
        text = message.get("content")
    except (ValueError, KeyError, IndexError, TypeError, AttributeError, RecursionError):
        return None
    if message.get("refusal") or reason == "content_filter":
        return Reply("", REFUSED)
    if not isinstance(text, str):
        return None
    return Reply(text.encode("utf-8", "replace").decode(), CUT_OFF if reason == "length" else "")


def said(data: bytes) -> str:
    """The message of an error's body, on a line; "" where it has none."""
    try:
        error = json.loads(data)["error"]
        message = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    return " ".join(str(message).split())[:200]


def read_key(path: Path) -> str:
    """The key in a file. ModelError where it is none that a header can carry."""
    try:
        key = path.read_text("utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise ModelError(f"{path} cannot be read ({error}); write the endpoint's key there") from None
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise ModelError(f"{path} holds no key of printable ASCII characters; write the endpoint's key there, and nothing else")
    return key
