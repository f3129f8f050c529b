"""Student's t and Holm's correction, for differences between a few runs."""

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
