"""Supervised fastText training on one side of the split, calibrated by cross-fitting, evaluated on the other side."""

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import fasttext
import numpy as np

from textmill.base.sealed import seal
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.texts import Texts
from textmill.pipelines.learned.scores import calibration, calibration_error, precision_at_recall, roc_auc
from textmill.pipelines.learned.split import Labelled, label
from textmill.pipelines.measure.classifier import BAD, FACTS, GOOD, MODEL, VERSION, Classifier, folder_of, log_odds

FOLDS = 4                           # of the texts to learn from, for the calibration
RECALL = 0.95
# Word pairs and parts of words; a table of 2^17 rows keeps the file at about 10 MB.
SETTINGS: dict[str, Any] = {"dim": 16, "wordNgrams": 2, "minn": 2, "maxn": 4, "bucket": 1 << 17,
                            "minCount": 1, "loss": "softmax", "thread": 1, "seed": 1, "verbose": 0}
# Times that the model sees a text. Few texts need more: 20 times leaves it where it began, at ROC-AUC 0.5 on fifty texts.
EPOCHS, STEPS = 20, 10_000
RATES = (0.3, 0.1, 0.03, 0.01)      # the first that does not end in "Encountered NaN", as fastText does on little text


@dataclass(frozen=True)
class Report:
    """Sizes and held-out metrics of a trained classifier; pairs are (good, bad)."""

    trained: tuple[int, int]
    held_out: tuple[int, int]
    left_out: int
    auc: float
    precision: float                # at RECALL of good
    calibration_error: float
    slope: float
    offset: float


def make(good: Texts, bad: Texts, data: Folder, name: str, held_out: float) -> Report:
    """Train on all but a `held_out` share of the texts, calibrate, evaluate on the rest, and write the two files.

    StageError where either split would lack positive or negative examples."""
    labelled = label(good.read(data), bad.read(data))
    learned, unseen = labelled.subset(labelled.draw >= held_out), labelled.subset(labelled.draw < held_out)
    for side, least, what in ((learned, FOLDS, "learn from"), (unseen, 1, "be judged by")):
        if min(side.counts()) < least:
            raise StageError(f"{side.counts()[0]} good and {side.counts()[1]} bad texts are left to {what} (copies count "
                             f"once, near copies stay together); each side needs {least}: give more texts")
    model, rate = train(learned)
    slope, offset = calibration(*crossed(learned))
    if slope <= 0:
        raise StageError(f"what {learned.counts()[0]} good and {learned.counts()[1]} bad texts teach tells other texts apart "
                         "no better than chance; give more texts")
    scores = Classifier(model, slope, offset).score(unseen.lines)
    report = Report(learned.counts(), unseen.counts(), labelled.left_out, roc_auc(scores, unseen.good),
                    precision_at_recall(scores, unseen.good, RECALL), calibration_error(scores, unseen.good), slope, offset)
    labels = next((str(side.labels) for side in (good, bad) if side.labels), None)
    write(model, report, {"good": good.given, "bad": bad.given, "labels": labels, "held_out": held_out, "rate": rate,
                          "made_from": [good.fingerprint(data), bad.fingerprint(data)]}, data, name)
    return report


def train(labelled: Labelled) -> tuple[Any, float]:
    """(the model, the rate it was trained at). Texts are seen in the order of their content hashes."""
    epochs = max(EPOCHS, -(-STEPS // len(labelled.lines)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "texts.txt")
        path.write_text("".join(f"{GOOD if good else BAD} {line}\n" for good, line
                                in zip(labelled.good.tolist(), labelled.lines, strict=True)), "utf-8")
        for rate in RATES:
            try:
                return fasttext.train_supervised(str(path), lr=rate, epoch=epochs, **SETTINGS), rate
            except RuntimeError as error:
                if "NaN" not in str(error):
                    raise
    raise StageError("training does not converge on these texts at any rate; give more of them")


def crossed(labelled: Labelled) -> tuple[np.ndarray, np.ndarray]:
    """(log-odds, good) of every text by a model that has not seen it, nor a near copy: one model for each of FOLDS."""
    fold = _folds(labelled)
    odds, seen = np.zeros(len(labelled.lines)), np.zeros(len(labelled.lines), bool)
    for number in range(FOLDS):
        rest, mine = labelled.subset(fold != number), np.flatnonzero(fold == number)
        if min(rest.counts()) and len(mine):
            odds[mine] = log_odds(train(rest)[0], [labelled.lines[n] for n in mine.tolist()])
            seen[mine] = True
    return odds[seen], labelled.good[seen]


def _folds(labelled: Labelled) -> np.ndarray:
    """[N] the fold of each text: the groups of each label dealt out in turn, in the order of their draws."""
    fold = np.zeros(len(labelled.group), np.int64)
    for side in (True, False):
        mine = np.flatnonzero(labelled.good == side)
        names = labelled.group[mine[np.argsort(labelled.draw[mine], kind="stable")]]
        for place, name in enumerate(dict.fromkeys(names.tolist())):
            fold[labelled.group == name] = place % FOLDS
    return fold


def write(model: Any, report: Report, facts: dict[str, Any], data: Folder, name: str) -> None:
    """The two files: first the model, then what its score means, which names the model's hash."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, MODEL)
        model.save_model(str(path))
        content = path.read_bytes()
    told = facts | {
        "version": VERSION, "model_sha256": hashlib.sha256(content).hexdigest(),
        "calibration": {"slope": report.slope, "offset": report.offset, "method": f"Platt, {FOLDS} folds"},
        "trained": report.trained, "held_out_texts": report.held_out, "left_out": report.left_out, "roc_auc": report.auc,
        "precision_at_95_recall_of_good": report.precision, "calibration_error": report.calibration_error}
    data.write(f"{folder_of(name)}/{MODEL}", content)
    data.write(f"{folder_of(name)}/{FACTS}", seal(told))
    data.delete_leftovers()


