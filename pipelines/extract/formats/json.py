"""JSON that is not one object a line: an array of rows, objects over several lines, an object around a list of rows.

Streamed: a row at a time is in memory, and of a row no more than its bounds allow.
"""

import re
from collections import deque
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import ijson

from textmill.pipelines.extract.files.raw_file import Range
from textmill.pipelines.extract.formats.format import of_rows, whole
from textmill.pipelines.extract.formats.rows import Given, PlainRow, given_rows
from textmill.pipelines.extract.rows import Rejected
from textmill.pipelines.extract.settings import ExtractSettings

_STARTS = ("start_map", "start_array")
_ENDS = ("end_map", "end_array")
_LEVELS = 200               # of lists and objects within each other
_STEP = 1 << 16
_MOST_DIGITS = 4000         # of a number; Python refuses one of more than 4300
_DIGITS = re.compile(rb"(?<![0-9])[0-9]{%d}" % _MOST_DIGITS)      # looked for once a run, not at each digit
_BESIDE, _MOST_KEYS = 1 << 20, 100      # bytes of a value beside a list of rows, and keys of their object


def rows(file: Any, part: Range, limits: ExtractSettings) -> Iterator[PlainRow | Rejected]:
    """The objects of the file, those in a list at its top or in its `wrapper` too; their offset is their number."""
    key = wrapper(file, part, limits)
    events = _events(file)
    number = 0
    try:
        for event, value in events if key is None else _in_list(events, key):
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


def wrapper(file: Any, part: Range, limits: ExtractSettings) -> str | None:
    """The key whose list is the rows of a file that is one object, as in `{"version": 1, "data": [{…}, …]}`; else None.

    So it is read only where it can mean nothing else: the object has no text, page or dialogue itself, one list in it begins
    with an object that has, and no other list begins with an object.
    """
    file.seek(0)
    if not file.read(_STEP).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"{"):
        return None
    events = _events(file)
    lists: dict[str, Any] = {}          # the first object of each list that begins with one
    row: dict[str, Any] = {}            # the object, of every list no more than that
    try:
        next(events)
        while (key := next(events))[0] == "map_key":
            name, (event, value) = key[1], next(events)
            if event == "start_array":
                event, value = next(events)
                first = _row(event, value, events, limits)
                if event == "start_map":
                    lists[name] = first
                if event != "end_array":
                    _skip(events)
                row[name] = [first] if event == "start_map" else []
            else:
                row[name] = _row(event, value, events, replace(limits, max_record_bytes=_BESIDE, max_row_values=_BESIDE))
            if len(lists) > 1 or len(row) > _MOST_KEYS or isinstance(row[name], Rejected):
                return None
        if next(events, None):              # another object follows: each is a row
            return None
    except (ijson.JSONError, ValueError, StopIteration):
        pass                                # broken off: what came before decides, and the rows say so
    if _is_text(row, part, limits):
        return None
    return next((name for name, first in lists.items() if isinstance(first, dict) and _is_text(first, part, limits)), None)


def _is_text(row: dict[str, Any], part: Range, limits: ExtractSettings) -> bool:
    """Whether an object is a document as it is, or would be one if it were sound."""
    return any(isinstance(item, Given) or item.rule != "missing_text" for item in given_rows(part.path, 0, None, row, limits))


def _in_list(events: Iterator[tuple[str, Any]], key: str) -> Iterator[tuple[str, Any]]:
    """The events in the list that an object has under a key; then the rest is read, for what is wrong with it."""
    next(events)
    for event, value in events:
        if (event, value) == ("map_key", key) and next(events)[0] == "start_array":
            break
        if event in _STARTS:
            _skip(events)
    depth = 1                               # of lists: whoever is given the start of an object reads to its end
    for event, value in events:
        depth += (event == "start_array") - (event == "end_array")
        if not depth:
            break
        yield event, value
    deque(events, 0)


def _skip(events: Iterator[tuple[str, Any]]) -> None:
    """Read to the end of the list or object that was begun."""
    depth = 1
    while depth:
        event, _ = next(events)
        depth += (event in _STARTS) - (event in _ENDS)


def _events(file: Any) -> Iterator[tuple[str, Any]]:
    file.seek(0)
    events: Iterator[tuple[str, Any]] = ijson.basic_parse(_Plain(file), multiple_values=True, use_float=False, buf_size=_STEP)
    return events


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
    """The file without a byte order mark, in steps. ValueError at a number that Python refuses, of which the parser crashes."""

    def __init__(self, file: Any):
        self.file, self.begun, self.end = file, False, b""

    def read(self, count: int = _STEP) -> bytes:
        found: bytes = self.file.read(count)
        if _DIGITS.search(self.end + found):
            raise ValueError("a number of thousands of digits")
        self.end = (self.end + found)[-_MOST_DIGITS:]
        if not self.begun and count:
            found, self.begun = found.removeprefix(b"\xef\xbb\xbf"), True
        return found


# An array; an object whose first line ends at its brace, or in the middle of it; an object on the only line there is.
_MAGIC = (rb"(?:\xef\xbb\xbf)?\s*(?:\[\s*(?:[{\]]|$)|\{\s*?(?:\n|\}|$)|\{\s*\"[^\n]*[,:\[{][ \t\r]*\n|"
          rb"\{\s*\"[^\n]*+\s*+\Z)")
JSON = of_rows("json", None, _MAGIC, whole, rows)
