"""The server process: a socket, uvicorn, and the rule that nothing but this machine is served without a key."""

import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import uvicorn

from textmill.base.loopback import LOOPBACK, is_loopback
from textmill.model import ModelError
from textmill.model.serving.app import Serving, application

LEAST_KEY = 16              # characters
GRACE = 5                   # seconds for replies under way when the server ends


def read_key(path: str | Path | None, from_environment: str | None) -> str | None:
    """The API key in a file, else the one given by the environment; None where neither is. ModelError where it is no key."""
    if path is None:
        key, where = from_environment, "TEXTMILL_API_KEY"
        if key is None:
            return None
    else:
        where = str(path)
        try:
            key = Path(path).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise ModelError(f"{path} cannot be read ({error}); write the key there") from None
    if len(key := key.strip()) < LEAST_KEY or not key.isascii() or not key.isprintable():
        raise ModelError(f"the key in {where} is no key of {LEAST_KEY} printable ASCII characters or more; make one with "
                         "openssl rand -hex 24")
    return key


def serve(serving: Serving, host: str, port: int, without_key: bool, say: Callable[[str], None]) -> None:
    """Serve until SIGINT or SIGTERM. ModelError where the address cannot be had, or others would be served without a key.

    `say` gets one line when the server answers."""
    if not is_loopback(host) and serving.key is None and not without_key:
        raise ModelError(f"{host} is more than this machine, and there is no API key; give --api-key-file, or --no-key to "
                         "serve everyone who reaches it")
    if is_loopback(host):
        serving = replace(serving, hosts=LOOPBACK | {host.lower()})
    try:
        listening = socket.create_server((host, port), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
    except (OSError, OverflowError) as error:
        raise ModelError(f"{host}:{port} cannot be served ({error}); give another --host or --port") from None
    with listening:
        shown = f"[{host}]" if ":" in host else host
        app = application(serving)
        config = uvicorn.Config(app, log_level="warning", access_log=False, server_header=False, ws="none",
                                timeout_graceful_shutdown=GRACE, timeout_keep_alive=30)
        say(f"serve: {serving.name} on http://{shown}:{listening.getsockname()[1]}; Ctrl-C ends it")
        uvicorn.Server(config).run(sockets=[listening])
