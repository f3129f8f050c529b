"""Sweep: the same model on the same tokens with other settings, and which of them are best, as far as chance lets one say.

Every combination is trained with one seed. How much another seed would have moved a figure is measured on the best one, which
is trained with further seeds; combinations that are no further from it than that are named as good.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any, NamedTuple

import numpy as np

from textmill.base.strict import SettingsError, parse
from textmill.model.evaluation.statistics import quantile
from textmill.model.evaluation.trials import Trial, Trials, fitted
from textmill.model.training.settings import TrainSettings

# Settings that follow from the number of tokens, say nothing of a recipe, or are chance.
NOT_SWEPT = ("steps", "epochs", "seed", "validation_every", "validation_blocks", "save_every", "keep_checkpoints", "init")
MOST = 1000             # combinations
RANGE = ".."


class Tried(NamedTuple):
    """A combination of values and what became of it: the figure of each seed."""

    values: dict[str, Any]
    trials: list[Trial]

    @property
    def figure(self) -> float:
        """The mean of its seeds."""
        return float(np.mean([trial.bits_per_byte for trial in self.trials]))


def combinations(over: Mapping[str, Sequence[Any]], drawn: int | None = None, seed: int = 1) -> list[dict[str, Any]]:
    """Every combination of the values, or `drawn` of them by `seed`. SettingsError where that cannot be.

    A value such as "0.003..0.03" is a range, drawn from evenly in the logarithm."""
    ranges = [name for name, values in over.items() if any(RANGE in str(value) for value in values)]
    if ranges and drawn is None:
        raise SettingsError([f"--over {name}: a range is drawn from; give --random and how many" for name in ranges])
    if ranges:
        source = random.Random(seed)
        return [{name: _draw(source.choice(list(values)), source) for name, values in over.items()} for _ in range(drawn or 0)]
    count = math.prod(len(values) for values in over.values())
    if count > MOST and drawn is None:
        raise SettingsError([f"these are {count:,} combinations; give fewer values, or --random and how many of them"])
    grid = [dict(zip(over, values, strict=True)) for values in itertools.islice(itertools.product(*over.values()), 100 * MOST)]
    if drawn is None or drawn >= len(grid):
        return grid
    return [grid[n] for n in sorted(random.Random(seed).sample(range(len(grid)), drawn))]


def _draw(value: Any, source: random.Random) -> Any:
    if RANGE not in str(value):
        return value
    try:
        low, high = (float(each) for each in str(value).split(RANGE))
        if not 0 < low < high:
            raise ValueError
    except ValueError:
        raise SettingsError([f"{value} is no range; give the lowest and the highest value, above 0, as 0.003..0.03"]) from None
    drawn = math.exp(source.uniform(math.log(low), math.log(high)))
    whole = "." not in str(value).replace(RANGE, "")
    return round(drawn) if whole else float(f"{drawn:.3g}")


def settings_of(values: Mapping[str, Any], base: TrainSettings, tokens: int, length: int) -> TrainSettings:
    """The settings of a combination, for a run of `tokens`. SettingsError where a value cannot be, or is not one to sweep."""
    if problems := [f"--over {name}: {'is not swept over' if name in NOT_SWEPT else 'there is no such setting of train'}; "
                    "give one such as lr, batch, warmup, decay, weight_decay, shape" for name in values
                    if name in NOT_SWEPT or name not in asdict(base)]:
        raise SettingsError(problems)
    wanted = parse(TrainSettings, _plain(base) | dict(values), "--over")
    own = fitted(wanted, tokens, length)
    return replace(own, warmup=wanted.warmup) if "warmup" in values else own


def _plain(settings: TrainSettings) -> dict[str, Any]:
    return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(settings).items()}


def sweep(trials: Trials, chosen: Sequence[Mapping[str, Any]], base: TrainSettings, tokens: int, seeds: int) -> list[Tried]:
    """All combinations, the best first; the best has `seeds` models, the others one. All are checked first."""
    length = trials.mixture.train.length
    settings = [settings_of(values, base, tokens, length) for values in chosen]
    tried = [Tried(dict(values), [trials.run(name_of(values), own)]) for values, own in zip(chosen, settings, strict=True)]
    order = sorted(range(len(tried)), key=lambda n: (tried[n].figure, n))
    best = order[0]
    for seed in range(1, seeds):
        own = replace(settings[best], seed=settings[best].seed + seed)
        tried[best].trials.append(trials.run(f"{name_of(chosen[best])}-seed-{own.seed}", own))
    return [tried[n] for n in order]


def name_of(values: Mapping[str, Any]) -> str:
    """Of the runs of a combination."""
    return "-".join(f"{name}-{value}" for name, value in values.items()).replace("/", "_")[:80]


def reach(best: Tried) -> float:
    """How far a single run may be from the best one's mean by chance alone, by Student's t at 95 %; nan with one seed."""
    n = len(best.trials)
    if n < 2:
        return math.nan
    return quantile(0.95, n - 1) * float(np.std([trial.bits_per_byte for trial in best.trials], ddof=1)) * math.sqrt(1 + 1 / n)


def lines(tried: Sequence[Tried], tokens: int) -> Iterator[str]:
    """The table for a terminal, best first, and what chance leaves open."""
    best, columns = tried[0], list(tried[0].values)
    widths = [max(len(name), *(len(str(each.values[name])) for each in tried)) + 2 for name in columns]
    far, single = reach(best), [each.trials[0].bits_per_byte for each in tried]
    yield f"{len(tried)} combinations, about {tokens:,} tokens each; * is as good as the best as far as seeds let one say"
    yield "".join(map(str.ljust, columns, widths)) + f"{'bits per byte':>13}{'tokens/s':>10}"
    for each, figure in zip(tried, single, strict=True):
        trial = each.trials[0]
        mark = " *" if figure <= best.figure + far else ""
        yield ("".join(map(str.ljust, map(str, each.values.values()), widths))
               + f"{figure:>13.4f}{trial.tokens / max(trial.seconds, 1e-9):>10,.0f}{mark}")
    chosen = ", ".join(f"{name} {value}" for name, value in best.values.items())
    if math.isnan(far):
        yield f"best: {chosen}; with one seed nothing is said of chance, give --seeds 3"
        return
    figures = [trial.bits_per_byte for trial in best.trials]
    alike = sum(figure <= best.figure + far for figure in single) - 1
    yield (f"best: {chosen}: {best.figure:.4f} bits per byte over {len(figures)} seeds (standard deviation "
           f"{float(np.std(figures, ddof=1)):.4f}); another seed may move a run by {far:.4f}, so "
           + (f"{alike} others may be as good" if alike else "it is better than all others"))
