"""Erasure in packed blocks: spans of documents taken down become end-of-text without targets; all else is unchanged.

A position outside all spans has no target and is filled with end-of-text already; so an erased span is removed from
the list, and its tokens are overwritten. Block numbers, files and their order do not change.
"""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.blocks_format import SPLITS
from textmill.pipelines.contract.part_files import StreamWriter
from textmill.pipelines.contract.parts import Manifest, Part, Receipt
from textmill.pipelines.contract.run import read_receipts
from textmill.pipelines.contract.storage import MANIFEST, Folder
from textmill.pipelines.contract.task import RECEIPTS, fingerprint
from textmill.pipelines.ledger.blocks import datasets_under, shards
from textmill.pipelines.pack.stage import split_manifests
from textmill.pipelines.takedown.emptying import RULE


@dataclass(frozen=True)
class Held:
    """Documents to erase in the blocks of a recipe: numbers of blocks by split, ids, and the runs trained on them."""

    mixture: str
    blocks: dict[str, list[int]]
    ids: tuple[str, ...]
    runs: tuple[str, ...]


def held_in_blocks(data: Folder, ids: Iterable[str]) -> list[Held]:
    """Every recipe whose blocks contain any of these documents."""
    wanted, found = pa.array(sorted(set(ids)), pa.string()), []
    for mixture in datasets_under(data, "blocks"):
        blocks: dict[str, list[int]] = {}
        there: set[str] = set()
        for shard in shards(data / f"blocks/{mixture}"):
            rows, named = _held(shard.rows, wanted)
            if named:
                blocks.setdefault(shard.split, []).extend(shard.first + row for row in rows)
                there |= named
        if blocks:
            found.append(Held(mixture, blocks, tuple(sorted(there)), tuple(runs_on(data, mixture))))
    return found


def empty_blocks(data: Folder, held: Held) -> None:
    """Empty the blocks of one recipe. The manifest is written after all files; `clean_blocks` removes the old ones."""
    dataset = data / f"blocks/{held.mixture}"
    manifest = Manifest.read(dataset)
    assert manifest is not None, "its blocks were looked at"
    wanted = pa.array(held.ids, pa.string())
    receipts = {receipt.task: receipt for receipt in read_receipts(dataset, list(manifest.receipts))}
    for shard in shards(dataset):
        if not (named := _held(shard.rows, wanted)[1]):
            continue
        receipt = receipts[shard.part.key]
        receipts[shard.part.key] = _emptied_shard(dataset, receipt, shard.part, shard.rows, wanted, named)
    listed = [receipts[path.removeprefix(f"{RECEIPTS}/").split(".")[0]] for path in manifest.receipts]
    before = manifest.made_from.get(RULE, {})
    note = {"ids": sorted({*before.get("ids", []), *held.ids}), "runs": sorted({*before.get("runs", []), *held.runs}),
            "what": "spans of these documents were overwritten with end-of-text after packing; the tokenizer was trained "
                    "before that, and so were these runs"}
    for path, content in split_manifests(listed).items():
        dataset.write(path, content)
    dataset.write(MANIFEST, replace(
        manifest, parts=tuple(part for one in listed for part in one.parts), receipts=tuple(map(_path, listed)),
        made_from=manifest.made_from | {RULE: note}).to_json())


def clean_blocks(data: Folder, mixture: str) -> None:
    """Remove files of blocks that the manifest does not list: files replaced by emptied ones, or left by a killed run."""
    dataset = data / f"blocks/{mixture}"
    manifest = Manifest.read(dataset)
    listed = {*manifest.receipts, *(part.path for part in manifest.parts)} if manifest else set()
    for entry in dataset.entries():
        if entry.path not in listed and (entry.path.endswith(".arrow") or entry.path.startswith((RECEIPTS, "_tmp/"))):
            dataset.delete(entry.path)
    dataset.delete_empty_folders()


def runs_on(data: Folder, mixture: str) -> list[str]:
    """Runs under checkpoints/ whose checkpoint was trained on these very blocks: its state names them."""
    identity = identity_of(data / f"blocks/{mixture}")
    found = set()
    for entry in data.entries("checkpoints"):
        if entry.path.endswith("/state.json"):
            try:
                trained_on = json.loads(data.read(entry.path))["blocks"]
            except (ValueError, KeyError, TypeError):
                continue
            if trained_on == identity:
                found.add("/".join(entry.path.split("/")[1:-2]))
    return sorted(found)


def identity_of(dataset: Folder) -> str:
    """What `model` calls the identity of a folder of blocks: sha256 over order and contents of both splits and tokenizer."""
    tokenizer, manifest = hashlib.sha256(dataset.read("tokenizer.json")).hexdigest(), Manifest.read(dataset)
    parts = [(part.path.partition("/"), part.rows, part.sha256) for part in (manifest.parts if manifest else ())]
    listed = [[tokenizer, [[path, rows, digest] for (folder, _, path), rows, digest in parts if folder == split]]
              for split in SPLITS]
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def _held(rows: pa.Table, wanted: pa.Array) -> tuple[list[int], set[str]]:
    """The rows that contain any of these ids, and which ids."""
    lists = rows["spans"].combine_chunks()
    ids = lists.flatten().field("id")
    chosen = pc.is_in(ids, value_set=wanted)
    return sorted(set(pc.list_parent_indices(lists).filter(chosen).to_pylist())), set(ids.filter(chosen).to_pylist())


def _emptied_shard(dataset: Folder, receipt: Receipt, part: Part, rows: pa.Table, wanted: pa.Array,
                   named: set[str]) -> Receipt:
    """Rewrite a file of blocks under a name that depends on what was erased, and last its receipt."""
    before = receipt.notes.get(RULE, {"fingerprint_without": receipt.fingerprint, "ids": []})
    ids = sorted({*before["ids"], *named})
    name = fingerprint(before["fingerprint_without"], RULE, ids)
    path = f"{part.path.split('/')[0]}/{part.key}.{name}.arrow"
    table = emptied_blocks(rows, wanted)
    with StreamWriter(dataset, part.key, path, table.schema) as stream:
        for batch in table.combine_chunks().to_batches():
            stream.write(batch)
    assert stream.part is not None
    made = Receipt(receipt.task, name, (stream.part,), receipt.rejected, receipt.counts,
                   receipt.notes | {RULE: before | {"ids": ids}})
    dataset.write(_path(made), made.to_json())
    return made


def emptied_blocks(rows: pa.Table, wanted: pa.Array) -> pa.Table:
    """The same blocks without the spans of these ids: [from, to) of each becomes end-of-text."""
    end_of_text = int(rows.schema.metadata[b"end_of_text"])
    lists = rows["spans"].combine_chunks()
    spans, parents = lists.flatten(), pc.list_parent_indices(lists).to_numpy()
    gone = pc.is_in(spans.field("id"), value_set=wanted).to_numpy(zero_copy_only=False)
    column = rows["tokens"].combine_chunks()
    length = column.type.list_size
    tokens = column.flatten().to_numpy().copy()
    first, last = (spans.field(name).to_numpy().astype(np.int64) for name in ("start", "end"))
    for at, since, until in zip(parents[gone].tolist(), first[gone].tolist(), last[gone].tolist(), strict=True):
        tokens[at * length + since:at * length + until] = end_of_text
    counts = np.bincount(parents[~gone], minlength=rows.num_rows)
    offsets = pa.array(np.append(0, np.cumsum(counts)).astype(np.int32))
    columns = {"tokens": pa.FixedSizeListArray.from_arrays(pa.array(tokens, column.type.value_type), length),
               "entry": rows["entry"], "spans": pa.ListArray.from_arrays(offsets, spans.filter(pa.array(~gone)))}
    return pa.table([columns[name] for name in rows.schema.names], schema=rows.schema)


def _path(receipt: Receipt) -> str:
    return f"{RECEIPTS}/{receipt.task}.{receipt.fingerprint}.json"


