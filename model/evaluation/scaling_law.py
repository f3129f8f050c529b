"""Scaling law of a family of models: loss L(N, D) = E + A / N^α + B / D^β of N parameters trained on D tokens.

Fitted as in Hoffmann et al. 2022, approach 3: Huber's loss (δ = 0.001) of the differences of logarithms, from a grid of starts.
The minimum is found by Levenberg and Marquardt's steps on reweighted squares, for all starts and all bootstrap samples at once:
the same minimum as L-BFGS's, in seconds. Intervals are 95 % of bootstrap samples of the runs. N are the parameters that a token
is multiplied with, and compute is 6·N·D.
"""

from typing import NamedTuple

import numpy as np

DELTA = 1e-3
SAMPLES = 200
STEPS = 150
RANGE = (0.01, 3.0)             # of α and β
FEWEST = 6                      # runs: one more than there are numbers to fit


class Points(NamedTuple):
    """Runs: parameters, tokens and loss, float64 (n,)."""

    parameters: np.ndarray
    tokens: np.ndarray
    loss: np.ndarray

    def take(self, rows: np.ndarray) -> "Points":
        """These runs only."""
        return Points(*(column[rows] for column in self))


class Interval(NamedTuple):
    """A figure and what 95 % of the bootstrap samples give."""

    value: float
    low: float
    high: float


class Law(NamedTuple):
    """E, A, B, α and β, each a number, or an array of one for each bootstrap sample."""

    e: np.ndarray
    a: np.ndarray
    b: np.ndarray
    alpha: np.ndarray
    beta: np.ndarray

    def loss(self, parameters: float | np.ndarray, tokens: float | np.ndarray) -> np.ndarray:
        """L(N, D)."""
        return self.e + self.a * np.power(parameters, -self.alpha) + self.b * np.power(tokens, -self.beta)

    def optimal(self, flops: float) -> tuple[np.ndarray, np.ndarray]:
        """Parameters and tokens with the lowest loss for 6·N·D FLOPs."""
        ratio = (self.alpha * self.a / (self.beta * self.b)) ** (1 / (self.alpha + self.beta))
        parameters = ratio * (flops / 6) ** (self.beta / (self.alpha + self.beta))
        return parameters, flops / (6 * parameters)

    def tokens_for(self, loss: float, parameters: float) -> np.ndarray:
        """Tokens on which so many parameters reach a loss; infinite where none are enough."""
        left = loss - self.e - self.a * np.power(parameters, -self.alpha)
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(left > 0, np.power(self.b / np.where(left > 0, left, 1), 1 / self.beta), np.inf)

    def flops_for(self, loss: float) -> float:
        """The smallest 6·N·D that reaches a loss; infinite where none is enough."""
        low, high = 0.0, 40.0               # powers of ten
        if not float(self.loss(*self.optimal(10**high))) < loss:
            return float("inf")
        for _ in range(60):
            middle = (low + high) / 2
            low, high = (low, middle) if float(self.loss(*self.optimal(10**middle))) < loss else (middle, high)
        return float(10**high)


class Fit(NamedTuple):
    """The law that fits best, those of bootstrap samples, and the differences of logarithms that it leaves."""

    law: Law
    samples: Law
    residuals: np.ndarray

    def interval(self, name: str) -> Interval:
        """One of the law's numbers."""
        return _interval(float(getattr(self.law, name)), getattr(self.samples, name))

    def predicted(self, parameters: float, tokens: float, seed: int = 1) -> Interval:
        """The loss of a run not trained yet: the samples' spread, and on top that of runs around the law."""
        spread = np.sqrt(len(self.residuals) / max(1, len(self.residuals) - len(Law._fields)))
        around = np.random.default_rng(seed).choice(self.residuals * spread, len(self.samples.e))
        return _interval(float(self.law.loss(parameters, tokens)), self.samples.loss(parameters, tokens) * np.exp(around))

    def optimal(self, flops: float) -> tuple[Interval, Interval]:
        """Parameters and tokens of the compute-optimal model."""
        best, drawn = self.law.optimal(flops), self.samples.optimal(flops)
        return _interval(float(best[0]), drawn[0]), _interval(float(best[1]), drawn[1])


def fit(points: Points, seed: int = 1) -> Fit:
    """The law of these runs, at least FEWEST of three sizes or more. Deterministic for a seed."""
    once = np.ones((1, len(points.loss)))
    starts = _starts(points)
    found, costs = _descend(points, starts, np.repeat(once, len(starts), 0))
    best = found[np.argmin(costs)]
    random = np.random.default_rng(seed)
    weights = np.array([_drawn(points, random) for _ in range(SAMPLES)])
    order = np.argsort(costs)[:: max(1, len(costs) // 6)][:6]        # the best and some that are not: a sample may have another
    begins = np.concatenate([best[None], found[order]])
    sampled, costs = _descend(points, np.tile(begins, (SAMPLES, 1)), np.repeat(weights, len(begins), 0))
    chosen = costs.reshape(SAMPLES, -1).argmin(1) + np.arange(SAMPLES) * len(begins)
    law = _law(points, best)
    return Fit(law, _law(points, sampled[chosen]), np.log(points.loss) - np.log(law.loss(points.parameters, points.tokens)))


def _interval(value: float, drawn: np.ndarray) -> Interval:
    low, high = np.quantile(drawn, [0.025, 0.975])
    return Interval(value, float(low), float(high))


def _drawn(points: Points, random: np.random.Generator) -> np.ndarray:
    """How often a bootstrap sample has each run; it has at least three sizes and two numbers of tokens, as far as there are."""
    n = len(points.loss)
    sizes, counts = (min(least, len(np.unique(column))) for least, column in ((3, points.parameters), (2, points.tokens)))
    while True:
        rows = random.integers(0, n, n)
        if len(np.unique(points.parameters[rows])) >= sizes and len(np.unique(points.tokens[rows])) >= counts:
            return np.bincount(rows, minlength=n).astype(float)


# Within the descent a law is (a, b, e, α, β): logarithms of its three terms at the middle of the runs, and the exponents.
def _centred(points: Points) -> tuple[np.ndarray, np.ndarray]:
    logs = np.log(points.parameters), np.log(points.tokens)
    return logs[0] - logs[0].mean(), logs[1] - logs[1].mean()


def _law(points: Points, values: np.ndarray) -> Law:
    a, b, e, alpha, beta = values.T
    return Law(np.exp(e), np.exp(a + alpha * np.log(points.parameters).mean()), np.exp(b + beta * np.log(points.tokens).mean()),
               alpha, beta)


def _starts(points: Points) -> np.ndarray:
    """A grid: of the smallest loss, E's share, of the rest that of N's term, and both exponents."""
    exponents = (0.1, 0.3, 0.6, 1.0, 1.6)
    least = float(points.loss.min())
    terms = [(least * (1 - share) * part, least * (1 - share) * (1 - part), least * share)
             for share in (0.05, 0.3, 0.6, 0.9) for part in (0.2, 0.5, 0.8)]
    return np.array([(*np.log(each), alpha, beta) for each in terms for alpha in exponents for beta in exponents])


def _descend(points: Points, values: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The minimum that each start (starts, 5) leads to, with the runs' weights (starts, n), and its Huber loss (starts,)."""
    sizes, tokens = _centred(points)
    observed, most = np.log(points.loss), np.log(points.loss.min())

    def terms(values: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Residuals, the share of each term in the loss (starts, n, 3), Huber losses."""
        a, b, e, alpha, beta = (column[:, None] for column in values.T)
        logs = np.stack([a - alpha * sizes, b - beta * tokens, np.broadcast_to(e, (len(values), len(sizes)))], -1)
        top = logs.max(-1, keepdims=True)
        exponentials = np.exp(logs - top)
        total = exponentials.sum(-1, keepdims=True)
        residuals = (top + np.log(total))[..., 0] - observed
        size = np.abs(residuals)
        huber = np.where(size <= DELTA, size**2 / 2, DELTA * (size - DELTA / 2))
        return residuals, exponentials / total, (weights * huber).sum(1)

    def within(values: np.ndarray) -> np.ndarray:
        values = values.copy()
        values[:, 2] = np.clip(values[:, 2], most - 12, most)
        values[:, 3:] = np.clip(values[:, 3:], *RANGE)
        return values

    values, damping = within(values), np.full(len(values), 1e-2)
    residuals, shares, costs = terms(values)
    for _ in range(STEPS):
        weighed = weights * np.minimum(1, DELTA / np.maximum(np.abs(residuals), 1e-12))
        slopes = np.concatenate([shares, -shares[..., :1] * sizes[:, None], -shares[..., 1:2] * tokens[:, None]], -1)
        squares = np.einsum("sni,sn,snj->sij", slopes, weighed, slopes)
        downhill = np.einsum("sni,sn,sn->si", slopes, weighed, residuals)
        diagonal = np.einsum("sii->si", squares)
        squares = squares + np.eye(5) * (damping[:, None, None] * (diagonal + 1e-9)[:, :, None] + 1e-12)
        tried = within(values - np.linalg.solve(squares, downhill[..., None])[..., 0])
        new_residuals, new_shares, new_costs = terms(tried)
        better = new_costs < costs
        values = np.where(better[:, None], tried, values)
        residuals = np.where(better[:, None], new_residuals, residuals)
        shares = np.where(better[:, None, None], new_shares, shares)
        costs = np.where(better, new_costs, costs)
        damping = np.clip(np.where(better, damping / 3, damping * 4), 1e-9, 1e9)
    return values, costs
