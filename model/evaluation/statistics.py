"""Student's t and Holm's correction, for differences between a few runs; Wilson's interval of a share."""

import math
from collections.abc import Mapping


def within(t: float, degrees: int) -> float:
    """Probability that |T| < t of Student's t with so many degrees of freedom (Abramowitz and Stegun 1964, 26.7.3 and 4)."""
    angle = math.atan(abs(t) / math.sqrt(degrees))
    cosine, term, total = math.cos(angle), 1.0, 0.0
    if degrees % 2:
        term = cosine
        for n in range(1, degrees - 1, 2):
            total += term
            term *= cosine * cosine * (n + 1) / (n + 2)
        return 2 / math.pi * (angle + math.sin(angle) * total)
    for n in range(0, degrees - 1, 2):
        total += term
        term *= cosine * cosine * (n + 1) / (n + 2)
    return math.sin(angle) * total


def quantile(share: float, degrees: int) -> float:
    """The t that |T| is below with this probability."""
    low, high = 0.0, 1e6
    for _ in range(80):
        middle = (low + high) / 2
        low, high = (middle, high) if within(middle, degrees) < share else (low, middle)
    return high


def holm(values: Mapping[str, float]) -> dict[str, float]:
    """P values corrected for looking at so many (Holm 1979), in the order given."""
    corrected, largest = {}, 0.0
    for rank, name in enumerate(sorted(values, key=lambda name: values[name])):
        largest = max(largest, min(1.0, (len(values) - rank) * values[name]))
        corrected[name] = largest
    return {name: corrected[name] for name in values}


def wilson(cases: float, of: int, z: float = 1.959964) -> tuple[float, float]:
    """The interval of a share of `cases` (half ones may be counted) in `of`, at 95 % by default (Wilson 1927)."""
    if not of:
        return 0.0, 1.0
    value, spread = cases / of, z * z / of
    centre, half = (value + spread / 2) / (1 + spread), math.sqrt(spread * (value * (1 - value) + spread / 4)) / (1 + spread)
    return max(0.0, centre - half), min(1.0, centre + half)
