"""Canonical JSON of whatever a row holds: equal values are equal strings."""

import base64
import json
import math
from datetime import date, datetime
from typing import Any

from textmill.pipelines.extract.pages.text import encodable

LEVELS = 100                    # of lists and objects within each other
_LONGEST = 4096                 # bytes of a binary value that are kept: an image beside a text would be stored with every row


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and no unnecessary escapes: equal values are equal strings.

    RecursionError where lists and objects lie deeper than LEVELS, whatever is on the stack.
    """
    return json.dumps(_jsonable(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _jsonable(value: Any, levels: int = LEVELS) -> Any:
    """The value in the types that JSON has: dates as ISO text, bytes as base64, their number where they are many."""
    if not levels:
        raise RecursionError
    if isinstance(value, dict):
        return {encodable(str(key)): _jsonable(item, levels - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item, levels - 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None      # NaN and infinities are none of JSON
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode() if len(value) <= _LONGEST else f"<{len(value)} bytes>"
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int) else str(value)
