"""Risk-coverage curves as an SVG file that stands alone: a colour for each model, a dot where it stops answering."""

from collections.abc import Iterator, Mapping, Sequence
from html import escape

from textmill.model.evaluation.calibration import Cut
from textmill.model.evaluation.ladder_picture import BOTTOM, COLOURS, HEIGHT, LEFT, RIGHT, STYLE, TOP, WIDTH

STEPS = 5               # of the grid


def picture(curves: Mapping[str, Sequence[Cut]]) -> str:
    """The curves by name, one to four of them, in one picture."""
    drawn = list(_grid())
    for number, ((name, cuts), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        places = [place(cut.coverage, cut.risk) for cut in cuts]
        if places:
            (x, y), path = places[-1], "L".join(f"{x:.1f} {y:.1f}" for x, y in places)
            drawn.append(f'<path fill="none" stroke-width="2" stroke="{colour}" d="M{path}"/>'
                         f'<circle cx="{x:.1f}" cy="{y:.1f}" r="4" fill="{colour}"/>')
        drawn.append(f'<text x="{LEFT + 12}" y="{TOP + 16 + 18 * number}" style="fill:{colour}">{escape(name)}</text>')
    drawn.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">coverage: share of '
                 "questions answered; dots: the rest is refused</text>")
    drawn.append(f'<text x="{LEFT - 48}" y="{TOP - 6}">risk: share of answers that are wrong</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="risk by coverage"><style>{STYLE}</style>{"".join(drawn)}</svg>\n')


def place(coverage: float, risk: float) -> tuple[float, float]:
    """Where a point is drawn."""
    return LEFT + coverage * (RIGHT - LEFT), BOTTOM - risk * (BOTTOM - TOP)


def _grid() -> Iterator[str]:
    for step in range(STEPS + 1):
        share = step / STEPS
        x, y = place(share, share)
        yield (f'<path class="grid" d="M{x:.1f} {TOP}V{BOTTOM}M{LEFT} {y:.1f}H{RIGHT}"/>'
               f'<text x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">{share:.0%}</text>'
               f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>')
