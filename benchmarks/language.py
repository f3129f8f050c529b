"""The language of sentences and of pages: textmill beside the bare model, by language.

    python -m benchmarks.language --shared ../shared/data --documents DATA

writes benchmarks/results/language.md and language-table.md. Sentences are SIB-200's and paragraphs of the Declaration of
Human Rights (langid.jsonl.zst); pages are those of the development crawl that `DATA/documents` holds, each with the language
of its gold row. The label of the Kafka pages says English of what are lists of Java names: they are shown apart.
"""

import argparse
import sys
from collections import Counter, defaultdict
from collections.abc import Sequence
from datetime import date
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.good_texts import json_lines
from benchmarks.language_codes import model_code
from textmill.base.strict import parse, read_yaml
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.measure.language import UNDETERMINED, LanguageIdentifier, find_model, identified
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.settings import Settings
from textmill.pipelines.text.words import read_words

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
BATCH = 200


def bare(model: LanguageIdentifier, texts: Sequence[str]) -> list[str]:
    """What the model says of a text by itself."""
    return model.guesses([" ".join(text.split()) for text in texts])


def ours(model: LanguageIdentifier, texts: Sequence[str], settings: MeasureSettings) -> list[str]:
    bounds = (settings.min_language_score, settings.min_language_letters, settings.min_language_letter_share)
    return [language for start in range(0, len(texts), BATCH)
            for language in identified(read_words(texts[start:start + BATCH]), model, *bounds).languages]


def macro_f1(gold: Sequence[str], found: Sequence[str]) -> tuple[float, dict[str, float]]:
    """(mean over the gold languages of F1, F1 of each)."""
    right = Counter(one for one, other in zip(gold, found, strict=True) if one == other)
    there, told = Counter(gold), Counter(found)
    each = {language: 2 * right[language] / (there[language] + told[language]) for language in there}
    return sum(each.values()) / len(each), each


def row(origin: str, what: str, gold: Sequence[str], found: Sequence[str]) -> str:
    right = sum(one == other for one, other in zip(gold, found, strict=True))
    told = sum(language != UNDETERMINED for language in found)
    return (f"| {origin} | {what} | {len(gold):,} | {100 * right / len(gold):.2f} % | {macro_f1(gold, found)[0]:.4f} | "
            f"{100 * (1 - told / len(gold)):.1f} % | {100 * right / max(told, 1):.2f} % |")


def sentences(shared: Path, model: LanguageIdentifier, settings: MeasureSettings) -> tuple[str, str]:
    """(summary, table by language)."""
    rows = list(json_lines(shared / "langid.jsonl.zst"))
    unsure = MeasureSettings(min_language_score=0, min_language_letters=0, min_language_letter_share=0)
    lines = ["| sentences of | who | sentences | right | macro-F1 | `und` | right where told |",
             "|---|---|---:|---:|---:|---:|---:|"]
    by_language = ["| sentences of | language | sentences | bare model F1 | textmill F1 | `und` |",
                   "|---|---|---:|---:|---:|---:|"]
    for origin in ("sib200", "udhr2"):
        mine = [row for row in rows if row["origin"] == origin]
        codes = [model_code(row["label"], origin, model.languages) for row in mine]
        texts = [row["text"] for row in mine]
        found = {"bare model": bare(model, texts), "textmill without `und`": ours(model, texts, unsure),
                 "textmill": ours(model, texts, settings)}
        known = [n for n, code in enumerate(codes) if code is not None]
        gold, every = [str(codes[n]) for n in known], [code or mine[n]["label"] for n, code in enumerate(codes)]
        lines += [row(f"{origin}, labels lid.176 knows", who, gold, [languages[n] for n in known])
                  for who, languages in found.items()]
        lines += [row(f"{origin}, all labels", who, every, languages) for who, languages in found.items()]
        each = {who: macro_f1(gold, [languages[n] for n in known])[1] for who, languages in found.items()}
        doubt = Counter(code for code, n in zip(gold, known, strict=True) if found["textmill"][n] == UNDETERMINED)
        for language, number in sorted(Counter(gold).items()):
            by_language.append(f"| {origin} | {language} | {number} | {each['bare model'][language]:.3f} | "
                               f"{each['textmill'][language]:.3f} | {100 * doubt[language] / number:.0f} % |")
    return "\n".join(lines) + "\n", "\n".join(by_language) + "\n"


def pages(shared: Path, documents: Folder, model: LanguageIdentifier, settings: MeasureSettings) -> str:
    gold = {row["record_id"]: row for row in pq.read_table(
        shared / "crawl/gold.parquet", columns=["record_id", "origin", "language"]).to_pylist() if row["language"]}
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    wrong: Counter[tuple[str, str, str]] = Counter()
    manifest = Manifest.read(documents)
    if manifest is None:
        sys.exit(f"there is nothing in {documents.uri}; run extract on the crawl first")
    for part in manifest.parts:
        for batch in read_batches(documents, part, ["record_id", "text"]):
            there = [row for row in batch.to_pylist() if row["record_id"] in gold]
            texts = [row["text"] for row in there]
            for page, plain, found in zip(there, bare(model, texts), ours(model, texts, settings), strict=True):
                label = gold[page["record_id"]]
                origin = label["origin"].split("-")[0]
                counts[origin].update(pages=1, bare=plain == label["language"], ours=found == label["language"],
                                      und=found == UNDETERMINED)
                if found != label["language"] and origin != "kafka":
                    wrong[origin, label["language"], found] += 1
    lines = ["| pages of | pages | bare model right | textmill right | `und` |", "|---|---:|---:|---:|---:|"]
    honest: Counter[str] = sum((counts[origin] for origin in counts if origin != "kafka"), Counter())
    for name, count in [*sorted(counts.items()), ("all but kafka", honest)]:
        lines.append(f"| {name} | {count['pages']:,} | {100 * count['bare'] / count['pages']:.2f} % | "
                     f"{100 * count['ours'] / count['pages']:.2f} % | {100 * count['und'] / count['pages']:.2f} % |")
    said = ", ".join(f"{origin} {gold_} as {found} {n}" for (origin, gold_, found), n in wrong.most_common(12))
    return "\n".join(lines) + f"\n\nMost frequent differences: {said}.\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the development data")
    parser.add_argument("--documents", required=True, help="a data folder in which extract has read the crawl")
    given = parser.parse_args()
    model = LanguageIdentifier(find_model(None))
    settings = parse(Settings, read_yaml(ROOT / "settings.yaml"), "settings.yaml").measure
    summary, table = sentences(given.shared, model, settings)
    said = f"\nlid.176.ftz, {date.today()}.\n"
    (RESULTS / "language.md").write_text(
        summary + "\n" + pages(given.shared, Folder(given.documents) / "documents", model, settings) + said, "utf-8")
    (RESULTS / "language-table.md").write_text(table + said, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
