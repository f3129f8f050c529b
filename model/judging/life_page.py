"""Life of a model on one page: lines for a terminal, figures as JSON, a picture, and a page with what each phase answers.

The page is one file without network, and so is the picture.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from html import escape

from textmill.model.judging.life import Phase
from textmill.model.posttraining.tasks import Task, is_right

WIDTH, HEIGHT = 720, 300
TOP, BOTTOM = 40, 250
PANELS = ((60, 390), (460, 700))        # left and right edges: shares right, and bits per byte
COLOURS = ("#0b6e4f", "#b4532a", "#2b5c9e", "#7a4b9d", "#8a6d00")
SHARES = {"greedy": "likeliest tokens", "drawn": "drawn", "chosen": "best of several"}
STYLE = """body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222;background:#fff}
table{border-collapse:collapse;font-size:.9rem;display:block;overflow-x:auto}
th,td{padding:.25rem .6rem;text-align:right;white-space:nowrap;border-bottom:1px solid #ddd;vertical-align:top}
th:first-child,td:first-child{text-align:left}
.answers td{text-align:left;white-space:pre-wrap;overflow-wrap:anywhere}.right{color:#0b6e4f}svg{max-width:100%;height:auto}
@media(prefers-color-scheme:dark){body{background:#161616;color:#ddd}th,td{border-color:#444}.right{color:#5cc49b}}"""
SVG_STYLE = "text{font:12px sans-serif;fill:#444}.grid{stroke:#ddd;stroke-width:1}.line{fill:none;stroke-width:2}"


def as_json(phases: Sequence[Phase]) -> str:
    """All figures of the phases."""
    return json.dumps([{name: value for name, value in asdict(phase).items() if name != "answers"} | {
        "kinds": {kind: of_kind._asdict() for kind, of_kind in phase.kinds.items()},
        "win": phase.win and phase.win._asdict()} for phase in phases], indent=1, ensure_ascii=False) + "\n"


def tables(phases: Sequence[Phase]) -> Iterator[tuple[str, list[list[str]]]]:
    """Title and rows of each table, a row for each phase under one of headings."""
    if entries := entries_of(phases):
        yield "held-out text, bits per byte (less is better)", [["phase", *entries], *(
            [phase.name, *(_number(phase.bits.get(entry), 3) for entry in entries)] for phase in phases)]
    yield "held-out tasks, share right", [["phase", *SHARES.values(), "in form"], *(
        [phase.name, *(_number(phase.mean(what), 2) for what in (*SHARES, "form"))] for phase in phases)]
    yield "answers", [["phase", "win rate", "KL/token", "tokens", "calibration error", "refused"], *(
        [phase.name, _win(phase), _number(phase.kl, 2), f"{phase.tokens:.1f}", f"{phase.calibration:.2f}",
         f"{phase.refused:.2f}"] for phase in phases)]
    for what in SHARES if phases[0].mean("chosen") is not None else ("greedy", "drawn"):
        yield f"share right by kind, {SHARES[what]}", [["phase", *phases[0].kinds], *(
            [phase.name, *(_number(getattr(of_kind, what), 2) for of_kind in phase.kinds.values())] for phase in phases)]


def entries_of(phases: Sequence[Phase]) -> list[str]:
    """The kinds of held-out text that any phase was measured on."""
    return list(dict.fromkeys(entry for phase in phases for entry in phase.bits))


def lines(phases: Sequence[Phase]) -> Iterator[str]:
    """The tables for a terminal."""
    for title, rows in tables(phases):
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        yield f"{title}:"
        for first, *others in rows:
            yield "  " + first.ljust(widths[0]) + "".join(f"  {cell.rjust(width)}" for cell, width in
                                                          zip(others, widths[1:], strict=True))


def picture(phases: Sequence[Phase]) -> str:
    """Shares right, and bits per byte, by phase."""
    shares = {name: [phase.mean(what) for phase in phases] for what, name in SHARES.items()}
    bits = {entry: [phase.bits.get(entry) for phase in phases] for entry in entries_of(phases)}
    names = [phase.name for phase in phases]
    drawn = [*_panel(PANELS[0], "held-out tasks right", shares, names, 1.0)]
    if known := [value for values in bits.values() for value in values if value is not None]:
        drawn += _panel(PANELS[1], "bits per byte", bits, names, max(known))
    return (f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" '
            f'role="img" aria-label="tasks right and bits per byte by phase"><style>{SVG_STYLE}</style>'
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>{"".join(drawn)}</svg>\n')


def page(phases: Sequence[Phase], tasks: Sequence[Task], shown: Sequence[int]) -> str:
    """Tables, picture, and what each phase answers to the tasks of these numbers."""
    body = ["<h1>From a text continuer to an assistant</h1>", picture(phases)]
    for title, rows in tables(phases):
        body.append(f"<h2>{escape(title)}</h2>{_table(rows)}")
    body.append("<h2>The same prompts</h2>")
    for number in shown:
        task = tasks[number]
        body.append(f'<table class="answers"><tr><th>asked</th><td>{escape(task.prompt)}</td></tr>')
        for phase in phases:
            right = ' class="right"' if is_right(task, phase.answers[number]) else ""
            body.append(f"<tr><th>{escape(phase.name)}</th><td{right}>{escape(phase.answers[number])}</td></tr>")
        body.append("</table><br>")
    return (f'<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="viewport" '
            f'content="width=device-width,initial-scale=1"><title>A model\'s life</title><style>{STYLE}</style></head>'
            f'<body>{"".join(body)}</body></html>\n')


def _table(rows: Sequence[Sequence[str]]) -> str:
    head, *others = rows
    heading = "".join(f'<th scope="col">{escape(cell)}</th>' for cell in head)
    return f"<table><tr>{heading}</tr>" + "".join(
        f'<tr><th scope="row">{escape(first)}</th>{"".join(f"<td>{escape(cell)}</td>" for cell in cells)}</tr>'
        for first, *cells in others) + "</table>"


def _panel(edges: tuple[int, int], title: str, series: dict[str, list[float | None]], names: Sequence[str],
           high: float) -> Iterator[str]:
    """A panel of lines over the phases, from 0 to `high`."""
    left, right = edges

    def place(number: int, value: float) -> tuple[float, float]:
        return left + (number + 0.5) / len(names) * (right - left), BOTTOM - value / high * (BOTTOM - TOP)

    yield f'<text x="{left}" y="{TOP - 22}" style="font-weight:600">{escape(title)}</text>'
    for step in range(5):
        value = high * step / 4
        y = place(0, value)[1]
        yield (f'<path class="grid" d="M{left} {y:.1f}H{right}"/><text x="{left - 6}" y="{y + 4:.1f}" '
               f'text-anchor="end">{value:.2f}</text>')
    for number, name in enumerate(names):
        yield f'<text x="{place(number, 0)[0]:.1f}" y="{BOTTOM + 16}" text-anchor="middle">{escape(name)}</text>'
    measured = {name: known for name, values in series.items()
                if (known := [(number, value) for number, value in enumerate(values) if value is not None])}
    for row, ((name, known), colour) in enumerate(zip(measured.items(), COLOURS, strict=False)):
        places = [place(number, value) for number, value in known]
        yield f'<path class="line" stroke="{colour}" d="M{"L".join(f"{x:.1f} {y:.1f}" for x, y in places)}"/>'
        for (x, y), (_, value) in zip(places, known, strict=True):
            yield (f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"><title>{escape(name)} {value:.3f}</title>'
                   "</circle>")
        x, y = left + 130 * (row % 2), BOTTOM + 34 + 14 * (row // 2)
        yield f'<text x="{x}" y="{y}" style="fill:{colour}">{escape(name)}</text>'


def _number(value: float | None, digits: int) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def _win(phase: Phase) -> str:
    return "" if phase.win is None else f"{phase.win.share:.2f} ({phase.win.low:.2f} to {phase.win.high:.2f})"
