"""Who may ask the browser: this machine, by its own names, from its own pages; and what an answer forbids a page to do.

A request that names another host (DNS rebinding), or that a page elsewhere has made, is refused. An answer may load styles
and scripts of this server and nothing else, holds no script of its own, and can be in no frame.
"""

from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from textmill.base.loopback import headed, host_name

HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
                               "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "x-content-type-options": "nosniff", "referrer-policy": "same-origin", "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin", "cache-control": "no-store"}
MOST_BODY = 1 << 20     # bytes


class Guard:
    """Middleware around the application: refuses strangers, and puts HEADERS on every answer."""

    def __init__(self, app: ASGIApp, hosts: frozenset[str]):
        self.app, self.hosts = app, hosts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return

        async def with_headers(message: Message) -> None:
            await send(headed(message, HEADERS))

        if refused := self._refusal(Request(scope)):
            await PlainTextResponse(refused[1], refused[0])(scope, receive, with_headers)
        else:
            await self.app(scope, receive, with_headers)

    def _refusal(self, request: Request) -> tuple[int, str] | None:
        """Status and sentence for a request that is not answered."""
        host, origin = request.headers.get("host", ""), request.headers.get("origin")
        if host_name(host) not in self.hosts:
            return 421, f"this server answers to {', '.join(sorted(self.hosts))} only"
        if request.method not in ("GET", "HEAD", "POST"):
            return 405, "this page only reads"
        if origin is not None and origin.lower() != f"http://{host.lower()}":
            return 403, "a page elsewhere has sent this request; open the address in a window of its own"
        site, mode = request.headers.get("sec-fetch-site", "none"), request.headers.get("sec-fetch-mode", "navigate")
        if site not in ("none", "same-origin") and (request.method == "POST" or mode != "navigate"):
            return 403, "a page elsewhere has sent this request; open the address in a window of its own"
        length = request.headers.get("content-length", "" if request.method == "POST" else "0")
        if not length.isdecimal() or int(length) > MOST_BODY:
            return 413, f"a request has {MOST_BODY:,} bytes at most, and says how many; send less"
        return None
