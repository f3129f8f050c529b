"""Number formatting, the same everywhere on the page."""


def count(value: int | None) -> str:
    """A count with thousands separators; a dash where nothing was counted.

    >>> count(1234567), count(None)
    ('1,234,567', '–')
    """
    return "–" if value is None else f"{value:,}"


def percent(share: float | None) -> str:
    """A share as a percentage with up to three digits; a dash for none.

    >>> percent(0.1234), percent(0.0004), percent(1), percent(None)
    ('12.3 %', '0.04 %', '100 %', '–')
    """
    if share is None:
        return "–"
    digits = 0 if share in (0, 1) else 2 if share < 0.001 else 1
    return f"{100 * share:.{digits}f} %"


def number(value: float | None) -> str:
    """A number: integers in full, others to four digits.

    >>> number(1_000_000.0), number(0.123456), number(None)
    ('1,000,000', '0.1235', '–')
    """
    if value is None:
        return "–"
    return f"{value:,.0f}" if value == int(value) else f"{value:,.4g}"


def short(value: float) -> str:
    """A short number for the ends of an axis.

    >>> short(20), short(10_000_000), short(1_000_000), short(0.3)
    ('20', '10 M', '1,000 k', '0.3')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if value >= 10 * size:
            return f"{value / size:,.4g} {letter}"
    return number(value)


def size(value: int | None) -> str:
    """A size in bytes, with a unit.

    >>> size(999), size(1_234_567)
    ('999 bytes', '1.2 MB')
    """
    if value is None:
        return "–"
    for unit, letter in ((10**9, "GB"), (10**6, "MB"), (10**3, "kB")):
        if value >= unit:
            return f"{value / unit:,.1f} {letter}"
    return f"{value} bytes"


def many(value: int, one: str, more: str = "") -> str:
    """A count with its noun in the singular or plural.

    >>> many(1, "page"), many(2000, "page"), many(0, "copy", "copies")
    ('1 page', '2,000 pages', '0 copies')
    """
    return f"{value:,} {one if value == 1 else more or one + 's'}"


def decimal(value: float | None) -> str:
    """A measured value: integers in full, others with three decimals, small ones with three digits; a dash for none.

    >>> decimal(2.1046216), decimal(0.000412), decimal(12), decimal(None)
    ('2.105', '0.000412', '12', '–')
    """
    if value is None:
        return "–"
    if value == int(value):
        return f"{value:,.0f}"
    return f"{value:.3g}" if abs(value) < 0.01 else f"{value:,.3f}"
