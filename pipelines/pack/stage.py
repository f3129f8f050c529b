"""Pack: token rows become blocks of fixed length by a recipe, in training order, with every span's origin.

The layout (which tokens lie where) is prepared from ids and counts of the whole corpus; filling the shards is the workers'
part. A dataset of blocks is complete in itself: two folders of Arrow streams with a manifest each, and the tokenizer.
"""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pyarrow as pa

from textmill.base.blocks_format import FORMAT, LEARN_FORMAT, MANIFEST_SCHEMA, SHARES, SPLITS
from textmill.base.sealed import seal, unseal
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.output import ArrowStream, Output
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Counts, Manifest, Part, Receipt, read_counts
from textmill.pipelines.contract.run import bring_up_to_date
from textmill.pipelines.contract.stage import RunContext, Stage, manifest_of
from textmill.pipelines.contract.storage import MANIFEST, Folder
from textmill.pipelines.contract.task import Task, fingerprint, to_plain
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.extract.rows import TURNS
from textmill.pipelines.pack import near_copies
from textmill.pipelines.pack.account import account
from textmill.pipelines.pack.documents import Index
from textmill.pipelines.pack.fill import Learning, blocks_schema, fill
from textmill.pipelines.pack.layout_files import LAYOUT, local_folder, write_layout
from textmill.pipelines.pack.mixture import Mixture
from textmill.pipelines.pack.plan import Plan, plan_blocks
from textmill.pipelines.pack.remarks import remarks
from textmill.pipelines.pack.scatter import SHARDS, Scatter, fetch_scattered
from textmill.pipelines.pack.settings import PackSettings
from textmill.pipelines.pack.stored import DUPLICATES, Source, indexed, sources
from textmill.pipelines.tokens.encode import TOKENIZE, tokenizer_files, tokenizer_json
from textmill.pipelines.tokens.settings import TokenizerName
from textmill.tokenizer.encoder import Encoder

WORK, SCATTERED = "_work", "scattered"  # of the dataset: the layout, and the tokens by shard


class PackInputs(NamedTuple):
    """The settings that pack reads. Their order enters fingerprints."""

    mixture: Mixture
    pack: PackSettings
    tokenizer: str


class Layout(NamedTuple):
    """A prepared layout: its folder, the number of shards of each split, the shares, and the account of every token row.

    `scattered` is the folder of the tokens by shard; None where there are few shards. `learn` has the roles that are learned of
    each entry's dialogues; it is None where the recipe has no dialogue."""

    folder: str
    scattered: str | None
    shards: dict[str, int]
    shares: dict[str, float]
    learn: dict[str, list[str]] | None
    counts: Counts


class Planned(NamedTuple):
    """A plan, the account of every token row, and the bytes of an id."""

    plan: Plan
    counts: Counts
    id_bytes: int


class Shard(NamedTuple):
    """Content of a task: the number of the shard that it fills, among those of both splits, and as in Layout."""

    folder: str
    number: int
    scattered: str | None
    shares: dict[str, float]
    learn: dict[str, list[str]] | None


class Pack(Stage[PackInputs, Encoder, Layout]):
    """The stage that writes `blocks/<mixture>`: tokens of the mixture's documents, packed into blocks of one length."""

    name, version, unit = "pack", 4, "texts"
    reads = (TOKENIZE, DEDUP)

    def dataset(self, config: Configuration) -> str:
        return f"blocks/{config[Mixture].name}"

    def settings(self, config: Configuration) -> PackInputs:
        return PackInputs(config[Mixture], config[PackSettings], config[TokenizerName].name)

    def task_format(self, tools: Encoder, settings: PackInputs, task: Task) -> ArrowStream:
        """Its metadata has the shares as numbers, which are known once the texts are counted."""
        shard: Shard = task.payload
        format = FORMAT if shard.learn is None else LEARN_FORMAT
        facts = {"schema": format, "mixture": settings.mixture.name, "block": str(settings.mixture.block),
                 "vocab_size": str(tools.vocab_size), "end_of_text": str(tools.end_of_text), "tokenizer_sha256": tools.sha256,
                 SHARES: json.dumps(shard.shares)}
        schema = blocks_schema(settings.mixture.block, tools.dtype, shard.learn is not None)
        return ArrowStream(schema.with_metadata(facts))

    def problems(self, config: Configuration) -> Iterator[str]:
        recipe, tokenizer = config[Mixture], config[TokenizerName].name
        if recipe.tokenizer != tokenizer:
            yield (f"the mixture {recipe.name} names the tokenizer {recipe.tokenizer}, not {tokenizer}; leave --tokenizer out, "
                   "or change the recipe")

    def input_digest(self, context: RunContext) -> str:
        """Known without a layout: the recipe, all token parts, what dedup says of their documents, and what else it asks."""
        parts = [part for stage in self.reads for part in manifest_of(stage, context).parts]
        for name, source in self.asked(context).items():
            if name != DUPLICATES:
                parts += source.parts
        return fingerprint(self.base(context), *(part.sha256 for part in parts))

    def asked(self, context: RunContext) -> dict[str, Source]:
        """The aligned datasets that the recipe asks for."""
        mixture = context.config[Mixture]
        return sources(mixture.columns(), mixture.validation, context)

    def index(self, context: RunContext, spill: Path | None = None) -> tuple[Index, dict[str, set[str]]]:
        """The index of the recipe's documents, all that a plan needs, and the values that there are of PRESENT.

        What memory should not hold goes into the folder `spill`."""
        tokens, parts = context.data / TOKENIZE.dataset(context.config), manifest_of(TOKENIZE, context).parts
        return indexed(context.config[Mixture], tokens, parts, self.asked(context), spill)

    def planned(self, context: RunContext, index: Index, present: dict[str, set[str]]) -> Planned:
        """The layout of an index, with its account; nothing is written. MixtureError where the recipe cannot be met."""
        encoder = Encoder(tokenizer_json(context.data, self.settings(context.config).tokenizer), fast=False)
        folder, parts = context.data / DEDUP.dataset(context.config), manifest_of(DEDUP, context).parts
        plan = plan_blocks(index, present)
        counts = account(plan, index, encoder, lambda: (
            batch for part in parts for batch in read_batches(folder, part, near_copies.COLUMNS)))
        return Planned(plan, counts, encoder.dtype.itemsize)

    def prepare(self, context: RunContext) -> Layout:
        """Lays out the blocks, unless an interrupted run already did."""
        settings, digest = self.settings(context.config), self.input_digest(context)
        work = context.data / self.dataset(context.config) / WORK / digest
        try:
            layout = unseal(work.read(LAYOUT))
        except (FileNotFoundError, ValueError):
            with local_folder(work) as spill:
                planned = self.planned(context, *self.index(context, spill))
                blocks = max(1, settings.pack.shard_bytes // (settings.mixture.block * planned.id_bytes))
                write_layout(work, planned.plan, planned.counts, blocks, len(manifest_of(TOKENIZE, context).parts))
            layout = unseal(work.read(LAYOUT))
        shards, scattered = sum(layout["shards"].values()), None
        if shards >= SHARDS:
            scatter = Scatter(f"{self.dataset(context.config)}/{WORK}/{SCATTERED}", work, digest, shards)
            bring_up_to_date(scatter, context, current={TOKENIZE.name})
            scattered = (context.data / scatter.dataset(context.config)).uri
        return Layout(work.uri, scattered, layout["shards"], layout["shares"], layout["learn"], layout["counts"])

    def tasks(self, context: RunContext, prepared: Layout) -> list[Task]:
        digest = self.input_digest(context)
        keys = [(split, f"{split}-{number:05d}") for split in SPLITS for number in range(prepared.shards[split])]
        return [Task(key, digest, folder=split,
                     payload=Shard(prepared.folder, number, prepared.scattered, prepared.shares, prepared.learn))
                for number, (split, key) in enumerate(keys)]

    def prepared_counts(self, prepared: Layout) -> Counts:
        """Texts are accounted for by the layout, as a whole: a text may lie in several shards."""
        return prepared.counts

    def open(self, settings: PackInputs, data: Folder) -> Encoder:
        return Encoder(tokenizer_json(data, settings.tokenizer))

    def work(self, tools: Encoder, settings: PackInputs, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        shard: Shard = task.payload
        with Folder(shard.folder).open(f"{task.key}.arrow") as file:
            planned = pa.ipc.open_stream(file).read_all()
        tokens = output.data / f"tokens/{settings.tokenizer}"
        read = stored = partial(fetch, tokens, parts_of(tokens))
        if shard.scattered:
            scattered = Folder(shard.scattered)
            read = partial(fetch_scattered, scattered, parts_of(scattered), shard.number, tools.dtype)
        learning = None if shard.learn is None else Learning(partial(stored, column="turns"), shard.learn)
        output.write(fill(planned, settings.mixture.block, tools.end_of_text, tools.dtype, read, learning))
        return {"read": 0, "kept": 0}

    def extra_files(self, context: RunContext, receipts: list[Receipt]) -> dict[str, bytes]:
        """A manifest for each folder of blocks, in training order, and the tokenizer: a copied folder is enough to train."""
        tokenizer = self.settings(context.config).tokenizer
        return tokenizer_files(context.data, tokenizer) | split_manifests(receipts)

    def summary(self, counts: Counts) -> str:
        train, validation = (counts[split] for split in SPLITS)
        copies = validation["near_copies"]
        remark = f" ({copies:,} of its documents {'is' if copies == 1 else 'are'} like one to train on)" if copies else ""
        return (f"{counts['read']:,} texts, {counts['kept']:,} packed; "
                f"{train['tokens']:,} tokens in {train['blocks']:,} blocks to train on, "
                f"{validation['tokens']:,} in {validation['blocks']:,} held out{remark}, "
                f"{_padding(train):.2%} of positions empty{_dialogues(counts)}")

    def remarks(self, context: RunContext) -> list[str]:
        """What a reader of the counts should know: many passes, little to validate with."""
        return remarks(read_counts(context.data / self.dataset(context.config)))


def parts_of(dataset: Folder) -> tuple[Part, ...]:
    """The parts of a dataset whose manifest is there: a run holds what it reads."""
    manifest = Manifest.read(dataset)
    if manifest is None:
        raise StageError(f"there is nothing in {dataset.uri} any more; run pack again")
    return manifest.parts


def fetch(tokens: Folder, parts: tuple[Part, ...], part: np.ndarray, row: np.ndarray, column: str = "tokens") -> pa.ListArray:
    """The tokens (or turns) of these rows, by ordinal of part and row, sorted; one row group at a time is held beside them."""
    fetched: list[pa.Array] = []
    for number in np.unique(part):
        wanted, start = row[part == number].astype(np.int64), 0
        for batch in read_batches(tokens, parts[number], [column]):
            here = wanted[(wanted >= start) & (wanted < start + batch.num_rows)] - start
            if len(here):
                fetched.append(batch[column].take(pa.array(here)))
            start += batch.num_rows
    return pa.concat_arrays(fetched) if fetched else pa.array([], pa.list_(pa.uint16()) if column == "tokens" else TURNS)


def split_manifests(receipts: list[Receipt]) -> dict[str, bytes]:
    """The manifests of the two folders of blocks, by path: their files in training order."""
    files = {}
    for split in SPLITS:
        parts = [part for receipt in receipts for part in receipt.parts if part.path.startswith(f"{split}/")]
        listed = [to_plain(part) | {"path": part.path.removeprefix(f"{split}/")} for part in parts]
        files[f"{split}/{MANIFEST}"] = seal({"schema": MANIFEST_SCHEMA, "parts": listed})
    return files


def _dialogues(counts: Counts) -> str:
    """What became of dialogues that are longer than a block, in a clause."""
    entries = counts.get("dialogues", {}).values()
    lost, too_long = (sum(entry[name] for entry in entries) for name in ("turns_lost", "too_long"))
    clauses = ([f"{lost:,} turns of long dialogues lost"] if lost else []) + (
        [f"{too_long:,} dialogues left out, as no turn to learn fits a block"] if too_long else [])
    return "".join(f"; {clause}" for clause in clauses)


def _padding(counts: Counts) -> float:
    return counts["empty"] / max(1, counts["empty"] + counts["tokens"])


PACK = Pack()
