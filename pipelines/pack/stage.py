"""Pack: token rows become blocks of fixed length by a recipe, in training order, with every span's origin.

The plan (which tokens lie where) is made here from ids and counts; filling the shards is the workers' part. A dataset of
blocks is complete in itself: two folders of Arrow streams with a manifest each, and the tokenizer.
"""

import hashlib
import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from textmill.pipelines.contract.parts import MANIFEST, SCHEMA, Counts, Part, Receipt, read_batches, to_json
from textmill.pipelines.contract.stage import Output, RunContext, Stage, Task, fingerprint, manifest_of, to_plain
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.pack.layout import INDEX, PLANNED, Plan, blocks_schema, fill, index, plan_blocks
from textmill.pipelines.pack.mixture import Mixture, MixtureError
from textmill.pipelines.pack.settings import Pack
from textmill.pipelines.tokens.encode import TOKENIZE, tokenizer_json
from textmill.tokenizer.encoder import Encoder

if TYPE_CHECKING:
    from textmill.pipelines.settings import Config

FORMAT = "1"                            # of the streams; `model` refuses another
SPLITS = ("train", "validation")
PLANS = "_work"                         # rows of the plan, a file a shard
INDEXED = ["id", "piece", "pieces", "source", "language", "token_count", "cluster_size"]


class PackStage(Stage):
    name, version, unit = "pack", 1, "texts"
    reads = (TOKENIZE,)

    def dataset(self, config: "Config") -> str:
        return f"blocks/{config.mixture.name}"

    def settings(self, config: "Config") -> tuple[Mixture, Pack, str]:
        return config.mixture, config.settings.pack, config.tokenizer

    def wanted(self, context: RunContext) -> str:
        """Known without planning: the recipe and all token parts."""
        return fingerprint(self.base(context), *(part.sha256 for part in manifest_of(TOKENIZE, context).parts))

    def tasks(self, context: RunContext) -> list[Task]:
        """One task for the plan as a whole, done by making it, and one for each shard."""
        (mixture, pack, tokenizer), wanted = self.settings(context.config), self.wanted(context)
        if mixture.tokenizer != tokenizer:
            raise StageError(f"the mixture {mixture.name} names the tokenizer {mixture.tokenizer}, not {tokenizer}; "
                             "leave --tokenizer out, or change the recipe")
        dataset, parts = context.data / self.dataset(context.config), manifest_of(TOKENIZE, context).parts
        tokens = context.data / TOKENIZE.dataset(context.config)
        try:
            indexed = pa.Table.from_batches(
                (index(batch, mixture, number)
                 for number, part in enumerate(parts) for batch in _whole(tokens, part)), INDEX)
            plans = plan_blocks(indexed, mixture)
        except MixtureError as error:
            raise StageError(str(error)) from None
        encoder = Encoder(tokenizer_json(context.data, tokenizer))
        plan_task = Task("plan", wanted)
        dataset.write(plan_task.receipt, Receipt("plan", wanted, (), None, _account(plans, indexed, parts, encoder)).to_json())
        rows = max(1, pack.shard_bytes // (mixture.block * encoder.dtype.itemsize))
        tasks = [plan_task]
        for split, plan in zip(SPLITS, plans, strict=True):
            for number in range(max(1, -(-plan.blocks.num_rows // rows))):
                key = f"{split}-{number:05d}"
                write_stream(dataset, f"{PLANS}/{key}.{wanted}.arrow", PLANNED, plan.blocks.slice(number * rows, rows))
                tasks.append(Task(key, wanted, payload=(split, tuple(part.path for part in parts))))
        return tasks

    def open(self, settings: tuple[Mixture, Pack, str], data: Folder) -> Encoder:
        return Encoder(tokenizer_json(data, settings[2]))

    def schema_for(self, tools: Encoder) -> pa.Schema:
        return blocks_schema(1, tools.dtype)        # never used for Parquet: blocks are Arrow streams

    def work(self, tools: Encoder, settings: tuple[Mixture, Pack, str], task: Task,
             _: Iterator[tuple[pa.RecordBatch, ...]], output: Output) -> Counts:
        mixture, _pack, name = settings
        split, paths = task.payload
        with output.dataset.open(f"{PLANS}/{task.key}.{task.fingerprint}.arrow") as file:
            planned = pa.ipc.open_stream(file).read_all()
        tokens = output.data / f"tokens/{name}"
        blocks = fill(planned, mixture.block, tools.end_of_text, tools.dtype,
                      lambda part, row: fetch(tokens, paths, part, row))
        facts = {"schema": FORMAT, "mixture": mixture.name, "block": str(mixture.block), "vocab_size": str(tools.vocab_size),
                 "end_of_text": str(tools.end_of_text), "tokenizer_sha256": sha256(tokenizer_json(output.data, name))}
        schema = blocks.schema.with_metadata(facts)
        path = f"{split}/{task.key}.{task.fingerprint}.arrow"
        table = pa.Table.from_batches([blocks]).replace_schema_metadata(facts)
        digest, size = write_stream(output.dataset, path, schema, table)
        output.add(Part(task.key, path, blocks.num_rows, size, digest))
        return {"read": 0, "kept": 0}               # texts are accounted for by the plan

    def make(self, context: RunContext, tasks: list[Task]) -> None:
        super().make(context, [task for task in tasks if task.key != "plan"])

    def extra_files(self, context: RunContext, receipts: list[Receipt]) -> dict[str, bytes]:
        """A manifest for each folder of blocks, in training order, and the tokenizer: a copied folder is enough to train."""
        tokenizers = context.data / f"tokenizers/{context.config.tokenizer}"
        files = {name: tokenizers.read(name) for name in ("tokenizer.json", "tokenizer_config.json")}
        return files | split_manifests(receipts)

    def summary(self, counts: Counts) -> str:
        train, held = (counts[split] for split in SPLITS)
        return (f"{counts['read']:,} texts, {counts['kept']:,} packed; "
                f"{train['tokens']:,} tokens in {train['blocks']:,} blocks to train on, "
                f"{held['tokens']:,} in {held['blocks']:,} held out, {_padding(train):.2%} of positions empty")


def fetch(tokens: Folder, paths: tuple[str, ...], part: np.ndarray, row: np.ndarray) -> pa.ListArray:
    """The tokens of these rows, given by ordinal of part and row, sorted; one row group at a time is held beside them."""
    found: list[pa.Array] = []
    for number in np.unique(part):
        wanted, start = row[part == number].astype(np.int64), 0
        for batch in read_batches(tokens, Part("", paths[number], 0, 0, ""), ["tokens"]):
            here = wanted[(wanted >= start) & (wanted < start + batch.num_rows)] - start
            if len(here):
                found.append(batch["tokens"].take(pa.array(here)))
            start += batch.num_rows
    return pa.concat_arrays(found) if found else pa.array([], pa.list_(pa.uint16()))


def split_manifests(receipts: list[Receipt]) -> dict[str, bytes]:
    """The manifests of the two folders of blocks, by path: their files in training order."""
    files = {}
    for split in SPLITS:
        parts = [part for receipt in receipts for part in receipt.parts if part.path.startswith(f"{split}/")]
        listed = [to_plain(part) | {"path": part.path.removeprefix(f"{split}/")} for part in parts]
        files[f"{split}/{MANIFEST}"] = to_json({"schema": SCHEMA, "parts": listed})
    return files


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _whole(tokens: Folder, part: Part) -> list[pa.RecordBatch]:
    """The columns that planning needs of a part, as one batch: row numbers count from its start."""
    batches = list(read_batches(tokens, part, INDEXED))
    return pa.Table.from_batches(batches).combine_chunks().to_batches() if batches else []


def _account(plans: tuple[Plan, Plan], indexed: pa.Table, parts: tuple[Part, ...], encoder: Encoder) -> Counts:
    """Every token row: packed, of no entry of the recipe, or beyond what the recipe asks for."""
    spans = [plan.blocks["spans"].combine_chunks().flatten() for plan in plans]
    places = [np.asarray(s.field("part")).astype(np.int64) << 32 | np.asarray(s.field("row")) for s in spans]
    read, kept = sum(part.rows for part in parts), len(np.unique(np.concatenate(places)))
    counts: Counts = {"read": read, "kept": kept, "vocabulary": encoder.vocab_size,
                      "rejected": {"no_entry": read - indexed.num_rows, "beyond_the_recipe": indexed.num_rows - kept}}
    for split, plan in zip(SPLITS, plans, strict=True):
        entries = {p.entry: {"blocks": p.blocks, "documents": p.documents, "tokens": p.tokens, "empty": p.empty,
                             "passes": p.passes, "cut": p.cut} for p in plan.packed}
        counts[split] = {name: sum(e[name] for e in entries.values()) for name in ("blocks", "tokens", "empty")}
        counts[split]["entries"] = entries
    return json.loads(json.dumps(counts))           # plain ints


def _padding(counts: Counts) -> float:
    return counts["empty"] / max(1, counts["empty"] + counts["tokens"])


def write_stream(dataset: Folder, path: str, schema: pa.Schema, table: pa.Table) -> tuple[str, int]:
    """Write an Arrow IPC stream, uncompressed so that it can be memory-mapped; its sha256 and size."""
    with dataset.new_file(path) as file:
        with pa.ipc.new_stream(file, schema) as stream:
            stream.write_table(table.combine_chunks())
        file.flush()
        file.seek(0)
        return hashlib.file_digest(file, "sha256").hexdigest(), file.tell()  # type: ignore[arg-type]


PACK = PackStage()
