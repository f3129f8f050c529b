"""The report's figures: bars, histograms and lines as inline SVG, each value in a title that shows on hover.

Pure functions of numbers; every string that comes from outside is escaped. Colours are classes, so that the page's
style decides them, by day, by night and on paper.
"""

import math
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from markupsafe import Markup, escape

from textmill.pipelines.display import numbers

STYLE = Path(__file__).with_name("figures.css")
BANDS = 60              # of a figure of lines, each with its values
Points = Sequence[tuple[float, float]]


class Axis(Protocol):
    """What a histogram's bins stand for (`rules.Axis`)."""

    @property
    def flag(self) -> bool: ...

    def edges(self, number: int) -> tuple[float, float | None]: ...


def bar(segments: Sequence[tuple[str, float] | tuple[str, float, str]], whole: float, label: str = "") -> Markup:
    """A horizontal bar of `whole`, filled from the left by (class, amount, what it is); what is there at all can be seen.

    Without a label it only draws a number that stands beside it.
    """
    at, drawn = 0.0, []
    for kind, amount, *said in segments:
        if amount:
            width = max(100 * amount / whole, 0.8)
            title = f"<title>{amount:,} {escape(said[0])} ({numbers.percent(amount / whole)})</title>" if said else ""
            drawn.append(f'<rect class="{escape(kind)}" x="{min(at, 100 - width):.2f}" width="{width:.2f}" height="10"'
                         + (f">{title}</rect>" if title else "/>"))
            at += 100 * amount / whole
    role = f'role="img" aria-label="{escape(label)}"' if label else 'aria-hidden="true"'
    return Markup(f'<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" {role}>'
                  f'<rect class="track" width="100" height="10"/>{"".join(drawn)}</svg>')


def bin_titles(axis: Axis, values: Sequence[int], broken: Sequence[int] | None, lost: str) -> list[str]:
    """What each bin of a histogram holds, in words; `lost` says what the marked share is."""
    def span(number: int) -> str:
        low, high = axis.edges(number)
        if axis.flag:
            return "above 0" if number else "at 0"
        return f"from {numbers.decimal(low)}" if high is None else f"{numbers.decimal(low)} to {numbers.decimal(high)}"

    return [f"{span(n)}: {numbers.many(count, 'document')}" + (f", {broken[n]:,} {lost}" if broken else "")
            for n, count in enumerate(values)]


def histogram(values: Sequence[int], broken: Sequence[int] | None, bounds: Sequence[tuple[float, str]], first: str, last: str,
              label: str, titles: Sequence[str] = ()) -> Markup:
    """Columns of documents per bin, height by the logarithm of their number, the broken share of each marked from below.

    `bounds` are (position in bins, what it says), `first` and `last` label the ends. The last bin stands apart: it holds
    all that lies beyond the axis.
    """
    left, right, top, bottom = 2.0, 238.0, 16.0, 62.0
    bins = len(values)
    step = (right - left) / bins
    scale = (bottom - top) / math.log1p(max([1, *values]))
    drawn = []
    for n, count in enumerate(values):
        if count:
            x, width, height = left + n * step, max(step - 0.8, 0.8), math.log1p(count) * scale
            bad = height * (broken[n] / count if broken else 0)
            columns = (f'<rect class="{"kept" if broken else "plain"}" x="{x:.1f}" y="{bottom - height:.1f}" '
                       f'width="{width:.1f}" height="{height - bad:.1f}"/>')
            if bad:
                columns += f'<rect class="lost" x="{x:.1f}" y="{bottom - bad:.1f}" width="{width:.1f}" height="{bad:.1f}"/>'
            if titles:          # the whole height is its target
                columns = (f'<g><title>{escape(titles[n])}</title><rect class="hit" x="{left + n * step:.1f}" y="{top}" '
                           f'width="{step:.1f}" height="{bottom - top}"/>{columns}</g>')
            drawn.append(columns)
    drawn.append(f'<path class="axis" d="M{left} {bottom}H{right}"/>')
    drawn.append(_text(left, 74, first, "start") + _text(right, 74, last, "end"))
    for position, said in bounds:
        x = left + min(max(position, 0), bins) * step
        anchor = "start" if x < 60 else "end" if x > 180 else "middle"
        drawn.append(f'<path class="bound" d="M{x:.1f} {top - 4}V{bottom + 3}"/>{_text(x, 9, said, anchor)}')
    return _figure("histogram", 240, 78, label, drawn)


def lines(series: Sequence[tuple[str, Points]], across: str, end: float, label: str) -> Markup:
    """Lines over 0 … `end` of what `across` names; the vertical axis is cut to what is there."""
    left, right, top, bottom = 40.0, 402.0, 8.0, 184.0
    ys = [y for _, points in series for _, y in points]
    across_ticks, up_ticks = ticks(0, max(end, 1)), ticks(min(ys, default=0), max(ys, default=1))

    def place(x: float, y: float) -> str:
        (x0, x1), (y0, y1) = (across_ticks[0], across_ticks[-1]), (up_ticks[0], up_ticks[-1])
        return f"{left + (x - x0) / (x1 - x0) * (right - left):.1f} {bottom - (y - y0) / (y1 - y0) * (bottom - top):.1f}"

    drawn = []
    for tick in up_ticks:
        y = float(place(across_ticks[0], tick).split()[1])
        drawn.append(f'<path class="grid" d="M{left} {y}H{right}"/>{_text(left - 5, y + 3.5, f"{tick:g}", "end")}')
    for tick in across_ticks:
        x = float(place(tick, up_ticks[0]).split()[0])
        drawn.append(_text(x, bottom + 15, f"{tick:,g}" if tick < 1e6 else f"{tick / 1e6:g} M", "middle"))
    drawn.append(_text((left + right) / 2, bottom + 31, across, "middle"))
    for n, (_, points) in enumerate(series):
        kind = f"line n{n % 6}"
        if len(points) > 1:
            drawn.append(f'<path class="{kind}" d="M{"L".join(place(x, y) for x, y in points)}"/>')
        if len(points) <= 25:
            for x, y in points:
                cx, cy = place(x, y).split()
                drawn.append(f'<circle class="{kind}" cx="{cx}" cy="{cy}" r="2.5"/>')
    for x, text in hover_values(series, across, across_ticks[-1]):
        at = float(place(x, up_ticks[0]).split()[0])
        width = (right - left) / BANDS
        drawn.append(f'<rect class="hit" x="{at - width / 2:.1f}" y="{top}" width="{width:.1f}" height="{bottom - top}">'
                     f'<title>{escape(text)}</title></rect>')
    return _figure("lines", 420, 220, label, drawn)


def hover_values(series: Sequence[tuple[str, Points]], across: str, end: float) -> Iterator[tuple[float, str]]:
    """(place, text) of bands over 0 … `end` that hold a point: of each series the point nearest to the band's middle."""
    band = end / BANDS
    for number in range(BANDS + 1):
        middle, near = number * band, []
        for name, points in series:
            at = bisect_left(points, (middle,))
            best = min(points[max(0, at - 1):at + 1], key=lambda point: abs(point[0] - middle), default=None)
            if best and abs(best[0] - middle) <= band / 2:
                near.append((name, best))
        if near:
            yield middle, f"{across} {near[0][1][0]:,.0f}" + "".join(f"\n{name} {value:.3f}" for name, (_, value) in near)


def ticks(low: float, high: float) -> list[float]:
    """Three to seven round numbers, equally far apart, that enclose low … high.

    >>> ticks(0, 230), ticks(2.9, 8.1)
    ([0, 50, 100, 150, 200, 250], [2, 4, 6, 8, 10])
    """
    if high <= low:
        low, high = low - 0.5, high + 0.5
    rough = (high - low) / 5
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    digits = max(0, -math.floor(math.log10(step)))
    marks = [round(n * step, digits) for n in range(math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9) + 1)]
    return [int(mark) if mark == int(mark) else mark for mark in marks]


def _text(x: float, y: float, said: str, anchor: str) -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape(said)}</text>'


def _figure(kind: str, width: int, height: int, label: str, drawn: Sequence[str]) -> Markup:
    return Markup(f'<svg class="{kind}" viewBox="0 0 {width} {height}" role="img" aria-label="{escape(label)}">'
                  f'{"".join(drawn)}</svg>')
