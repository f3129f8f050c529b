"""Loopback addresses: which host a server listens on for this machine alone, and which names it then answers to.

A page of a stranger may be made to resolve to this machine (DNS rebinding): what the browser says in `Host` is still the
stranger's name, so a local server answers to names of LOOPBACK only.
"""

import ipaddress
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})
_HOST = re.compile(r"(\[[0-9a-f:]+\]|[^:\[\]]+)(?::\d+)?")


def is_loopback(host: str) -> bool:
    """Whether an address is reached from this machine only."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def headed(message: MutableMapping[str, Any], headers: Mapping[str, str]) -> MutableMapping[str, Any]:
    """An ASGI message, with these headers where an answer begins with it."""
    if message["type"] != "http.response.start":
        return message
    return {**message, "headers": [*message["headers"], *((name.encode(), value.encode()) for name, value in headers.items())]}


def host_name(header: str) -> str | None:
    """The name in a `Host` header, without port; None where it is none.

    >>> host_name("[::1]:8000"), host_name("a.example:80"), host_name("a b:c")
    ('::1', 'a.example', None)
    """
    named = _HOST.fullmatch(header.lower())
    return named[1].strip("[]") if named else None
