"""Tokens for the same sentences in each language: patterns and ways of balancing beside each other, and GPT-2.

    python -m benchmarks.tokenizer_fairness --shared ../shared/data

writes benchmarks/results/tokenizer-fairness.md. Trained on the texts of the development crawl (by the gold row's language) and
on prose; judged on the sentences of SIB-200, which are the same in every language and are not trained on. The parity search
sees every other sentence, the tables are of the rest.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.good_texts import json_lines
from benchmarks.language_codes import CODES
from textmill.tokenizer.bpe import END_OF_TEXT, tokenizer_json
from textmill.tokenizer.encoder import Encoder
from textmill.tokenizer.pretokens import count_pretokens
from textmill.tokenizer.settings import Balance, TokenizerSettings
from textmill.tokenizer.training import train_balanced

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
OTHER_SCRIPTS = ("arb_Latn", "zho_Hant")      # the same language twice


def training_texts(shared: Path) -> Iterator[tuple[pa.Array, pa.Array]]:
    gold = pq.read_table(shared / "crawl/gold.parquet", columns=["text", "language"])
    yield gold["text"].combine_chunks(), gold["language"].combine_chunks()
    rows = [(row["text"], row["language"] or row["declared_language"]) for row in json_lines(shared / "prose.jsonl.zst")]
    yield pa.array([text for text, _ in rows]), pa.array([language for _, language in rows])


def parallel(shared: Path) -> dict[str, list[str]]:
    """The sentences of SIB-200 by language code, in the same order in each."""
    labels: dict[str, list[str]] = {}
    for row in json_lines(shared / "langid.jsonl.zst"):
        if row["origin"] == "sib200" and row["label"] not in OTHER_SCRIPTS:
            labels.setdefault(row["label"], []).append(row["text"])
    codes = {label: CODES.get(label.partition("_")[0]) for label in labels}
    return {code: labels[label] for label, code in sorted(codes.items()) if code}


def gpt2(shared: Path) -> str:
    merges = [tuple(line.split(" ")) for line in (shared / "gpt2/vocab.bpe").read_text("utf-8").splitlines()[1:]]
    return tokenizer_json(merges, "gpt-2", [END_OF_TEXT])


def tokens(tokenizer: str, sentences: dict[str, list[str]]) -> dict[str, int]:
    encoder = Encoder(tokenizer)
    return {language: len(encoder.encode(pa.array(texts)).values) for language, texts in sentences.items()}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True)
    shared = parser.parse_args().shared
    sentences = parallel(shared)
    searched, judged = ({language: texts[n::2] for language, texts in sentences.items()} for n in (0, 1))
    counts = {pattern: count_pretokens(training_texts(shared), pattern, 256) for pattern in ("qwen2", "gpt-4o")}
    texts = list(training_texts(shared))
    sizes = {language or "": 0 for _, languages in texts for language in languages.to_pylist()}
    for array, languages in texts:
        for text, language in zip(array.to_pylist(), languages.to_pylist(), strict=True):
            sizes[language or ""] += len((text or "").encode())
    total = sum(sizes.values())
    large = sorted((language for language, size in sizes.items() if size >= 0.01 * total and language in sentences),
                   key=lambda language: -sizes[language])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "parallel.jsonl"
        path.write_text("".join(json.dumps({"language": language, "text": text}) + "\n"
                                for language, of in searched.items() for text in of))
        ways = {"as the texts are": Balance(), "exponent 0.5": Balance(0.5), "exponent 0.2": Balance(0.2),
                "parity 1.5": Balance(parity=str(path), premium=1.5)}
        found: dict[tuple[str, str], dict[str, int]] = {("GPT-2", "50,257"): tokens(gpt2(shared), judged)}
        for size in (16384, 32768):
            for pattern, balance in (("qwen2", "as the texts are"), *(("gpt-4o", way) for way in ways)):
                settings = TokenizerSettings(size, pattern, balance=ways[balance])
                start = time.process_time()
                trained = train_balanced([counts[pattern]], sizes, settings)
                found[f"{pattern}, {balance}", f"{size:,}"] = tokens(trained.json, judged)
                rounds = trained.record.get("parity", {}).get("chosen", 1)
                print(pattern, balance, size, f"{time.process_time() - start:.1f} s, round {rounds}", file=sys.stderr)
    (RESULTS / "tokenizer-fairness.md").write_text(page(found, large, sizes, total), "utf-8")
    return 0


def page(found: dict[tuple[str, str], dict[str, int]], large: list[str], sizes: dict[str, int], total: int) -> str:
    lines = [f"{len(large)} languages with at least 1 % of {total / 1e6:.0f} MB; {date.today()}. Premium: tokens over those of "
             "the same sentences in English.", "",
             "| tokenizer | vocabulary | mean premium | worst | English tokens | of those without balance |",
             "|---|---:|---:|---:|---:|---:|"]
    for (name, size), counted in found.items():
        premiums = {language: counted[language] / counted["en"] for language in large}
        plain = found.get(("gpt-4o, as the texts are", size))
        worst = max(premiums, key=lambda language: premiums[language])
        cost = f"{100 * (counted['en'] / plain['en'] - 1):+.1f} %" if plain else ""
        mean = sum(premiums.values()) / len(premiums)
        lines.append(f"| {name} | {size} | {mean:.2f} | {premiums[worst]:.2f} ({worst}) | {counted['en']:,} | {cost} |")
    shown = [("GPT-2", "50,257"), *((f"{name}", "32,768") for name in (
        "qwen2, as the texts are", "gpt-4o, as the texts are", "gpt-4o, exponent 0.5", "gpt-4o, parity 1.5"))]
    names = " | ".join(name for name, _ in shown)
    lines += ["", f"| language | share of text | {names} |", f"|---|---:|{'---:|' * len(shown)}"]
    others = sorted(set(found[shown[0]]) & {"my", "am", "th", "el", "he", "sw"} - set(large))
    for language in [*large, *others]:
        cells = " | ".join(f"{found[one][language] / found[one]['en']:.2f}" for one in shown)
        lines.append(f"| {language} | {100 * sizes.get(language, 0) / total:.1f} % | {cells} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.exit(main())
