"""Training of a text classifier on positive and negative examples, for the measurement `classifier_score`.

    textmill classifier --name spam --good mail.jsonl.zst:label=ham --bad mail.jsonl.zst:label=spam

Documents of the data folder may have their labels in a file of their own, as the sample has (`--labels`):

    … --good 'documents:what=good*' --bad 'documents:what=spam*|thin*' --labels sample/labels.jsonl

It becomes DATA/classifiers/NAME/, an input of measure like a model: `measure.classifier: spam` in settings.yaml chooses it,
and it is never retrained automatically. Guarantees the same bytes from the same texts in any order (one thread, fixed seed).
Texts are held in memory.

The metrics it prints are of held-out texts: texts are split by hash, near copies of one another always to the
same side (pipelines/learned/split.py). Its score is calibrated on texts of its own side: see `calibration`.
"""

from collections.abc import Sequence
from pathlib import Path

from textmill.base.names import name_problem
from textmill.base.strict import SettingsError
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.texts import parse_texts
from textmill.pipelines.learned.fit import Report, make
from textmill.pipelines.measure.classifier import folder_of

FEW = 100                   # held-out texts of a side, below which the metrics are unreliable


def make_classifier(data: Folder, columns: Sequence[str], name: str, good: str, bad: str, labels: str | None,
                    held_out: float) -> str:
    """Train a classifier and write DATA/classifiers/NAME/; a summary line with its held-out metrics.

    `good` and `bad` select the positive and negative examples, whose text is in the first of `columns` that a row has;
    `labels` is a file of their labels. SettingsError or StageError where an input is invalid."""
    if not 0 < held_out < 1:
        raise SettingsError([f"--held-out: must lie between 0 and 1, is {held_out}"])
    if problem := name_problem("the classifier's name", name):
        raise SettingsError([problem])
    if labels and not Path(labels).is_file():
        raise SettingsError([f"--labels: there is no file {labels}; check the path"])
    report = make(parse_texts(good, columns, labels), parse_texts(bad, columns, labels), data, name, held_out)
    return summary(report, f"{data.uri}/{folder_of(name)}")


def summary(report: Report, where: str) -> str:
    """The training set and the held-out metrics, in one line."""
    few = min(report.held_out)
    doubt = f" (so few that one of them may move ROC-AUC by 1/{few})" if few < FEW else ""
    left = f", {report.left_out:,} left out (copies, and texts on both sides)" if report.left_out else ""
    return (f"classifier: trained on {report.trained[0]:,} good and {report.trained[1]:,} bad texts{left}; on "
            f"{report.held_out[0]:,} good and {report.held_out[1]:,} bad ones it has not seen{doubt}: ROC-AUC "
            f"{report.auc:.4f}, precision {report.precision:.4f} at 95 % recall of good, calibration error "
            f"{report.calibration_error:.3f}; {where}")
