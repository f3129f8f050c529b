"""Spam caught and good text lost by the spam score, by language and kind, from models that did not learn from them.

    python -m benchmarks.spam --shared ../shared/data

writes benchmarks/results/spam.md. Own spam is judged twice: by models that learned without all own texts of its language,
and by models that learned without all spam of its kind. Good texts of the development half are judged by models without their
fold, those of the test half by the shipped model, which learned from none of them. The bound is the one in rules.yaml.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from benchmarks.spam_corpus import LabelledText, corpus, line
from textmill.base.strict import read_yaml
from textmill.pipelines.learned.folds import FOLDS
from textmill.pipelines.learned.scores import roc_auc
from textmill.pipelines.learned.spam import examples, similarities, without
from textmill.pipelines.measure.spam_model import long_enough, sha256, shipped_spam_model
from textmill.pipelines.text.words import read_words

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/spam.md"
GROUPS = 5                      # of kinds of spam that a model learns without at once
BATCH = 64
FEWEST_TEXTS = 20               # of a group whose loss is shown by itself


def scores(texts: Sequence[LabelledText]) -> tuple[np.ndarray, np.ndarray]:
    """(score, score without the kind): of learned texts out of fold, of others by the shipped model; NaN for no score."""
    model = shipped_spam_model()

    def calibrated(odds: np.ndarray) -> np.ndarray:
        return 1 / (1 + np.exp(-(model.slope * odds + model.offset)))

    learned = np.flatnonzero([one.is_learned for one in texts])
    given = examples([line(texts[place]) for place in learned])
    similar, _ = similarities(given)
    folds = np.array([texts[place].fold for place in learned])
    own = np.array([texts[place].set == "own" and texts[place].spam for place in learned])
    kinds = np.array([texts[place].kind for place in learned])
    named = sorted(set(kinds[own]))
    by_language, by_kind = np.full(len(texts), np.nan), np.full(len(texts), np.nan)
    by_language[learned] = calibrated(without(similar, given, [folds == number for number in range(FOLDS)]))
    by_kind[learned] = calibrated(without(similar, given, [own & np.isin(kinds, named[start::GROUPS])
                                                          for start in range(GROUPS)]))
    others = np.flatnonzero([not one.is_learned for one in texts])
    for start in range(0, len(others), BATCH):
        some = others[start:start + BATCH]
        by_language[some] = calibrated(model.log_odds(read_words([texts[place].text for place in some])))
    return by_language, by_kind


def table(texts: Sequence[LabelledText], score: np.ndarray, bound: float, what: str,
          name: Callable[[LabelledText], str], fewest: int = 1) -> list[str]:
    """Texts above the bound by name; groups of few texts together."""
    groups = defaultdict(list)
    for one, value in zip(texts, score, strict=True):
        groups[name(one)].append(value)
    few = [label for label, values in groups.items() if len(values) < fewest]
    if few:
        groups["groups of fewer texts"] = [value for label in few for value in groups.pop(label)]
    lines = [f"| {what} | texts | above the bound | share | highest score but one |", "|---|---:|---:|---:|---:|"]
    for label, values in sorted(groups.items()):
        above = int((np.array(values) > bound).sum())
        second = sorted(values)[-min(2, len(values))]
        lines.append(f"| {label} | {len(values):,} | {above} | {100 * above / len(values):.1f} % | {second:.3f} |")
    return [*lines, ""]


def report(data: Path) -> str:
    bound = float(read_yaml(ROOT / "rules.yaml")["rules"]["spam_score"]["high"])
    texts = [one for one in corpus(data) if long_enough(read_words([one.text]))[0]]
    by_language, by_kind = scores(texts)
    rows = np.array([one.set for one in texts])
    spam = np.array([one.spam for one in texts])
    own = rows == "own"
    test = np.array([one.half == "test" and one.set not in ("mail", "sms") for one in texts]) & ~spam
    development = np.array([one.half == "development" and one.set not in ("own", "sms") for one in texts]) & ~spam

    def some(mask: np.ndarray, score: np.ndarray, what: str, name: Callable[[LabelledText], str],
             fewest: int = 1) -> list[str]:
        chosen = np.flatnonzero(mask)
        return table([texts[place] for place in chosen], score[chosen], bound, what, name, fewest)

    auc = roc_auc(by_language[own], spam[own])
    lines = [f"Bound {bound}, model {sha256()[:12]}. Own spam against own good texts of the same topics, in languages "
             f"that were not learned: ROC-AUC {auc:.3f}.", "",
             *some(own & spam, by_language, "own spam, without its language", lambda one: one.language),
             *some(own & spam, by_language, "own spam by kind, without its language", lambda one: one.kind),
             *some(own & spam, by_kind, "own spam, without its kind", lambda one: one.kind),
             *some(own & ~spam, by_language, "own good texts, without their language", lambda one: one.language),
             *some((rows == "mail") | (rows == "sms") & (np.array([one.half for one in texts]) == "test"), by_language,
                   "mail and text messages", lambda one: f"{one.set} {'spam' if one.spam else 'good'}"),
             *some(development, by_language, "good texts, development half",
                   lambda one: f"{one.set} {one.language or one.kind}", FEWEST_TEXTS),
             *some(test, by_language, "good texts, test half",
                   lambda one: f"{one.set} {one.language or one.kind}", FEWEST_TEXTS)]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the development data")
    RESULT.write_text(report(parser.parse_args().shared), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
