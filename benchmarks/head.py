"""What a head on a model of one's own makes of mail spam, beside our fastText classifier on the same texts and sides.

    python -m benchmarks.head --shared ../shared/data --run data/checkpoints/demo

writes benchmarks/results/head.md. Near copies, as `textmill classifier` finds them, are a group and so on one side; the
fastText model learns from what the head learns from and uses for development. Cost is of scoring held-out texts, on one thread.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "32")

import numpy as np
import torch

from benchmarks.good_texts import json_lines
from textmill.model.classification import figures
from textmill.model.classification.labelled import SIDES, Labelled, read_labelled
from textmill.model.classification.scorer import load_scorer
from textmill.model.classification.settings import HeadSettings
from textmill.model.classification.train import train_head, trained_card
from textmill.model.data.tokenizer import open_tokenizer
from textmill.model.training.checkpoint import load_model, trained
from textmill.pipelines.learned import fit
from textmill.pipelines.learned.scores import calibration
from textmill.pipelines.learned.split import Labelled as Split
from textmill.pipelines.learned.split import groups
from textmill.pipelines.measure.classifier import Classifier, lines
from textmill.pipelines.text.shingles import minhash, shingle_hashes
from textmill.pipelines.text.words import read_words

RESULT = Path(__file__).parent / "results/head.md"
WAYS = {"head, body frozen": {}, "head, last token": {"pooling": "last"}, "head, 2,048 tokens": {"max_tokens": 2048},
        "head, body trained": {"frozen": False}}
CPU = torch.device("cpu")


def grouped(shared: Path, to: Path) -> None:
    """The mail as labelled texts, with the number of its group of near copies."""
    rows = [row for row in json_lines(shared / "spam.jsonl.zst") if row["origin"].startswith("spamassassin")]
    texts = [f"{row.get('subject') or ''}\n{row['text']}".strip() for row in rows]
    order = sorted(range(len(texts)), key=lambda n: texts[n])
    numbers = groups(minhash(*shingle_hashes(read_words([texts[n] for n in order]))).reshape(len(order), -1))
    to.write_text("".join(json.dumps({"text": texts[n], "label": rows[n]["label"], "group": f"group {number}"}) + "\n"
                          for n, number in zip(order, numbers.tolist(), strict=True)), "utf-8")


def of_fasttext(labelled: Labelled) -> tuple[dict[str, float], Callable[[Sequence[str]], object], float]:
    """Figures of the classifier on the held-out texts, how it scores texts, and the seconds that learning took."""
    start = time.process_time()
    learned = np.flatnonzero(labelled.sides != SIDES.index("held out"))
    split = Split(lines(read_words([labelled.texts[n] for n in learned])), labelled.labels[learned] == 1,
                  np.arange(len(learned)), np.linspace(0, 1, len(learned)), 0)
    model, _ = fit.train(split)
    classifier = Classifier(model, *calibration(*fit.crossed(split)))
    seconds, held_out = time.process_time() - start, labelled.side("held out")
    scores = classifier.score(lines(read_words([labelled.texts[n] for n in held_out])))
    shares = np.bincount(labelled.labels[learned]) / len(learned)
    return (figures.of_classes(np.stack([1 - scores, scores], 1), labelled.labels[held_out], shares),
            lambda texts: classifier.of(read_words(texts)), seconds)


def of_head(start: Path, path: Path, labelled: Labelled, folder: Path, settings: HeadSettings) -> tuple[
        dict[str, float], Callable[[Sequence[str]], object], float]:
    """The same of a head."""
    before = time.process_time()
    print(train_head(start, labelled, folder, settings, CPU, {"file": str(path), "columns": ["text", "label"]}), flush=True)
    seconds, card = time.process_time() - before, trained_card(folder)
    home = folder / card["checkpoint"]
    (home / "tokenizer.json").write_bytes((folder / "tokenizer.json").read_bytes())
    return card["figures"], load_scorer(home, card, ["spam"]).score, seconds


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the development data")
    parser.add_argument("--run", type=Path, required=True, help="a trained model, such as the demo's")
    given = parser.parse_args()
    torch.set_num_threads(1)
    columns = ("classifier", "accuracy", "macro-F1", "ROC-AUC", "log loss", "calibration error", "CPU seconds to learn",
               "texts a second", "tokens a second")
    table = [columns, ("---", *("---:",) * (len(columns) - 1))]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "mail.jsonl")
        grouped(given.shared, path)
        settings = HeadSettings()
        labelled = read_labelled(path, "text", "label", "group", False, settings.held_out, settings.development)
        held_out = [labelled.texts[n] for n in labelled.side("held out")]
        for number, (name, changes) in enumerate({"fastText": None, **WAYS}.items()):
            if changes is None:
                found, score, seconds = of_fasttext(labelled)
                table.append(("majority", f"{found['majority accuracy']:.4f}", f"{found['majority macro-F1']:.4f}", "0.5000",
                              f"{found['log loss of shares']:.4f}", "", "", "", ""))
            else:
                found, score, seconds = of_head(given.run, path, labelled, Path(folder, str(number)), HeadSettings(**changes))
            before = time.process_time()
            score(held_out)
            cost = time.process_time() - before
            table.append((name, *(f"{found[each]:.4f}" for each in columns[1:6]), f"{seconds:,.0f}",
                          f"{len(held_out) / cost:,.0f}",
                          "" if changes is None else f"{tokens_read(given.run, held_out, changes) / cost:,.0f}"))
            print(*table[-1], flush=True)
    rows = ["| " + " | ".join(row) + " |" for row in table]
    about = (f"Mail: {labelled.words}; near copies on one side. Model: the demo's, 4 layers of width 128. One thread, others "
             f"worked beside; {date.today()}.")
    RESULT.write_text("\n".join([*rows, "", about]) + "\n", "utf-8")
    return 0


def tokens_read(run: Path, texts: Sequence[str], changes: dict[str, int]) -> int:
    """How many tokens of the texts a head reads."""
    checkpoint, home = trained(run)
    tokenizer, longest = open_tokenizer(home, load_model(checkpoint, CPU).vocab_size), HeadSettings(**changes).max_tokens
    return sum(min(longest, len(tokenizer.encode(text).ids)) for text in texts)


if __name__ == "__main__":
    raise SystemExit(main())
