"""A data folder of synthetic documents, as large as asked, with the files and manifests that a run leaves.

    python -m benchmarks.synthetic_data --documents 1000000 --to folder

Texts are drawn from a vocabulary by Zipf's law, measurements from the bounds of rules.yaml so that about half of the documents
break one, and a tenth of the documents are copies. The four aligned datasets are written by the contract's own writer, with
verdicts by `screen`'s own function; nothing depends on anything but the number of documents and the seed.
"""

import argparse
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.sealed import seal
from textmill.pipelines.contract.part_files import PartWriter
from textmill.pipelines.contract.parts import STATS, Manifest, Part
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import to_plain
from textmill.pipelines.dedup.keep import DUPLICATES
from textmill.pipelines.dedup.settings import DedupSettings
from textmill.pipelines.extract.rows import DOCUMENTS
from textmill.pipelines.measure.personal.find import KINDS
from textmill.pipelines.measure.signals import MEASUREMENTS, RULE_MEASUREMENTS, SIGNALS
from textmill.pipelines.screen.rules import Rule, read_rules
from textmill.pipelines.screen.verdicts import VERDICTS, verdicts_batch

ROOT = Path(__file__).parents[1]
PART_ROWS, BATCH_ROWS = 50_000, 2_000
VOCABULARY, HOSTS = 60_000, 20_000
WORDS = 600             # of a document, on average: 3,000 characters
LANGUAGES = (("en", 0.55), ("de", 0.12), ("fr", 0.1), ("es", 0.1), ("ja", 0.05), ("ru", 0.05), ("und", 0.03))
SOURCES = (("crawl", 0.9), ("books", 0.06), ("forum", 0.04))
SCHEMAS = {"documents": DOCUMENTS, "signals": SIGNALS, "verdicts": VERDICTS, "duplicates": DUPLICATES}
STAGES = {"documents": "extract", "signals": "measure", "verdicts": "screen", "duplicates": "dedup"}
SYLLABLES = [first + second for first in "bdfgklmnprstvz" for second in "aeiou"]


def vocabulary(rng: np.random.Generator) -> pa.Array:
    """Different pronounceable words; the commonest are the shortest."""
    lengths = np.sort(rng.integers(1, 5, VOCABULARY))
    drawn = rng.integers(0, len(SYLLABLES), (VOCABULARY, 5))
    return pa.array(["".join(SYLLABLES[s] for s in row[:length + (n > 70)]) for n, (row, length)
                     in enumerate(zip(drawn, lengths, strict=True))])


def texts(rng: np.random.Generator, words: pa.Array, lengths: np.ndarray) -> pa.Array:
    """A text of so many words for each length."""
    total = int(lengths.sum())
    ranks = np.minimum(np.exp(rng.random(total) * np.log(VOCABULARY)).astype(np.int64), VOCABULARY - 1)    # about 1/rank
    offsets = pa.array(np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32))
    return pc.binary_join(pa.ListArray.from_arrays(offsets, words.take(pa.array(ranks))), " ")


def chosen(rng: np.random.Generator, table: tuple[tuple[str, float], ...], count: int) -> pa.Array:
    names, shares = zip(*table, strict=True)
    return pa.array(names).take(pa.array(rng.choice(len(names), count, p=shares)))


def documents_batch(rng: np.random.Generator, words: pa.Array, first: int, count: int) -> pa.RecordBatch:
    lengths = np.clip(rng.lognormal(np.log(WORDS) - 0.32, 0.8, count), 5, 5_000).astype(np.int64)
    text, title = texts(rng, words, lengths), texts(rng, words, rng.integers(3, 9, count))
    host = [f"www.site-{number}.example" for number in np.minimum(rng.zipf(1.3, count), HOSTS)]
    digests = rng.bytes(16 * count)
    ids = [digests[16 * n:16 * n + 16].hex() for n in range(count)]
    columns = {
        "id": ids, "record_id": [f"<urn:uuid:{id_}>" for id_ in ids], "source": chosen(rng, SOURCES, count), "host": host,
        "url": [f"https://{name}/page/{first + n}" for n, name in enumerate(host)],
        "domain": [name.removeprefix("www.") for name in host],
        "date": [f"2026-0{1 + n % 9}-11T10:00:00Z" for n in range(count)],
        "title": title, "text": text, "charset": ["utf-8"] * count, "charset_from": ["http"] * count,
        "replaced": [0] * count, "robots": [[]] * count, "content_type": ["text/html"] * count,
        "payload_bytes": lengths * 40, "payload_digest": ids, "links": lengths // 20, "anchor_chars": lengths // 4,
        "page_chars": lengths * 8, "page_anchor_chars": lengths,
        "file": [f"crawl/part-{first // PART_ROWS:05d}.warc.gz"] * count,
        "offset": np.arange(first, first + count) * 12_000, "length": [12_000] * count}
    return pa.record_batch([pa.array(columns[field.name], field.type) if field.name in columns else pa.nulls(count, field.type)
                            for field in DOCUMENTS], schema=DOCUMENTS)


def signals_batch(rng: np.random.Generator, documents: pa.RecordBatch, rules: tuple[Rule, ...]) -> pa.RecordBatch:
    """Measurements on both sides of each bound, one in seventy on the far one."""
    count, bounds = len(documents), {rule.name: (rule.low, rule.high) for rule in rules}
    measured = {}
    for name in MEASUREMENTS:
        low, high = bounds.get(name, (None, None))
        least = 0.0 if low is None else low
        most = high if high is not None else least + max(1.0, abs(least))
        values = least + (most - least) * rng.random(count)
        far = rng.random(count) < 1 / 70
        beyond = most * (1 + rng.random(count)) if high is not None else least * rng.random(count)
        measured[name] = np.where(far & (name in bounds), beyond, values)
    measured["word_count"] = np.array([text.count(" ") + 1 for text in documents["text"].to_pylist()], np.float64)
    names = [field.name for field in SIGNALS.field("findings").type.value_type]
    findings = [[dict(zip(names, ("EMAIL", 0, 4), strict=True))] if n % 20 == 0 else [] for n in range(count)]
    size = SIGNALS.field("minhash").type.list_size
    languages = chosen(rng, LANGUAGES, count)
    columns = {"id": documents["id"], "language": languages, "language_guess": languages, "language_cld2": languages,
               **dict.fromkeys(("language_guess_score", "language_cld2_share"), np.ones(count, np.float32)),
               "language_agreed": [True] * count,
               "language_score": rng.random(count).astype(np.float32), "script": ["Latn"] * count, "form": ["prose"] * count,
               "content_hash": [bytes.fromhex(id_) for id_ in documents["id"].to_pylist()], "shingles": [200] * count,
               "findings": findings,
               "minhash": pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(count * size, np.uint32)), size)} | measured
    return pa.record_batch([pa.array(columns[field.name], field.type) if not isinstance(columns[field.name], pa.Array)
                            else columns[field.name] for field in SIGNALS], schema=SIGNALS)


def duplicates_batch(documents: pa.RecordBatch, kept: np.ndarray) -> pa.RecordBatch:
    """Every tenth document that screen keeps is a copy of the kept one before it."""
    rows, last, ids = [], None, documents["id"].to_pylist()
    for n, id_ in enumerate(ids):
        row = dict.fromkeys(DUPLICATES.names) | {"id": id_}
        if kept[n] and n % 10 == 0 and last is not None:
            pair = {"cluster": min(ids[last], id_), "kept_id": ids[last], "cluster_size": 2}
            rows[last] |= pair
            row |= pair | {"kind": "near", "similarity": 0.9}
        elif kept[n]:
            last = n
        rows.append(row)
    return pa.RecordBatch.from_pylist(rows, DUPLICATES)


def write(data: Folder, documents: int, seed: int = 1) -> None:
    """The four aligned datasets, complete."""
    rules = read_rules(ROOT / "rules.yaml", RULE_MEASUREMENTS, KINDS).rules
    words = vocabulary(np.random.default_rng(seed))
    parts: dict[str, list[Part]] = {name: [] for name in SCHEMAS}
    kept = 0
    for first in range(0, documents, PART_ROWS):
        rng = np.random.default_rng((seed, first))
        key = f"crawl-{first:013d}"
        writers = {name: PartWriter(data / name, key, f"{key}.{seed:016x}.parquet", schema) for name, schema in SCHEMAS.items()}
        for writer in writers.values():
            writer.__enter__()
        for start in range(first, min(first + PART_ROWS, documents), BATCH_ROWS):
            pages = documents_batch(rng, words, start, min(BATCH_ROWS, documents - start))
            signals = signals_batch(rng, pages, rules)
            verdicts, _ = verdicts_batch(signals, rules)
            stays = verdicts["kept"].to_numpy(zero_copy_only=False)
            kept += int(stays.sum())
            for name, batch in (("documents", pages), ("signals", signals), ("verdicts", verdicts),
                                ("duplicates", duplicates_batch(pages, stays))):
                writers[name].write(batch)
        for name, writer in writers.items():
            writer.__exit__(None, None, None)
            assert writer.part is not None
            parts[name].append(writer.part)
    settings = {"verdicts": to_plain(rules), "duplicates": to_plain(DedupSettings())}
    for name, stage in STAGES.items():
        counts = {"read": documents, "kept": kept if name == "verdicts" else documents}
        (data / name).write(STATS, seal(counts))
        manifest = Manifest(stage, 1, f"synthetic {documents} {seed}", tuple(parts[name]), (), (),
                            {"settings": settings.get(name, {})})
        (data / name).write("_manifest.json", manifest.to_json())
        (data / name).delete_leftovers()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--documents", type=int, default=1_000_000)
    parser.add_argument("--to", required=True)
    given = parser.parse_args()
    write(Folder(given.to), given.documents)
