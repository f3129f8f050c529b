"""Real servers for tests, as separate processes on this machine: Beam's job service, Prism, a worker pool, an S3 server."""

import contextlib
import http.client
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.paths import ROOT

BIN = Path(sys.executable).parent
# A worker pool starts plain `python` from its PATH: without ours first, workers die unseen.
ENVIRONMENT = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
PRISM = shutil.which("prism", path=ENVIRONMENT["PATH"])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def server(command: list[str], port: int, log: Path, cwd: Path = ROOT, host: str = "localhost",
           **environment: str) -> Iterator[str]:
    """Run `command` until the block ends; yields host:port once it answers there."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=ENVIRONMENT | environment, cwd=cwd)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, port), timeout=1):
                break
            assert process.poll() is None and time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.1)
        yield f"localhost:{port}"
    finally:
        process.terminate()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()


def job_service(folder: Path):
    port = free_port()
    return server([sys.executable, "-m", "apache_beam.runners.portability.local_job_service_main", "--port", str(port),
                   "--staging_dir", str(folder / "staging")], port, folder / "job-service.log")


def prism(folder: Path):
    port = free_port()
    return server([str(PRISM), f"--job_port={port}", f"--web_port={free_port()}", "--serve_http=false"], port,
                  folder / "prism.log")


def worker_pool(folder: Path, cwd: Path = ROOT, **environment: str):
    port = free_port()
    return server([sys.executable, "-m", "textmill", "pool", "--port", str(port)], port, folder / "worker-pool.log", cwd=cwd,
                  **environment)


@contextlib.contextmanager
def s3(folder: Path, address: str = "127.0.0.1", port: int | None = None) -> Iterator[dict[str, str]]:
    """An S3 server with an empty bucket `mill`; yields the environment that client libraries read."""
    port = port or free_port()
    with server([sys.executable, "-m", "moto.server", "-H", address, "-p", str(port)], port, folder / "s3.log", host=address):
        from pyarrow import fs

        fs.S3FileSystem(access_key="test", secret_key="test-secret", region="us-east-1", scheme="http", allow_bucket_creation=True,
                        endpoint_override=f"{address}:{port}").create_dir("mill")
        yield s3_environment(address, port)


def s3_environment(address: str, port: int) -> dict[str, str]:
    return {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL": f"http://{address}:{port}", "AWS_EC2_METADATA_DISABLED": "true"}


class Throttle:
    """Stands before an S3 server. While `left` is above 0 it answers 503 Slow Down instead, and counts down."""

    def __init__(self, address: str, port: int, to: str):
        throttle, self.left, self.refused = self, 0, 0
        lock = threading.Lock()

        class Pass(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                body = self.body()
                with lock:
                    refuse = throttle.left > 0
                    throttle.left -= refuse
                    throttle.refused += refuse
                if refuse:
                    status, headers = 503, []
                    answer = b"<Error><Code>SlowDown</Code><Message>Please reduce your request rate.</Message></Error>"
                else:
                    there = http.client.HTTPConnection(to, timeout=60)
                    asked = {name: value for name, value in self.headers.items()
                             if name.lower() not in ("transfer-encoding", "content-length", "expect")}
                    there.request(self.command, self.path, body, asked | {"Content-Length": str(len(body))})
                    got = there.getresponse()
                    status, headers, answer = got.status, got.getheaders(), got.read()
                    there.close()
                self.send_response(status)
                for name, value in headers:
                    if name.lower() not in ("content-length", "transfer-encoding", "connection", "server", "date"):
                        self.send_header(name, value)
                length = dict(headers).get("Content-Length") if self.command == "HEAD" else None
                self.send_header("Content-Length", length or str(len(answer)))
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(answer)

            def body(self) -> bytes:
                if self.headers.get("Transfer-Encoding") != "chunked":
                    return self.rfile.read(int(self.headers.get("Content-Length") or 0))
                chunks = []
                while size := int(self.rfile.readline().split(b";")[0], 16):
                    chunks.append(self.rfile.read(size))
                    self.rfile.readline()
                while self.rfile.readline().strip():        # trailers
                    pass
                return b"".join(chunks)

            do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_one  # noqa: N815  (http.server's names)

            def log_message(self, *_: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            def handle_error(self, request: object, client_address: object) -> None:
                pass                                            # a client that was killed

        self._server = Server((address, port), Pass)
        self.port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def __enter__(self) -> "Throttle":
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
