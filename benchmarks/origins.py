"""Origins over large mixtures: planted passages and absent texts, time of a query, size and build time of the index.

    python -m benchmarks.origins --blocks FOLDER [FOLDER ...] [--synthetic 100000000] --work FOLDER

Passages are cut out of training blocks at random and put between random tokens: each must be found whole. Absent texts are
tokens of blocks shuffled, in which a run of eight is left by chance at most (those are counted). Beside the suffix array, what
hashes of 8-grams at every fourth place take: the other design.
Writes benchmarks/results/origins.md.
"""

import argparse
import hashlib
import json
import shutil
import time
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa

from textmill.model.data.blocks import PackedMixture
from textmill.model.evaluation.origins import Origins
from textmill.model.evaluation.origins_index import SUFFIXES, build_index

RESULT = Path(__file__).parent / "results/origins.md"
LENGTH, QUERIES = 2048, 200
SPAN = pa.struct([("id", pa.string()), *((name, pa.int32()) for name in ("piece", "start", "end", "offset"))])


def synthetic(folder: Path, like: Path, tokens: int) -> Path:
    """Blocks of so many random tokens, frequencies as 1/rank, two documents a block, in the published format."""
    facts = PackedMixture(like).train
    shutil.rmtree(folder, ignore_errors=True)
    draw = np.random.default_rng(3)
    weights = 1 / np.arange(1, facts.end_of_text + 1)
    edges = np.cumsum(weights / weights.sum())
    meta = {"schema": "3", "mixture": folder.name, "block": str(LENGTH), "vocab_size": str(facts.vocab_size),
            "end_of_text": str(facts.end_of_text), "tokenizer_sha256": facts.tokenizer_sha256}
    schema = pa.schema([("tokens", pa.list_(pa.uint16(), LENGTH)), ("entry", pa.string()), ("spans", pa.list_(SPAN))], meta)
    for split, count in (("train", tokens // LENGTH), ("validation", 8)):
        (folder / split).mkdir(parents=True)
        path = folder / split / "0.arrow"
        with pa.ipc.new_stream(str(path), schema) as writer:
            for first in range(0, count, 4096):
                rows = min(4096, count - first)
                ids = np.minimum(np.searchsorted(edges, draw.random(rows * LENGTH)), facts.end_of_text - 1).astype(np.uint16)
                cuts = draw.integers(1, LENGTH - 1, rows)
                spans = [[{"id": f"{first + n}-{m}", "piece": 0, "start": a, "end": b, "offset": 0}
                          for m, (a, b) in enumerate(((0, int(cut)), (int(cut), LENGTH)))] for n, cut in enumerate(cuts)]
                lists = pa.FixedSizeListArray.from_arrays(pa.array(ids), LENGTH)
                writer.write_batch(pa.record_batch([lists, ["synthetic"] * rows, pa.array(spans, schema.field("spans").type)],
                                                   schema=schema))
        part = {"key": "0", "path": path.name, "rows": count, "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}
        (folder / split / "_manifest.json").write_text(json.dumps({"schema": 1, "parts": [part]}))
    shutil.copy(like / "tokenizer.json", folder)
    return folder


def hashes(tokens: np.ndarray) -> tuple[float, int]:
    """CPU seconds and bytes of the other design: the 8-grams at every fourth place by hash, in the hashes' order."""
    start = time.process_time()
    places = np.arange(0, len(tokens) - 8, 4, dtype=np.uint32)
    value = np.zeros(len(places), np.uint64)
    for n in range(8):
        value = (value ^ tokens[places + np.uint32(n)]) * np.uint64(0x100000001B3)
    order = np.argsort(value)
    return time.process_time() - start, value[order].astype(np.uint32).nbytes + places[order].nbytes


def measured(folder: Path, work: Path) -> str:
    """A row of the table. Fails where a planted passage is not found as it was planted."""
    mixture, index = PackedMixture(folder), work / f"{folder.name}-index"
    shutil.rmtree(index, ignore_errors=True)
    start = time.process_time()
    count = build_index(mixture, index)
    build = time.process_time() - start
    origins, draw = Origins(mixture, index), np.random.default_rng(7)
    cold, seconds, exact, absent = [], [], 0, 0
    opened = list(mixture.train.open_batches())
    for number in range(QUERIES):
        batch = opened[int(draw.integers(len(opened)))]
        stretch = int(draw.integers(len(batch.stretches.starts)))
        first, last = int(batch.stretches.starts[stretch]), int(batch.stretches.ends[stretch])
        size = min(last - first, int(draw.integers(12, 160)))
        at = first + int(draw.integers(last - first - size + 1))
        planted = batch.tokens.ravel()[at:at + size].tolist()
        noise = [draw.integers(0, 256, 20).tolist() for _ in range(2)]
        ids = (noise[0] + planted + noise[1])[:200]
        begin = time.perf_counter()
        runs = origins.runs(ids, 8)
        (cold if number < 20 else seconds).append((time.perf_counter() - begin) * 200 / len(ids))
        exact += any(run.start <= 20 and run.end >= 20 + size for run in runs) or size < 8
    for number in range(QUERIES):
        ids = draw.permutation(mixture.train.read([number % len(mixture.train)]).tokens[0].numpy()[:200]).tolist()
        lengths = origins.lengths(ids)
        absent += int(lengths.max() < 8)
    assert exact == QUERIES, f"{exact} of {QUERIES} planted passages were found"
    other, size = hashes(np.concatenate([batch.tokens.ravel() for batch in opened]))
    return (f"| {folder.name} | {count:,} | {exact} of {QUERIES} | {absent} of {QUERIES} | {np.median(cold) * 1e3:.1f} | "
            f"{np.median(seconds) * 1e3:.1f} | {np.quantile(seconds, .99) * 1e3:.1f} | {build:,.1f} | "
            f"{(index / SUFFIXES).stat().st_size / 1e6:,.0f} | {other:,.1f} | {size / 1e6:,.0f} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--blocks", type=Path, nargs="+", required=True)
    parser.add_argument("--synthetic", type=int, default=100_000_000, help="tokens")
    parser.add_argument("--work", type=Path, required=True, help="where indexes and synthetic blocks are written")
    given = parser.parse_args()
    folders = [*given.blocks, synthetic(given.work / "synthetic", given.blocks[0], given.synthetic)]
    lines = ["| blocks | tokens | planted found | shuffled: nothing | first 20 queries, ms | a query, ms | 99 % below | "
             "build, CPU s | index MB | 8-gram hashes, CPU s | MB |", "|---|" + "---:|" * 10]
    for folder in folders:
        lines.append(measured(folder, given.work))
        print(lines[-1], flush=True)
    lines += ["", f"A query is of 200 tokens (time scaled to that), wall time on one core while others worked, medians; "
              f"{date.today()}. "
              "The hashes are of every fourth place, so a run below 11 tokens may be missed, and each candidate is still to be "
              "compared with the text; the suffix array gives the longest run at every place."]
    RESULT.write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
