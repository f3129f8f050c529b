"""Dates as inputs write them: ISO 8601, 14 digits of archives, seconds since 1970, HTTP dates, values of Parquet and YAML."""

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from email.utils import parsedate_to_datetime
from typing import Any

_ISO = re.compile(r"(\d{4})-(\d\d)(?:-(\d\d)(?:[T ](\d\d):(\d\d)(?::(\d\d))?(?:[.,]\d+)?\s*(Z|UTC|[+-]\d\d:?\d\d)?)?)?",
                  re.ASCII)
_DIGITS = re.compile(r"(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d))?", re.ASCII)
_NUMBER = re.compile(r"\d{9,19}(?:\.\d+)?", re.ASCII)
_YEARS = range(1900, 2200)      # of a date in digits; other numbers are counts


def read_date(value: Any) -> str | None:
    """A date as "YYYY-MM-DDThh:mm:ssZ"; None where `value` is none, or one that cannot be.

    A month alone is its first day, a date without a zone is UTC. Numbers are seconds since 1970, or thousandths, millionths or
    billionths, by their size.
    """
    try:
        when = _parsed(value)
        return None if when is None else when.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ").rjust(20, "0")
    except (ValueError, OverflowError, TypeError, IndexError, OSError):
        return None


def _parsed(value: Any) -> datetime | None:
    if isinstance(value, datetime):
        return value if value.tzinfo else value.replace(tzinfo=UTC)
    if isinstance(value, date):
        return datetime(value.year, value.month, value.day, tzinfo=UTC)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return _since_1970(float(value))
    if not isinstance(value, str):
        return None
    text = value.strip()[:64]
    for pattern, made in _FORMS:
        if match := pattern.fullmatch(text):
            return made(match)
    return parsedate_to_datetime(text).astimezone(UTC) if text[:3].isalpha() or text[:2].strip().isdigit() else None


def _iso(match: re.Match[str]) -> datetime:
    year, month, day, hour, minute, second, zone = match.groups()
    offset = "+00:00" if zone in (None, "Z", "UTC") else zone
    return datetime.fromisoformat(f"{year}-{month}-{day or '01'}T{hour or '00'}:{minute or '00'}:{second or '00'}{offset}")


def _digits(match: re.Match[str]) -> datetime | None:
    year, month, day, hour, minute, second = (int(part or 0) for part in match.groups())
    return datetime(year, month, day, hour, minute, second, tzinfo=UTC) if year in _YEARS else None


def _since_1970(seconds: float) -> datetime | None:
    for _ in range(4):
        if 1e8 <= abs(seconds) < 1e10:      # 1973 to 2286
            return datetime.fromtimestamp(seconds, UTC)
        seconds /= 1000
    return None


_FORMS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], datetime | None]], ...] = (
    (_ISO, _iso), (_DIGITS, _digits), (_NUMBER, lambda match: _since_1970(float(match[0]))))
