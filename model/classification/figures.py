"""Figures of a classifier on held-out texts, beside what a baseline without features reaches."""

import numpy as np

from textmill.model.evaluation.calibration import Judgement, expected_error, reliability

NAMES = ("accuracy", "macro-F1", "ROC-AUC", "log loss", "calibration error", "majority accuracy", "majority macro-F1",
         "log loss of shares", "root mean squared error", "that of the mean", "rank correlation")


def of_classes(probabilities: np.ndarray, labels: np.ndarray, shares: np.ndarray) -> dict[str, float]:
    """Of probabilities [N, classes]; the baseline always says the class with the largest of `shares`, or the shares."""
    chosen, classes = probabilities.argmax(1), probabilities.shape[1]
    figures = {"accuracy": float((chosen == labels).mean()), "macro-F1": macro_f1(chosen, labels, classes)}
    if classes == 2:
        figures["ROC-AUC"] = roc_auc(probabilities[:, 1], labels == 1)
    floor = np.finfo(np.float64).tiny
    judged = list(map(Judgement, probabilities.max(1).tolist(), (chosen == labels).tolist()))
    return figures | {
        "log loss": float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], floor)).mean()),
        "calibration error": expected_error(reliability(judged)),
        "majority accuracy": float((labels == shares.argmax()).mean()),
        "majority macro-F1": macro_f1(np.full(len(labels), shares.argmax()), labels, classes),
        "log loss of shares": float(-np.log(np.maximum(shares[labels], floor)).mean())}


def of_scores(scores: np.ndarray, labels: np.ndarray, mean: float) -> dict[str, float]:
    """Root mean squared error, that of always saying the `mean`, and the correlation of ranks (Spearman 1904)."""
    ours, theirs = _ranks(scores), _ranks(labels)
    varied = ours.std() > 0 and theirs.std() > 0
    return {"root mean squared error": float(np.sqrt(((scores - labels) ** 2).mean())),
            "that of the mean": float(np.sqrt(((mean - labels) ** 2).mean())),
            "rank correlation": float(np.corrcoef(ours, theirs)[0, 1]) if varied else 0.0}


def macro_f1(chosen: np.ndarray, labels: np.ndarray, classes: int) -> float:
    """The mean over classes of 2·right / (chosen + there)."""
    pairs = [(chosen == number, labels == number) for number in range(classes)]
    each = [2 * (said & there).sum() / max(1, said.sum() + there.sum()) for said, there in pairs]
    return float(np.mean(each))


def roc_auc(scores: np.ndarray, positive: np.ndarray) -> float:
    """The probability that a positive scores above a negative; ties count half (Mann and Whitney 1947)."""
    ranks, count = _ranks(scores), positive.sum()
    return float((ranks[positive].sum() - count * (count + 1) / 2) / (count * (~positive).sum()))


def _ranks(values: np.ndarray) -> np.ndarray:
    """From 1 on; equal values share their mean rank."""
    _, places, counts = np.unique(values, return_inverse=True, return_counts=True)
    return (np.cumsum(counts) - (counts - 1) / 2)[places]
