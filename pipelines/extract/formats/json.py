"""JSON that is not one object a line: an array of rows, objects over several lines, one after the other.

Streamed: a row at a time is in memory, and of a row no more than its bounds allow.
"""

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import ijson

from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import of_rows, whole
from textmill.pipelines.extract.formats.rows import PlainRow
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

_STARTS = ("start_map", "start_array")
_ENDS = ("end_map", "end_array")
_LEVELS = 200               # of lists and objects within each other
_STEP = 1 << 16


def rows(file: Any, part: Range, limits: ExtractSettings) -> Iterator[PlainRow | Rejected]:
    """The objects of the file, those in a list at its top too; their offset is their number."""
    file.seek(0)
    events = ijson.basic_parse(_Plain(file), multiple_values=True, use_float=False, buf_size=_STEP)
    number = 0
    try:
        for event, value in events:
            if event in ("start_array", "end_array"):       # of the list that holds the rows
                continue
            row = _row(event, value, events, limits)
            if isinstance(row, dict):
                yield PlainRow(number, None, row)
            elif isinstance(row, Rejected):
                row.file, row.offset = part.path, number
                yield row
            else:
                yield Rejected(part.path, number, "bad_json", detail=f"the value is a {type(row).__name__}, not an object")
            number += 1
    except (ijson.JSONError, ValueError) as error:     # ValueError: no UTF-8, a number of thousands of digits
        reason = "the file breaks off" if "premature EOF" in str(error) or "breaks off" in str(error) else "it is no valid JSON"
        yield Rejected(part.path, number, "bad_json", detail=f"{reason}: what follows row {number:,} cannot be read")


def _row(event: str, value: Any, events: Iterator[tuple[str, Any]], limits: ExtractSettings) -> Any:
    """The value that begins with this event; a Rejected where it is beyond the bounds of a row."""
    if event not in _STARTS:
        return _plain(value)
    row: Any = {} if event == "start_map" else []
    stack, keys, values, size = [row], [""], 0, 0
    over: Rejected | None = None
    depth = 1
    for event, value in events:
        if event in _ENDS:
            depth -= 1
            if not over:
                stack.pop()
                keys.pop()
            if not depth:
                return over or row
            continue
        if event in _STARTS:
            depth += 1
        if over:
            continue
        if event == "map_key":
            keys[-1] = value
            size += len(value)
            continue
        values, size = values + 1, size + (len(value) if isinstance(value, str) else 8)
        over = _over(values, size, depth, limits)
        if over:
            row.clear()
            continue
        item: Any = {} if event == "start_map" else [] if event == "start_array" else _plain(value)
        if isinstance(stack[-1], dict):
            stack[-1][keys[-1]] = item
        else:
            stack[-1].append(item)
        if event in _STARTS:
            stack.append(item)
            keys.append("")
    raise ijson.IncompleteJSONError("the file breaks off")


def _over(values: int, size: int, depth: int, limits: ExtractSettings) -> Rejected | None:
    for rule, found, bound in (("too_many_values", values, limits.max_row_values), ("too_large", size, limits.max_record_bytes),
                               ("too_deep", depth, _LEVELS)):
        if found > bound:
            return Rejected("", 0, rule, value=str(found), bound=str(bound))
    return None


def _plain(value: Any) -> Any:
    return float(value) if isinstance(value, Decimal) else value


class _Plain:
    """The file without a byte order mark, in steps."""

    def __init__(self, file: Any):
        self.file, self.begun = file, False

    def read(self, count: int = _STEP) -> bytes:
        found: bytes = self.file.read(count)
        if not self.begun and count:
            found, self.begun = found.removeprefix(b"\xef\xbb\xbf"), True
        return found


JSON = of_rows("json", None, rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*(?:[{\]]|$)|\{\s*?(?:\n|\}|$))", whole, rows)
