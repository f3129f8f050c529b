"""Ladder: a mixture's small models of several sizes on several numbers of tokens, and the scaling law through them.

The largest model is predicted by a law of all others before it is trained, and then held to it. The prediction is kept with the
runs it was made from, so it cannot be made again with the answer known.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from textmill.base.sealed import seal, unseal
from textmill.model import ModelError
from textmill.model.architecture.counts import DecoderSize
from textmill.model.evaluation.scaling_law import FEWEST, Fit, Interval, Law, Points, fit
from textmill.model.evaluation.trials import Trials, fitted
from textmill.model.training.estimate import short
from textmill.model.training.settings import TrainSettings

FILE = "ladder.json"
RULE = 20                       # tokens a parameter (Hoffmann et al. 2022, table 3)
BUDGETS = (1, 10, 100, 1000)    # times the compute of the largest run
COVERED = 10.0
SMALLER = (1, 0.7, 0.5, 0.35, 0.25)
SIZES = ("1x64", "2x64", "2x96", "3x128", "4x160")


class Rung(NamedTuple):
    """A model of the ladder: size as layers x width, parameters that a token is multiplied with, FLOPs of a token, tokens."""

    size: str
    parameters: int
    flops_per_token: int
    settings: TrainSettings
    tokens: int

    @property
    def name(self) -> str:
        """Of its run."""
        return f"{self.size}-{short(self.tokens)}"


class Run(NamedTuple):
    """A rung and the bits per byte that it came to."""

    rung: Rung
    loss: float


class Ladder(NamedTuple):
    """All runs by size and tokens, the largest last; the law through them; and what was said of the largest before it."""

    name: str
    runs: list[Run]
    fit: Fit
    predicted: Interval


def rungs(sizes: Sequence[str], tokens: Sequence[int], settings: TrainSettings, vocabulary: int, length: int) -> list[Rung]:
    """A rung for each size and number of tokens; of the largest only that of the most tokens. ModelError with what lacks."""
    found = []
    for size in sizes:
        problems = [problem for problem in replace(settings, shape=size).problems() if problem.startswith("shape")]
        if problems:
            raise ModelError(problems[0])
        counted = DecoderSize(settings.architecture, replace(settings, shape=size).sizes(), vocabulary, length)
        for count in sorted(set(tokens)):
            own = fitted(replace(settings, shape=size), count, length)
            read = (own.steps or 0) * own.batch * own.accumulate * length
            found.append(Rung(size, counted.parameters.multiplied, counted.flops_per_token, own, read))
    found.sort(key=lambda rung: (rung.parameters, rung.tokens))
    largest = found[-1]
    found = [rung for rung in found if rung.parameters < largest.parameters or rung is largest]
    if len(found) <= FEWEST or len({rung.parameters for rung in found}) < 4 or len({rung.tokens for rung in found}) < 2:
        raise ModelError(f"a ladder of {len(found)} runs cannot be fitted: give four sizes or more (--sizes) and two numbers "
                         f"of tokens or more (--tokens), {FEWEST + 1} runs in all")
    return found


def climb(name: str, trials: Trials, ladder: Sequence[Rung]) -> Ladder:
    """Train every rung that is not trained yet; the largest last, when its loss has been predicted."""
    runs = [Run(rung, trials.run(rung.name, rung.settings).bits_per_byte) for rung in ladder[:-1]]
    largest = ladder[-1]
    predicted = prediction(trials, ladder, runs)
    runs.append(Run(largest, trials.run(largest.name, largest.settings).bits_per_byte))
    return Ladder(name, runs, fit(points(runs)), predicted)


def prediction(trials: Trials, ladder: Sequence[Rung], runs: Sequence[Run]) -> Interval:
    """The largest rung's loss by the law of all others: as it was written down before that was trained, else made now."""
    path, keys = trials.home / FILE, [trials.key(rung.settings) for rung in ladder]
    record = _read(path)
    if record.get("runs") != keys:
        largest = ladder[-1]
        said = fit(points(runs)).predicted(largest.parameters, largest.tokens)
        record = {"runs": keys, "predicted": list(said), "before": trials.find(largest.settings) is None}
        path.write_bytes(seal(record))
    return Interval(*record["predicted"])


def _read(path: Path) -> dict[str, Any]:
    try:
        return unseal(path.read_bytes(), required=True)
    except (OSError, ValueError):
        return {}


def points(runs: Sequence[Run]) -> Points:
    """The runs as numbers to fit."""
    return Points(np.array([run.rung.parameters for run in runs], float), np.array([run.rung.tokens for run in runs], float),
                  np.array([run.loss for run in runs]))


def lines(ladder: Ladder) -> Iterator[str]:
    """A ladder for a terminal of 80 columns."""
    runs, law = ladder.runs, ladder.fit.law
    yield f"{ladder.name}: {len(runs)} runs; N are the parameters that a token is multiplied with"
    yield f"{'size':<9}{'N':>8}{'tokens':>9}{'tokens/N':>10}{'bits per byte':>15}{'by the law':>12}{'off':>8}"
    for run in runs:
        rung, said = run.rung, float(law.loss(run.rung.parameters, run.rung.tokens))
        yield (f"{rung.size:<9}{short(rung.parameters):>8}{short(rung.tokens):>9}{rung.tokens / rung.parameters:>10.1f}"
               f"{run.loss:>15.4f}{said:>12.4f}{run.loss / said - 1:>+8.2%}")
    numbers = {"E": "e", "alpha": "alpha", "beta": "beta"}
    yield "L(N, D) = E + A/N^alpha + B/D^beta in bits per byte, with 95 % intervals: " + ", ".join(
        f"{shown} {_interval(ladder.fit.interval(name))}" for shown, name in numbers.items())
    yield f"A {float(law.a):.4g}, B {float(law.b):.4g}"
    largest, foretold = runs[-1], ladder.predicted
    held = "within" if foretold.low <= largest.loss <= foretold.high else "outside"
    yield (f"{largest.rung.size} on {short(largest.rung.tokens)} tokens: {_interval(foretold, 4)} was predicted from the "
           f"smaller ones, {largest.loss:.4f} came: {largest.loss / foretold.value - 1:+.2%}, {held} the interval")
    yield from budgets(ladder)


def budgets(ladder: Ladder) -> Iterator[str]:
    """Compute-optimal sizes by budget, beside 20 tokens a parameter, and what smaller models take to be as good."""
    most, found = max(6 * run.rung.parameters * run.rung.tokens for run in ladder.runs), ladder.fit
    yield "the best model for 6·N·D FLOPs, and beside it one of 20 tokens a parameter"
    yield f"{'FLOPs':>8}{'N':>8}{'95 % interval':>18}{'tokens':>8}{'tokens/N':>10}{'bits/byte':>11}{'by 20/N':>10}"
    for times in BUDGETS:
        (size, tokens), flops = found.optimal(most * times), most * times
        by_rule = (flops / (6 * RULE)) ** 0.5
        far = "" if covered(ladder.runs, size.value, tokens.value) else " *"
        yield (f"{flops:>8.1e}{short(size.value):>8}{f'{short(size.low)} to {short(size.high)}':>18}{short(tokens.value):>8}"
               f"{tokens.value / size.value:>10.1f}{float(found.law.loss(size.value, tokens.value)):>11.4f}"
               f"{float(found.law.loss(by_rule, RULE * by_rule)):>10.4f}{far}")
    yield f"  * beyond {COVERED:.0f} times what the runs cover, in size or tokens: read it as a direction"
    flops = most * BUDGETS[1]
    best, wanted = (float(each) for each in found.law.optimal(flops))
    loss = float(found.law.loss(best, wanted))
    yield f"as good as the best for {flops:.1e} FLOPs ({loss:.4f}), smaller and trained for longer, so cheaper to use"
    yield f"{'N':>8}{'tokens':>9}{'tokens/N':>10}{'training':>10}{'pays from so many tokens of use':>34}"
    for share in SMALLER:
        yield overtrained(found.law, loss, best, wanted, share)


def covered(runs: Sequence[Run], size: float, tokens: float) -> bool:
    """Whether a size and its tokens lie within COVERED times those of the runs."""
    sizes, counts = ([getattr(run.rung, name) for run in runs] for name in ("parameters", "tokens"))
    return min(sizes) / COVERED <= size <= COVERED * max(sizes) and tokens <= COVERED * max(counts)


def overtrained(law: Law, loss: float, best: float, tokens: float, share: float) -> str:
    """A model of a share of the best one's parameters, as good: its tokens, its training, and the use from which it pays.

    A token of use takes 2·N FLOPs (Sardana et al. 2023), so the smaller model saves 2·(N - N') with each."""
    own = best * share
    needed = float(law.tokens_for(loss, own))
    if not np.isfinite(needed):
        return f"{short(own):>8}{'none are enough':>19}"
    extra = 6 * own * needed - 6 * best * tokens
    pays = "-" if share == 1 else short(max(0.0, extra) / (2 * (best - own)))
    return f"{short(own):>8}{short(needed):>9}{needed / own:>10.1f}{own * needed / (best * tokens):>9.2f}x{pays:>34}"


def beside(first: Ladder, second: Ladder) -> str:
    """Which of two mixtures' ladders is better at the compute of the first's largest run, and what that is worth."""
    flops = max(6 * run.rung.parameters * run.rung.tokens for run in first.runs)
    losses = [float(each.fit.law.loss(*each.fit.law.optimal(flops))) for each in (first, second)]
    better, worse = (second, first) if losses[1] < losses[0] else (first, second)
    needed = better.fit.law.flops_for(max(losses))
    return (f"{better.name} is better at {flops:.1e} FLOPs, {min(losses):.4f} against {max(losses):.4f} bits per byte, and "
            f"reaches what {worse.name} does with {needed / flops:.0%} of its compute")


def _interval(each: Interval, digits: int = 3) -> str:
    return f"{each.value:.{digits}f} ({each.low:.{digits}f} to {each.high:.{digits}f})"
