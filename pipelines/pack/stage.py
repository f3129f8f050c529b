"""Pack: token rows become blocks of fixed length by a recipe, in training order, with every span's origin.

The layout (which tokens lie where) is prepared from ids and counts of the whole corpus; filling the shards is the workers'
part. A dataset of blocks is complete in itself: two folders of Arrow streams with a manifest each, and the tokenizer.
"""

import json
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.blocks_format import FORMAT, MANIFEST_SCHEMA, SHARES, SPLITS
from textmill.base.sealed import seal, unseal
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.output import ArrowStream, Output
from textmill.pipelines.contract.part_files import StreamWriter, read_batches
from textmill.pipelines.contract.parts import MANIFEST, Counts, Part, Receipt
from textmill.pipelines.contract.stage import RunContext, Stage, manifest_of
from textmill.pipelines.contract.storage import Folder
from textmill.pipelines.contract.task import Task, fingerprint, to_plain
from textmill.pipelines.dedup.stage import DEDUP
from textmill.pipelines.pack import near_copies
from textmill.pipelines.pack.documents import INDEX, index
from textmill.pipelines.pack.fill import blocks_schema, fill
from textmill.pipelines.pack.layout import PLANNED, SplitLayout, plan_blocks
from textmill.pipelines.pack.mixture import COLUMNS, Mixture
from textmill.pipelines.pack.settings import PackSettings
from textmill.pipelines.tokens.encode import TOKENIZE, tokenizer_files, tokenizer_json
from textmill.pipelines.tokens.settings import TokenizerName
from textmill.tokenizer.encoder import Encoder

WORK, LAYOUT = "_work", "layout.json"    # the rows of the layout, a file a shard, and last its account
INDEXED = ["id", "piece", "pieces", "source", "language", "token_count", "cluster_size"]


class PackInputs(NamedTuple):
    """The settings that pack reads. Their order enters fingerprints."""

    mixture: Mixture
    pack: PackSettings
    tokenizer: str


class Layout(NamedTuple):
    """A prepared layout: its folder, the number of shards of each split, and the account of every token row."""

    folder: str
    shards: dict[str, int]
    counts: Counts


class Shard(NamedTuple):
    """Content of a task: the rows of the layout that it fills, and the token parts these refer to by ordinal."""

    folder: str
    parts: tuple[Part, ...]


class Pack(Stage[PackInputs, Encoder, Layout]):
    """The stage that writes `blocks/<mixture>`: tokens of the mixture's documents, packed into blocks of one length."""

    name, version, unit = "pack", 2, "texts"
    reads = (TOKENIZE, DEDUP)

    def dataset(self, config: Configuration) -> str:
        return f"blocks/{config[Mixture].name}"

    def settings(self, config: Configuration) -> PackInputs:
        return PackInputs(config[Mixture], config[PackSettings], config[TokenizerName].name)

    def output_format(self, tools: Encoder, settings: PackInputs) -> ArrowStream:
        facts = {"schema": FORMAT, "mixture": settings.mixture.name, "block": str(settings.mixture.block),
                 "vocab_size": str(tools.vocab_size), "end_of_text": str(tools.end_of_text), "tokenizer_sha256": tools.sha256,
                 SHARES: json.dumps({name: entry.share for name, entry in settings.mixture.entries.items()})}
        return ArrowStream(blocks_schema(settings.mixture.block, tools.dtype).with_metadata(facts))

    def problems(self, config: Configuration) -> Iterator[str]:
        recipe, tokenizer = config[Mixture], config[TokenizerName].name
        if recipe.tokenizer != tokenizer:
            yield (f"the mixture {recipe.name} names the tokenizer {recipe.tokenizer}, not {tokenizer}; leave --tokenizer out, "
                   "or change the recipe")

    def input_digest(self, context: RunContext) -> str:
        """Known without a layout: the recipe, all token parts, and what dedup says of their documents."""
        parts = (part for stage in self.reads for part in manifest_of(stage, context).parts)
        return fingerprint(self.base(context), *(part.sha256 for part in parts))

    def prepare(self, context: RunContext) -> Layout:
        """Lays out the blocks, unless an interrupted run already did."""
        settings, digest = self.settings(context.config), self.input_digest(context)
        work = context.data / self.dataset(context.config) / WORK / digest
        try:
            layout = unseal(work.read(LAYOUT))
        except (FileNotFoundError, ValueError):
            encoder = Encoder(tokenizer_json(context.data, settings.tokenizer))
            tokens = context.data / TOKENIZE.dataset(context.config)
            related = related_documents(context.data / DEDUP.dataset(context.config), manifest_of(DEDUP, context).parts)
            lay_out(work, tokens, manifest_of(TOKENIZE, context).parts, settings, encoder, related)
            layout = unseal(work.read(LAYOUT))
        return Layout(work.uri, layout["shards"], layout["counts"])

    def tasks(self, context: RunContext, prepared: Layout) -> list[Task]:
        digest, shard = self.input_digest(context), Shard(prepared.folder, manifest_of(TOKENIZE, context).parts)
        return [Task(f"{split}-{number:05d}", digest, payload=shard, folder=split)
                for split in SPLITS for number in range(prepared.shards[split])]

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
        output.write(fill(planned, settings.mixture.block, tools.end_of_text, tools.dtype,
                          lambda part, row: fetch(tokens, shard.parts, part, row)))
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
                f"{_padding(train):.2%} of positions empty")


def lay_out(work: Folder, tokens: Folder, parts: tuple[Part, ...], settings: PackInputs, encoder: Encoder,
            related: pa.Table) -> None:
    """Write the layout of both splits into `work`: PLANNED rows, a stream a shard, and last `layout.json`."""
    present: dict[str, set[str]] = {column: set() for column in COLUMNS}
    indexes = []
    for number, part in enumerate(parts):
        for batch in _whole(tokens, part):
            indexes.append(index(batch, settings.mixture, number))
            for column, values in present.items():
                values.update(batch[column].unique().drop_null().to_pylist())
    indexed = pa.Table.from_batches(indexes, INDEX)
    layouts = plan_blocks(indexed, settings.mixture, present)
    rows = max(1, settings.pack.shard_bytes // (settings.mixture.block * encoder.dtype.itemsize))
    shards = {}
    for split, layout in zip(SPLITS, layouts, strict=True):
        shards[split] = max(1, -(-layout.blocks.num_rows // rows))
        for number in range(shards[split]):
            with StreamWriter(work, "", f"{split}-{number:05d}.arrow", PLANNED) as stream:
                for batch in layout.blocks.slice(number * rows, rows).to_batches():
                    stream.write(batch)
    work.write(LAYOUT, seal({"shards": shards, "counts": account(layouts, indexed, parts, encoder, related)}))


def related_documents(duplicates: Folder, parts: tuple[Part, ...]) -> pa.Table:
    """`near_copies.COLUMNS` of the documents that are in a cluster or contained in another."""
    batches = [batch.filter(pc.or_(pc.is_valid(batch["cluster"]), pc.is_valid(batch["contained_in"])))
               for part in parts for batch in read_batches(duplicates, part, near_copies.COLUMNS)]
    return pa.Table.from_batches(batches, pa.schema([(name, pa.string()) for name in near_copies.COLUMNS]))


def account(layouts: tuple[SplitLayout, SplitLayout], indexed: pa.Table, parts: tuple[Part, ...], encoder: Encoder,
            related: pa.Table) -> Counts:
    """Every token row: packed, of no entry of the recipe, or beyond what the recipe asks for. And near-copies held out."""
    spans = [layout.blocks["spans"].combine_chunks().flatten() for layout in layouts]
    rows = [np.asarray(s.field("part")).astype(np.int64) << 32 | np.asarray(s.field("row")) for s in spans]
    read, kept = sum(part.rows for part in parts), len(np.unique(np.concatenate(rows)))
    counts: Counts = {"read": read, "kept": kept, "vocabulary": encoder.vocab_size,
                      "rejected": {"no_entry": read - indexed.num_rows, "beyond_the_recipe": indexed.num_rows - kept}}
    for split, layout in zip(SPLITS, layouts, strict=True):
        entries = {p.entry: {"blocks": p.blocks, "documents": p.documents, "tokens": p.tokens, "empty": p.empty,
                             "passes": p.passes, "cut": p.cut} for p in layout.packed}
        counts[split] = {name: sum(e[name] for e in entries.values()) for name in ("blocks", "tokens", "empty")}
        counts[split]["entries"] = entries
    trained, held = (pa.array([id.hex() for id in s.field("id").unique().to_pylist()], pa.string()) for s in spans)
    counts["validation"]["near_copies"] = near_copies.both_sides(related, held, trained)
    return dict(json.loads(json.dumps(counts)))     # plain ints


def fetch(tokens: Folder, parts: tuple[Part, ...], part: np.ndarray, row: np.ndarray) -> pa.ListArray:
    """The tokens of these rows, given by ordinal of part and row, sorted; one row group at a time is held beside them."""
    fetched: list[pa.Array] = []
    for number in np.unique(part):
        wanted, start = row[part == number].astype(np.int64), 0
        for batch in read_batches(tokens, parts[number], ["tokens"]):
            here = wanted[(wanted >= start) & (wanted < start + batch.num_rows)] - start
            if len(here):
                fetched.append(batch["tokens"].take(pa.array(here)))
            start += batch.num_rows
    return pa.concat_arrays(fetched) if fetched else pa.array([], pa.list_(pa.uint16()))


def split_manifests(receipts: list[Receipt]) -> dict[str, bytes]:
    """The manifests of the two folders of blocks, by path: their files in training order."""
    files = {}
    for split in SPLITS:
        parts = [part for receipt in receipts for part in receipt.parts if part.path.startswith(f"{split}/")]
        listed = [to_plain(part) | {"path": part.path.removeprefix(f"{split}/")} for part in parts]
        files[f"{split}/{MANIFEST}"] = seal({"schema": MANIFEST_SCHEMA, "parts": listed})
    return files


def _whole(tokens: Folder, part: Part) -> list[pa.RecordBatch]:
    """The columns that the layout needs of a part, as one batch: row numbers count from its start."""
    batches = list(read_batches(tokens, part, INDEXED))
    return pa.Table.from_batches(batches).combine_chunks().to_batches() if batches else []


def _padding(counts: Counts) -> float:
    return counts["empty"] / max(1, counts["empty"] + counts["tokens"])


PACK = Pack()
