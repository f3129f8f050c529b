"""Ladders as an SVG file that stands alone: loss by compute, a colour for each mixture.

Dots are runs, thin lines the law of a size from its fewest to its most tokens, the thick line the best that the law gives for
so much compute.
"""

import math
from collections.abc import Iterator, Sequence
from html import escape

import numpy as np

from textmill.model.evaluation.ladder import Ladder

COLOURS = ("#0b6e4f", "#b4532a", "#2b5c9e", "#7a4b9d")
WIDTH, HEIGHT = 640, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 620, 20, 340
STYLE = ("text{font:12px sans-serif;fill:#444}.grid{stroke:#ddd;stroke-width:1}.law{fill:none;stroke-width:1;opacity:.55}"
         ".best{fill:none;stroke-width:2.5}svg{background:#fff}")
STEPS = 24


def picture(ladders: Sequence[Ladder]) -> str:
    """The ladders, one to four of them, in one picture."""
    compute = [6 * run.rung.parameters * run.rung.tokens for ladder in ladders for run in ladder.runs]
    low, high = math.log10(min(compute)) - 0.1, math.log10(max(compute)) + 0.5
    losses = [run.loss for ladder in ladders for run in ladder.runs]
    losses += [float(ladder.fit.law.loss(*ladder.fit.law.optimal(10**high))) for ladder in ladders]
    bottom, top = min(losses), max(losses)
    margin = 0.05 * (top - bottom or 1)
    bottom, top = bottom - margin, top + margin

    def place(flops: float, loss: float) -> tuple[float, float]:
        return (LEFT + (math.log10(flops) - low) / (high - low) * (RIGHT - LEFT),
                BOTTOM - (loss - bottom) / (top - bottom) * (BOTTOM - TOP))

    def path(kind: str, colour: str, places: Sequence[tuple[float, float]]) -> str:
        return f'<path class="{kind}" stroke="{colour}" d="M' + "L".join(f"{x:.1f} {y:.1f}" for x, y in places) + '"/>'

    drawn = list(_grid(low, high, bottom, top, place))
    for n, (ladder, colour) in enumerate(zip(ladders, COLOURS, strict=False)):
        law = ladder.fit.law
        for size in sorted({run.rung.parameters for run in ladder.runs}):
            tokens = [run.rung.tokens for run in ladder.runs if run.rung.parameters == size]
            steps = np.geomspace(min(tokens), max(tokens), STEPS)
            drawn.append(path("law", colour, [place(6 * size * count, float(law.loss(size, count))) for count in steps]))
        best = [(flops, float(law.loss(*law.optimal(flops)))) for flops in np.logspace(low + 0.1, high, STEPS)]
        drawn.append(path("best", colour, [place(*each) for each in best if each[1] <= top]))
        for run in ladder.runs:
            x, y = place(6 * run.rung.parameters * run.rung.tokens, run.loss)
            drawn.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{run.rung.name}: {run.loss:.4f}'
                         "</title></circle>")
        drawn.append(f'<text x="{RIGHT - 8}" y="{TOP + 16 + 18 * n}" text-anchor="end" style="fill:{colour}">'
                     f"{escape(ladder.name)}: dots measured, lines the law</text>")
    drawn.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">FLOPs of training, 6·N·D</text>')
    drawn.append(f'<text x="{LEFT - 48}" y="{TOP - 6}">bits per byte</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="bits per byte by compute"><style>{STYLE}</style>{"".join(drawn)}</svg>\n')


def _grid(low: float, high: float, bottom: float, top: float, place: object) -> Iterator[str]:
    assert callable(place)
    for power in range(math.ceil(low), math.floor(high) + 1):
        x, _ = place(10.0**power, bottom)
        yield (f'<path class="grid" d="M{x:.1f} {TOP}V{BOTTOM}"/><text x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">'
               f"1e{power}</text>")
    for step in range(6):
        loss = bottom + (top - bottom) * step / 5
        _, y = place(10.0**low, loss)
        yield (f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/><text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">'
               f"{loss:.2f}</text>")
