"""A web server on this machine that serves files in ranges, misbehaves where it is told to, and writes down what it was asked."""

import base64
import contextlib
import hashlib
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple


class Asked(NamedTuple):
    """A request: method, path, the Range header ("" where it has none), and the status it got."""

    method: str
    path: str
    range: str
    status: int


class FileServer(ThreadingHTTPServer):
    """Serves `files` (path → bytes). `faults` (path → list) are taken one for each GET of that path, in order:

    ("drop", n): the connection ends after n bytes of the body; ("status", n, headers): nothing else is said;
    ("whole",): the Range header is not heard; ("stall", n): after n bytes nothing more comes until `go_on` is set;
    ("change", data, n): the file is another one from now on, and the connection ends after n bytes of an answer;
    ("more", data): no length is said, and `data` follows the file.
    """

    daemon_threads = True

    def __init__(self, files: dict[str, bytes]):
        super().__init__(("127.0.0.1", 0), Answer)
        self.files = {f"/{path}": data for path, data in files.items()}
        self.faults: dict[str, list[tuple[Any, ...]]] = {}
        self.headers: dict[str, str] = {}       # sent with every file; {md5}, {sha256_base64} … stand for its checksums
        self.promises: bytes | None = None      # what the checksums are of, instead of the file
        self.etag = '"{sha1}"'
        self.lies: dict[str, int] = {}          # path → the length that is said of it
        self.log: list[Asked] = []
        self.clients: set[tuple[str, str]] = set()      # User-Agent and Accept-Encoding
        self.hears_if_range = True
        self.cap = 1 << 40                      # bytes of one range at most
        self.go_on = threading.Event()
        self.address = f"http://127.0.0.1:{self.server_address[1]}"

    def asked(self, name: str = "", method: str = "GET") -> list[tuple[str, int]]:
        """Range and status of each request for the paths that end in `name`."""
        return [(one.range, one.status) for one in self.log if one.path.endswith(name) and one.method == method]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that was killed is no event."""


class Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: FileServer

    def log_message(self, *_: Any) -> None:
        pass

    def do_HEAD(self) -> None:
        self.answer(())

    def do_GET(self) -> None:
        waiting = self.server.faults.get(self.path)
        self.answer(waiting.pop(0) if waiting else ())

    def answer(self, fault: tuple[Any, ...]) -> None:
        kind = fault[0] if fault else ""
        self.server.clients.add((self.headers["User-Agent"], self.headers["Accept-Encoding"]))
        if kind == "change":
            self.server.files[self.path] = fault[1]
        data = self.server.files.get(self.path)
        if data is None or kind == "status":
            return self.say(404 if data is None else fault[1], {"Content-Length": "0"} | (fault[2] if kind == "status" else {}))
        headers, size = self.described(data), self.server.lies.get(self.path, len(data))
        asked = re.match(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        unchanged = not self.server.hears_if_range or self.headers.get("If-Range") in (None, headers.get("ETag"))
        status, start, end = 200, 0, size
        if asked and unchanged and kind != "whole":
            status, start, end = 206, int(asked[1]), min(int(asked[2] or size) + 1, size, int(asked[1]) + self.server.cap)
            if start >= len(data):
                return self.say(416, {"Content-Range": f"bytes */{size}", "Content-Length": "0"})
            headers["Content-Range"] = f"bytes {start}-{end - 1}/{size}"
        self.say(status, headers | ({} if kind == "more" else {"Content-Length": str(end - start)}))
        if self.command == "GET":
            self.send(data[start:end], kind, fault)
        if size != len(data):
            self.close_connection = True
        return None

    def say(self, status: int, headers: dict[str, str]) -> None:
        self.server.log.append(Asked(self.command, self.path, self.headers.get("Range", ""), status))
        self.send_response_only(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()

    def send(self, data: bytes, kind: str, fault: tuple[Any, ...]) -> None:
        whole = fault[-1] if kind in ("drop", "stall", "change") else len(data)
        self.wfile.write(data[:whole] + (fault[1] if kind == "more" else b""))
        self.wfile.flush()
        if kind == "stall":
            self.server.go_on.wait()
        self.close_connection = kind in ("drop", "stall", "change", "more")

    def described(self, data: bytes) -> dict[str, str]:
        data = data if self.server.promises is None else self.server.promises
        says = {}
        for name in ("md5", "sha1", "sha256"):
            digest = hashlib.new(name, data)
            says |= {name: digest.hexdigest(), f"{name}_base64": base64.b64encode(digest.digest()).decode()}
        headers = {"ETag": self.server.etag, **self.server.headers} if self.server.etag else self.server.headers
        return {name: value.format(**says) for name, value in headers.items()}


@contextlib.contextmanager
def serving(files: dict[str, bytes]) -> Iterator[FileServer]:
    """A server of these files until the block ends."""
    with FileServer(files) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield server
        finally:
            server.go_on.set()
            server.shutdown()
            thread.join()
