"""Canonical JSON of whatever a row holds: equal values are equal strings."""

import base64
import json
import math
from datetime import date, datetime
from typing import Any

from textmill.pipelines.extract.pages.text import encodable

LEVELS = 100                    # of lists and objects within each other


def canonical_json(value: Any) -> str:
    """JSON with sorted keys, no spaces and no unnecessary escapes: equal values are equal strings.

    RecursionError where lists and objects lie deeper than LEVELS, whatever is on the stack.
    """
    return json.dumps(_jsonable(value), ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _jsonable(value: Any, levels: int = LEVELS) -> Any:
    """The value in the types that JSON has: dates as ISO text, bytes as base64, NaN and infinities as null."""
    if not levels:
        raise RecursionError
    if isinstance(value, dict):
        return {encodable(str(key)): _jsonable(item, levels - 1) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_jsonable(item, levels - 1) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, str):
        return encodable(value)
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime | date):
        return value.isoformat()
    return value if value is None or isinstance(value, bool | int) else str(value)
