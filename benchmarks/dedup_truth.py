"""Dedup against the truth: every pair of real pages compared by brute force, ours and datatrove's beside each other.

    python -m benchmarks.dedup_truth --raw ../shared/data --data /tmp/truth --datatrove /path/to/python-with-datatrove

writes benchmarks/results/dedup-truth.md and docs/dedup-s-curve.svg. The truth is the exact Jaccard similarity of all pairs
that have a shingle in common, counted with an inverted index that shares no code with dedup. datatrove is held to its own
shingles (it folds digits and accents), as its own code makes them from the same texts.
"""

import argparse
import dataclasses
import json
import subprocess
from collections.abc import Sequence
from datetime import date
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa
from scipy.sparse import csr_array

from benchmarks.dedup_pages import give
from benchmarks.s_curve import s_curve
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Manifest
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.dedup.bands import band_hashes, signature_matrix
from textmill.pipelines.dedup.settings import DedupSettings, probability_found
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.extract.stage import EXTRACT
from textmill.pipelines.measure.stage import MEASURE
from textmill.pipelines.screen.rules import Rules
from textmill.pipelines.screen.stage import SCREEN
from textmill.pipelines.settings import read_config
from textmill.pipelines.text.shingles import shingle_hashes
from textmill.pipelines.text.words import read_words

ROOT = Path(__file__).parents[1]
LOWEST = 0.5            # Jaccard of the pairs looked at
DATATROVE = (14, 8)
EDGES = np.linspace(LOWEST, 1, 21)      # of the bins of the curve: 0.025 wide
ROWS_AT_ONCE = 200


class Sets(NamedTuple):
    """Shingle sets one after the other: offsets [D + 1], hashes; each set without repeats."""

    offsets: np.ndarray
    hashes: np.ndarray


class Pairs(NamedTuple):
    """Pairs of documents (a before b) and their exact Jaccard."""

    a: np.ndarray
    b: np.ndarray
    jaccard: np.ndarray

    def at(self, low: float) -> "Pairs":
        return Pairs(*(column[self.jaccard >= low] for column in self))


class Outcome(NamedTuple):
    """What a tool made of the documents: a cluster number (or -1) of each, and whether it stays."""

    clusters: np.ndarray
    stays: np.ndarray


def true_pairs(sets: Sets) -> Pairs:
    """Every pair with Jaccard at or above LOWEST: what two documents have in common is counted shingle by shingle."""
    _, codes = np.unique(sets.hashes, return_inverse=True)
    sizes = np.diff(sets.offsets)
    table = csr_array((np.ones(len(codes), np.int32), codes, sets.offsets), shape=(len(sizes), codes.max() + 1))
    by_shingle = table.T.tocsr()
    found = []
    for start in range(0, len(sizes), ROWS_AT_ONCE):
        common = (table[start:start + ROWS_AT_ONCE] @ by_shingle).tocoo()
        a, b = common.row + start, common.col
        jaccard = common.data / (sizes[a] + sizes[b] - common.data)
        chosen = (a < b) & (jaccard >= LOWEST)
        found.append((a[chosen], b[chosen], jaccard[chosen]))
    return Pairs(*map(np.concatenate, zip(*found, strict=True)))


def config_with(threshold: float | None = None) -> Configuration:
    """The shipped configuration without rules, so that dedup sees every page; at another threshold the same banding."""
    config = read_config(ROOT / "settings.yaml", ROOT / "rules.yaml", ROOT / "mixtures/demo.yaml", None)
    dedup = config[DedupSettings]
    if threshold is not None:
        bands, rows = dedup.banding()
        dedup = dataclasses.replace(dedup, threshold=threshold, bands=bands, rows=rows)
    return config.replaced(dedup, dataclasses.replace(config[Rules], rules=()))


def column(data: Folder, dataset: str, name: str) -> pa.ChunkedArray:
    manifest = Manifest.read(data / dataset)
    assert manifest
    return pa.chunked_array([batch[name] for part in manifest.parts for batch in read_batches(data / dataset, part, [name])])


def ours(data: Folder, threshold: float | None, workers: int) -> Outcome:
    context = RunContext(data, config_with(threshold), BeamEngine(workers=workers))
    for stage in (EXTRACT, MEASURE, SCREEN, DEDUP):
        print(bring_up_to_date(stage, context), flush=True)
    names = column(data, "duplicates", "cluster").combine_chunks().dictionary_encode()
    return Outcome(np.asarray(names.indices.fill_null(-1)), np.asarray(column(data, "duplicates", "kind").is_null()))


def datatrove(python: Path, texts: Sequence[str], folder: Path, workers: int) -> tuple[Outcome, Sets, np.ndarray]:
    """What it decides, its shingle sets, and its signatures as uint64[documents, 112]."""
    (folder / "input").mkdir(parents=True, exist_ok=True)
    with (folder / "input/00000.jsonl").open("w", encoding="utf-8") as file:
        for number, text in enumerate(texts):
            file.write(json.dumps({"id": str(number), "text": text}) + "\n")
    if not (folder / "shingles.npz").exists():
        subprocess.run([python, ROOT / "benchmarks/datatrove_dedup.py", folder, str(workers), "--shingles"], check=True,
                       stderr=subprocess.DEVNULL)
    clusters, stays = np.full(len(texts), -1), np.ones(len(texts), bool)
    rows = np.fromfile(folder / "clusters/000000.clusters", "<u4").reshape(-1, 2)
    clusters[rows[:, 0]] = rows[:, 1]
    stays[np.fromfile(folder / "clusters/000000.remove", "<u4")] = False
    bands, width = DATATROVE
    signatures = np.zeros((len(texts), bands * width), np.uint64)
    for band in range(bands):
        rows = np.fromfile(folder / f"signatures/bucket_{band:03d}/00000.minhash.sig",
                           np.dtype([("hashes", "<u8", width), ("document", "<u4")]))
        signatures[rows["document"], band * width:(band + 1) * width] = rows["hashes"]
    with np.load(folder / "shingles.npz") as stored:
        return Outcome(clusters, stays), Sets(stored["offsets"], stored["hashes"]), signatures


def meet(pairs: Pairs, signatures: np.ndarray, bands: int, rows: int) -> np.ndarray:
    """Whether the two of each pair agree in a whole band."""
    met = np.zeros(len(pairs.a), bool)
    for band in range(bands):
        hashes = band_hashes(signatures, band, rows)
        met |= hashes[pairs.a] == hashes[pairs.b]
    return met


def judged(name: str, outcome: Outcome, pairs: Pairs, met: np.ndarray, threshold: float) -> dict[str, str]:
    """A column of the table: what was found and what was removed, against pairs at or above the threshold."""
    true = pairs.at(threshold)
    together = (outcome.clusters[true.a] == outcome.clusters[true.b]) & (outcome.clusters[true.a] >= 0)
    both = outcome.stays[true.a] & outcome.stays[true.b]
    proved = np.zeros(len(outcome.stays), bool)
    for one, other in ((true.a, true.b), (true.b, true.a)):
        proved[one[outcome.stays[other]]] = True
    gone = ~outcome.stays
    return {"": name, f"pairs at Jaccard {threshold} or more": f"{len(true.a):,}",
            "of these in one bucket": f"{met[pairs.jaccard >= threshold].mean():.2%}",
            "of these in one cluster": f"{together.mean():.2%}",
            "of these both kept": f"{both.sum():,} ({both.mean():.3%})",
            "pages removed": f"{gone.sum():,}",
            f"of these with a kept page at Jaccard {threshold} or more": f"{proved[gone].sum():,} ({proved[gone].mean():.2%})"}


def curve(pairs: Pairs, met: np.ndarray) -> list[tuple[float, float, int]]:
    """(mean Jaccard, share that met, pairs) of each bin that has at least 20 pairs; equal texts are no test."""
    context = np.digitize(pairs.jaccard, EDGES)
    rows = []
    for n in range(1, len(EDGES)):
        here = context == n
        if here.sum() >= 20:
            rows.append((float(pairs.jaccard[here].mean()), float(met[here].mean()), int(here.sum())))
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0], allow_abbrev=False)
    parser.add_argument("--raw", type=Path, required=True, help="folder with crawl/*.warc.gz and the jsonl.zst files")
    parser.add_argument("--data", type=Path, required=True, help="a folder to work in")
    parser.add_argument("--datatrove", type=Path, help="a Python that has datatrove; without it only ours is measured")
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    give(given.raw, given.data / "raw")
    data = Folder(str(given.data))
    low, outcome = ours(data, 0.75, given.workers), ours(data, None, given.workers)
    bands, rows = config_with()[DedupSettings].banding()
    texts = column(data, "documents", "text").to_pylist()
    pieces = [shingle_hashes(read_words(texts[n:n + 100])) for n in range(0, len(texts), 100)]
    sizes = np.concatenate([np.diff(offsets) for offsets, _ in pieces])
    pairs = true_pairs(Sets(np.concatenate([[0], np.cumsum(sizes)]), np.concatenate([hashes for _, hashes in pieces])))
    signatures = np.concatenate([signature_matrix(chunk) for chunk in column(data, "signals", "minhash").chunks])
    met = meet(pairs, signatures, bands, rows)
    columns = [judged(f"ours, {bands} × {rows}", outcome, pairs, met, 0.8),
               judged(f"ours, {bands} × {rows}, threshold 0.75", low, pairs, met, 0.75)]
    curves = {(bands, rows): curve(pairs, met)}
    if given.datatrove:
        theirs, sets, signatures = datatrove(given.datatrove, texts, given.data / "datatrove", given.workers)
        pairs = true_pairs(sets)
        met = meet(pairs, signatures, *DATATROVE)
        columns.append(judged("datatrove, {} × {}".format(*DATATROVE), theirs, pairs, met, 0.8))
        curves[DATATROVE] = curve(pairs, met)
    write(len(texts), columns, curves)


def write(documents: int, columns: list[dict[str, str]], curves: dict[tuple[int, int], list[tuple[float, float, int]]]) -> None:
    names = ["pairs", "in one bucket", "in one cluster", "both kept", "pages removed", "of these with a kept page so similar"]
    cells = [list(one.values()) for one in columns]
    thresholds = ["0.75" if "0.75" in one[""] else "0.8" for one in columns]
    table = [["", *(one[0] for one in cells)], ["Jaccard at or above", *thresholds],
             *([name, *(one[n + 1] for one in cells)] for n, name in enumerate(names))]
    lines = [f"| {' | '.join(row)} |" for row in table]
    lines.insert(1, f"|---{'|---:' * len(cells)}|")
    lines += ["", f"{documents:,} pages, all pairs compared; {date.today()}.", "",
              f"| Jaccard | {' | '.join(f'{b} × {r}: theory | measured | pairs' for b, r in curves)} |",
              f"|---{'|---:|---:|---:' * len(curves)}|"]
    for n in range(1, len(EDGES)):
        cells = []
        for (b, r), points in curves.items():
            point = next((p for p in points if EDGES[n - 1] <= p[0] < EDGES[n] or (n == len(EDGES) - 1 and p[0] == 1)), None)
            cells += [f"{probability_found(point[0], b, r):.1%}", f"{point[1]:.1%}", f"{point[2]:,}"] if point else ["", "", ""]
        lines.append(f"| {EDGES[n - 1]:.3f} to {EDGES[n]:.3f} | {' | '.join(cells)} |")
    said = "\n".join(lines) + "\n"
    print(said)
    (ROOT / "benchmarks/results/dedup-truth.md").write_text(said, "utf-8")
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs/dedup-s-curve.svg").write_text(s_curve(curves, LOWEST), "utf-8")


if __name__ == "__main__":
    main()
