"""Errors of the protocol: what a client did, in the shape in which OpenAI's server says it."""

from typing import Any


class ApiError(Exception):
    """A request that is refused; `headers` go with the reply."""

    def __init__(self, message: str, status: int = 400, *, kind: str = "invalid_request_error", param: str | None = None,
                 code: str | None = None, headers: dict[str, str] | None = None):
        super().__init__(message)
        self.message, self.status, self.kind, self.param, self.code = message, status, kind, param, code
        self.headers = headers or {}

    def body(self) -> dict[str, Any]:
        return {"error": {"message": self.message, "type": self.kind, "param": self.param, "code": self.code}}


def busy(seconds: int) -> ApiError:
    """The queue is full."""
    return ApiError(f"the server has as many requests as it takes; try again in {seconds} s", 429, kind="rate_limit_error",
                    code="queue_full", headers={"Retry-After": str(seconds)})


def too_slow(seconds: float) -> ApiError:
    """An answer took longer than the server allows."""
    return ApiError(f"the answer took longer than {seconds:g} s; ask for fewer tokens", 503, kind="server_error",
                    code="timeout")


def broken() -> ApiError:
    """A bug of the server's."""
    return ApiError("the server failed at this request; its log says why", 500, kind="server_error", code="internal_error")
