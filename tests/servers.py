"""Real servers for tests, as separate processes on this machine: Beam's job service, Prism, a worker pool, an S3 server."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
BIN = Path(sys.executable).parent
# A worker pool starts plain `python` from its PATH: without ours first, workers die unseen.
ENVIRONMENT = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": str(ROOT)}
PRISM = shutil.which("prism", path=ENVIRONMENT["PATH"])


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return sock.getsockname()[1]


@contextlib.contextmanager
def server(command: list[str], port: int, log: Path, **environment: str) -> Iterator[str]:
    """Run `command` until the block ends; yields host:port once it answers there."""
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=ENVIRONMENT | environment, cwd=ROOT)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("localhost", port), timeout=1):
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


def worker_pool(folder: Path, **environment: str):
    port = free_port()
    return server([sys.executable, "-m", "apache_beam.runners.worker.worker_pool_main", f"--service_port={port}"], port,
                  folder / "worker-pool.log", **environment)


@contextlib.contextmanager
def s3(folder: Path) -> Iterator[dict[str, str]]:
    """An S3 server with an empty bucket `mill`; yields the environment that client libraries read."""
    port = free_port()
    environment = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test-secret", "AWS_REGION": "us-east-1",
                   "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}", "AWS_EC2_METADATA_DISABLED": "true"}
    with server([sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)], port, folder / "s3.log"):
        from pyarrow import fs

        fs.S3FileSystem(access_key="test", secret_key="test-secret", region="us-east-1", scheme="http", allow_bucket_creation=True,
                        endpoint_override=f"127.0.0.1:{port}").create_dir("mill")
        yield environment
