"""Both fillings on a finished run: every curated text comes back from the blocks, and what each way of packing costs.

    python -m benchmarks.packing_crawl --data FOLDER --tokenizer NAME [--passes 2]

Packs all of the folder's token rows, by source, so many passes over, decodes the blocks span by span, and compares with the
token rows: each token as often as planned, no other. Beside it, on the same documents in the same order, how much is lost by
packers that crop, as nanochat describes them (scripts/dataloader, January 2026): greedy, and best fit of a buffer of 1,000.
Writes benchmarks/results/packing-crawl.md.
"""

import argparse
import bisect
import hashlib
import shutil
import subprocess
import sys
import tempfile
from collections import Counter, defaultdict
from datetime import date
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from textmill.base.sealed import unseal
from textmill.pipelines.contract.storage import Folder

ROOT = Path(__file__).parents[1]
RESULT = ROOT / "benchmarks/results/packing-crawl.md"
BUFFER = 1000


def documents(data: Path, tokenizer: str) -> tuple[dict[str, list[np.ndarray]], dict[str, str]]:
    """The tokens of each document's pieces, in order, and its source."""
    folder = data / "tokens" / tokenizer
    pieces: defaultdict[str, dict[int, np.ndarray]] = defaultdict(dict)
    sources: dict[str, str] = {}
    for part in unseal((Folder(str(data)) / f"tokens/{tokenizer}").read("_manifest.json"))["parts"]:
        table = pq.read_table(folder / part["path"], columns=["id", "piece", "source", "tokens"])
        for batch in table.to_batches():
            offsets, values = batch["tokens"].offsets.to_numpy(), batch["tokens"].values.to_numpy()
            columns = (batch[name].to_pylist() for name in ("id", "piece", "source"))
            for n, (id, piece, source) in enumerate(zip(*columns, strict=True)):
                pieces[id][piece] = values[offsets[n]:offsets[n + 1]]
                sources[id] = source
    return {id: [parts[n] for n in sorted(parts)] for id, parts in pieces.items()}, sources


def packed(pieces: list[np.ndarray], end: int) -> list[np.ndarray]:
    """The packed sequence of each piece: end-of-text before the first and after the last."""
    last = len(pieces) - 1
    return [np.concatenate([[end] * (n == 0), piece, [end] * (n == last)]).astype(piece.dtype)
            for n, piece in enumerate(pieces)]


def pack(data: Path, tokenizer: str, sources: Counter, passes: int, fill: str, block: int) -> tuple[Path, dict]:
    """Blocks of everything, so many passes over each source; their folder and the stage's counts."""
    total = sum(sources.values())
    entries = {name: {"where": {"source": name}, "share": count / total, "repeat": passes} for name, count in sources.items()}
    recipe = {"name": f"crawl-{fill}", "block": block, "tokens": total * passes - len(sources), "seed": 1, "validation": 0,
              "tokenizer": tokenizer, "fill": fill, "entries": entries}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "recipe.yaml"
        path.write_text(yaml.safe_dump(recipe, sort_keys=False))
        shutil.rmtree(data / "blocks" / recipe["name"], ignore_errors=True)
        command = [sys.executable, "-m", "textmill", "pack", "--data", str(data), "--mixture", str(path)]
        subprocess.run(command, cwd=ROOT, check=True)
    blocks = data / "blocks" / recipe["name"]
    return blocks, unseal((blocks / "_stats.json").read_bytes())


def decoded(blocks: Path, whole: dict[str, list[np.ndarray]], end: int) -> Counter:
    """How often each document lies in the blocks; exits where a token is not the document's, or is there less or more often."""
    sequences = {id: packed(pieces, end) for id, pieces in whole.items()}
    times = {id: [np.zeros(len(piece), np.int32) for piece in pieces] for id, pieces in sequences.items()}
    for part in unseal((blocks / "train/_manifest.json").read_bytes())["parts"]:
        if hashlib.sha256((blocks / "train" / part["path"]).read_bytes()).hexdigest() != part["sha256"]:
            sys.exit(f"{part['path']} is not what the manifest says")
        for batch in pa.ipc.open_stream(pa.memory_map(str(blocks / "train" / part["path"]))):
            tokens = batch["tokens"].flatten().to_numpy().reshape(batch.num_rows, -1)
            for row, spans in zip(tokens, batch["spans"].to_pylist(), strict=True):
                for span in spans:
                    start, length = span["offset"], span["end"] - span["start"]
                    wanted = sequences[span["id"]][span["piece"]][start:start + length]
                    if not np.array_equal(row[span["start"]:span["end"]], wanted):
                        sys.exit(f"{span['id']} differs")
                    times[span["id"]][span["piece"]][start:start + length] += 1
    counted = Counter()
    for id, pieces in times.items():
        found = {int(value) for piece in pieces for value in np.unique(piece)}
        if len(found) > 1 and max(found) - min(found) > 1:
            sys.exit(f"{id}: some tokens are there {min(found)} times, others {max(found)}")
        counted[min(found)] += 1
    return counted


def cropped(lengths: list[int], block: int, best: bool) -> float:
    """Share of tokens that a cropping packer throws away; its rows are full and begin with a document."""
    rest, lost, buffer = iter(lengths), 0, []
    while True:
        while len(buffer) < (BUFFER if best else 1) and (length := next(rest, None)) is not None:
            bisect.insort(buffer, length) if best else buffer.append(length)
        if not buffer:
            return lost / sum(lengths)
        room = block + 1
        while room:
            if not best:
                taken = buffer.pop(0) if buffer else next(rest, None)
                if taken is None:
                    break
                lost += max(0, taken - room)
                room -= min(room, taken)
                continue
            if not buffer:
                break
            place = bisect.bisect_right(buffer, room)
            if place:
                room -= buffer.pop(place - 1)
            else:
                taken = buffer.pop(0)           # none fits: the shortest is cropped
                lost += taken - room
                room = 0
            if (length := next(rest, None)) is not None:
                bisect.insort(buffer, length)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--passes", type=int, default=2)
    parser.add_argument("--block", type=int, default=2048)
    given = parser.parse_args()
    whole, source_of = documents(given.data, given.tokenizer)
    sizes = {id: sum(map(len, pieces)) + 2 for id, pieces in whole.items()}
    sources: Counter = Counter()
    for id, size in sizes.items():
        sources[source_of[id]] += size
    order = [sizes[id] for id in sorted(sizes)]        # ids are hashes: a shuffled order
    lines = []
    for fill in ("fit", "concat"):
        blocks, counts = pack(given.data, given.tokenizer, sources, given.passes, fill, given.block)
        end = int(pa.ipc.open_stream(next((blocks / "train").glob("*.arrow")).read_bytes()).schema.metadata[b"end_of_text"])
        times = decoded(blocks, whole, end)
        entries = counts["train"]["entries"].values()
        cut, packed_documents = sum(entry["cut"] for entry in entries), len(whole) * given.passes
        empty = counts["train"]["empty"] / (counts["train"]["blocks"] * given.block)
        said = ", ".join(f"{count:,} documents {number} times" for number, count in sorted(times.items()))
        lines.append(f"| ours, `{fill}` | 0 % | {empty:.2%} | {cut / packed_documents:.1%} | {said} |")
    longest = max(sources, key=lambda source: sources[source] / sum(name == source for name in source_of.values()))
    others = [sizes[id] for id in sorted(sizes) if source_of[id] != longest]
    for name, published, best in (("greedy cropping", 39, False), ("best fit with cropping", 35, True)):
        lost, of_others = (cropped(lengths, given.block, best) for lengths in (order, others))
        without = f"without `{longest}` {of_others:.1%}"
        lines.append(f"| {name} (nanochat publishes {published} %) | {lost:.1%}; {without} | 0 % | | |")
    RESULT.write_text("\n".join([
        f"Measured {date.today()}, `python -m benchmarks.packing_crawl`: {len(whole):,} curated documents, "
        f"{sum(order):,} tokens with end-of-text (median {int(np.median(order)):,} a document), blocks of {given.block:,}, "
        f"{given.passes} passes. "
        "Every span was compared with its token row.", "",
        "| packer | tokens lost | positions empty | documents cut | decoded back |", "|---|---|---|---|---|", *lines]) + "\n")
    print(RESULT.read_text())


if __name__ == "__main__":
    main()
