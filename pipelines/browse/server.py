"""The server process: a socket on a loopback address, and uvicorn."""

import socket
from collections.abc import Callable
from pathlib import Path

import uvicorn

from textmill.base.loopback import LOOPBACK, is_loopback
from textmill.base.progress import watched
from textmill.pipelines.browse.app import Browser, application
from textmill.pipelines.browse.indexes import Indexes
from textmill.pipelines.browse.snapshot import Snapshot
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.stage import RunContext

GRACE = 3               # seconds for answers under way when the server ends


def browse(context: RunContext, rules: Path, host: str, port: int, chat: str, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM; `say` gets one line when the server answers.

    StageError where there is nothing to look at, or the address is not this machine's own or cannot be had."""
    if not is_loopback(host):
        raise StageError(f"{host} is more than this machine, and the pages show all of its data; give a loopback address, and "
                         "reach it from elsewhere by `ssh -L`")
    snapshot, done = Snapshot.of(context.data), [0]

    def tell(count: int) -> None:
        done[0] = count

    with watched("browse", snapshot.documents, lambda: done[0], unit="documents"):
        indexes = Indexes(snapshot, tell)
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise StageError(f"{host}:{port} cannot be served ({error}); give another --port") from None
    indexes.start()
    with listening:
        shown = f"[{host}]" if ":" in host else host
        app = application(Browser(context, indexes, rules, chat), LOOPBACK | {host.lower()})
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none",
                                timeout_graceful_shutdown=GRACE, timeout_keep_alive=30)
        say(f"browse: {snapshot.data.uri} on http://{shown}:{listening.getsockname()[1]}; Ctrl-C ends it")
        try:
            uvicorn.Server(config).run(sockets=[listening])
        finally:
            indexes.end()
