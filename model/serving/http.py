"""HTTP around the protocol: who may ask, how much, from where; clients that leave; and replies that come as they are made."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator, Coroutine
from contextlib import AsyncExitStack
from typing import Any, TypeVar

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from textmill.base.loopback import headed, host_name
from textmill.model.serving.errors import ApiError
from textmill.model.serving.metrics import Metrics

T = TypeVar("T")
OPEN = ("/", "/health", "/page/")       # what needs no key: the page asks for it
HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
                               "base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff", "referrer-policy": "no-referrer", "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class ClientGoneError(Exception):
    """Whoever asked has left; there is nobody to reply to."""


class Guard:
    """Middleware: the key, the host's name, headers of every reply, the count of requests, and errors in their shape."""

    def __init__(self, app: ASGIApp, key: str | None, hosts: frozenset[str] | None, metrics: Metrics):
        self.app, self.hosts, self.metrics = app, hosts, metrics
        self.key = None if key is None else hashlib.sha256(key.encode()).digest()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                path = scope["path"] if message["status"] != 404 else "other"
                self.metrics.add("requests", labels=f'path="{_quoted(path)}",status="{message["status"]}"')
            await send(headed(message, HEADERS))

        request = Request(scope)
        try:
            self._check(request)
        except ApiError as error:
            await JSONResponse(error.body(), error.status, error.headers)(scope, receive, with_headers)
            return
        await self.app(scope, receive, with_headers)

    def _check(self, request: Request) -> None:
        # The name of a page elsewhere may be made to resolve to this machine.
        if self.hosts is not None and host_name(request.headers.get("host", "")) not in self.hosts:
            raise ApiError(f"this server answers to {', '.join(sorted(self.hosts))} only", 421, code="unknown_host")
        path = request.url.path
        if self.key is None or path in OPEN or path.startswith(OPEN[-1]):
            return
        scheme, _, given = request.headers.get("authorization", "").partition(" ")
        digest = hashlib.sha256(given.strip().encode("utf-8", "surrogateescape")).digest()
        if scheme.lower() != "bearer" or not hmac.compare_digest(digest, self.key):
            raise ApiError("incorrect API key provided; send it as Authorization: Bearer KEY", 401, code="invalid_api_key",
                           headers={"WWW-Authenticate": "Bearer"})


def _quoted(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")[:80]


async def read_json(request: Request, most: int) -> Any:
    """The body of a request. ApiError where it is too large, or not JSON that says so: other pages cannot send that."""
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise ApiError("the body must be JSON, with the content type application/json", 415, code="unsupported_media_type")
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > most:
            raise ApiError(f"the body has more than {most:,} bytes; send less", 413, code="request_too_large")
    try:
        values = json.loads(body.decode(), parse_constant=_no_number)
        json.dumps(values, ensure_ascii=False).encode()         # half a surrogate pair, escaped, is no text
        return values
    except (ValueError, RecursionError) as error:
        raise ApiError(f"the body is no JSON that can be read ({type(error).__name__}); check it",
                       code="invalid_json") from None


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


async def unless_gone(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """What `work` gives. It is cancelled when the client leaves: ClientGoneError."""
    task, gone = asyncio.ensure_future(work), asyncio.ensure_future(_disconnect(request.receive))
    try:
        await asyncio.wait((task, gone), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientGoneError
        return task.result()
    finally:
        for each in (task, gone):
            each.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _disconnect(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


class EventStream(Response):
    """Server-sent events; what `stack` holds is closed when they end, or the client leaves."""

    def __init__(self, events: AsyncIterator[bytes], stack: AsyncExitStack, metrics: Metrics, headers: dict[str, str]):
        super().__init__(media_type="text/event-stream", headers=headers)
        self.events, self.stack, self.metrics = events, stack, metrics
        del self.headers["content-length"]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with self.stack:
            await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
            sending, gone = asyncio.ensure_future(self._send(send)), asyncio.ensure_future(_disconnect(receive))
            try:
                await asyncio.wait((sending, gone), return_when=asyncio.FIRST_COMPLETED)
                if sending.done():
                    sending.result()
                else:
                    self.metrics.add("cancelled")
            finally:
                for each in (sending, gone):
                    each.cancel()
                await asyncio.gather(sending, gone, return_exceptions=True)

    async def _send(self, send: Send) -> None:
        async for each in self.events:
            await send({"type": "http.response.body", "body": each, "more_body": True})
        await send({"type": "http.response.body", "body": b"", "more_body": False})
