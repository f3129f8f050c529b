"""The language of sentences, of short ones and of pages: textmill beside each of its voices, and beside lingua.

    python -m benchmarks.language --shared ../shared/data [--documents DATA]

writes benchmarks/results/language.md, language-pages.md and language-table.md. Sentences are SIB-200's, whole, cut at a word
after 12 to 45 characters, and 25 in a document; paragraphs are the Declaration of Human Rights' (langid.jsonl.zst); texts in
no language are made by seed. Pages are those of the development crawl that `DATA/documents` holds, each with the language
of its gold row. The label of the Kafka pages says English of what are lists of Java names: they are shown apart.
lingua (`pip install lingua-language-detector`) is asked where it is installed, about the languages that it knows.

A label is right when the code is: `no` for Bokmål and `nn` for Nynorsk, `ms` and `id`, `bs`, `hr` and `sr` are each their own.
"""

import argparse
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from datetime import date
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple

import pyarrow.parquet as pq

from benchmarks.good_texts import json_lines
from benchmarks.language_codes import CLD2_CODES, model_code
from benchmarks.no_language import no_language
from textmill.base.strict import parse, read_yaml
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.measure.language import identified
from textmill.pipelines.measure.language_model import LanguageIdentifier, find_model
from textmill.pipelines.measure.second_voice import UNDETERMINED, opinions
from textmill.pipelines.measure.settings import MeasureSettings
from textmill.pipelines.settings import Settings
from textmill.pipelines.text.words import read_words

ROOT = Path(__file__).parents[1]
RESULTS = ROOT / "benchmarks/results"
BATCH = 200
SHORTEST, LONGEST = 12, 45      # characters of a short sentence
SENTENCES = 25                  # in a document
# ISO 639-1 codes of lingua 2, for the figures over languages that every voice knows.
_LINGUA = """af sq ar hy az eu be bn no bs bg ca zh hr cs da nl en eo et fi fr lg ka de el gu he hi hu is id ga it ja kk ko la
lv lt mk ms mi mr mn nn fa pl pt pa ro ru sr sn sk sl so st es sw sv tl ta te th ts tn tr uk ur vi cy xh yo zu"""
LINGUA = frozenset(_LINGUA.split())
NEVER = "arb_Latn"              # romanised Arabic, which is `ar` to no voice: left out of LINGUA's figures
Voice = Callable[[Sequence[str]], list[str]]


class Labelled(NamedTuple):
    """A text with its label, and the code of that: lid.176's, else CLD2's, else None."""

    text: str
    label: str
    code: str | None


def lines(texts: Sequence[str]) -> list[str]:
    return [" ".join(text.split()) for text in texts]


def all_voices(settings: MeasureSettings) -> dict[str, Voice]:
    """Who is asked. `lid.176 with bounds` is what textmill did before CLD2 was its second voice."""
    model, alone = LanguageIdentifier(find_model(None)), LanguageIdentifier(find_model(None))
    alone.has_codes = False         # without codes in common CLD2 is not asked
    return {"lid.176": lambda texts: model.guesses(lines(texts)),
            "lid.176 with bounds": partial(by_bounds, alone, (0.3, 20, 0.5)),
            "CLD2": lambda texts: [one.language if one.reliable else UNDETERMINED for one in opinions(lines(texts))],
            "textmill": partial(by_bounds, model, (settings.min_language_score, settings.min_language_letters,
                                                   settings.min_language_letter_share))}


def by_bounds(model: LanguageIdentifier, bounds: tuple[float, int, float], texts: Sequence[str]) -> list[str]:
    return [language for start in range(0, len(texts), BATCH)
            for language in identified(read_words(texts[start:start + BATCH]), model, *bounds).languages]


def lingua() -> Voice | None:
    """lingua with all its languages, in its accurate mode; None where it is not installed."""
    try:
        from lingua import LanguageDetectorBuilder
    except ImportError:
        return None
    detector = LanguageDetectorBuilder.from_all_languages().build()

    def voice(texts: Sequence[str]) -> list[str]:
        found = [detector.detect_language_of(text) for text in texts]
        codes = [language.iso_code_639_1.name.lower() if language else UNDETERMINED for language in found]
        return ["no" if code == "nb" else code for code in codes]
    return voice


def labelled(shared: Path, known: frozenset[str]) -> Iterator[tuple[str, Labelled]]:
    """(set, text) of every set of sentences."""
    rows = [(row["text"], row["label"], row["origin"]) for row in json_lines(shared / "langid.jsonl.zst")]
    draw = random.Random(3)
    by_label: dict[tuple[str, str | None], list[str]] = defaultdict(list)
    for text, label, origin in rows:
        code = model_code(label, origin, known) or (CLD2_CODES.get(label.partition("_")[0]) if origin == "sib200" else None)
        if origin == "sib200":
            yield "sentences", Labelled(text, label, code)
            yield "short", Labelled(cut(text, draw.randint(SHORTEST, LONGEST)), label, code)
            by_label[label, code].append(text)
        else:
            yield "paragraphs", Labelled(text, label, code)
    for (label, code), texts in by_label.items():
        for start in range(0, len(texts) - SENTENCES + 1, SENTENCES):
            yield "documents", Labelled("\n".join(texts[start:start + SENTENCES]), label, code)


def cut(text: str, longest: int) -> str:
    """The words of a text that fit in so many characters; where it has no spaces, a third as many characters.

    >>> cut("one two three four", 9), cut("水磨坊坐落在河流转弯的地方", 12)
    ('one two', '水磨坊坐')
    """
    words = text.split()
    if len(words) < 3:
        return text[:longest // 3]
    kept = words[:1]
    for word in words[1:]:
        if len(" ".join((*kept, word))) > longest:
            break
        kept.append(word)
    return " ".join(kept)


def groups(known: frozenset[str]) -> dict[str, Callable[[Labelled], bool]]:
    return {"the languages of lid.176 and lingua": lambda one: one.code in LINGUA & known and one.label != NEVER,
            "the languages of lid.176": lambda one: one.code in known,
            "languages of CLD2 alone": lambda one: one.code is not None and one.code not in known}


def sentences(shared: Path, voices: dict[str, Voice], known: frozenset[str]) -> tuple[str, str]:
    """(summary, table by language)."""
    sets: dict[str, list[Labelled]] = defaultdict(list)
    for name, text in labelled(shared, known):
        if text.code is not None:
            sets[name].append(text)
    summary = ["| texts | labels | who | texts | right | `und` | right where told | ms |",
               "|---|---|---|---:|---:|---:|---:|---:|"]
    table = ["| texts | language | number | lid.176 | lid.176 with bounds | CLD2 | textmill | `und` |",
             "|---|---|---:|---:|---:|---:|---:|---:|"]
    for name, texts in sets.items():
        found: dict[str, list[str]] = {}
        cost: dict[str, float] = {}
        for who, voice in voices.items():
            asked = [one for one in texts if who != "lingua" or groups(known)["the languages of lid.176 and lingua"](one)]
            started = time.process_time()
            answers = iter(voice([one.text for one in asked]))
            cost[who] = 1000 * (time.process_time() - started) / max(len(asked), 1)
            chosen = set(map(id, asked))
            found[who] = [next(answers) if id(one) in chosen else "" for one in texts]
        for group, belongs in groups(known).items():
            mine = [n for n, one in enumerate(texts) if belongs(one)]
            labels = len({texts[n].label for n in mine})
            for who, languages in found.items():
                if mine and (who != "lingua" or "lingua" in group):
                    summary.append(f"| {name} | {labels} in {group} | {who} | "
                                   f"{rates([texts[n].code for n in mine], [languages[n] for n in mine])} | {cost[who]:.3f} |")
        table += by_language(name, texts, found)
    return "\n".join(summary) + "\n", "\n".join(table) + "\n"


def rates(gold: Sequence[str | None], found: Sequence[str]) -> str:
    right = sum(one == other for one, other in zip(gold, found, strict=True))
    told = sum(language != UNDETERMINED for language in found)
    return (f"{len(gold):,} | {100 * right / len(gold):.1f} % | {100 * (1 - told / len(gold)):.1f} % | "
            f"{100 * right / max(told, 1):.1f} %")


def by_language(name: str, texts: Sequence[Labelled], found: dict[str, list[str]]) -> Iterator[str]:
    """F1 of each language by each voice that knows all."""
    gold = [str(one.code) for one in texts]
    scores = {who: f1(gold, languages) for who, languages in found.items() if who != "lingua"}
    doubt = Counter(code for code, language in zip(gold, found["textmill"], strict=True) if language == UNDETERMINED)
    for language, number in sorted(Counter(gold).items()):
        yield (f"| {name} | {language} | {number} | " + " | ".join(f"{each[language]:.3f}" for each in scores.values())
               + f" | {100 * doubt[language] / number:.0f} % |")


def f1(gold: Sequence[str], found: Sequence[str]) -> dict[str, float]:
    right = Counter(one for one, other in zip(gold, found, strict=True) if one == other)
    there, told = Counter(gold), Counter(found)
    return {language: 2 * right[language] / (there[language] + told[language]) for language in there}


def named(voices: dict[str, Voice]) -> str:
    """How many of the texts in no language each voice takes for a language, by kind."""
    kinds, texts = zip(*no_language(), strict=True)
    each = {who: Counter(kind for kind, language in zip(kinds, voice(texts), strict=True) if language != UNDETERMINED)
            for who, voice in voices.items()}
    table = [f"| texts in no language | number | {' | '.join(each)} |", f"|---|---:|{'---:|' * len(each)}"]
    for kind, number in Counter(kinds).items():
        table.append(f"| {kind} | {number} | {' | '.join(str(counts[kind]) for counts in each.values())} |")
    table.append(f"| all | {len(kinds):,} | {' | '.join(f'{sum(counts.values()):,}' for counts in each.values())} |")
    return "\n".join(table) + "\n"


def pages(shared: Path, documents: Folder, voices: dict[str, Voice]) -> str:
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
            for page, plain, found in zip(there, voices["lid.176"](texts), voices["textmill"](texts), strict=True):
                label = gold[page["record_id"]]
                origin = label["origin"].split("-")[0]
                counts[origin].update(pages=1, plain=plain == label["language"], ours=found == label["language"],
                                      und=found == UNDETERMINED)
                if found != label["language"] and origin != "kafka":
                    wrong[origin, label["language"], found] += 1
    table = ["| pages of | pages | lid.176 right | textmill right | `und` |", "|---|---:|---:|---:|---:|"]
    honest: Counter[str] = sum((counts[origin] for origin in counts if origin != "kafka"), Counter())
    for name, count in [*sorted(counts.items()), ("all but kafka", honest)]:
        table.append(f"| {name} | {count['pages']:,} | {100 * count['plain'] / count['pages']:.2f} % | "
                     f"{100 * count['ours'] / count['pages']:.2f} % | {100 * count['und'] / count['pages']:.2f} % |")
    said = ", ".join(f"{origin} {gold_} as {found} {n}" for (origin, gold_, found), n in wrong.most_common(12))
    return "\n".join(table) + f"\n\nMost frequent differences: {said}.\n"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--shared", type=Path, required=True, help="the development data")
    parser.add_argument("--documents", help="a data folder in which extract has read the crawl; without it no page is judged")
    given = parser.parse_args()
    voices = all_voices(parse(Settings, read_yaml(ROOT / "settings.yaml"), "settings.yaml").measure)
    known = LanguageIdentifier(find_model(None)).languages
    other = lingua()
    summary, table = sentences(given.shared, voices | ({"lingua": other} if other else {}), known)
    lingua_version = f", lingua {version('lingua-language-detector')}" if other else ""
    when = f"\nlid.176.ftz, pycld2 {version('pycld2')}{lingua_version}, {date.today()}.\n"
    (RESULTS / "language.md").write_text(summary + "\n" + named(voices) + when, "utf-8")
    (RESULTS / "language-table.md").write_text(table + when, "utf-8")
    if given.documents:
        (RESULTS / "language-pages.md").write_text(
            pages(given.shared, Folder(given.documents) / "documents", voices) + when, "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
