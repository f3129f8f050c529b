"""Calibration and evaluation metrics of binary scores. Pure functions of arrays."""

import numpy as np

BINS = 10


def roc_auc(scores: np.ndarray, good: np.ndarray) -> float:
    """ROC-AUC: the probability that a positive scores above a negative; ties count half (Mann and Whitney 1947)."""
    _, places, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2)[places]
    positive, negative = good.sum(), (~good).sum()
    return float((ranks[good].sum() - positive * (positive + 1) / 2) / (positive * negative))


def precision_at_recall(scores: np.ndarray, good: np.ndarray, recall: float) -> float:
    """Precision at the highest threshold that reaches this recall of the positives."""
    order = np.argsort(-scores, kind="stable")
    found = np.cumsum(good[order])
    last = int(np.searchsorted(found, recall * good.sum() - 1e-9))
    bound = scores[order][min(last, len(scores) - 1)]
    chosen = scores >= bound
    return float(good[chosen].mean())


def calibration(odds: np.ndarray, good: np.ndarray, steps: int = 100) -> tuple[float, float]:
    """Platt scaling: (slope, offset) of the logistic curve from log-odds to the probability of the positive class.

    Platt 1999, with his smoothed targets against overconfidence on few texts; by Newton's method (Lin, Lin and Weng 2007)."""
    positive, negative = good.sum(), (~good).sum()
    target = np.where(good, (positive + 1) / (positive + 2), 1 / (negative + 2))
    features = np.stack([odds, np.ones(len(odds))], axis=1)
    weights = np.array([0.0, np.log((positive + 1) / (negative + 1))])

    def loss(at: np.ndarray) -> float:
        margin = features @ at
        return float((np.logaddexp(0, margin) - target * margin).sum())

    for _ in range(steps):
        chance = 1 / (1 + np.exp(-(features @ weights)))
        gradient = features.T @ (chance - target)
        curvature = (features * (chance * (1 - chance))[:, None]).T @ features + 1e-9 * np.eye(2)
        step, size, before = np.linalg.solve(curvature, gradient), 1.0, loss(weights)
        while size > 1e-6 and loss(weights - size * step) > before - 1e-4 * size * float(gradient @ step):
            size /= 2
        weights = weights - size * step
        if np.abs(gradient).max() < 1e-6:
            break
    return float(weights[0]), float(weights[1])


def calibration_error(scores: np.ndarray, good: np.ndarray) -> float:
    """Expected calibration error: mean gap between score and share of positives over BINS equal bins, weighted by texts."""
    bins = np.minimum((scores * BINS).astype(np.int64), BINS - 1)
    counts = np.bincount(bins, minlength=BINS)
    meant = np.bincount(bins, scores, BINS)
    was = np.bincount(bins, good, BINS)
    return float(np.abs(meant - was).sum() / counts.sum())
