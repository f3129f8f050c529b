"""Damage to a finished data folder: bits flipped, bytes zeroed, files cut short, at seeded places of every kind of file.

    python -m tests.damage --each 40 --seed 1 --reruns 4

After each damage every reader of the file either gives what it gave before or says in a sentence which file is damaged;
never other rows, never a traceback. Then the flow runs again: it puts the file right, or names it with what to do.
"""

import argparse
import random
import shutil
import tempfile
from collections import Counter
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any, NamedTuple

from tests.command_line import MIXTURE, SETTINGS, put_sample, run_all
from tests.paths import ROOT, record
from textmill.api.blocks import load_blocks
from textmill.api.dataset import open_dataset
from textmill.base.errors import TextmillError
from textmill.pipelines.contract.parts import Manifest, read_counts
from textmill.pipelines.contract.run import bring_up_to_date, read_receipts
from textmill.pipelines.contract.stage import RunContext
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.engines.engine import BeamEngine
from textmill.pipelines.flow import STAGES
from textmill.pipelines.ledger.blocks import shards
from textmill.pipelines.settings import read_config
from textmill.pipelines.tokens.encode import tokenizer_json

Damage = Callable[[bytes, random.Random], bytes]


def flipped(data: bytes, draw: random.Random) -> bytes:
    """One bit is another."""
    damaged = bytearray(data)
    damaged[draw.randrange(len(data))] ^= 1 << draw.randrange(8)
    return bytes(damaged)


def zeroed(data: bytes, draw: random.Random) -> bytes:
    """Up to 512 bytes are zeros."""
    start = draw.randrange(len(data))
    end = min(len(data), start + draw.randrange(1, 513))
    return data[:start] + bytes(end - start) + data[end:]


def truncated(data: bytes, draw: random.Random) -> bytes:
    """The end is gone, perhaps all of it."""
    return data[:draw.randrange(len(data))]


DAMAGES: tuple[Damage, ...] = (flipped, flipped, zeroed, truncated)     # a flip is what only checksums find


class Kind(NamedTuple):
    """A kind of file: where it lies in the data folder, its stage, and everything that reads it."""

    pattern: str
    stage: str
    read: Callable[[Path], Any]


def rows(dataset: str) -> Callable[[Path], Any]:
    return lambda data: open_dataset(data / dataset).to_table()


def rejected(dataset: str) -> Callable[[Path], Any]:
    return lambda data: (found := open_dataset(data / dataset).rejected) and found.to_table()


def listed(dataset: str) -> Callable[[Path], Any]:
    return lambda data: Manifest.read(Folder(str(data)) / dataset)


def receipts(data: Path) -> Any:
    dataset = Folder(str(data)) / "signals"
    manifest = Manifest.read(dataset)
    assert manifest is not None
    return read_receipts(dataset, list(manifest.receipts))


def counts(data: Path) -> Any:
    return read_counts(Folder(str(data)) / "verdicts")


def blocks(data: Path) -> Any:
    """What the model trains on, and what the ledger and a takedown read of it."""
    packed = load_blocks(data / "blocks/mixture")
    ids = [[batch.tokens.tolist(), batch.targets.tolist(), batch.lengths] for split in (packed.train, packed.validation)
           for batch in split.in_order(4)]
    return ids, spans(data)


def spans(data: Path) -> Any:
    return [(shard.split, shard.first, shard.rows.to_pylist()) for shard in shards(Folder(str(data)) / "blocks/mixture")]


KINDS = {
    "receipt": Kind("ledger/signals/receipts/*.json", "measure", receipts),
    "manifest": Kind("ledger/verdicts/manifest.json", "screen", listed("verdicts")),
    "counts (_stats.json)": Kind("ledger/verdicts/stats.json", "screen", counts),
    "part of documents": Kind("documents/*.parquet", "extract", rows("documents")),
    "part of signals": Kind("signals/*.parquet", "measure", rows("signals")),
    "part of tokens": Kind("tokens/test-1k/*.parquet", "tokenize", rows("tokens/test-1k")),
    "rejected rows": Kind("ledger/curated/rejected/*.parquet", "curate", rejected("curated")),
    "tokenizer": Kind("tokenizers/test-1k/tokenizer.json", "tokenizer",
                      lambda data: tokenizer_json(Folder(str(data)), "test-1k")),
    "blocks": Kind("blocks/mixture/*/*.arrow", "pack", spans),
    "manifest of blocks": Kind("blocks/mixture/train/_manifest.json", "pack", blocks),
    "tokenizer of blocks": Kind("blocks/mixture/tokenizer.json", "pack", blocks),
}


def outcome(kind: Kind, data: Path, path: Path, before: Any) -> str:
    """`same` or `named`; AssertionError where a reader gives anything else. A traceback stays one."""
    try:
        found = kind.read(data)
    except TextmillError as error:
        assert path.name in str(error) or str(path.parent) in str(error), f"{path.name} is not named: {error}"
        return "named"
    assert found == before, f"{path.name} was read without a word, and is another"
    return "same"


def rerun(stage: str, data: Path) -> str:
    """`repaired` where the stage puts things right by itself, else `named`."""
    config = read_config(str(SETTINGS), str(ROOT / "rules.yaml"), str(MIXTURE), None)
    try:
        return bring_up_to_date(STAGES[stage], RunContext(Folder(str(data)), config, BeamEngine()))
    except TextmillError as error:
        return f"named: {error}"


def campaign(whole: Path, scratch: Path, name: str, each: int, seed: int, reruns: int) -> Counter[str]:
    """Damage one kind of file `each` times in a copy of a finished folder; after the first `reruns`, run its stage again."""
    kind, draw, found = KINDS[name], random.Random(f"{name} {seed}"), Counter[str]()
    data = scratch / "data"
    shutil.copytree(whole, data, ignore=shutil.ignore_patterns("raw"))
    (data / "raw").symlink_to(whole / "raw")
    before = kind.read(data)
    for number in range(each):
        path = draw.choice([path for path in sorted(data.glob(kind.pattern)) if path.stat().st_size])
        content = path.read_bytes()
        damaged = DAMAGES[number % len(DAMAGES)](content, draw)
        path.write_bytes(damaged)
        found[outcome(kind, data, path, before)] += 1
        if number < reruns:
            said = rerun(kind.stage, data)
            if path.exists() and path.read_bytes() == content:
                found["repaired by a rerun"] += 1
            elif path.exists() and damaged == path.read_bytes() and outcome(kind, data, path, before) == "named":
                found["named until deleted"] += 1
                path.unlink()                           # what the sentence says
                rerun(kind.stage, data)
            else:
                assert outcome(kind, data, path, before) == "same", said
                found["repaired by a rerun"] += 1
            assert path.read_bytes() == content or outcome(kind, data, path, before) == "same", said
        path.write_bytes(content)
    shutil.rmtree(data)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--each", type=int, default=40, help="damages for each kind of file (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--reruns", type=int, default=4, help="of them followed by a rerun (default: %(default)s)")
    parser.add_argument("--kind", choices=KINDS, action="append", help="only this one; may be repeated")
    parser.add_argument("--record", action="store_true", help="write benchmarks/results/damage.md")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        whole = put_sample(Path(folder) / "whole")
        run_all(whole)
        lines = ["| file | damages | read as before | named | reruns | repaired at once | named, and repaired once deleted |",
                 "|---|---:|---:|---:|---:|---:|---:|"]
        for name in given.kind or KINDS:
            found = campaign(whole, Path(folder), name, given.each, given.seed, given.reruns)
            lines.append(f"| {name} | {given.each} | {found['same']} | {found['named']} | {given.reruns} | "
                         f"{found['repaired by a rerun']} | {found['named until deleted']} |")
            print(lines[-1], flush=True)
    if given.record:
        record("damage.md", [*lines, "", f"Seed {given.seed}, {date.today()}."])


if __name__ == "__main__":
    main()
