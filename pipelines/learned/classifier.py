"""Train a classifier on texts that are good and texts that are not: an opinion for `classifier_score`, and for what-if.

    textmill classifier --name spam --good mail.jsonl.zst:label=ham --bad mail.jsonl.zst:label=spam

Documents of the data folder may have their labels in a file of their own, as the sample has (`--labels`):

    … --good 'documents:what=good*' --bad 'documents:what=spam*|thin*' --labels sample/labels.jsonl

It becomes DATA/classifiers/NAME/, an input of measure like a model: `measure.classifier: spam` in settings.yaml chooses it,
and nothing trains it again by itself. Guarantees the same bytes from the same texts in any order (one thread, fixed seed).
Texts are held in memory.

The figures it prints are of texts that it has not seen: texts are dealt out by hash, all near copies of one another to the
same side (pipelines/learned/split.py). Its score is calibrated on texts of its own side: see `calibration`.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from textmill.base.strict import SettingsError, parse, read_yaml
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.contract.texts import parse_texts
from textmill.pipelines.learned.fit import Report, make
from textmill.pipelines.measure.classifier import folder_of
from textmill.pipelines.settings import Settings

FEW = 100                   # held-out texts of a side, below which the figures say little


def main(argv: Sequence[str] | None = None) -> int | str:
    parser = argparse.ArgumentParser(prog="textmill classifier", description=__doc__.splitlines()[0],
                                     allow_abbrev=False)
    parser.add_argument("--name", required=True, help="what it is called in settings.yaml")
    for side in ("good", "bad"):
        parser.add_argument(f"--{side}", required=True, metavar="WHERE[:COLUMN=VALUE]",
                            help="a dataset of the data folder, a file or a folder; in VALUE, * is anything and | is or")
    parser.add_argument("--labels", metavar="FILE", help="rows with file and offset of a document's record, and its COLUMNs")
    parser.add_argument("--held-out", type=float, default=0.2, metavar="SHARE",
                        help="of the texts, to report on and never to train on (default: %(default)s)")
    parser.add_argument("--data", default="data", help="the data folder, or s3:// or gs:// (default: %(default)s)")
    parser.add_argument("--config", default="settings.yaml", help="settings, for the text columns (default: %(default)s)")
    given = parser.parse_args(argv)
    data = Folder(given.data)
    try:
        if not 0 < given.held_out < 1:
            raise SettingsError([f"--held-out: must lie between 0 and 1, is {given.held_out}"])
        columns = parse(Settings, read_yaml(given.config), given.config).extract.text_columns
        if given.labels and not Path(given.labels).is_file():
            raise SettingsError([f"--labels: there is no file {given.labels}; check the path"])
        good, bad = (parse_texts(side, columns, given.labels) for side in (given.good, given.bad))
        report = make(good, bad, data, given.name, given.held_out)
    except (StageError, SettingsError) as error:
        return "\n".join(f"classifier: {line}" for line in str(error).splitlines())
    print(said(report, f"{data.uri}/{folder_of(given.name)}"))
    return 0


def said(report: Report, where: str) -> str:
    """What was learned from, and how well it tells texts apart that it has not seen, in one line."""
    few = min(report.held_out)
    doubt = f" (so few that one of them may move ROC-AUC by 1/{few})" if few < FEW else ""
    left = f", {report.left_out:,} left out (copies, and texts on both sides)" if report.left_out else ""
    return (f"classifier: trained on {report.trained[0]:,} good and {report.trained[1]:,} bad texts{left}; on "
            f"{report.held_out[0]:,} good and {report.held_out[1]:,} bad ones it has not seen{doubt}: ROC-AUC "
            f"{report.auc:.4f}, precision {report.precision:.4f} at 95 % recall of good, calibration error "
            f"{report.calibration_error:.3f}; {where}")


if __name__ == "__main__":
    sys.exit(main())
