"""The S-curve as an SVG file that stands alone: what theory says of a banding as a line, what was measured as dots."""

from collections.abc import Mapping, Sequence

from textmill.pipelines.dedup.settings import probability_found

COLOURS = ("#0b6e4f", "#b4532a")
WIDTH, HEIGHT = 560, 340
LEFT, RIGHT, TOP, BOTTOM = 56, 540, 20, 290
STYLE = ("text{font:12px sans-serif;fill:#444}.grid{stroke:#ccc;stroke-width:1}.line{fill:none;stroke-width:2}"
         "svg{background:#fff}")


def s_curve(curves: Mapping[tuple[int, int], Sequence[tuple[float, float, int]]], low: float) -> str:
    """`curves`: (bands, rows) → (Jaccard, share found, pairs) of each bin; the horizontal axis is `low` to 1."""
    def place(jaccard: float, share: float) -> tuple[float, float]:
        return LEFT + (jaccard - low) / (1 - low) * (RIGHT - LEFT), BOTTOM - share * (BOTTOM - TOP)

    drawn = []
    for n in range(6):
        share, jaccard = n / 5, low + n * (1 - low) / 5
        (_, y), (x, _) = place(low, share), place(jaccard, 0)
        drawn.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{RIGHT}"/>'
                     f'<text x="{LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{share:.0%}</text>'
                     f'<text x="{x:.1f}" y="{BOTTOM + 20}" text-anchor="middle">{jaccard:.1f}</text>')
    for n, (((bands, rows), points), colour) in enumerate(zip(curves.items(), COLOURS, strict=False)):
        steps = (low + (1 - low) * k / 100 for k in range(101))
        path = "L".join("{:.1f} {:.1f}".format(*place(s, probability_found(s, bands, rows))) for s in steps)
        drawn.append(f'<path class="line" stroke="{colour}" d="M{path}"/>')
        drawn += ['<circle cx="{:.1f}" cy="{:.1f}" r="3.5" fill="{}"/>'.format(*place(s, share), colour)
                  for s, share, _ in points]
        drawn.append(f'<text x="{RIGHT - 210}" y="{BOTTOM - 40 + 18 * n}" style="fill:{colour}">{bands} × {rows}: '
                     "line theory, dots measured</text>")
    drawn.append(f'<text x="{(LEFT + RIGHT) / 2}" y="{HEIGHT - 8}" text-anchor="middle">exact Jaccard of two pages</text>')
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="share of pairs found by Jaccard"><style>{STYLE}</style>{"".join(drawn)}</svg>\n')
