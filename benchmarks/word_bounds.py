"""The least number of words by language that says what 50 English words say, from parallel texts.

    python -m benchmarks.word_bounds --shared ../shared/data

writes benchmarks/results/word-bounds.md. SIB-200 has the same 150 sentences in every language, so the ratio of words, as
`word_count` counts them, is a language's words to an English word; the Declaration of Human Rights is beside, as other text.
The bound is 45 times the ratio where that is below 0.95: 50 is the least that is kept of English, and a tenth less, since
passages of one length in English differ by that in another language. Then passages of SIB-200 whose English has 50 words or a
few more, in all languages: how many are kept at 50, and at the bound.
"""

import argparse
import sys
from collections import defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from statistics import median

from benchmarks.good_texts import json_lines
from benchmarks.language_codes import model_code
from textmill.pipelines.measure.language_model import LanguageIdentifier, find_model
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import RULE_MEASUREMENTS
from textmill.pipelines.screen.rules import read_rules
from textmill.pipelines.text.words import read_words

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/word-bounds.md"
ENGLISH, LEAST, MARGIN, FEWER = "eng_Latn", 50, 0.9, 0.95
# ISO 639-1 codes of languages that lid.176 does not know and other models do.
OTHERS = {"zul": "zu", "xho": "xh", "kin": "rw", "run": "rn", "lug": "lg", "gaz": "om", "tir": "ti", "sna": "sn", "nya": "ny",
          "ssw": "ss", "tsn": "tn", "tso": "ts", "sot": "st", "wol": "wo", "lin": "ln", "ibo": "ig", "hau": "ha", "aka": "ak",
          "ewe": "ee", "kik": "ki", "fij": "fj", "smo": "sm", "mri": "mi", "ayr": "ay", "dzo": "dz", "kas": "ks"}


def words_by_label(shared: Path, origin: str) -> dict[str, list[int]]:
    """Words of every sentence or paragraph, by label, in order."""
    texts = defaultdict(list)
    for row in json_lines(shared / "langid.jsonl.zst"):
        if row["origin"] == origin:
            texts[row["label"]].append(row["text"])
    return {label: read_words(some).word_count.tolist() for label, some in texts.items()}


def passages(english: Sequence[int]) -> list[slice]:
    """Runs of sentences that have LEAST English words or a few more."""
    found, start, words = [], 0, 0
    for end, count in enumerate(english, 1):
        words += count
        if words >= LEAST:
            found.append(slice(start, end))
            start, words = end, 0
    return found


def share(lengths: Sequence[int], low: float) -> str:
    return f"{100 * sum(length >= low for length in lengths) / len(lengths):.0f} %"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the development data")
    given = parser.parse_args()
    known = LanguageIdentifier(find_model(None)).languages
    (shipped,) = (rule for rule in read_rules(ROOT / "rules.yaml", RULE_MEASUREMENTS, KINDS).rules if rule.name == "word_count")
    sentences, articles = words_by_label(given.shared, "sib200"), words_by_label(given.shared, "udhr2")
    english = sum(sentences[ENGLISH])
    declaration = sum(articles["eng"])
    cut = passages(sentences[ENGLISH])
    ratios, declared, rows = defaultdict(list), defaultdict(list), defaultdict(list)
    for label, counts in sentences.items():
        if (code := model_code(label, "sib200", known) or OTHERS.get(label[:3])) and len(counts) == len(sentences[ENGLISH]):
            ratios[code].append(sum(counts) / english)
            rows[code].append(counts)
    for label, counts in articles.items():
        if code := model_code(label, "udhr2", known):
            declared[code].append(sum(counts) / declaration)
    lines = ["| language | words to an English word | of the Declaration | derived | shipped | passages kept at 50 | kept |",
             "|---|---:|---:|---:|---:|---:|---:|"]
    for code, several in sorted(ratios.items(), key=lambda item: median(item[1])):
        ratio, low = median(several), shipped.bounds(code)[0] or 0
        derived = round(LEAST * ratio * MARGIN) if ratio < FEWER else LEAST
        lengths = [sum(counts[passage]) for counts in rows[code] for passage in cut]
        beside = f"{median(declared[code]):.2f}" if declared[code] else "–"
        kept = f"{share(lengths, LEAST)} | {share(lengths, low)}"
        lines.append(f"| {code} | {ratio:.2f} | {beside} | {derived} | {low:g} | {kept} |")
        if low != derived:
            print(f"{code}: shipped {low:g}, derived {derived}")
    said = f"\n\n{len(cut)} passages of 150 sentences, {english:,} English words; {date.today()}.\n"
    RESULT.write_text("\n".join(lines) + said, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
