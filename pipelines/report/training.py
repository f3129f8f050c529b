"""Training runs: every run under checkpoints/, the loss of each, and its figure on held-out text.

A run's folder is read as plain JSON lines, a few facts a line, each with its step; nothing of `model` is imported.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.report.tables import Column, Table, table

LOG = "log.jsonl"
RUNS = "checkpoints"
STATE = re.compile(rf"{RUNS}/([^/]+)/step-\d+/state\.json")
BITS = "bits per byte"
# What a run's held-out figure is, by a key of its state.
FIGURES = {"blocks": BITS, "comparisons": "share of pairs ranked right", "tasks": "share of held-out tasks right"}
LIVES = ("life/life.html", "assistant/life/life.html")      # reports on post-training, under the data folder
MOST_RUNS = 12          # drawn over each other: the latest lines of a figure with more cannot be told apart
POINTS = 240            # of the loss, at most: more are finer than the figure

Points = tuple[tuple[float, float], ...]        # (step, value)


@dataclass(frozen=True)
class Training:
    """A run: mean training loss (nats per token), bits per byte on held-out blocks, overall and by entry."""

    steps: int
    tokens: int | None
    loss: Points
    validation: Points
    entries: tuple[tuple[str, Points], ...]


@dataclass(frozen=True)
class Run:
    """A run under checkpoints/: its name, what its held-out figure is, on which data (its digest), and what its log says."""

    name: str
    figure: str
    data: str
    training: Training


def runs(data: Folder, mixture: str) -> list[Run]:
    """Every run with a log, that of the mixture first, then by name; one whose figure is not known has it as `figure`."""
    paths = [entry.path for entry in data.entries(RUNS)]
    states = {match[1]: path for path in sorted(paths) if (match := STATE.fullmatch(path))}        # the last checkpoint of each
    names = sorted((path.split("/")[1] for path in paths if re.fullmatch(rf"{RUNS}/[^/]+/{re.escape(LOG)}", path)),
                   key=lambda name: (name != mixture, name))
    return [Run(name, *_figure(data, states.get(name), BITS if name == mixture else "figure"), log) for name in names
            if (log := training(data / f"{RUNS}/{name}"))]


def named_points(of: Sequence[Run], figure: str, what: str) -> list[tuple[str, Points]]:
    """(run, its points of `validation` or `loss`) of the runs with this held-out figure, as far as they have any."""
    return [(run.name, points) for run in of if run.figure == figure and (points := getattr(run.training, what))]


def lives(data: Folder) -> list[str]:
    """The reports on post-training, as addresses relative to the report's folder."""
    return [f"../{path}" for path in LIVES if data.exists(path)]


def _figure(data: Folder, state: str | None, otherwise: str) -> tuple[str, str]:
    """(what a run is measured by, on what), by its last checkpoint."""
    try:
        facts = json.loads(data.read(state)) if state else {}
    except (OSError, ValueError):
        facts = {}
    key = next((key for key in FIGURES if isinstance(facts, dict) and key in facts), None)
    return (FIGURES[key], str(facts[key])) if key else (otherwise, "")


def run_table(of: Sequence[Run]) -> Table:
    """One row for each run."""
    return table("runs", "Runs", "a training run", [
        Column("run", "its folder under checkpoints/"), Column("steps", "taken", "count"), Column("tokens", "seen", "count"),
        Column("figure", "what is measured on held-out text", label="held-out figure"),
        Column("data", "digest of the blocks or comparisons, or the tasks: figures on equal ones compare", label="on",
               long=True),
        Column("begin", "the figure before the first step", "number"),
        Column("end", "the last figure", "number"),
        Column("loss", "mean of the last points of training, in nats per token or the method's own", "number")],
        ((run.name, run.training.steps, run.training.tokens, run.figure, run.data[:16] or None,
          run.training.validation[0][1] if run.training.validation else None,
          run.training.validation[-1][1] if run.training.validation else None,
          run.training.loss[-1][1] if run.training.loss else None) for run in of))


def point_table(of: Sequence[Run]) -> Table:
    """One row for each point of each curve."""
    def rows() -> Iterator[tuple[str, str, str, float, float]]:
        for run in of:
            for entry, points in (("", run.training.validation), *run.training.entries):
                yield from ((run.name, "held out", entry, step, value) for step, value in points)
            yield from ((run.name, "loss", "", step, value) for step, value in run.training.loss)

    return table("curves", "Training curves", "a point of a curve", [
        Column("run", "its folder under checkpoints/"), Column("curve", "held out, or loss"),
        Column("entry", "of the mixture; empty for all together"),
        Column("step", "of training; of a thinned loss, their mean", "number"),
        Column("value", "the run's figure, or its loss", "number")], rows())


def training(run: Folder) -> Training | None:
    """The run in this folder; None where there is no log or nothing in it. A half-written last line is left out."""
    try:
        lines = run.read(LOG).decode("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return None
    rows = [row for line in lines if isinstance(row := _row(line), dict) and isinstance(row.get("step"), int)]
    if not rows:
        return None
    validation = [row for row in rows if "validation" in row]
    names = sorted({name for row in validation for name in row.get("entries", {})})
    return Training(
        max(row["step"] for row in rows), max((row["tokens"] for row in rows if "tokens" in row), default=None),
        thinned([(row["step"], row["loss"]) for row in rows if "loss" in row]),
        tuple((row["step"], row["validation"]) for row in validation),
        tuple((name, tuple((row["step"], row["entries"][name]) for row in validation if name in row.get("entries", {})))
              for name in names))


def thinned(points: Sequence[tuple[float, float]], most: int = POINTS) -> Points:
    """At most `most` points: means over runs of equally many neighbours.

    >>> thinned([(1, 4.0), (2, 2.0), (3, 1.0)], 2)
    ((1.5, 3.0), (3.0, 1.0))
    """
    size = -(-len(points) // most) if points else 1
    groups = [points[start:start + size] for start in range(0, len(points), size)]
    return tuple((sum(x for x, _ in group) / len(group), sum(y for _, y in group) / len(group)) for group in groups)


def _row(line: str) -> Any:
    try:
        return json.loads(line, parse_constant=int)         # NaN and Infinity are a ValueError: no figure can show them
    except ValueError:
        return None
