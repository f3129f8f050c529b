"""Tokenizer training: a byte-level BPE of the curated text, as a named input of later stages.

Trained only on request and never automatically again: `tokenize` uses the one that is there, and says when the text it was
trained on has changed since. Where there is more text than `sample_bytes`, texts are chosen by the hash of their ids.
"""

from collections.abc import Iterator

import pyarrow as pa
import pyarrow.compute as pc

from textmill.pipelines.contract.configuration import Configuration
from textmill.pipelines.contract.output import Files, Output
from textmill.pipelines.contract.part_files import read_batches
from textmill.pipelines.contract.parts import Counts, Part
from textmill.pipelines.contract.run import put_by_hand
from textmill.pipelines.contract.stage import RunContext, Stage, manifest_of
from textmill.pipelines.contract.storage import Folder, StageError
from textmill.pipelines.contract.task import Task, fingerprint
from textmill.pipelines.curate.stage import CURATE
from textmill.pipelines.tokens.settings import TokenizerName
from textmill.tokenizer.files import standard_files
from textmill.tokenizer.training import TokenizerSettings, chosen, train


class TrainTokenizer(Stage[TokenizerSettings, None, None]):
    """One task, done here and not by a worker: the trainer is one process with threads, its input a bounded sample."""

    name, version, unit = "tokenizer", 2, "texts"
    uses_workers = False
    reads = (CURATE,)
    libraries = ("tokenizers",)

    def dataset(self, config: Configuration) -> str:
        return f"tokenizers/{config[TokenizerName].name}"

    def settings(self, config: Configuration) -> TokenizerSettings:
        return config[TokenizerSettings]

    def output_format(self, tools: None, settings: TokenizerSettings) -> Files:
        return Files()

    def prepare(self, context: RunContext) -> None:
        """Refuses to write over a tokenizer that somebody put there."""
        dataset = context.data / self.dataset(context.config)
        if put_by_hand(dataset):
            raise StageError(f"{dataset.uri} has a tokenizer that was put there by hand; move it away, or give the new one "
                             "another name (--tokenizer, or in the recipe)")

    def tasks(self, context: RunContext, prepared: None) -> list[Task]:
        parts = manifest_of(CURATE, context).parts
        return [Task("tokenizer", fingerprint(self.base(context), *(part.sha256 for part in parts)),
                     payload=(CURATE.dataset(context.config), parts))]

    def work(self, tools: None, settings: TokenizerSettings, task: Task, batches: Iterator[tuple[pa.RecordBatch, ...]],
             output: Output) -> Counts:
        dataset, parts = task.payload
        curated = output.data / dataset
        total = sum(text_bytes(batch) for batch in texts(curated, parts))
        if not total:
            raise StageError("no text was curated, so there is nothing to train a tokenizer on")
        share = min(1.0, settings.sample_bytes / total)
        counts: Counts = {"read": 0, "kept": 0, "bytes": 0}

        def sample() -> Iterator[list[str]]:
            for batch in texts(curated, parts):
                taken = batch if share == 1 else batch.filter(pa.array([chosen(i, share) for i in batch["id"].to_pylist()]))
                counts["read"] += batch.num_rows
                counts["kept"] += taken.num_rows
                counts["bytes"] += text_bytes(taken)
                yield taken["text"].to_pylist()

        trained = train(sample(), settings)
        for name, content in standard_files(trained).items():
            output.write_file(name, content)
        return counts | {"tokens": settings.vocab_size, "rejected": {"beyond_sample_bytes": counts["read"] - counts["kept"]}}

    def summary(self, counts: Counts) -> str:
        sample = f"{counts['kept']:,} of {counts['read']:,} texts, {counts['bytes'] / 1e6:.1f} MB"
        return f"{counts['tokens']:,} tokens learned from {sample}"


def texts(curated: Folder, parts: tuple[Part, ...]) -> Iterator[pa.RecordBatch]:
    """Ids and texts of all parts."""
    for part in parts:
        yield from read_batches(curated, part, ["id", "text"])


def text_bytes(batch: pa.RecordBatch) -> int:
    """Bytes of text in a batch."""
    return pc.sum(pc.binary_length(batch["text"])).as_py() or 0


TOKENIZER = TrainTokenizer()
