"""Speed and memory of planning, filling and reading blocks, on synthetic documents, each step in a process of its own.

    python -m benchmarks.packing --tokens 1B --data FOLDER             # with tokens on disk: plan, fill, read
    python -m benchmarks.packing --tokens 10B --data FOLDER --no-fill  # counts of tokens only: plan

Lengths are log-normal (median 650 tokens, mean about 1,100), as of web text. Writes a table on stdout.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from textmill.base.blocks_format import FORMAT, MANIFEST, MANIFEST_SCHEMA
from textmill.base.sealed import seal
from textmill.base.strict import number
from textmill.pipelines.contract.filesystems import sha256
from textmill.pipelines.contract.part_files import StreamWriter, read_batches
from textmill.pipelines.contract.parts import Part
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.pack.fill import blocks_schema, fill
from textmill.pipelines.pack.layout_files import local_folder, write_layout
from textmill.pipelines.pack.mixture import Entry, Mixture
from textmill.pipelines.pack.plan import plan_blocks
from textmill.pipelines.pack.scatter import NEED, fetch_scattered, needs_path, scattered
from textmill.pipelines.pack.stored import indexed
from textmill.pipelines.tokens.encode import tokens_schema

BLOCK, PART_TOKENS, VOCABULARY, END = 2048, 40_000_000, 16_384, 0
SHARD_BLOCKS = 16_384      # of 64 MiB
MEDIAN, SIGMA = 650, 1.0


def recipe(tokens: int, way: str = "fit") -> Mixture:
    """Two entries over the whole set: nearly all of it in one pass, and a tenth of it twice."""
    entries = {"web": Entry({"source": "web"}, 0.85), "books": Entry({"source": "books"}, 0.15, 2)}
    return Mixture("packing", BLOCK, tokens, 1, 0.001, "none", entries, fill=way)     # type: ignore[arg-type]


def write_parts(folder: Path, tokens: int, with_tokens: bool) -> list[Part]:
    """Parts of token rows, as `tokenize` writes them; without `with_tokens` their lists are empty."""
    parts, dice = [], np.random.default_rng(1)
    schema = tokens_schema(VOCABULARY)
    for ordinal in range(-(-tokens // PART_TOKENS)):
        path = folder / f"{ordinal:05d}.parquet"
        count = int(PART_TOKENS / MEDIAN / np.exp(SIGMA**2 / 2))
        lengths = np.maximum(1, dice.lognormal(np.log(MEDIAN), SIGMA, count)).astype(np.int32)
        ids = [dice.bytes(16).hex() for _ in range(count)]
        source = pa.array(np.where(np.arange(count) % 10 == 0, "books", "web"))
        ones, nulls = pa.array(np.ones(count, np.int32)), pa.nulls(count, pa.int32())
        offsets = np.append(0, np.cumsum(lengths if with_tokens else np.zeros(count, np.int32))).astype(np.int32)
        values = dice.integers(1, VOCABULARY, offsets[-1], np.uint16)
        columns = [pa.array(ids), pa.array(np.zeros(count, np.int32)), ones, source, pa.nulls(count, pa.string()),
                   pa.ListArray.from_arrays(offsets, values), pa.array(lengths), pa.array(lengths * 4), nulls]
        columns += [pa.nulls(count, field.type) for field in list(schema)[len(columns):]]       # of dialogues
        pq.write_table(pa.Table.from_arrays(columns, schema=schema), path, compression="zstd", compression_level=3,
                       row_group_size=4096, write_page_checksum=True)
        with path.open("rb") as file:
            parts.append(Part(f"{ordinal:05d}", path.name, count, path.stat().st_size, sha256(file)))
    return parts


def step(name: str, **arguments: object) -> dict[str, float]:
    """A step in a process of its own: its seconds of processor, and its peak memory in bytes."""
    code = f"from benchmarks.packing import measured; measured({name!r}, {arguments!r})"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    if ran.returncode:
        raise SystemExit(ran.stderr)
    figures: dict[str, float] = json.loads(ran.stdout.splitlines()[-1])
    return figures


def measured(name: str, arguments: dict[str, object]) -> None:
    """Run a step here and print its figures."""
    wall, begin = time.monotonic(), time.process_time()
    facts = STEPS[name](**arguments)
    print(json.dumps({"cpu": time.process_time() - begin, "wall": time.monotonic() - wall,
                      "peak": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024} | facts))


def plan_step(data: str, tokens: int, way: str, write: bool) -> dict[str, float]:
    """Index, plan and (with `write`) the files of the layout."""
    parts, work = parts_in(data), Folder(f"{data}/work")
    with local_folder(work) as spill:
        plan = plan_blocks(indexed(recipe(tokens, way), Folder(data), parts, {}, spill)[0])
        if write:
            write_layout(work, plan, {}, SHARD_BLOCKS, len(parts))
    packed = plan.train.packed
    return {"tokens": sum(one.tokens for one in packed), "documents": sum(part.rows for part in parts),
            "empty": sum(one.empty for one in packed) / sum(one.empty + one.tokens for one in packed),
            "blocks": sum(one.blocks for one in packed), "cut": sum(one.cut for one in packed)}


def fill_step(data: str) -> dict[str, float]:
    """Tokens by shard, and blocks from these."""
    parts, work, tokens = parts_in(data), Path(data, "work"), 0
    shards = sorted(work.glob("*.arrow"))
    for ordinal, part in enumerate(parts):
        needed = np.frombuffer((work / needs_path(ordinal)).read_bytes(), NEED)
        lists = pa.concat_arrays([batch["tokens"] for batch in read_batches(Folder(data), part, ["tokens"])])
        (work / f"{ordinal}.tokens").write_bytes(scattered(lists, needed, len(shards)))
    slices = tuple(Part("", f"{ordinal}.tokens", 0, 0, "") for ordinal in range(len(parts)))
    facts = {"schema": FORMAT, "mixture": "packing", "block": str(BLOCK), "vocab_size": str(VOCABULARY), "end_of_text": "0",
             "tokenizer_sha256": ""}
    schema, written = blocks_schema(BLOCK, np.dtype(np.uint16)).with_metadata(facts), []
    for shard, path in enumerate(shards):
        planned = pa.ipc.open_stream(path.read_bytes()).read_all()
        read = partial(fetch_scattered, Folder(str(work)), slices, shard, np.dtype(np.uint16))
        with StreamWriter(Folder(f"{data}/blocks"), "", path.name, schema) as stream:
            stream.write(fill(planned, BLOCK, END, np.dtype(np.uint16), read))
        written.append(vars(stream.part))
        tokens += planned.num_rows * BLOCK
    Path(data, "blocks", MANIFEST).write_bytes(seal({"schema": MANIFEST_SCHEMA, "parts": written}))
    return {"tokens": tokens}


def read_step(data: str, batch: int) -> dict[str, float]:
    """The blocks as batches of training, from page cache."""
    from textmill.model.data.blocks import Blocks
    blocks, begin = Blocks(Path(data, "blocks")), time.process_time()     # which has just read all of it, for its sha256
    tokens = sum(one.token_count for one in blocks.in_order(batch))
    return {"tokens": tokens, "cpu": time.process_time() - begin}


def parts_in(data: str) -> tuple[Part, ...]:
    """The parts that were written."""
    return tuple(Part(**part) for part in json.loads(Path(data, "parts.json").read_text()))


STEPS = {"plan": plan_step, "fill": fill_step, "read": read_step}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", required=True, type=lambda text: int(number(text)), help="of the synthetic set, such as 1B")
    parser.add_argument("--data", required=True, type=Path, help="an empty folder")
    parser.add_argument("--no-fill", dest="fill", action="store_false", help="plan only; no tokens on disk")
    args = parser.parse_args()
    data = args.data
    if not (data / "parts.json").exists():
        data.mkdir(parents=True, exist_ok=True)
        parts = write_parts(data, args.tokens, args.fill)
        (data / "parts.json").write_text(json.dumps([vars(part) for part in parts]))
    print("| step | tokens | documents | M tokens a processor second | peak memory | empty | documents cut |")
    print("|---|---|---|---|---|---|---|")
    steps: list[tuple[str, str, dict[str, object]]] = [
        (f"plan, {way}", "plan", {"tokens": int(args.tokens * 0.9), "way": way, "write": args.fill and way == "fit"})
        for way in ("fit", "concat")] + ([("scatter and fill", "fill", {}), *(
            (f"read, {batch} blocks a batch", "read", {"batch": batch}) for batch in (8, 64))] if args.fill else [])
    for name, function, arguments in steps:
        of = step(function, data=str(data), **arguments)
        row = [name, f"{of['tokens']:,}", f"{of['documents']:,}" if "documents" in of else "",
               f"{of['tokens'] / of['cpu'] / 1e6:.0f}", f"{of['peak'] / 1e6:,.0f} MB",
               f"{of['empty']:.2%}" if "empty" in of else "", f"{of['cut']:,}" if "cut" in of else ""]
        print(f"| {' | '.join(row)} |", flush=True)


if __name__ == "__main__":
    main()
