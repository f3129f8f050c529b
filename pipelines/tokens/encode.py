"""Tokenize: the token ids of every curated text, computed once. A mixture or a block length only changes `pack`.

A dialogue is rendered by the chat template: `turns` then says, in tokens, what each role says and the end of its turn.
"""

import hashlib
import os
from collections.abc import Iterator
from typing import ClassVar

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from textmill.base.blocks_format import CHAT_FILES, TOKENIZER_FILES
from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.filesystems import StageError
from textmill.pipelines.contract.output import Output, Parquet
from textmill.pipelines.contract.parts import Counts, Manifest, add_counts, read_counts
from textmill.pipelines.contract.stage import RunContext, Stage
from textmill.pipelines.contract.storage import MANIFEST, Folder
from textmill.pipelines.contract.tally import tally
from textmill.pipelines.contract.task import Task
from textmill.pipelines.curate.stage import CURATE
from textmill.pipelines.extract.rows import TURNS
from textmill.pipelines.tokens.settings import TokenizerName
from textmill.tokenizer.bpe import LARGEST_UINT16_VOCABULARY, TokenizerError
from textmill.tokenizer.chat import check_chat_tokens, check_configuration, render_turns
from textmill.tokenizer.encoder import Encoder, compression


class Tokenize(Stage[str, Encoder, None]):
    """The stage that writes `tokens/<tokenizer>`: the token ids of every curated piece."""

    name, version, unit = "tokenize", 4, "texts"
    reads = (CURATE,)
    columns: ClassVar = {"curated": ["id", "piece", "pieces", "source", "language", "text", "cluster_size", "turns", "pair",
                                      "preferred"]}
    libraries = ("tokenizers",)

    def dataset(self, config: Configuration) -> str:
        return f"tokens/{config[TokenizerName].name}"

    def settings(self, config: Configuration) -> str:
        return config[TokenizerName].name

    def named_inputs(self, context: RunContext) -> dict[str, str]:
        file = tokenizer_json(context.data, self.settings(context.config))
        return {"tokenizer.json": hashlib.sha256(file.encode()).hexdigest()}

    def prepare(self, context: RunContext) -> None:
        """Refuses a tokenizer that cannot encode, or whose chat template breaks, before any worker does."""
        name = self.settings(context.config)
        try:
            encoder = Encoder(tokenizer_json(context.data, name), fast=False)   # asked at every look at what is up to date
            files = tokenizer_files(context.data, name)
            check_configuration(files[TOKENIZER_FILES[1]], files.get(CHAT_FILES[0]))
            curated = context.data / CURATE.dataset(context.config)
            if Manifest.read(curated) and read_counts(curated).get("dialogues"):
                check_chat_tokens(encoder)
        except TokenizerError as error:
            raise StageError(f"tokenizers/{name}: {' '.join(str(error).split())}") from None

    def open(self, settings: str, data: Folder) -> Encoder:
        os.environ["TOKENIZERS_PARALLELISM"] = "false"      # this process is one of several
        return Encoder(tokenizer_json(data, settings))

    def output_format(self, tools: Encoder, settings: str) -> Parquet:
        return Parquet(tokens_schema(tools.vocab_size))

    def work(self, tools: Encoder, settings: str, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        counts: Counts = {"read": 0, "kept": 0, "tokens": 0}
        for (curated,) in batches:
            tokens, turns = encoded(curated, tools)
            lengths = pc.cast(pc.list_value_length(tokens), pa.int32())
            bytes_ = pc.cast(pc.binary_length(curated["text"]), pa.int32())
            columns = [curated[name] for name in ("id", "piece", "pieces", "source", "language")]
            columns += [tokens, lengths, bytes_, curated["cluster_size"], turns, curated["pair"], curated["preferred"]]
            output.write(pa.RecordBatch.from_arrays(columns, schema=tokens_schema(tools.vocab_size)))
            sizes = compression(curated["text"], curated["language"], tokens)
            counts = add_counts(counts, {
                "read": curated.num_rows, "kept": curated.num_rows, "dialogues": len(turns) - turns.null_count,
                "tokens": pc.sum(lengths).as_py() or 0,
                "language": {row.pop("language"): {name: row[name] for name in ("documents", "bytes", "tokens", "words")}
                             for row in sizes.to_pylist()},
                "source": tally(curated["source"], documents=None, bytes=bytes_, tokens=lengths)})
        return counts

    def summary(self, counts: Counts) -> str:
        turned = f", {counts['dialogues']:,} of them dialogues" if counts.get("dialogues") else ""
        return f"{counts['read']:,} texts{turned}, {counts['tokens']:,} tokens"


def encoded(curated: pa.RecordBatch, encoder: Encoder) -> tuple[pa.ListArray, pa.ListArray]:
    """The ids of each text, and where its turns lie in them: null for a page."""
    texts, turns = curated["text"], curated["turns"]
    has_turns = turns.is_valid()
    pages = texts.filter(pc.invert(has_turns))
    ids = encoder.encode(pages)
    encoder.check(pages, ids)
    if len(pages) == len(texts):
        return ids, pa.nulls(len(texts), TURNS)
    dialogues, turns = texts.filter(has_turns).to_pylist(), turns.filter(has_turns)
    counts, of = turns.value_lengths().to_numpy(), pc.list_parent_indices(turns).to_pylist()
    roles, starts, ends = (turns.flatten().field(name) for name in ("role", "start", "end"))
    said = pa.array([dialogues[row][start:end] for row, start, end in
                     zip(of, starts.to_pylist(), ends.to_pylist(), strict=True)], pa.string())
    rendered, first, last = render_turns(roles.to_pylist(), said, counts, encoder)
    offsets = pa.array(np.append(0, np.cumsum(counts)).astype(np.int32))
    places = pa.ListArray.from_arrays(offsets, pa.StructArray.from_arrays(
        [roles, pa.array(first.astype(np.int32)), pa.array(last.astype(np.int32))], fields=list(TURNS.value_type)))
    order = np.empty(len(texts), np.int64)
    mask = has_turns.to_numpy(zero_copy_only=False)
    order[np.r_[np.flatnonzero(~mask), np.flatnonzero(mask)]] = np.arange(len(texts))
    return (pa.concat_arrays([ids, rendered]).take(pa.array(order)),
            pa.concat_arrays([pa.nulls(len(pages), TURNS), places]).take(pa.array(order)))


def tokens_schema(vocab_size: int) -> pa.Schema:
    """Columns of tokens/<name>: ids as uint16 where they fit."""
    ids = pa.uint16() if vocab_size <= LARGEST_UINT16_VOCABULARY else pa.uint32()
    return pa.schema([
        pa.field("id", pa.string(), nullable=False), pa.field("piece", pa.int32(), nullable=False),
        pa.field("pieces", pa.int32(), nullable=False), pa.field("source", pa.string(), nullable=False),
        pa.field("language", pa.string()), pa.field("tokens", pa.list_(ids), nullable=False),
        pa.field("token_count", pa.int32(), nullable=False), pa.field("bytes", pa.int32(), nullable=False),
        pa.field("cluster_size", pa.int32()), pa.field("turns", TURNS), pa.field("pair", pa.string()),
        pa.field("preferred", pa.bool_())])


def tokenizer_json(data: Folder, name: str) -> str:
    """The text of a tokenizer's file; StageError where there is none of that name, or it is damaged or without the other."""
    (file, config), folder = TOKENIZER_FILES, data / f"tokenizers/{name}"
    try:
        text = tokenizer_file(data, name, file).decode()
    except UnicodeDecodeError as error:
        raise StageError(f"{file} in {folder.uri} cannot be read ({error}); copy it again, or train one") from None
    if not folder.exists(config):           # blocks carry both
        raise StageError(f"there is no {config} in {folder.uri}; copy the one that belongs to it there, or write one with "
                         '{"tokenizer_class": "PreTrainedTokenizerFast"}')
    return text


def tokenizer_files(data: Folder, name: str) -> dict[str, bytes]:
    """The files of a tokenizer that go with it: `tokenizer.json` and those of the others that it has. StageError if damaged."""
    required, *optional = (*TOKENIZER_FILES, *CHAT_FILES)
    optional = [file for file in optional if (data / f"tokenizers/{name}").exists(file)]
    return {file: tokenizer_file(data, name, file) for file in (required, *optional)}


def tokenizer_file(data: Folder, name: str, file: str) -> bytes:
    """A file of a tokenizer, compared with its manifest where it has one: a tokenizer put there by hand has none."""
    folder = data / f"tokenizers/{name}"
    try:
        content = folder.read(file)
    except FileNotFoundError:
        raise StageError(f"there is no tokenizer {name!r} in {data.uri}/tokenizers; run `textmill tokenizer`") from None
    manifest = Manifest.read(folder)
    written = {part.path: part.sha256 for part in manifest.parts} if manifest else {}
    if hashlib.sha256(content).hexdigest() != written.get(file, hashlib.sha256(content).hexdigest()):
        raise StageError(f"{folder.uri}/{file} is damaged, or was changed by hand; delete it and run `textmill tokenizer`, or "
                         f"delete {folder.uri}/{MANIFEST} to keep it")
    return content


TOKENIZE = Tokenize()
