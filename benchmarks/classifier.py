"""How well `make classifier` learns spam and clickbait: trained on four fifths, judged on the rest, no near copy on both sides.

    python -m benchmarks.classifier --shared ../shared/data

writes benchmarks/results/screening-classifier.md. Text messages and mail are good where they are ham, headlines where they
are news. The last row is trained on the kinds of the two first together. Files are made of the rows of spam.jsonl.zst.
"""

import argparse
import json
import sys
import tempfile
import time
from datetime import date
from pathlib import Path

from benchmarks.good_texts import json_lines
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.texts import parse_texts
from textmill.pipelines.learned.fit import Report, make

RESULT = Path(__file__).parent / "results/screening-classifier.md"
SETS = {"text messages": ("sms",), "mail": ("spamassassin",), "headlines": ("clickbait",),
        "messages and mail": ("sms", "spamassassin")}
GOOD = ("ham", "news")
HELD_OUT = 0.2


def row(name: str, report: Report, seconds: float) -> str:
    return (f"| {name} | {report.trained[0]:,} and {report.trained[1]:,} | {report.held_out[0]:,} and {report.held_out[1]:,} | "
            f"{report.left_out:,} | {report.auc:.4f} | {100 * report.precision:.2f} % | {report.calibration_error:.3f} | "
            f"{seconds:.0f} |")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the development data")
    given = parser.parse_args()
    rows = list(json_lines(given.shared / "spam.jsonl.zst"))
    lines = ["| texts | good and bad, learned from | good and bad, judged by | left out | ROC-AUC | "
             "precision at 95 % recall of good | calibration error | CPU seconds |", "|---|---:|---:|---:|---:|---:|---:|---:|"]
    with tempfile.TemporaryDirectory() as folder:
        for name, origins in SETS.items():
            mine = [one for one in rows if one["origin"].split("/")[0] in origins]
            path = Path(folder, f"{name}.jsonl")
            path.write_text("".join(json.dumps({"text": f"{one.get('subject') or ''}\n{one['text']}".strip(),
                                                "good": one["label"] in GOOD}) + "\n" for one in mine), "utf-8")
            good, bad = (parse_texts(f"{path}:good={value}", ["text"]) for value in ("true", "false"))
            start = time.process_time()
            report = make(good, bad, Folder(folder), name.split()[0], HELD_OUT)
            lines.append(row(name, report, time.process_time() - start))
            print(lines[-1], flush=True)
    said = f"One thread, fixed seed; split by hash, near copies on one side; {date.today()}."
    RESULT.write_text("\n".join([*lines, "", said]) + "\n", "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
