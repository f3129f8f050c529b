"""Sealed JSON: a canonical JSON object that carries the sha256 of itself.

Guarantees: equal values are equal bytes; what `unseal` returns is what was sealed, or it raises. Objects without a checksum,
as older versions wrote them, are read as they are.
"""

import hashlib
import json
from typing import Any

CHECKSUM = "checksum"       # sha256 of the canonical JSON of all other keys, in hex


def seal(values: dict[str, Any]) -> bytes:
    """The object with its checksum, in place of one it may have."""
    plain = json.loads(canonical(values))       # keys are text from here on, and sort as they will when they are read
    plain.pop(CHECKSUM, None)
    return canonical(plain | {CHECKSUM: _digest(plain)})


def unseal(data: bytes, required: bool = False) -> dict[str, Any]:
    """The object in `data`, without its checksum. ValueError where it is no JSON object, or not the one that was sealed.

    `required`: one without a checksum is refused too.
    """
    loaded = json.loads(data)
    if not isinstance(loaded, dict):
        raise ValueError("no JSON object")
    checksum = loaded.pop(CHECKSUM, None)
    if (required or checksum is not None) and checksum != _digest(loaded):
        raise ValueError("its checksum is not that of its content")
    return loaded


def canonical(value: Any) -> bytes:
    """Canonical JSON: sorted keys, one final newline."""
    return (json.dumps(value, sort_keys=True, ensure_ascii=False, indent=1) + "\n").encode()


def _digest(values: dict[str, Any]) -> str:
    return hashlib.sha256(canonical(values)).hexdigest()
