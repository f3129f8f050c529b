"""Conditions on stored columns: the `where` of a mixture's entry, as plain YAML.

`column: value`, `column: [one, of, these]`, `column: {low: 3, high: 10}` for numbers, `column: {from: 2020-06, until: 2021}`
for dates, `column: {prefix: "https://docs."}` for texts; `any: […]` and `all: […]` of conditions, `not: {…}` of one. Several
keys of one mapping must all hold, bounds are inclusive. A value that is not stored matches nothing, so `not` matches it.
"""

import datetime
import difflib
import re
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.strict import LARGEST, number
from textmill.pipelines.pack.columns import COLUMNS, Column

ANY, ALL, NOT = "any", "all", "not"
BOUNDS = {"number": ("low", "high"), "date": ("from", "until"), "text": ("prefix",), "texts": (), "flag": ()}
_DATE = re.compile(r"[0-9]{4}(-[0-9]{2}(-[0-9]{2})?)?")

Condition = Mapping[str, Any]


def plain(condition: Any) -> Any:
    """The condition with dates as the text in the file (YAML reads 2020-01-01 as a date), and 100k a number."""
    if isinstance(condition, dict):
        return {key: str(value) if key in BOUNDS["date"] and type(value) is int else
                number(value) if key in BOUNDS["number"] and isinstance(value, str) else plain(value)
                for key, value in condition.items()}
    if isinstance(condition, list):
        return [plain(value) for value in condition]
    return condition.isoformat()[:10] if isinstance(condition, datetime.date) else condition


def problems(condition: Any, where: str = "where") -> Iterator[str]:
    """A sentence for each mistake in a condition; `where` is its place in the recipe."""
    if not isinstance(condition, dict):
        yield f"{where} is {condition!r}; write a mapping of columns to what they must be, such as {{language: en}}"
        return
    if not condition:
        yield f"{where} is empty; say which texts to take, such as {{source: crawl}}"
    for key, value in condition.items():
        if key in (ANY, ALL):
            yield from _of_list(value, f"{where}.{key}")
        elif key == NOT:
            yield from problems(value, f"{where}.{NOT}")
        elif key not in COLUMNS:
            yield f"{where} asks for {key!r}; {_suggestion(str(key))}"
        else:
            yield from _of_column(key, value, f"{where}.{key}")


def columns(condition: Condition) -> set[str]:
    """The columns that a condition asks for."""
    found: set[str] = set()
    for key, value in condition.items():
        if key in (ANY, ALL):
            found |= {column for each in value for column in columns(each)}
        else:
            found |= columns(value) if key == NOT else {key}
    return found


def matches(condition: Condition, rows: pa.RecordBatch) -> np.ndarray:
    """Whether each row meets a condition; `rows` has its columns."""
    result = np.ones(rows.num_rows, bool)
    for key, value in condition.items():
        if key in (ANY, ALL):
            each = [matches(one, rows) for one in value]
            result &= np.any(each, axis=0) if key == ANY else np.all(each, axis=0)
        elif key == NOT:
            result &= ~matches(value, rows)
        else:
            result &= _column_matches(COLUMNS[key], rows[key], value)
    return result


def sentence(condition: Condition) -> str:
    """A condition as a message says it: source=crawl, language=de|fr, classifier_score>=0.7."""
    parts = []
    for key, value in condition.items():
        if key in (ANY, ALL):
            parts.append("(" + (" or " if key == ANY else " and ").join(sentence(each) for each in value) + ")")
        elif key == NOT:
            parts.append(f"not ({sentence(value)})")
        elif isinstance(value, dict):
            signs = {"low": ">=", "from": ">=", "high": "<=", "until": "<=", "prefix": "="}
            ends = {bound: "*" if bound == "prefix" else "" for bound in value}
            parts.append(", ".join(f"{key}{signs[bound]}{_said(end)}{ends[bound]}" for bound, end in value.items()))
        else:
            parts.append(f"{key}={_said(value)}")
    return ", ".join(parts)


def _said(value: Any) -> str:
    if isinstance(value, list):
        return "|".join(map(_said, value))
    return str(value).lower() if isinstance(value, bool) else str(value)


def _suggestion(name: str) -> str:
    if near := difflib.get_close_matches(name, [*COLUMNS, ANY, ALL, NOT], n=1):
        return f"did you mean {near[0]!r}?"
    return "texts can be chosen by source, language, host, license, date, any measurement and more (docs/mixtures.md)"


def _of_list(value: Any, where: str) -> Iterator[str]:
    if not isinstance(value, list) or not value:
        yield f"{where} is {value!r}; give a list of conditions, such as [{{language: en}}, {{language: de}}]"
        return
    for place, each in enumerate(value):
        yield from problems(each, f"{where}[{place}]")


def _of_column(name: str, value: Any, where: str) -> Iterator[str]:
    kind = COLUMNS[name].kind
    if isinstance(value, dict):
        yield from _of_bounds(kind, value, where)
        return
    if value is None:
        yield f"{where} is empty, and a text without the value matches nothing; name a value, or write not: {{{name}: …}}"
        return
    if kind == "date":
        yield f"{where} is {value!r}; give days, months or years as {{from: 2020-01-01, until: 2021}}"
        return
    if isinstance(value, list) and not value:
        yield f"{where} is an empty list, which no row matches; name at least one value"
    for each in value if isinstance(value, list) else [value]:
        if kind in ("text", "texts") and not isinstance(each, str):
            yield f"{where} has {each!r}, which is not text; write it in quotes (YAML reads no as false)"
        if kind == "number" and not _is_number(each):
            yield f"{where} has {each!r}, which is not a number; give one, or bounds such as {{low: 0.7}}"
        if kind == "flag" and not isinstance(each, bool):
            yield f"{where} has {each!r}; give true or false"


def _of_bounds(kind: str, value: dict[str, Any], where: str) -> Iterator[str]:
    known = BOUNDS[kind]
    if not known:
        yield f"{where} is a mapping; give {'true or false' if kind == 'flag' else 'a value or a list of values'}"
        return
    example = {"number": "{low: 3, high: 10}", "date": "{from: 2020-01-01, until: 2021}", "text": '{prefix: "https://docs."}'}[kind]
    if not value:
        yield f"{where} is an empty mapping; give {example}"
    for bound, end in value.items():
        if bound not in known:
            cure = "a date goes by from and until, such as" if kind == "date" and bound in BOUNDS["number"] else \
                "a number goes by low and high, such as" if kind == "number" and bound in BOUNDS["date"] else "it goes by"
            yield f"{where} has {bound!r}; {cure} {example}"
        elif kind == "number" and not _is_number(end):
            yield f"{where}.{bound} is {end!r}; a bound needs a number"
        elif kind == "date" and not (isinstance(end, str) and _DATE.fullmatch(end)):
            yield f"{where}.{bound} is {end!r}; a date is written 2021-12-31, 2021-12 or 2021"
        elif kind == "text" and (not end or not all(isinstance(one, str) for one in (end if isinstance(end, list) else [end]))):
            yield f"{where}.{bound} is {end!r}; give a text or a list of texts"
    if all(bound in known for bound in value) and len(value) == 2:
        low, high = (value[bound] for bound in known)
        if (_is_number(low) and _is_number(high) and low > high) or (
                kind == "date" and isinstance(low, str) and isinstance(high, str) and low[:len(high)] > high):
            yield f"{where} goes from {low} to {high}, which no row matches; exchange the two"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def _column_matches(column: Column, values: pa.Array, wanted: Any) -> np.ndarray:
    if column.kind == "texts":
        inside = pc.is_in(values.flatten(), value_set=pa.array(_listed(wanted), pa.string()))
        owner = pc.list_parent_indices(values).to_numpy()[inside.to_numpy(zero_copy_only=False)]
        found = np.zeros(len(values), bool)
        found[owner] = True
        return found
    result = _bounded(column, values, wanted) if isinstance(wanted, dict) else _equal(column, values, _listed(wanted))
    return result.fill_null(False).to_numpy(zero_copy_only=False).astype(bool, copy=False)


def _equal(column: Column, values: pa.Array, wanted: list[Any]) -> pa.Array:
    kinds = {"text": pa.string(), "flag": pa.bool_(), "number": pa.float64()}
    if column.kind == "number":
        values, wanted = values.cast(pa.float64()), [_rounded(values, each) for each in wanted]
    return pc.is_in(values, value_set=pa.array(wanted, kinds[column.kind]))


def _bounded(column: Column, values: pa.Array, bounds: dict[str, Any]) -> pa.Array:
    inside = pc.is_valid(values)
    for bound, end in bounds.items():
        if bound == "prefix":
            begins = pa.array(np.zeros(len(values), bool))
            for prefix in _listed(end):
                begins = pc.or_(begins, pc.starts_with(values, prefix).fill_null(False))
            inside = pc.and_(inside, begins)
            continue
        compare = pc.greater_equal if bound in ("low", "from") else pc.less_equal
        ends = pc.utf8_slice_codeunits(values, 0, len(end)) if column.kind == "date" else values.cast(pa.float64())
        inside = pc.and_(inside, compare(ends, end if column.kind == "date" else _rounded(values, end)))
    return inside


def _rounded(values: pa.Array, end: float) -> float:
    """The number as the column would store it: 0.7 in 32 bits is a little less than 0.7."""
    return float(np.float32(end)) if values.type == pa.float32() else float(end)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]
